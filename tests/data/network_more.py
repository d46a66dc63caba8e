"""Volumes, attention with masks, constants, decoders in models, texts, and further operations.

As in `network_layers.py` and `network_images.py`: a family gets the `Draw` and a shape, a step the `Draw` and the pool.
"""

from __future__ import annotations

import numpy as np
from network_images import window_arguments
from network_layers import bidirectional, known, recurrent

# --- volumes, and axes in the other order ---------------------------------------------------------------------------


def convolution_3d(d, shape):
    if not known(shape):
        return None
    size, arguments = window_arguments(d, shape[1:4], dilates=False)
    arguments |= d.some(0.3, use_bias=[False], activation=[d.activation()])
    return d.layers.Conv3D(d.whole(1, 3), size, **arguments)


def pooling_3d(d, shape):
    if not known(shape):
        return None
    if d.chance(0.3):
        kind = d.pick("GlobalMaxPooling3D", "GlobalAveragePooling3D")
        return getattr(d.layers, kind)(**d.some(keepdims=[True]))
    size, arguments = window_arguments(d, shape[1:4], dilates=False)
    return getattr(d.layers, d.pick("MaxPooling3D", "AveragePooling3D"))(size, **arguments)


def resizing_3d(d, shape):
    L = d.layers
    if not known(shape):
        return None
    kind = d.pick("ZeroPadding3D", "Cropping3D", "UpSampling3D", "SpatialDropout3D")
    if kind == "Cropping3D":
        return L.Cropping3D(d.pick(1, (1, 0, 0), ((0, 1), (0, 0), (1, 0)))) if min(shape[1:4]) > 2 else None
    if kind == "UpSampling3D":
        return L.UpSampling3D(d.pick((1, 2, 1), (2, 1, 1))) if max(shape[1:4]) < 7 else None
    if kind == "SpatialDropout3D":
        return L.SpatialDropout3D(0.2)
    return L.ZeroPadding3D(d.pick(1, (1, 0, 1), ((0, 1), (1, 0), (0, 0))))


def channels_first(d, shape):
    """Layers that TensorFlow runs on a CPU with the channels before the other axes."""
    L = d.layers
    if not known(shape):
        return None
    kind = d.pick("Padding", "Cropping", "UpSampling", "Global", "Flatten")
    arguments = {"data_format": "channels_first"}
    if kind == "Padding":
        return L.ZeroPadding2D(d.pick(1, (0, 2)), **arguments)
    if kind == "Cropping":
        return L.Cropping2D(d.pick((1, 0), ((0, 1), (0, 0))), **arguments) if min(shape[2:]) > 2 else None
    if kind == "UpSampling":
        return L.UpSampling2D((1, 2), **arguments) if max(shape[2:]) < 8 else None
    if kind == "Flatten":
        return L.Flatten(**arguments) if np.prod(shape[1:]) <= 200 else None
    return getattr(L, d.pick("GlobalMaxPooling2D", "GlobalAveragePooling2D"))(**arguments, **d.some(keepdims=[True]))


def einsum_dense(d, shape):
    if len(shape) == 2:
        return d.layers.EinsumDense("ab,bc->ac", output_shape=d.units(), **d.some(0.6, bias_axes=["c"]))
    if len(shape) != 3 or not known(shape):
        return None
    equation, output, bias = d.pick(
        ("abc,cd->abd", (None, d.units()), "d"),
        ("abc,cde->abde", (None, d.whole(1, 3), d.whole(1, 3)), "de"),
        ("abc,bd->adc", (d.whole(2, 5), shape[2]), "d"),
        ("...x,xy->...y", d.units(), "y"),
    )
    return d.layers.EinsumDense(equation, output_shape=output, **d.some(0.6, bias_axes=[bias]))


# --- attention ------------------------------------------------------------------------------------------------------


def _of_rank(d, pool, rank):
    found = [tensor for tensor in pool if len(tensor.shape) == rank]
    return d.pick(*found) if found else None


def masked_heads(d, pool):
    """Attention of several heads, with a mask of its own, of several axes, or with its scores."""
    query, value = _of_rank(d, pool, 3), _of_rank(d, pool, 3)
    if query is None or not known(query.shape) or not known(value.shape):
        return None
    layer = d.layers.MultiHeadAttention(d.whole(1, 3), d.whole(1, 4), **d.some(value_dim=[2], use_bias=[False]))
    arguments = {}
    if d.chance(0.6):
        arguments["attention_mask"] = d.rng.random((1, query.shape[1], value.shape[1])) < 0.7
    if d.chance(0.3):
        arguments["key"] = value
    if d.chance(0.3):
        return list(layer(query, value, return_attention_scores=True, **arguments))
    return [layer(query, value, **arguments)]


