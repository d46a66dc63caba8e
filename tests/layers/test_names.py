"""Tab completion shows Keras' names and the few of ours that users are meant to find."""

import json
from pathlib import Path

import pytest

from fastlstm import Model, Sequential
from fastlstm.layers import GRU, LSTM, Bidirectional, Dense, Input

KERAS = json.loads((Path(__file__).parent.parent / "data" / "keras_names.json").read_text())  # made by make_names.py
OURS = {
    # Keras 2 had these.
    *("bias", "implementation", "input_shape", "output_shape", "reset_states", "seed", "stateful"),
    # Keras sets it in `compile`.
    "optimizer",
    *("forecast", "make_predict_function", "plan", "quantize", "stream", "stream_pool"),
    # For layers of a user's own that train.
    *("call_with_gradient", "has_gradient"),
}


def objects():
    i = Input((3, 2))
    return {
        "sequential": Sequential([i, LSTM(2)]),
        "functional": Model(i, LSTM(2)(i)),
        "lstm": LSTM(2),
        "bidirectional": Bidirectional(GRU(2)),
        "dense": Dense(2),
    }


@pytest.mark.parametrize("name", KERAS)
def test_names(name):
    shown = {name for name in dir(objects()[name]) if not name.startswith("_")}
    assert shown - set(KERAS[name]) <= OURS


def test_shapes_of_a_layer():
    i = Input((3, 2))
    layer = LSTM(4, return_state=True)
    with pytest.raises(AttributeError, match="never been called"):
        _ = layer.input_shape
    layer(i)
    assert layer.input_shape == (None, 3, 2)
    assert layer.output_shape == [(None, 4)] * 3
    dense = Dense(5)
    dense(i)
    assert dense.output_shape == (None, 3, 5)


def test_hidden_names_are_there():
    layer = LSTM(2)
    assert not set(layer.inner_names.split()) & set(dir(layer))
    assert layer.native and "native" not in dir(layer)
