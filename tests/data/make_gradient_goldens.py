"""Writes gradients.json and gradients.npz: the gradients of single layers and activations, as real Keras 3 has them.

Run with an environment that has keras on TensorFlow: `python tests/data/make_gradient_goldens.py`.

gradients.json has `layers`, cases: `layer`, an expression over `keras.layers`; `inputs`, the names of arrays; `mask`,
the name of one, or null; `initial_state`, whether states are given; `training`. The scalar whose gradients they are is
the sum of all outputs times random numbers. It also has `activations`, calls such as `elu alpha=0.7`.

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
}

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
    yield "LSTM(3, activation='gelu', recurrent_activation='silu')", ["x"], None, True, True
    yield "GRU(3, activation='softsign', recurrent_activation='hard_sigmoid')", ["x"], None, False, True
    yield "GRU(3, activation='softmax', recurrent_activation='softmax', reset_after=False)", ["x"], None, True, True
    yield "SimpleRNN(3, activation='softmax')", ["x"], None, False, True
    yield "Dense(3)", ["row"], None, False, True
    yield "Dense(3, activation='softmax', use_bias=False)", ["x"], None, False, True
    yield "Dense(2, activation='gelu')", ["x"], None, False, True
    yield "Embedding(6, 3)", ["ids"], None, False, True


def joined(arrays):
    return np.concatenate([np.ravel(np.asarray(array, np.float32)) for array in arrays] or [np.zeros(0, np.float32)])


def answer(expression, names, mask, given, training):
    """What is stored of a case."""
    layer = eval(expression, vars(layers).copy())
    inputs = [tf.constant(INPUTS[name]) for name in names]
    x = inputs[0] if len(inputs) == 1 else inputs
    layer.build(x.shape if len(inputs) == 1 else [i.shape for i in inputs])
    layer.set_weights([positive(weight, normal(*weight.shape) * np.float32(0.8)) for weight in layer.weights])
    weights = layer.get_weights()
    states = [tf.constant(normal(*s.shape)) for s in tf.nest.flatten(layer.get_initial_state(BATCH))] if given else []
    kwargs = {} if mask is None else {"mask": tf.constant(MASKS[mask])}
    if given:
        kwargs["initial_state"] = states
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