def grouped_heads(d, pool):
    query, value = _of_rank(d, pool, 3), _of_rank(d, pool, 3)
    if d.keras2 or query is None:
        return None
    heads = d.whole(1, 2)
    layer = d.layers.GroupQueryAttention(d.whole(1, 4), heads * d.whole(1, 2), heads, **d.some(use_bias=[False]))
    return [layer(query, value, **d.some(0.2, use_causal_mask=[True]))]


def scored_attention(d, pool):
    """The older attention, with its scores, or with masks that are constants."""
    value = _of_rank(d, pool, 3)
    if value is None:
        return None
    kind = d.pick("Attention", "AdditiveAttention")
    layer = getattr(d.layers, kind)(**d.some(use_scale=[True, False]))
    return list(layer([value, value], return_attention_scores=True))


# --- constants ------------------------------------------------------------------------------------------------------


def constants(d, pool):
    """Initial states, masks and operands that are no tensors."""
    source = _of_rank(d, pool, 3)
    if source is None or not known(source.shape):
        return None
    kind = d.pick("states", "mask", "operand", "merge")
    if kind == "operand":
        return [source * d.rng.normal(size=source.shape[1:]).round(2).astype("float32")]
    if kind == "merge":
        if d.keras2:
            return None
        return [d.layers.Add()([source, d.rng.normal(size=(1, *source.shape[1:])).astype("float32")])]
    batch = 3  # that of `network_cases.py`
    units = d.units()
    layer = recurrent(d, tuple(source.shape), kind=d.pick("LSTM", "GRU"), units=units, stateful=False)
    if kind == "mask":
        return _flat(layer(source, mask=d.rng.random((batch, source.shape[1])) < 0.6))
    states = [
        d.rng.normal(size=(batch, units)).astype("float32") for _ in range(2 if "LSTM" in type(layer).__name__ else 1)
    ]
    if d.keras2:
        states = [d.tensorflow.constant(state) for state in states]
    return _flat(layer(source, initial_state=states))


