"""Writes gradients.json and gradients.npz: the gradients of single layers and activations, as real Keras 3 has them.

Run with an environment that has keras on TensorFlow: `python tests/data/make_gradient_goldens.py`.

gradients.json has `layers`, cases: `layer`, an expression over `keras.layers`; `inputs`, the names of arrays; `mask`,
the name of one, a list of such for several inputs, or null; `initial_state`, whether states are given; `training`. The
scalar whose gradients they are is the sum of all outputs times random numbers. It also has `activations`, calls such as
`elu alpha=0.7`.

gradients.npz has the inputs and masks; for case n the array `n`: one after the other all weights, given states, those
random numbers, the gradients by the inputs (but ids), the states and the trainable weights, and the weights that are
not trainable, after the call; and `activations`, of each the gradient at `x_activation` times `r_activation`.
"""

import inspect
import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from keras import layers

HERE = Path(__file__).parent
BATCH, TIMESTEPS, FEATURES = 3, 5, 4
RNG = np.random.default_rng(53)

FULL = np.ones((BATCH, TIMESTEPS), bool)
MASKS = {name: FULL.copy() for name in ("right", "left", "inner", "row")}
MASKS["right"][0, 3:] = MASKS["right"][2, 1:] = False
MASKS["left"][0, :2] = MASKS["left"][1, :4] = False
MASKS["inner"][:, 2] = MASKS["inner"][1, 3:] = False
MASKS["row"][1] = False


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


INPUTS = {
    "x": normal(BATCH, TIMESTEPS, FEATURES),
    "row": normal(BATCH, FEATURES),
    "ids": RNG.integers(0, 6, (BATCH, TIMESTEPS)).astype(np.int32),
    "other": normal(BATCH, TIMESTEPS, FEATURES),
    "column": normal(BATCH, TIMESTEPS, 1),
    "keys": normal(BATCH, 6, FEATURES),
    "values": normal(BATCH, 6, 2),
    "image": normal(2, 5, 4, 2),
    "volume": normal(2, 3, 4, 2, 2),
}
# Ties, as after a relu.
INPUTS["tied"] = np.maximum(INPUTS["x"], 0)
INPUTS["volume_of_steps"] = normal(2, 3, 4, 2)
INPUTS["gaps"] = INPUTS["x"] * MASKS["inner"][..., np.newaxis]

ACTIVATIONS = {
    "linear": [{}],
    "relu": [{}, {"negative_slope": 0.25, "max_value": 2.5, "threshold": 0.75}],
    "relu6": [{}],
    "leaky_relu": [{}],
    "elu": [{}, {"alpha": 0.7}],
    "selu": [{}],
    "celu": [{}, {"alpha": 0.7}],
    "gelu": [{}, {"approximate": True}],
    "silu": [{}],
    "hard_silu": [{}],
    "mish": [{}],
    "softplus": [{}],
    "softsign": [{}],
    "softmax": [{}],
    "log_softmax": [{}],
    "sparsemax": [{}],
    "sigmoid": [{}],
    "hard_sigmoid": [{}],
    "sparse_sigmoid": [{}],
    "log_sigmoid": [{}],
    "tanh": [{}],
    "hard_tanh": [{}],
    "tanh_shrink": [{}],
    "hard_shrink": [{}],
    "soft_shrink": [{}],
    "squareplus": [{}],
    "sparse_plus": [{}],
    "exponential": [{}],
}


def cases():
    """`(layer, inputs, mask, given states?, training)`."""
    sequences = "return_sequences=True"
    both = f"{sequences}, return_state=True"
    for kind in ("LSTM(3", "GRU(3", "GRU(3, reset_after=False", "SimpleRNN(3"):
        yield f"{kind})", ["x"], None, False, True
        yield f"{kind}, {both})", ["x"], None, True, True
        yield f"{kind}, {both}, go_backwards=True)", ["x"], "inner", True, True
        yield f"{kind}, return_state=True)", ["x"], "right", True, True
        yield f"{kind}, {sequences}, zero_output_for_mask=True)", ["x"], "left", True, True
        yield f"{kind}, {sequences}, go_backwards=True, use_bias=False)", ["x"], "row", False, True
    yield "LSTM(3, activation='relu', recurrent_activation='hard_sigmoid')", ["x"], None, False, True
    yield "LSTM(3, activation='softmax', recurrent_activation='softmax')", ["x"], "inner", True, True
    yield "LSTM(3, activation='gelu', recurrent_activation='hard_sigmoid')", ["x"], None, True, True
    yield "GRU(3, activation='softsign', recurrent_activation='hard_sigmoid')", ["x"], None, False, True
    yield "GRU(3, activation='softmax', recurrent_activation='softmax', reset_after=False)", ["x"], None, True, True
    yield "SimpleRNN(3, activation='softmax')", ["x"], None, False, True
    yield "Dense(3)", ["row"], None, False, True
    yield "Dense(3, activation='softmax', use_bias=False)", ["x"], None, False, True
    yield "Dense(2, activation='gelu')", ["x"], None, False, True
    yield "Embedding(6, 3)", ["ids"], None, False, True
    yield from other_layers()
    yield from recurrent_wrappers()
    yield from convolutions()


