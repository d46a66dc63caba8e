"""Constants in the calls of a graph, and a recorded `training`: they take effect, and are there again after saving."""

import copy
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import Input, Model, load_model, model_from_json
from fastlstm.layers import GRU, LSTM, Add, Attention, BatchNormalization, Bidirectional, Concatenate, Dense, Dropout
from fastlstm.models import Functional, Sequential, clone_model
from fastlstm.saving.budget import Budget
from fastlstm.saving.json_data import parse_json

pytestmark = pytest.mark.packed_kernels

ARCHIVE = Path(__file__).parent.parent / "data" / "constants.zip"  # make_constants.py beside it says what is in it
with zipfile.ZipFile(ARCHIVE) as _archive:
    GOLDENS = {name: _archive.read(name) for name in _archive.namelist()}
CASES = sorted(name for name in GOLDENS if not name.endswith(".npz"))

RNG = np.random.default_rng(2)
X = RNG.normal(size=(2, 5, 3)).astype(np.float32)
VALID = np.array([[True, True, True, False, False], [True, False, True, True, True]])
STATES = [RNG.normal(size=(2, 4)).astype(np.float32) for _ in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_files_of_real_keras(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(GOLDENS[name])
    (tmp_path / "answers.npz").write_bytes(GOLDENS[f"{name.partition('.')[0]}.npz"])
    with np.load(tmp_path / "answers.npz") as answers:
        x, y = answers["x"], answers["y"]
    model = load_model(path)
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5, atol=1e-6)
    for ending in ("keras", "h5"):
        try:
            model.save(tmp_path / f"again.{ending}")
        except ValueError as error:
            assert "the saved model would give other outputs" in str(error) and name.startswith("tf_keras")
        else:
            again = load_model(tmp_path / f"again.{ending}")
            np.testing.assert_allclose(again.predict(x, verbose=0), y, rtol=1e-5, atol=1e-6)


CALLS = {
    "mask of an LSTM": lambda x: LSTM(4)(x, mask=VALID),
    "mask of a GRU in a row": lambda x: GRU(3)(LSTM(4, return_sequences=True)(x, mask=VALID)),
    "mask of both directions": lambda x: Bidirectional(LSTM(4, return_sequences=True))(x, mask=VALID),
    "states": lambda x: LSTM(4)(x, initial_state=STATES),
    "state and mask": lambda x: GRU(4, return_sequences=True)(x, initial_state=STATES[0], mask=VALID),
    "states of both directions": lambda x: Bidirectional(LSTM(4))(x, initial_state=[*STATES, *STATES[::-1]]),
    "masks of several": lambda x: Attention()([x, x], mask=[None, VALID]),
    "among the inputs": lambda x: Add()([x, np.arange(30.0).reshape(2, 5, 3)]),
    "the first of the inputs": lambda x: Concatenate()([X[:, :, :1], x]),
    "before an operator": lambda x: np.arange(3.0) * x,
    "in a list": lambda x: fastlstm.ops.concatenate([x, np.ones((2, 5, 1), np.float32)], axis=-1),
    "by name": lambda x: fastlstm.ops.where(x > 0, x1=x, x2=np.float32([[[1, 2, 3]]])),
    "of a nested model": lambda x: Sequential([Input((5, 3)), LSTM(4)])(x, mask=VALID),
}


@pytest.mark.parametrize("name", CALLS)
def test_constants_take_effect_and_stay(name, tmp_path):
    x = Input((5, 3))
    model = Model(x, CALLS[name](x))
    model.set_weights([RNG.uniform(-1, 1, weight.shape) for weight in model.get_weights()])
    y = model.predict(X, verbose=0)
    if not model.weights:
        np.testing.assert_allclose(y, CALLS[name](X), rtol=1e-6)
    twins = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model), Functional.from_config(model.get_config())]
    twins += [clone_model(model), model_from_json(model.to_json())]
    for twin in twins[2:]:
        twin.set_weights(model.get_weights())
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"model.{ending}")
        twins.append(load_model(tmp_path / f"model.{ending}"))
    fastlstm.save_packed(model, tmp_path / "model.packed")
    twins.append(fastlstm.load_packed(tmp_path / "model.packed"))
    for twin in twins:
        np.testing.assert_array_equal(twin.predict(X, verbose=0), y)


def test_what_a_layer_is_called_with_counts():
    x = Input((5, 3))
    lstm = LSTM(4, return_sequences=True)
    model = Model(x, lstm(x, mask=VALID, initial_state=STATES))
    y = lstm(X, mask=VALID, initial_state=STATES)
    np.testing.assert_allclose(model.predict(X, verbose=0), y, rtol=1e-6)
    assert np.abs(y - lstm(X)).max() > 0.01


def test_a_mask_of_another_length_is_refused():
    x = Input((5, 3))
    model = Model(x, LSTM(4)(x, mask=VALID[:, :4]))
    with pytest.raises(ValueError, match=r"`mask` should have shape \(2, 5\)"):
        model.predict(X, verbose=0)