def _flat(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


# --- models inside --------------------------------------------------------------------------------------------------


def decoder_model(d, pool):
    """A nested model that decodes from states which it is given, on what may carry a mask."""
    source, target = _of_rank(d, pool, 3), _of_rank(d, pool, 3)
    if source is None or d.stateful:
        return None
    L, kind, units = d.layers, d.pick("LSTM", "GRU", "SimpleRNN"), d.units()
    both = d.chance(0.3)
    make = bidirectional if both else recurrent
    _, *states = make(d, tuple(source.shape), kind=kind, units=units, return_state=True, stateful=False)(source)
    x = d.keras.Input(tuple(target.shape[1:]))
    inner = [d.keras.Input((units,)) for _ in states]
    y = L.Dense(d.whole(1, 4))(x) if d.chance(0.4) else x
    fixed = {"kind": kind, "units": units, "return_sequences": d.chance(0.7), "stateful": False}
    y = make(d, tuple(y.shape), **fixed)(y, initial_state=inner)
    model = d.keras.Model([x, *inner], L.Dense(2)(y))
    return _flat(model([target, *states]))


def model_of_dicts(d, pool):
    """A nested model whose inputs and outputs have names."""
    one = d.pick(*pool)
    if not known(one.shape) or len(one.shape) > 3:
        return None
    a, b = d.keras.Input(tuple(one.shape[1:]), name="a"), d.keras.Input(tuple(one.shape[1:]), name="b")
    outputs = {"sum": d.layers.Add()([a, b]), "wide": d.layers.Dense(3)(d.layers.Concatenate()([a, b]))}
    made = d.keras.Model({"a": a, "b": b}, outputs)({"a": one, "b": one * 0.5})
    return [made["sum"], made["wide"]]


# --- operations -----------------------------------------------------------------------------------------------------


def operate_more(d, pool):
    x = d.pick(*pool)
    if not known(tuple(x.shape)) or len(x.shape) > 4:
        return None
    return [d.pick(*(_more_in_tensorflow(d, x, d.tensorflow) if d.keras2 else _more_in_keras(d, x, d.keras.ops)))()]


def _more_in_keras(d, x, ops):
    last = x.shape[-1]
    small = ops.tanh(x) * 0.9
    axes = tuple(range(1, len(x.shape)))
    return [
        lambda: ops.var(x, axis=-1, keepdims=True),
        lambda: ops.std(x, axis=1, keepdims=True),
        lambda: ops.mean(x, axis=axes, keepdims=True),
        lambda: ops.prod(ops.tanh(x), axis=-1, keepdims=True),
        lambda: ops.logsumexp(x, axis=-1, keepdims=True),
        lambda: ops.sort(x, axis=-1),
        lambda: ops.roll(x, 1, axis=1),
        lambda: ops.repeat(x, 2, axis=-1),
        lambda: ops.tile(x, (1,) * (len(x.shape) - 1) + (2,)),
        lambda: ops.pad(x, ((0, 0),) * (len(x.shape) - 1) + ((1, 2),), constant_values=0.5),
        lambda: ops.swapaxes(x, 1, -1),
        lambda: ops.moveaxis(x, 1, -1),
        lambda: ops.floor(x) + ops.ceil(x) + ops.round(x) + ops.sign(x),
        lambda: ops.sin(x) + ops.cos(x) + ops.arctan(x),
        lambda: ops.arcsin(small) + ops.arccos(small) + ops.arctanh(small),
        lambda: ops.log1p(ops.abs(x)) + ops.expm1(-ops.abs(x)),
        lambda: ops.rsqrt(ops.abs(x) + 0.5),
        lambda: ops.leaky_relu(x, 0.3) + ops.elu(x) + ops.selu(x) + ops.gelu(x, approximate=False),
        lambda: ops.softplus(x) + ops.softsign(x) + ops.silu(x) + ops.hard_sigmoid(x),
        lambda: ops.one_hot(ops.cast(ops.clip(x, 0, 2), "int32"), 3) if len(x.shape) < 4 else ops.relu6(x),
        lambda: ops.where(ops.logical_and(x > -0.5, x < 0.5), x, ops.full_like(x, 0.25)),
        lambda: ops.cast(ops.logical_or(x > 0.5, ops.logical_not(x > -0.5)), "float32"),
        lambda: ops.cast(ops.any(x > 0.3, axis=-1, keepdims=True), "float32"),
        lambda: ops.norm(x, axis=-1, keepdims=True),
        lambda: ops.normalize(x + 0.1, axis=-1),
        lambda: ops.take_along_axis(x, ops.argsort(x, axis=-1), axis=-1),
        lambda: ops.top_k(x, min(2, last))[0],
        lambda: ops.max(x, axis=-1) * 1.0 if len(x.shape) > 2 else ops.min(x, axis=-1, keepdims=True),
        lambda: (
            ops.broadcast_to(x[:, :1], (3, *x.shape[1:]))
            if d.stateful
            else ops.diff(x, axis=1)
            if x.shape[1] > 1
            else -x
        ),
        lambda: ops.dot(x, d.rng.normal(size=(last, 3)).round(2).astype("float32")),
        lambda: ops.tensordot(x, d.rng.normal(size=(last, 2)).round(2).astype("float32"), axes=1),
        lambda: ops.unstack(x, axis=1)[0] if len(x.shape) > 2 else ops.cbrt(ops.abs(x) + 0.1),
        lambda: ops.concatenate([x, d.rng.normal(size=(3, *x.shape[1:])).astype("float32")], axis=-1),
        lambda: ops.mod(x, 0.7) + ops.floor_divide(x, 0.7),
        lambda: x**2 - 2 / (ops.abs(x) + 1) + (3 - x) // 2 + (x % 2),
        lambda: ops.fmax(x, 0.1) + ops.hypot(x, 1.0) + ops.arctan2(x, ops.abs(x) + 1.0),
        lambda: ops.tril(x) + ops.triu(x, 1) if len(x.shape) == 3 else ops.trunc(x * 3),
        lambda: ops.stop_gradient(x) + ops.isfinite(x),
        lambda: ops.median(x, axis=-1, keepdims=True) + ops.ptp(x, axis=-1, keepdims=True),
    ]


def _more_in_tensorflow(d, x, tf):
    last = int(x.shape[-1])
    small = tf.tanh(x) * 0.9
    axes = list(range(1, len(x.shape)))
    return [
        lambda: tf.math.reduce_variance(x, axis=-1, keepdims=True),
        lambda: tf.math.reduce_std(x, axis=1, keepdims=True),
        lambda: tf.reduce_mean(x, axis=axes, keepdims=True),
        lambda: tf.reduce_prod(tf.tanh(x), axis=-1, keepdims=True),
        lambda: tf.reduce_logsumexp(x, axis=-1, keepdims=True),
        lambda: tf.roll(x, 1, axis=1),
        lambda: tf.repeat(x, 2, axis=-1),
        lambda: tf.tile(x, [1] * (len(x.shape) - 1) + [2]),
        lambda: tf.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[1, 2]]),
        lambda: tf.floor(x) + tf.math.ceil(x) + tf.round(x) + tf.sign(x),
        lambda: tf.sin(x) + tf.cos(x) + tf.atan(x),
        lambda: tf.asin(small) + tf.acos(small),
        lambda: tf.math.log1p(tf.abs(x)) + tf.math.expm1(-tf.abs(x)),
        lambda: tf.math.rsqrt(tf.abs(x) + 0.5),
        lambda: tf.nn.leaky_relu(x, 0.3) + tf.nn.elu(x) + tf.nn.selu(x) + tf.nn.gelu(x),
        lambda: tf.nn.softplus(x) + tf.nn.softsign(x) + tf.nn.silu(x) + tf.nn.relu6(x),
        lambda: tf.one_hot(tf.cast(tf.clip_by_value(x, 0, 2), "int32"), 3) if len(x.shape) < 4 else tf.nn.relu6(x),
        lambda: tf.where(tf.logical_and(x > -0.5, x < 0.5), x, tf.ones_like(x) * 0.25),
        lambda: tf.cast(tf.logical_or(x > 0.5, tf.logical_not(x > -0.5)), "float32"),
        lambda: tf.cast(tf.reduce_any(x > 0.3, axis=-1, keepdims=True), "float32"),
        lambda: tf.norm(x, axis=-1, keepdims=True),
        lambda: tf.nn.l2_normalize(x + 0.1, axis=-1),
        lambda: tf.math.l2_normalize(x + 0.1, axis=1),
        lambda: tf.math.top_k(x, min(2, last))[0],
        lambda: tf.tensordot(x, tf.constant(d.rng.normal(size=(last, 2)).round(2).astype("float32")), axes=1),
        lambda: tf.unstack(x, axis=1)[0] if len(x.shape) > 2 else tf.math.square(x),
        lambda: tf.math.floormod(x, 0.7) + tf.math.floordiv(x, 0.7),
        lambda: x**2 - 2 / (tf.abs(x) + 1) + (3 - x) // 2 + (x % 2),
        lambda: tf.math.multiply_no_nan(x, 0.5 * x),
        lambda: tf.linalg.band_part(x, -1, 0) if len(x.shape) == 3 else tf.math.reciprocal(tf.abs(x) + 1),
        lambda: tf.stop_gradient(x) * 1.0,
        lambda: tf.math.squared_difference(x, 0.5),
        lambda: tf.math.add_n([x, x, x]),
        lambda: tf.strided_slice(x, [0, 0], [3, 1]) if d.stateful else x[:, ::2],
        lambda: x[..., 0] if len(x.shape) > 2 else x[:, 0:1],
        lambda: x[:, tf.newaxis][:, 0],
        lambda: d.keras.backend.sum(x, axis=-1, keepdims=True),
        lambda: d.keras.backend.concatenate([x, x], axis=-1),
        lambda: d.keras.backend.batch_dot(x, x, axes=(2, 2)) if len(x.shape) == 3 else d.keras.backend.square(x),
        lambda: d.keras.backend.permute_dimensions(x, (0, *range(len(x.shape) - 1, 0, -1))),
        lambda: tf.image.flip_left_right(x) if len(x.shape) == 4 else d.keras.backend.clip(x, -0.3, 0.4),
        lambda: (
            tf.cast(tf.argmax(x, axis=-1), "float32")
            if len(x.shape) > 2
            else tf.cast(tf.shape(x)[1:], "float32") + x * 0
        ),
        lambda: tf.reshape(x, (-1, last)) if False else tf.reshape(x, [-1, int(np.prod(x.shape[1:])), 1]),
        lambda: tf.sequence_mask(tf.cast(tf.abs(x[:, 0]), "int32"), 4, dtype="float32") if len(x.shape) == 2 else x + 1,
    ]
