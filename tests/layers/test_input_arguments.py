"""`input_shape`, `input_dim` and `batch_input_shape` of a first layer: they work, and are warned of once a process."""

import subprocess
import sys

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
