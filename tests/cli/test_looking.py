"""`fastlstm doctor`, `fastlstm bench` and the completions of a shell."""

import os

import numpy as np
import pytest

import fastlstm
from fastlstm import Input, Model, Sequential, cli, ops
from fastlstm.cli import bench, doctor
from fastlstm.layers import LSTM, Dense, Embedding


@pytest.fixture
def settings(monkeypatch):
    """None of what limits speed."""
    for name in (*doctor.SLOWING, *doctor.SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "usable_cpus", lambda: 4)
    monkeypatch.setattr(doctor, "get_num_threads", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    return monkeypatch


def found(**kernels):
    return list(doctor.findings({"kernels": "avx2 (this CPU runs: avx2, scalar)"} | kernels))


def test_nothing_limits(settings):
    assert found() == []


def test_findings(settings):
    assert "a number at a time" in found(kernels="scalar (this CPU runs: scalar)")[0]
    settings.setattr(doctor, "get_num_threads", lambda: 1)
    assert found() == ["Calls use 1 of the 4 CPUs: fastlstm.set_num_threads(4) gives them all."]
    settings.setattr(doctor, "usable_cpus", lambda: 1)
    assert found()[0].startswith("This process may use 1 of 4 CPUs")
    settings.setattr(os, "cpu_count", lambda: 1)
    settings.setenv("OPENBLAS_CORETYPE", "Haswell")
    settings.setenv("FASTLSTM_BACKEND", "blas")
    assert [text.split(" is set")[0] for text in found()] == ["FASTLSTM_BACKEND", "OPENBLAS_CORETYPE"]


def test_doctor(capsys):
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert f"fastlstm: {fastlstm.__version__}" in printed and ("limits speed" in printed)


def test_bench(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "has_onnx_runtime", lambda: False)
    monkeypatch.setenv("COLUMNS", "100")
    Sequential([Input((None, 3)), LSTM(4), Dense(1)]).save(tmp_path / "model.keras")
    before = fastlstm.get_num_threads()
    arguments = ["--batch", "2", "3", "--threads", "1", "--seconds", "1"]
    assert cli.main(["bench", str(tmp_path / "model.keras"), *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[1:4] for line in lines if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [["2", "1", "fastlstm"], ["3", "1", "fastlstm"]]
    assert any("pip install onnxruntime" in line for line in lines) and any("LSTM 3 x 4" in line for line in lines)
    assert fastlstm.get_num_threads() == before


@pytest.mark.parametrize("packed", [False, True])
def test_bench_of_a_model_that_cannot_be_written_as_onnx(packed, tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnx", reason="needs onnx (the `onnx` extra)")
    monkeypatch.setattr(bench, "has_onnx_runtime", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    if packed:
        model = Sequential([Input((None, 3)), LSTM(4), Dense(1)])
        model.quantize("int8")
        fastlstm.save_packed(model, tmp_path / "model")
        reason = "is quantized to int8"
    else:
        x = Input((None, 3))
        Model(x, ops.exp2(LSTM(4)(x))).save(tmp_path / "model.keras")
        reason = "Layer 'exp2' (Exp2) is an operation that has no operators in ONNX"
    path = str(tmp_path / ("model" if packed else "model.keras"))
    assert cli.main(["bench", path, "--batch", "2", "--threads", "1", "--seconds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[3].strip() for line in lines if "│" in line]
    (line,) = [
        line for line in lines if line.startswith("Without ONNX Runtime, as the model cannot be written for it: ")
    ]
    assert rows == ["fastlstm"] and reason in line


def test_inputs_are_such_as_the_model_takes():
    ids = Sequential([Input((None,)), Embedding(7, 4), LSTM(3)])
    (drawn,) = bench.drawn(ids, 200, 5)
    assert drawn.shape == (200, 5) and set(np.unique(drawn)) == set(range(7))
    (drawn,) = bench.drawn(Sequential([Input((6, 2)), LSTM(3)]), 4, 5)
    assert drawn.shape == (4, 6, 2) and drawn.dtype == np.float32 and (drawn < 0).any()


def test_completion(capsys):
    pytest.importorskip("shtab", reason="needs shtab (the `completion` extra)")
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", "bash"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0 and "_shtab_fastlstm_bench" in printed and "--timesteps" in printed


def test_completion_without_the_library(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", "zsh"])
    assert ended.value.code == 2 and "pip install shtab" in capsys.readouterr().err
