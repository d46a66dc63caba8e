"""A program that PyInstaller bundled starts, and computes what it computes outside the bundle."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("PyInstaller", reason="PyInstaller is not installed (pip install pyinstaller)")

# Every compiled module: whole sequences, both directions, streams, pools, drawn ids, SciPy's BLAS.
PROGRAM = """
import sys

import numpy as np

import fastlstm
from fastlstm import Input, Sequential, cli, demo, load_model
from fastlstm.layers import LSTM, Bidirectional, Conv1D, Dense, Embedding

if sys.argv[1:]:
    sys.exit(cli.main(sys.argv[1:]))
fastlstm.utils.set_random_seed(5)
x = np.random.default_rng(5).normal(size=(2, 7, 3))
network = Sequential([Input((7, 3)), Conv1D(4, 2), Bidirectional(LSTM(5, return_sequences=True)), LSTM(6)])
text = Sequential([Input((None,)), Embedding(9, 4), LSTM(8), Dense(9, activation="softmax")])
stack = Sequential([Input((None, 3)), LSTM(5, return_sequences=True), LSTM(4)])
pool = stack.stream_pool()
print(load_model(demo.MODEL).predict(demo.window(), verbose=0))
print(network.predict(x, verbose=0))
print(text.stream().generate(5, [3], temperature=1.0, seed=2))
print(pool.step([pool.open(), pool.open()], x[:, 0]))
"""


def run(command, folder, **environment):
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stdout


def test_a_bundle_computes_what_the_program_does(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "PyInstaller", "--onedir", "--log-level=ERROR", "program.py"]
    run(command, tmp_path, PATH=os.environ["PATH"])
    program, bundled = [sys.executable, "program.py"], [str(tmp_path / "dist" / "program" / "program")]
    for backend in ("auto", "blas"):
        expected = run(program, tmp_path, FASTLSTM_BACKEND=backend)
        assert expected.count("[") > 8
        assert run(bundled, tmp_path, FASTLSTM_BACKEND=backend) == expected
    assert "27.4" in run([*bundled, "demo"], tmp_path)


def test_pyinstaller_finds_the_hooks():
    (found,) = (point for point in entry_points(group="pyinstaller40") if point.value.startswith("fastlstm."))
    (folder,) = found.load()()
    assert (Path(folder) / "hook-fastlstm.py").is_file()