def other_layers():
    """Layers without a time loop."""
    for layer in (
        *("Masking()", "Flatten()", "Flatten('channels_first')", "Reshape((10, 2))", "Permute((2, 1))", "ReLU()"),
        *("LeakyReLU()", "ELU()", "PReLU()", "PReLU(shared_axes=[1])", "Softmax()", "Softmax(1)"),
        *("Activation('tanh')", "Activation('softmax')", "Rescaling(0.5, 2.0)"),
        *("UnitNormalization()", "UnitNormalization([1, 2])", "LayerNormalization()", "LayerNormalization([1, 2])"),
        *("LayerNormalization(scale=False)", "GroupNormalization(2)", "RMSNormalization()", "BatchNormalization()"),
        *("BatchNormalization(axis=1, scale=False)", "BatchNormalization(center=False)"),
        *("MaxPooling1D(2)", "MaxPooling1D(3, 1, 'same')", "AveragePooling1D(2, 1)", "AveragePooling1D(3, 2, 'same')"),
        *("GlobalMaxPooling1D()", "GlobalAveragePooling1D()", "GlobalAveragePooling1D(keepdims=True)"),
        *("ZeroPadding1D((1, 2))", "Cropping1D((1, 2))", "UpSampling1D(3)"),
        *("Conv1D(3, 2)", "Conv1D(4, 3, padding='causal', groups=2, activation='relu')", "Conv1D(2, 3, 2, 'same')"),
        *("Conv1D(3, 2, dilation_rate=2, use_bias=False, activation='softmax')",),
        *("TimeDistributed(Dense(3, activation='tanh'))", "TimeDistributed(LayerNormalization())"),
    ):
        yield layer, ["x"], None, False, True
    for layer in ("Masking()", "BatchNormalization()"):
        yield layer, ["gaps"], "inner" if layer.startswith("B") else None, False, True
    yield "BatchNormalization()", ["x"], None, False, False
    yield "GlobalAveragePooling1D()", ["x"], "right", False, True
    for layer in ("MaxPooling1D(2)", "GlobalMaxPooling1D()"):
        yield layer, ["tied"], None, False, True
    yield "RepeatVector(3)", ["row"], None, False, True
    for layer in ("Conv2D(3, (2, 3))", "MaxPooling2D((2, 2), 1)", "AveragePooling2D(2)", "GlobalMaxPooling2D()"):
        yield layer, ["image"], None, False, True
    for layer in ("ZeroPadding2D(((1, 0), (2, 1)))", "Cropping2D(1)", "UpSampling2D((2, 3))", "Flatten()"):
        yield layer, ["image"], None, False, True
    yield "UpSampling2D(2, interpolation='bilinear')", ["image"], None, False, True
    yield "Conv3D(2, 2, padding='same')", ["volume"], None, False, True
    for layer in ("Add()", "Subtract()", "Multiply()", "Average()", "Maximum()", "Minimum()", "Concatenate(1)"):
        yield layer, ["x", "other"], None, False, True
    for layer in ("Add()", "Multiply()", "Maximum()"):
        yield layer, ["x", "other", "column"], None, False, True
    for layer in ("Multiply()", "Maximum()"):
        yield layer, ["x", "other"], ["right", "left"], False, True
    yield "Dot(2)", ["x", "other"], None, False, True
    yield "Dot((1, 1), normalize=True)", ["x", "other"], None, False, True
    for layer in ("Attention()", "Attention(use_scale=True)", "AdditiveAttention()"):
        yield layer, ["x", "keys"], None, False, True
    yield "Attention(score_mode='concat', use_scale=True)", ["x", "values", "keys"], None, False, True
    yield "Attention()", ["x", "other"], ["right", "inner"], False, True


def recurrent_wrappers():
    """`Bidirectional`, stacks of cells."""
    for merge in ("'concat'", "'sum'", "'mul'", "'ave'", "None"):
        yield f"Bidirectional(LSTM(3, return_sequences=True), {merge})", ["x"], "inner", False, True
    yield "Bidirectional(GRU(2, return_state=True))", ["x"], None, True, True
    yield "Bidirectional(LSTM(2, return_sequences=True, return_state=True), 'mul')", ["x"], "left", True, True
    yield "RNN([LSTMCell(3), GRUCell(2)], return_sequences=True, return_state=True)", ["x"], "right", True, True
    yield "RNN([SimpleRNNCell(2), LSTMCell(3)], go_backwards=True)", ["x"], "inner", False, True
    yield "TimeDistributed(LSTM(2))", ["volume_of_steps"], None, False, True


