"""Files of real Keras with what cannot be honoured: refused, with the name of the layer and the reason."""

import zipfile
from pathlib import Path

import pytest

from fastlstm import load_model

ARCHIVE = Path(__file__).parent.parent / "data" / "refused.zip"  # make_refused.py beside it says what is in it
with zipfile.ZipFile(ARCHIVE) as _archive:
    FILES = {name: _archive.read(name) for name in _archive.namelist()}

REASONS = {
    "cell_of_ones_own": ("'cell'", "custom class"),
    "custom": ("'twice'", "custom class"),
    "custom_activation": ("'acting'", "activation function identifier"),
    "custom_lstm": ("'mine'", "custom class"),
    "lambda": ("'doubled'", "(class Lambda) holds Python code"),
    "lambda_in_graph": ("'more'", "(class Lambda) holds Python code"),
    "operation": ("fft", "not supported"),
    "saved_model": ("'saved'", "(class TFSMLayer) is not supported"),
    "sparse": ("'few'", "sparse=True"),
    "time_major": ("'turned'", "time_major=True"),
    "time_major_inside": ("'turned'", "time_major=True"),
}


@pytest.mark.parametrize("name", FILES)
def test_refused_by_name(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    with pytest.raises(ValueError) as error:
        load_model(path)
    layer, reason = REASONS[name.partition(".")[0].removeprefix("tf_").removeprefix("keras_")]
    assert layer in str(error.value)
    assert reason in str(error.value)
    assert len(str(error.value)) < 2000


def test_all_are_there():
    cases = {name.partition(".")[0].removeprefix("tf_").removeprefix("keras_") for name in FILES}
    assert cases == set(REASONS)
