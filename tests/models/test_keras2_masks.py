"""Masks of models that Keras 2 wrote: files for Keras 3 are refused where they would mean something else there."""

import json
import zipfile

import numpy as np
import pytest

from fastlstm import Model, Sequential, clone_model, load_model, model_from_json
from fastlstm.layers import (
    LSTM,
    Add,
    Dot,
    Embedding,
    GlobalAveragePooling1D,
    Identity,
    Input,
    Masking,
)

X, Y = np.array([[[1, 2, 3, 0], [4, 0, 0, 0]], [[1, 2, 0, 0], [4, 1, 2, 0]]], np.float32)


def two_embedded(between=None):
    """A model that adds two masked inputs, after a layer that both go through."""
    inputs = Input((4,)), Input((4,))
    embedding = Embedding(5, 3, mask_zero=True)
    tensors = [embedding(tensor) for tensor in inputs]
    tensors = [between(tensor) for tensor in tensors] if between else tensors
    y = Add(keras2_masks=True, name="sum")(tensors)
    return Model(inputs, y if between else LSTM(2)(y))


def test_refused_where_masks_arrive(tmp_path):
    model = two_embedded()
    for name in ("m.keras", "m.h5"):
        with pytest.raises(ValueError, match="Layer 'sum' gets masked inputs, and Keras 3 makes something else"):
            model.save(tmp_path / name)
    for twin in (clone_model(model), model_from_json(model.to_json())):
        twin.set_weights(model.get_weights())
        np.testing.assert_array_equal(twin.predict([X, Y], verbose=0), model.predict([X, Y], verbose=0))


@pytest.mark.parametrize("between", [LSTM(3), GlobalAveragePooling1D(), lambda x: Dot(axes=2)([x, x])])
def test_written_as_keras_3_would_where_none_arrive(between, tmp_path):
    model = two_embedded(between)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))
    assert "keras2_masks" not in json.dumps(config)
    again = load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict([X, Y], verbose=0), model.predict([X, Y], verbose=0))


def test_in_a_chain_and_inside_a_model(tmp_path):
    identity = Identity(keras2_masks=True)
    chain = Sequential([Input((4, 2)), Masking(), identity, LSTM(2)])
    inner = Sequential([Input((4, 2)), Identity(keras2_masks=True)])
    for model in (chain, Sequential([Input((4, 2)), Masking(), inner, LSTM(2)])):
        with pytest.raises(ValueError, match="gets masked inputs"):
            model.save(tmp_path / "m.keras")
    Sequential([Input((4, 2)), Identity(keras2_masks=True), LSTM(2)]).save(tmp_path / "m.keras")