def with_constant(value, dtype="float32", key="__numpy__"):
    constant = {"class_name": key, "config": {"value": value, "dtype": dtype}}
    history = {"class_name": "__keras_tensor__", "config": {"keras_history": ["a", 0, 0]}}
    layers = [
        {"class_name": "InputLayer", "name": "a", "config": {"batch_shape": [None, 3], "name": "a"},
         "inbound_nodes": []},
        {"class_name": "Add", "module": "keras.src.ops.numpy", "name": "c", "config": {"name": "c"},
         "inbound_nodes": [{"args": [history, constant], "kwargs": {}}]},
    ]  # fmt: skip
    graph = {"name": "m", "layers": layers, "input_layers": ["a", 0, 0], "output_layers": ["c", 0, 0]}
    return model_from_json(json.dumps({"class_name": "Functional", "config": graph}))


@pytest.mark.parametrize("key", ["__numpy__", "__tensor__"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bfloat16", None])
def test_dtypes_of_constants(key, dtype):
    model = with_constant([1, 2, 3], dtype, key)
    y = model.predict(np.zeros((2, 3)), verbose=0)
    np.testing.assert_array_equal(y, [[1, 2, 3]] * 2)
    assert y.dtype == ("float64" if dtype == "float64" else "float32")


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (["a"], "float32", "no array of numbers"),
        ([[1], [2, 3]], "float32", "inhomogeneous|sequence"),
        ([{"a": 1}], "float32", "no array of numbers"),
        ([1.0], "complex64", "has the dtype 'complex64'"),
        ([1.0], "object", "has the dtype 'object'"),
        ([1.0], 3, "has the dtype 3"),
        ([1.0, 2.0], "float32", "Cannot broadcast"),
    ],
)
def test_constants_that_are_none(value, dtype, message):
    with pytest.raises(ValueError, match=message):
        with_constant(value, dtype)


def test_constants_count_against_the_limits():
    text = '{"value": [' + "0," * (13 * 2**20) + "0]}"
    with pytest.raises(ValueError, match="bytes of JSON"):
        parse_json(text, "a config", Budget(len(text)))


def old_graph(training, layer):
    """A model of Keras 2 with one call of a layer."""
    layers = [
        {"class_name": "InputLayer", "name": "a", "config": {"batch_input_shape": [None, 30], "name": "a"},
         "inbound_nodes": []},
        {**layer, "name": "c", "inbound_nodes": [[["a", 0, 0, {"training": training}]]]},
    ]  # fmt: skip
    graph = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["c", 0, 0]]}
    return model_from_json(json.dumps({"class_name": "Functional", "config": graph, "keras_version": "2.15.0"}))


DROPOUT = {"class_name": "Dropout", "config": {"name": "c", "rate": 0.5}}
ONES = np.ones((4, 30), np.float32)


def test_training_in_a_file_of_keras_2_holds_in_predict(tmp_path):
    model = old_graph(True, DROPOUT)
    for twin in (
        model,
        clone_model(model),
        pickle.loads(pickle.dumps(model)),
        Functional.from_config(model.get_config()),
    ):
        for y in (twin.predict(ONES, verbose=0), twin(ONES).numpy(), twin(ONES, training=False).numpy()):
            assert set(np.unique(y)) == {0, 2}
    with pytest.raises(ValueError, match="Layer 'c' is called with `training=True`"):
        model.save(tmp_path / "model.keras")
    fastlstm.save_packed(model, tmp_path / "model.packed")
    assert set(np.unique(fastlstm.load_packed(tmp_path / "model.packed").predict(ONES, verbose=0))) == {0, 2}


def test_training_of_a_nested_model_in_a_file_of_keras_2():
    inner = {"class_name": "Sequential", "config": {"name": "c", "layers": [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 30], "name": "b"}}, DROPOUT | {
            "config": {"name": "d", "rate": 0.5}}]}}  # fmt: skip
    assert set(np.unique(old_graph(True, inner).predict(ONES, verbose=0))) == {0, 2}
    never = old_graph(False, inner)
    np.testing.assert_array_equal(never(ONES, training=True), ONES)
    assert (old_graph(None, inner)(ONES, training=True).numpy() == 0).any()


def test_no_training_in_a_file_of_keras_2(tmp_path):
    model = old_graph(False, DROPOUT)
    np.testing.assert_array_equal(model(ONES, training=True), ONES)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras").predict(ONES, verbose=0), ONES)


def test_training_in_a_graph_of_keras_3_is_for_callers_who_say_nothing():
    x = Input((30,))
    model = Model(x, BatchNormalization()(Dense(30)(Dropout(0.5)(x, training=True))))
    assert np.ptp(model.predict(ONES, verbose=0), axis=0).max() == 0
    assert np.ptp(model(ONES), axis=0).max() > 0
