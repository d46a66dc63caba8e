"""Streams of what is not causal are refused by name."""

import copy

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import (
    LSTM,
    RNN,
    Add,
    Bidirectional,
    Conv1D,
    Dense,
    Flatten,
    GlobalAveragePooling1D,
    GroupNormalization,
    Layer,
    LayerNormalization,
    MaxPooling1D,
    PReLU,
    RepeatVector,
    Rescaling,
    Softmax,
    TimeDistributed,
)
from networks import network


class Custom(Layer):
    def call(self, inputs):
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


class OwnCell:
    state_size = 3

    def call(self, inputs, states):
        return states[0], states


class Normalized(LayerNormalization):
    """A subclass whose `call` might do anything."""

    def call(self, inputs):
        return super().call(inputs)


class Renamed(LayerNormalization):
    """A subclass that computes what its base does."""


REFUSED = {
    "backwards": ([LSTM(4, go_backwards=True, name="r")], "'r' (of type LSTM)", "from its last step"),
    "bidirectional": ([Bidirectional(LSTM(4), name="b")], "'b' (of type Bidirectional)", "later"),
    "pooling": ([MaxPooling1D(2, name="p"), LSTM(4)], "'p' (of type MaxPooling1D)", "later"),
    "mean": ([LSTM(4, return_sequences=True), GlobalAveragePooling1D(name="g")], "'g'", "later"),
    "flatten": ([LSTM(4, return_sequences=True), Flatten(name="f"), Dense(2)], "'f' (of type Flatten)", "together"),
    "repeat": ([LSTM(4), RepeatVector(3, name="v")], "'v' (of type RepeatVector)", "later"),
    "same": ([Conv1D(4, 3, padding="same", name="c")], "'c' (of type Conv1D)", "padding='same'"),
    "valid": ([Conv1D(4, 3, name="c")], "'c' (of type Conv1D)", "padding='valid'"),
    "strides": ([Conv1D(4, 3, strides=2, padding="causal", name="c")], "'c'", "strides=2"),
    "steps normalized": ([LayerNormalization(axis=[1, 2], name="n")], "'n'", "axis=[1, 2] includes the time steps"),
    "softmax over time": ([Softmax(axis=1, name="s")], "'s'", "axis=1"),
    "groups": ([GroupNormalization(3, name="n")], "'n'", "together"),
    "weights for every step": ([PReLU(name="n")], "'n'", "values for every time step"),
    "scale for every step": ([Rescaling(np.ones((5, 1)), name="n")], "'n'", "values for every time step"),
    "own cell": ([RNN(OwnCell(), name="r")], "'r' (of type RNN)", "its cell"),
    "own layer": ([Custom(name="o")], "'o' (of type Custom)", "later"),
    "subclass": ([Normalized(name="o")], "'o' (of type Normalized)", "later"),
    "stateful inside": ([TimeDistributed(LSTM(2, stateful=True), name="t")], "'t'", "stateful"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_causal_is_refused_by_name(name):
    layers, *texts = copy.deepcopy(REFUSED[name])
    shape = {"stateful inside": (None, 4, 3)}.get(name, (5, 3))
    model = Sequential([Input(batch_shape=(2, *shape)), *layers])
    with pytest.raises(ValueError, match="cannot run step by step") as error:
        model.stream()
    for text in texts:
        assert text in str(error.value)
    with pytest.raises(ValueError, match="cannot run step by step"):
        model.stream_pool()


def test_models_of_another_form_are_refused():
    x, other = Input((None, 3), name="x"), Input((None, 3))
    y = LSTM(3, return_sequences=True, name="l")(x)
    with pytest.raises(ValueError, match=r"Layer 'sum' \(of type Add\) .* only models of one path"):
        Model(x, Add(name="sum")([x, y])).stream()
    with pytest.raises(ValueError, match="one input and one output"):
        Model([x, other], LSTM(2)(Add()([x, other]))).stream()
    with pytest.raises(ValueError, match="one input and one output"):
        Model(x, [y, y]).stream()
    with pytest.raises(ValueError, match="has no axis of time"):
        Sequential([Input((4,)), Dense(2)]).stream()
    with pytest.raises(ValueError, match="has to be built"):
        Sequential([LSTM(2)]).stream()
    for batch in (0, 1.5, None):
        with pytest.raises(ValueError, match="`batch` should be a positive integer"):
            network(LSTM(2)).stream(batch)
