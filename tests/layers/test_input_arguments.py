"""`input_shape`, `input_dim` and `batch_input_shape` of a first layer: they work, and are warned of once a process."""

import subprocess
import sys

import pytest

from fastlstm import Sequential
from fastlstm.layers import LSTM, Dense

SCRIPT = """
from fastlstm.layers import LSTM, Dense
first = LSTM(3, input_shape=(5, 2))
second = Dense(3, input_dim=2)
third = LSTM(3, batch_input_shape=(4, 5, 2))
"""


def run(tmp_path, action):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    command = [sys.executable, "-W", action, str(path)]
    return path, subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)


def test_one_warning_a_process_at_the_callers_line(tmp_path):
    path, finished = run(tmp_path, "always")
    assert finished.returncode == 0
    assert finished.stderr.count("Do not pass an `input_shape`/`input_dim` argument to a layer") == 1
    assert finished.stderr.startswith(f"{path}:3: UserWarning")


def test_as_an_error_it_is_one(tmp_path):
    _, finished = run(tmp_path, "error")
    assert finished.returncode == 1 and "UserWarning: Do not pass an `input_shape`" in finished.stderr


@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")
def test_a_batch_size_beside_the_shape():
    assert Sequential([LSTM(3, input_shape=(5, 2), batch_size=4, stateful=True)]).input_shape == (4, 5, 2)
    assert Sequential([Dense(3, input_dim=2, batch_size=4)]).input_shape == (4, 2)
    with pytest.raises(ValueError, match=r"Unrecognized keyword arguments passed to LSTM: {'batch_size': 4}"):
        LSTM(3, batch_size=4)