def convolutions():
    """Transposed convolutions, and those of recurrent layers."""
    for layer in (
        *("Conv1DTranspose(3, 2)", "Conv1DTranspose(2, 3, strides=2, padding='same', activation='relu')"),
        *("Conv1DTranspose(2, 2, strides=3, output_padding=1, use_bias=False)",),
        "Conv1DTranspose(2, 3, dilation_rate=2, activation='softmax')",
    ):
        yield layer, ["x"], None, False, True
    yield "Conv2DTranspose(3, (2, 3), strides=(2, 1))", ["image"], None, False, True
    yield "Conv2DTranspose(2, 3, strides=2, padding='same')", ["image"], None, False, True
    yield "Conv3DTranspose(2, 2, strides=(2, 1, 2), padding='same')", ["volume"], None, False, True
    yield "ConvLSTM1D(3, 2, dilation_rate=2, use_bias=False)", ["volume_of_steps"], None, False, True
    yield "ConvLSTM2D(3, (2, 3), padding='same', return_sequences=True)", ["volume"], None, False, True
    more = "recurrent_activation='hard_sigmoid', return_state=True, go_backwards=True"
    yield f"ConvLSTM2D(2, 2, strides=(2, 1), activation='relu', {more})", ["volume"], None, False, True


def joined(arrays):
    return np.concatenate([np.ravel(np.asarray(array, np.float32)) for array in arrays] or [np.zeros(0, np.float32)])


def answer(expression, names, mask, given, training):
    """What is stored of a case."""
    layer = eval(expression, vars(layers).copy())
    inputs = [tf.constant(INPUTS[name]) for name in names]
    x = inputs[0] if len(inputs) == 1 else inputs
    layer.build(tuple(x.shape) if len(inputs) == 1 else [tuple(i.shape) for i in inputs])
    layer.set_weights([positive(weight, normal(*weight.shape) * np.float32(0.8)) for weight in layer.weights])
    weights = layer.get_weights()
    directions = [layer.forward_layer, layer.backward_layer] if isinstance(layer, layers.Bidirectional) else [layer]
    zeros = [state for direction in directions for state in direction.get_initial_state(BATCH)] if given else []
    states = [tf.constant(normal(*state.shape)) for state in tf.nest.flatten(zeros)]
    kwargs = {} if mask is None else {"mask": tf.nest.map_structure(lambda name: tf.constant(MASKS[name]), mask)}
    if mask is not None and "mask" not in inspect.signature(layer.call).parameters:
        for tensor, of_tensor in zip(inputs, kwargs.pop("mask"), strict=True):
            tensor._keras_mask = of_tensor
    if given:
        kwargs["initial_state"] = tf.nest.pack_sequence_as(zeros, states)
    if "training" in inspect.signature(layer.call).parameters:
        kwargs["training"] = training
    with tf.GradientTape() as tape:
        tape.watch([*inputs, *states])
        outputs = tf.nest.flatten(layer(x, **kwargs))
        random = [normal(*output.shape) for output in outputs]
        total = sum(tf.reduce_sum(output * r) for output, r in zip(outputs, random, strict=True))
    by = [i for i in inputs if i.dtype.is_floating] + states + [w.value for w in layer.trainable_weights]
    gradients = [tf.convert_to_tensor(g) for g in tape.gradient(total, by)]
    others = [weight for weight in layer.weights if not weight.trainable]
    return joined([*weights, *states, *random, *gradients, *others])


def positive(weight, array):
    return np.abs(array) if "variance" in weight.name else array


def main():
    described, arrays = [], {**INPUTS, **{f"mask_{name}": mask for name, mask in MASKS.items()}}
    for expression, names, mask, given, training in cases():
        arrays[str(len(described))] = answer(expression, names, mask, given, training)
        described.append(
            {"layer": expression, "inputs": names, "mask": mask, "initial_state": given, "training": training}
        )
    x = np.random.default_rng(20).normal(0.0, 3.0, (4, 9)).astype(np.float32)
    x[1] /= 10
    x[2] = [-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 6.0]
    r = normal(*x.shape)
    calls = {
        " ".join([function, *(f"{argument}={value}" for argument, value in arguments.items())]): (function, arguments)
        for function, each in ACTIVATIONS.items()
        for arguments in each
    }
    answers = np.stack([activation(*call, x, r) for call in calls.values()])
    arrays |= {"x_activation": x, "r_activation": r, "activations": answers}
    text = json.dumps({"layers": described, "activations": list(calls)}, indent=1)
    (HERE / "gradients.json").write_text(text + "\n", encoding="utf-8")
    np.savez_compressed(HERE / "gradients.npz", **arrays)


def activation(function, arguments, x, r):
    point = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(point)
        total = tf.reduce_sum(getattr(keras.activations, function)(point, **arguments) * r)
    return tape.gradient(total, point).numpy()


if __name__ == "__main__":
    main()
