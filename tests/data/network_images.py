"""Random layers over images, and random operations: further families from which `network_cases.py` draws.

As in `network_layers.py`, a family gets the `Draw` and a shape with the batch, and returns a layer, or None.
"""

from __future__ import annotations

import numpy as np
from network_layers import known

# --- images -------------------------------------------------------------------------------------------------------


def window_arguments(d, lengths, dilates=True):
    """Window sizes, strides and padding that leave at least one position along every axis."""
    sizes = tuple(d.whole(1, min(3, length)) for length in lengths)
    arguments = {"padding": d.pick("valid", "same")}
    if d.chance(0.4):
        arguments["strides"] = d.pick(2, tuple(d.whole(1, 2) for _ in lengths))
    elif dilates and arguments["padding"] == "same" and d.chance(0.3):
        arguments["dilation_rate"] = 2
    return sizes[0] if len(set(sizes)) == 1 and d.chance(0.5) else sizes, arguments


def convolution_2d(d, shape):
    L = d.layers
    if not known(shape):
        return None
    kind = d.pick("Conv2D", "Conv2D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
    # TensorFlow knows no depthwise convolution of unlike strides.
    size, arguments = window_arguments(d, shape[1:3])
    if kind in ("DepthwiseConv2D", "SeparableConv2D") and isinstance(arguments.get("strides"), tuple):
        arguments["strides"] = 2
    arguments |= d.some(0.3, use_bias=[False], activation=[d.activation()])
    if kind == "DepthwiseConv2D":
        return L.DepthwiseConv2D(size, **arguments, **d.some(depth_multiplier=[2]))
    if kind == "SeparableConv2D":
        return L.SeparableConv2D(d.whole(1, 5), size, **arguments, **d.some(depth_multiplier=[2]))
    if kind == "Conv2DTranspose":
        arguments.pop("dilation_rate", None)
        return L.Conv2DTranspose(d.whole(1, 5), size, **arguments) if shape[1] < 12 else None
    groups = d.pick(*[n for n in range(1, shape[-1] + 1) if shape[-1] % n == 0]) if d.chance(0.3) else 1
    return L.Conv2D(groups * d.whole(1, 4), size, groups=groups, **arguments, **d.trained())


def transposed(d, shape):
    if not known(shape) or shape[1] > 12:
        return None
    return d.layers.Conv1DTranspose(
        d.whole(1, 5), d.whole(1, 4), **d.some(0.5, strides=[2, 3], padding=["same"], activation=[d.activation()])
    )


def pooling_2d(d, shape):
    if not known(shape):
        return None
    size, arguments = window_arguments(d, shape[1:3], dilates=False)
    return getattr(d.layers, d.pick("MaxPooling2D", "AveragePooling2D"))(size, **arguments)


def global_pooling_2d(d, shape):
    kind = d.pick("GlobalMaxPooling2D", "GlobalAveragePooling2D")
    return getattr(d.layers, kind)(**d.some(0.2, keepdims=[True])) if known(shape) else None


def resizing_2d(d, shape):
    L = d.layers
    if not known(shape):
        return None
    kind = d.pick("ZeroPadding2D", "Cropping2D", "UpSampling2D", "SpatialDropout2D")
    if kind == "SpatialDropout2D":
        return L.SpatialDropout2D(0.2)
    if kind == "Cropping2D":
        return L.Cropping2D(d.pick(1, (1, 0), ((0, 1), (1, 0)))) if min(shape[1:3]) > 3 else None
    if kind == "UpSampling2D":
        small = max(shape[1:3]) < 8
        return L.UpSampling2D(d.pick(2, (1, 2)), **d.some(interpolation=["bilinear"])) if small else None
    return L.ZeroPadding2D(d.pick(1, (1, 2), ((0, 1), (2, 0))))


def convolutional_lstm(d, shape):
    """Of series or images, as the rank says."""
    if not known(shape):
        return None
    size, arguments = window_arguments(d, shape[2:-1])
    arguments |= d.some(0.4, return_sequences=[True], recurrent_activation=["sigmoid", "tanh"])
    arguments |= d.some(0.15, go_backwards=[True], use_bias=[False], activation=["relu", "softsign"])
    arguments |= {"stateful": True} if d.stateful and d.chance(0.5) else {}
    layer = getattr(d.layers, f"ConvLSTM{len(shape) - 3}D")(d.whole(1, 4), size, **arguments)
    return d.layers.Bidirectional(layer, merge_mode=d.pick("concat", "sum")) if d.chance(0.2) else layer


# --- steps of a graph ---------------------------------------------------------------------------------------------


def heads(d, pool):
    """Attention of several heads."""
    found = [tensor for tensor in pool if len(tensor.shape) == 3]
    if not found:
        return None
    query, value = d.pick(*found), d.pick(*found)
    layer = d.layers.MultiHeadAttention(
        d.whole(1, 3), d.whole(1, 4), **d.some(value_dim=[2, 5], output_shape=[3], use_bias=[False], dropout=[0.1])
    )
    return [layer(query, value, **d.some(0.2, use_causal_mask=[True]))]


def operate(d, pool):
    """Operations of `keras.ops`, or TensorFlow's functions in Keras 2."""
    x = d.pick(*pool)
    if not known(tuple(x.shape)):
        return None
    if d.keras2:
        import tensorflow as tf

        return _in_tensorflow(d, x, tf)
    return _in_keras(d, x, d.keras.ops)


def _last(d, x):
    return d.pick(-1, len(x.shape) - 1)


def _constant(d, x):
    return d.rng.normal(size=x.shape[-1]).round(2).astype("float32")


def _in_keras(d, x, ops):
    axis = _last(d, x)
    choices = [
        lambda: ops.mean(x, axis=axis, keepdims=True),
        lambda: ops.sum(x, axis=1, keepdims=d.chance(0.5)),
        lambda: ops.max(x, axis=axis, keepdims=True),
        lambda: ops.tanh(x) * ops.sigmoid(x),
        lambda: ops.softmax(x, axis=axis),
        lambda: ops.log(ops.exp(-ops.abs(x)) + 1.0),
        lambda: ops.sqrt(ops.square(x) + 1.0),
        lambda: ops.clip(x, -0.5, 0.5),
        lambda: ops.where(x > 0.1, x, ops.zeros_like(x)),
        lambda: ops.concatenate([x, ops.relu(x)], axis=axis),
        lambda: ops.reshape(x, (-1, int(np.prod(x.shape[1:])))),
        lambda: ops.transpose(x, (0, *range(len(x.shape) - 1, 0, -1))),
        lambda: ops.squeeze(ops.expand_dims(x, 1), 1),
        lambda: ops.split(x, x.shape[-1], axis=-1)[0],
        lambda: ops.stack([x, x], axis=1)[:, 0],
        lambda: ops.cast(x, "float32") + _constant(d, x),
        lambda: ops.take(x, [0, x.shape[-1] - 1], axis=-1),
        lambda: ops.matmul(x, ops.transpose(x, (0, 2, 1))) if len(x.shape) == 3 else ops.multiply(x, x),
        lambda: ops.einsum("bij,bkj->bik", x, x) if len(x.shape) == 3 else ops.maximum(x, 0.0),
        lambda: ops.flip(x, axis=1),
        lambda: ops.minimum(x, _constant(d, x)),
        lambda: ops.argmax(x, axis=-1) * 1.0 if len(x.shape) > 2 else ops.negative(x),
        lambda: ops.cumsum(x, axis=1),
        lambda: ops.power(ops.abs(x) + 0.5, 1.5),
    ]
    return [d.pick(*choices)()]


def _in_tensorflow(d, x, tf):
    axis = _last(d, x)
    choices = [
        lambda: tf.reduce_mean(x, axis=axis, keepdims=True),
        lambda: tf.reduce_sum(x, axis=1, keepdims=d.chance(0.5)),
        lambda: tf.reduce_max(x, axis=axis, keepdims=True),
        lambda: tf.tanh(x) * tf.sigmoid(x),
        lambda: tf.nn.softmax(x, axis=axis),
        lambda: tf.math.log(tf.exp(-tf.abs(x)) + 1.0),
        lambda: tf.sqrt(tf.square(x) + 1.0),
        lambda: tf.clip_by_value(x, -0.5, 0.5),
        lambda: tf.where(x > 0.1, x, tf.zeros_like(x)),
        lambda: tf.concat([x, tf.nn.relu(x)], axis=axis),
        lambda: tf.reshape(x, (-1, int(np.prod(x.shape[1:])))),
        lambda: tf.transpose(x, (0, *range(len(x.shape) - 1, 0, -1))),
        lambda: tf.squeeze(tf.expand_dims(x, 1), 1),
        lambda: tf.split(x, int(x.shape[-1]), axis=-1)[0],
        lambda: tf.stack([x, x], axis=1)[:, 0],
        lambda: tf.cast(x, "float32") + _constant(d, x),
        lambda: tf.gather(x, [0, int(x.shape[-1]) - 1], axis=-1),
        lambda: tf.matmul(x, x, transpose_b=True) if len(x.shape) == 3 else tf.multiply(x, x),
        lambda: tf.einsum("bij,bkj->bik", x, x) if len(x.shape) == 3 else tf.maximum(x, 0.0),
        lambda: tf.reverse(x, axis=[1]),
        lambda: tf.minimum(x, _constant(d, x)),
        lambda: tf.cumsum(x, axis=1),
        lambda: tf.pow(tf.abs(x) + 0.5, 1.5),
        lambda: d.keras.backend.mean(x, axis=1, keepdims=True),
    ]
    return [d.pick(*choices)()]
