"""Masks and states in files of Keras 2 go as they did there; what Keras 3 makes something else of is not written."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm import Sequential, load_model, model_from_json
from fastlstm.layers import LSTM, Dense, Embedding, Input, Masking, TimeDistributed
from fastlstm.saving.config import normalise

ARCHIVE = Path(__file__).parent.parent / "data" / "keras2_graphs.zip"  # make_keras2_graphs.py beside it
with zipfile.ZipFile(ARCHIVE) as _archive:
    GOLDENS = {name: _archive.read(name) for name in _archive.namelist()}
CASES = sorted(name for name in GOLDENS if not name.endswith(".npz"))
# What Keras 3 makes the same of.
WRITTEN = {
    "letters_read_in_a_model",
    "steps_of_dense",
    "convolutional_decoder",
    "convolutional_decoder_given_states",
    "in_float64",
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning"),
    pytest.mark.filterwarnings("ignore:.* should compute in float64:UserWarning"),
]


@pytest.mark.parametrize("name", CASES)
def test_files_of_keras_2(name, tmp_path):
    path, case = tmp_path / name, name.partition(".")[0]
    path.write_bytes(GOLDENS[name])
    (tmp_path / "answers.npz").write_bytes(GOLDENS[f"{case}.npz"])
    with np.load(tmp_path / "answers.npz") as answers:
        xs, ys = ([answers[key] for key in sorted(answers) if key[0] == letter] for letter in "xy")

    def check(model):
        outputs = model.predict(xs if len(xs) > 1 else xs[0], verbose=0)
        for output, y in zip([outputs] if len(ys) == 1 else outputs, ys, strict=True):
            np.testing.assert_allclose(output, y, rtol=1e-5, atol=1e-6)

    model = load_model(path)
    check(model)
    twin = model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    check(twin)
    for ending in ("keras", "h5"):
        try:
            model.save(tmp_path / f"again.{ending}")
        except ValueError as error:
            assert "the saved model would give other outputs" in str(error)
            assert case not in WRITTEN
        else:
            assert case in WRITTEN
            check(load_model(tmp_path / f"again.{ending}"))


def distributed_embedding(**settings):
    return TimeDistributed(Embedding(5, 3, mask_zero=True), **settings)


def test_masks_inside_are_nothing_to_layers_before_2_2_3():
    layers = [Input((4, 2)), Masking(), TimeDistributed(Dense(2)), LSTM(3)]
    config = {"class_name": "Sequential", "config": Sequential(layers).get_config()}
    kept = {
        version: normalise(config, version)["config"]["layers"][2]["config"] for version in ("2.2.2", "2.2.3", "3.0")
    }
    assert [config.get("ignores_masks", False) for config in kept.values()] == [True, False, False]
    assert [config.get("keras2_masks", False) for config in kept.values()] == [True, True, False]


def test_ignored_masks():
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    mask = np.array([[[True, True, False, False, True]] * 4] * 2)
    inner = LSTM(2)
    ignoring = TimeDistributed(inner, keras2_masks=True, ignores_masks=True)
    np.testing.assert_array_equal(ignoring(x, mask=mask), ignoring(x))
    assert ignoring.compute_mask(x, mask) is mask
    seeing = TimeDistributed(inner, keras2_masks=True)
    assert np.abs(np.asarray(seeing(x, mask=mask)) - np.asarray(seeing(x))).max() > 0.01
    np.testing.assert_array_equal(seeing.compute_mask(x, mask), mask.any(axis=-1))


def test_refused_for_keras_3_where_the_layer_inside_ignored_masks(tmp_path):
    settings = {"keras2_masks": True, "ignores_masks": True}
    model = Sequential([Input((4, 5, 3)), Masking(), TimeDistributed(LSTM(2), **settings), LSTM(3)])
    with pytest.raises(ValueError, match="gets masked inputs"):
        model.save(tmp_path / "m.keras")
    Sequential([Input((4, 3)), Masking(), TimeDistributed(Dense(2), **settings), LSTM(3)]).save(tmp_path / "m.keras")
    model = Sequential([Input((4, 5)), distributed_embedding(**settings), TimeDistributed(LSTM(3))])
    model.save(tmp_path / "m.keras")
    x = np.array([[[1, 2, 0, 0, 0]] * 4])
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict(x, verbose=0), model.predict(x, verbose=0))


def test_config():
    layer = distributed_embedding(keras2_masks=True)
    assert TimeDistributed.from_config(layer.get_config()).keras2_masks
    assert layer.makes_masks and not distributed_embedding().makes_masks
    assert not {"keras2_masks", "ignores_masks"} & set(distributed_embedding().get_config())
