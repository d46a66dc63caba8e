"""A folder of models and arrays, and the command run in it."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fastlstm import Input, Sequential, cli
from fastlstm.layers import LSTM, Dense
from networks import random, randomized

BATCH, TIMESTEPS, FEATURES, UNITS, OUTPUTS = 5, 4, 3, 7, 2


@pytest.fixture
def files(tmp_path):
    """A directory with models and with `x` in every format, and what is in them."""
    models = {
        "last": [Input((TIMESTEPS, FEATURES)), LSTM(UNITS), Dense(OUTPUTS)],
        "steps": [Input((TIMESTEPS, FEATURES)), LSTM(UNITS, return_sequences=True), Dense(OUTPUTS)],
        "any length": [Input((None, FEATURES)), LSTM(UNITS), Dense(OUTPUTS)],
        "next": [Input((TIMESTEPS, FEATURES)), LSTM(UNITS), Dense(FEATURES)],
        "vectors": [Input((FEATURES,)), Dense(OUTPUTS, activation="tanh")],
        "states": [Input((TIMESTEPS, FEATURES)), LSTM(UNITS, return_state=True)],
        "volumes": [Input((2, TIMESTEPS, FEATURES)), Dense(OUTPUTS)],
    }
    models = {name: randomized(Sequential(layers)) for name, layers in models.items()}
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    x, series = random(BATCH, TIMESTEPS, FEATURES), random(11, FEATURES)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", anything=x)
    np.savetxt(tmp_path / "x.csv", x[1], delimiter=",", fmt="%.9g")
    np.savetxt(tmp_path / "series.csv", series, delimiter=",", fmt="%.9g")
    np.save(tmp_path / "series.npy", series)
    return SimpleNamespace(directory=tmp_path, models=models, x=x, series=series)


@pytest.fixture
def run(files, monkeypatch):
    """The command in the directory of `files`; its exit code. Arguments may be several words."""
    monkeypatch.chdir(files.directory)
    return lambda *arguments: cli.main([str(word) for word in arguments])


@pytest.fixture
def pipe(run, monkeypatch):
    """The command with bytes on standard input; what it writes to standard output."""

    def piped(data, *arguments):
        output = io.TextIOWrapper(io.BytesIO())
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            patch.setattr(sys, "stdout", output)
            assert run(*arguments) == 0
        return output.buffer.getvalue()

    return piped


@pytest.fixture
def assert_one_line_error(capsys):
    """What a command that failed wrote: one line with these words."""

    def check(code, *words):
        output, error = capsys.readouterr()
        assert code == 2
        assert error.startswith("fastlstm: error: ") and error.count("\n") == 1 and error.endswith("\n")
        for word in words:
            assert str(word) in error
        assert "wrote" not in output

    return check
