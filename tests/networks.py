"""Random arrays, weights and networks, the same in every run: what the tests of all floors begin with."""

from __future__ import annotations

import warnings

import numpy as np

from fastlstm import Input, Model, Sequential
from fastlstm.layers import LSTM, Dense


def random(*shape, seed=0):
    """N(0, 1) in float32; other values for another shape or seed."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def weights(*shape, seed=0, scale=0.4):
    """Weights of one array, as the engine's ops take them."""
    return random(*shape, seed=seed) * np.float32(scale)


def randomized(layer, x=None, seed=0, scale=0.8):
    """The layer or model with weights of which no two blocks are alike.

    A layer that is not built yet is built for the shape of `x`. Variances stay positive.
    """
    if not layer.built:
        layer.build(np.shape(x))
    arrays = [weights(*weight.shape, seed=seed + n, scale=scale) for n, weight in enumerate(layer.weights)]
    pairs = zip(arrays, layer.weights, strict=True)
    layer.set_weights([np.abs(array) if "variance" in weight.name else array for array, weight in pairs])
    return layer


def network(*layers, shape=(None, 3), batch_size=None, seed=0, scale=0.4):
    """A Sequential of the layers with random weights."""
    return randomized(Sequential([Input(shape, batch_size=batch_size), *layers]), seed=seed, scale=scale)


def one_by_one(model, x):
    """What the parts of the model's plan give, each by itself, for a list of inputs."""
    plan = model.current_plan
    slots, masks = [*x, *[None] * plan._calls.slots], [None] * plan._calls.slots
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # layers by themselves say that they destroy masks
        for part in plan.parts:
            part.run(slots, masks)
    return [slots[index] for index in plan._outputs]


def flat(outputs):
    """The outputs of a model as a list, those of a dict by its sorted keys."""
    if isinstance(outputs, dict):
        return [outputs[key] for key in sorted(outputs)]
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def two_branches(inputs=list, outputs=list):
    """Two inputs and two outputs in a structure of the caller's, and the layers."""
    a, b = Input((5, 3), name="a"), Input((5, 3), name="b")
    left, right = LSTM(4, name="left"), Dense(2, name="right")
    tensors, results = {"a": a, "b": b}, {"l": left(a), "r": right(b)}
    packed = [
        make(named) if make is dict else make(named.values()) for make, named in ((inputs, tensors), (outputs, results))
    ]
    return Model(*packed, name="m"), left, right


def seq2seq():
    """An encoder and a decoder that begins with its states."""
    source, target = Input((None, 3), name="source"), Input((None, 2), name="target")
    _, *states = LSTM(4, return_state=True, name="encoder")(source)
    sequences = LSTM(4, return_sequences=True, return_state=True, name="decoder")(target, initial_state=states)[0]
    return Model([source, target], Dense(3, activation="softmax", name="words")(sequences), name="s")
