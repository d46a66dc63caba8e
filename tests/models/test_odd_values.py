"""Values that no argument was meant for: ValueError, TypeError or MemoryError, with words."""

import itertools

import numpy as np
import pytest

from fastlstm import metrics, ops
from fastlstm.layers import (
    LSTM,
    Conv1D,
    Conv2D,
    Dense,
    Input,
    LayerNormalization,
    LeakyReLU,
    Normalization,
    ReLU,
    Rescaling,
)
from fastlstm.models import Sequential

X, Y = np.ones((4, 5, 3), np.float32), np.ones((4, 2), np.float32)


@pytest.fixture(scope="module")
def model():
    made = Sequential([Input((5, 3)), LSTM(4), Dense(2)])
    made.compile("sgd", "mse")
    return made


IN_ITSELF: list = [np.ones(3)]
IN_ITSELF.append(IN_ITSELF)

CALLS = {
    "a class_weight that is no dict": lambda model: model.fit(X, Y, class_weight=np.zeros(3), verbose=0),
    "a callback that is none": lambda model: model.fit(X, Y, callbacks=-1, verbose=0),
    "negative steps": lambda model: model.evaluate(X, Y, steps=-1e300, verbose=0),
    "no targets": lambda model: model.train_on_batch(X, {}),
    "no weights of samples": lambda model: model.test_on_batch(X, Y, sample_weight=[]),
    "a line of 2**63": lambda model: model.summary(line_length=2**63),
    "a weight beyond float32": lambda model: model.weights[0].assign(np.full((3, 16), 10**400, object)),
    "weights without end": lambda model: model.set_weights(itertools.repeat(np.zeros(3))),
    "weights of a view of one number": lambda model: model.set_weights(np.broadcast_to(0.0, (2**40, 2))),
    "states of a view of one number": lambda model: model.stream_pool().open(np.broadcast_to(0.0, (1, 2**40, 2))),
    "an input beyond float32": lambda model: model.stream().generate(2, np.full((1, 3), 10**400, object)),
    "a list that holds itself": lambda model: model.predict_on_batch(IN_ITSELF),
    "targets that hold themselves": lambda model: model.test_on_batch(X, IN_ITSELF),
    "part of the data for validation": lambda model: model.fit(X, Y, validation_split=10**400, verbose=0),
    "a learning rate beyond float32": lambda model: setattr(model.optimizer, "learning_rate", 10**400),
    "no weights for an output": lambda model: model.fit(iter([(X, Y, {})]), steps_per_epoch=1, verbose=0),
    "a layer before the first": lambda model: model.get_layer(index=-(2**40)),
}


@pytest.mark.parametrize("name", CALLS)
def test_refused(name, model):
    with pytest.raises((ValueError, TypeError)) as caught:
        CALLS[name](model)
    assert len(str(caught.value)) > 20


def test_more_steps_than_rows(model):
    with pytest.warns(UserWarning, match="ran out of data"):
        loss = model.evaluate(X, Y, steps=10**400, verbose=0)
    assert loss == model.evaluate(X, Y, batch_size=1, verbose=0)


@pytest.mark.parametrize("make", [lambda: metrics.AUC(10**12), lambda: metrics.MeanIoU(10**8)])
def test_metrics_beyond_memory(make):
    with pytest.raises(MemoryError, match="of memory are free"):
        make()


BEYOND_THE_ENGINE = {
    "steps apart": (Conv1D(4, 2, dilation_rate=2**70, padding="causal"), (5, 3)),
    "places apart": (Conv2D(4, 2, strides=(1, 10**400)), (5, 5, 3)),
    "an epsilon": (LayerNormalization(epsilon=10**400), (5, 3)),
}


@pytest.mark.parametrize("name", BEYOND_THE_ENGINE)
def test_numbers_beyond_the_engine(name):
    layer, shape = BEYOND_THE_ENGINE[name]
    with pytest.raises(ValueError, match="larger than any"):
        Sequential([Input(shape), layer]).predict(np.ones((2, *shape), np.float32), verbose=0)


ARGUMENTS = {
    "the most": lambda: ReLU(10**400),
    "the slope below zero": lambda: ReLU(negative_slope=10**400),
    "a slope": lambda: LeakyReLU(10**400),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name):
    with pytest.raises(ValueError, match="should be a number"):
        ARGUMENTS[name]()


@pytest.mark.parametrize("layer", [Rescaling(2.0), Normalization(mean=0.0, variance=1.0)], ids=str)
def test_a_file_that_says_another_shape(layer):
    layer.build_from_config({"input_shape": [None, 10**12]})
    with pytest.raises(MemoryError, match="of memory are free"):
        layer.lower()


@pytest.mark.parametrize("shape", [[], [{}, 5, 3]])
def test_a_file_that_says_no_shape(shape):
    layer = Rescaling(2.0)
    layer.build_from_config({"input_shape": shape})
    np.testing.assert_array_equal(Sequential([Input((5, 3)), layer]).predict(X, verbose=0), 2 * X)


OPERATIONS = {
    "abs": lambda: ops.abs(10**30),
    "amin": lambda: ops.amin(None, axis=0.5),
    "append": lambda: ops.append(None, 2**70),
    "arctan2": lambda: ops.arctan2(None, 1.0),
    "array_split": lambda: ops.array_split(np.arange(3), 10**30),
    "batch_normalization": lambda: ops.batch_normalization(None, np.ones(3), np.ones(3), -1),
    "cdist": lambda: ops.cdist(np.zeros(3), np.zeros(3)),
    "get_item": lambda: ops.get_item(np.zeros(2), 2**31),
    "glu": lambda: ops.glu(3.0, axis=1),
    "norm": lambda: ops.norm(-1, ord=np.zeros(0)),
    "split": lambda: ops.split(1.0, 3),
    "top_k": lambda: ops.top_k(1.0, 1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name):
    with pytest.raises((ValueError, TypeError)) as caught:
        OPERATIONS[name]()
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.repeat(x, 2**42, axis=0),
        lambda x: ops.tile(x, (2**42, 1)),
        lambda x: ops.broadcast_to(x, (2**42, 3, 3)),
        lambda x: ops.pad(x, ((0, 2**42), (0, 0))),
        lambda x: ops.one_hot(np.zeros(3, np.int32), 2**42),
    ],
)
def test_results_beyond_memory(call):
    with pytest.raises((MemoryError, ValueError), match=r"GiB|TiB|large"):
        call(np.zeros((3, 3), np.float32))
