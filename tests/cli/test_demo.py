"""`fastlstm demo`: right on narrow terminals and without Unicode; its snippet runs; its plot is what its name says."""

import re
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest

from fastlstm import demo
from fastlstm.cli.demo import SNIPPET


def test_demo(run, capsys):
    assert run("demo") == 0
    output = capsys.readouterr().out
    assert "27.4" in output and "77.0" in output
    chart = output.strip().split("\n\n")[1]
    assert chart.count("●") + chart.count("o") == 24


def test_says_what_keras_takes_and_where_that_was_measured(run, capsys, monkeypatch):
    measured = demo.KerasTime(0.0416, 2.34e-5, "3.1.4", "a processor", "2001-02-03")
    monkeypatch.setattr(demo, "keras_time", lambda: measured)
    assert run("demo") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Keras 3.1.4 took 42 ms where fastlstm took 0.023 ms (a processor, 2001-02-03)" in text


@pytest.mark.parametrize(("columns", "month"), [(100, 3), (78, 3), (60, 2), (54, 2), (40, 1)])
def test_fits_the_terminal(run, capsys, monkeypatch, columns, month):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run("demo") == 0
    output = capsys.readouterr().out
    assert all(len(line.rstrip()) <= columns for line in output.splitlines())
    initials = "JFMAMJJASOND" * 2
    assert (" " * (month - 1)).join(initials) in output  # all 24 months
    assert "seasonal naive" in output


def test_without_unicode(run, monkeypatch):
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), encoding="ascii"))
    assert run("demo") == 0
    sys.stdout.seek(0)
    assert "o actual" in sys.stdout.read()


def test_ends_with_lines_of_python_that_run(run, capsys, tmp_path):
    assert run("demo") == 0
    shown = capsys.readouterr().out.split("In Python:")[1]
    assert [line.strip() for line in shown.split("\n") if line.strip()] == SNIPPET.replace("\n\n", "\n").splitlines()
    command = [sys.executable, "-W", "error", "-c", SNIPPET]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    (number,) = re.findall(r"\[\[(.+)\]\]", finished.stdout)
    expected = demo.load_airline_model().predict(demo.window(), verbose=0)
    assert float(number) == pytest.approx(expected[0, 0], abs=1e-6)


@pytest.mark.parametrize(("name", "begin"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml"), ("c.pdf", b"%PDF")])
def test_plot(run, capsys, tmp_path, name, begin):
    pytest.importorskip("matplotlib")
    assert run("demo", "--plot", name) == 0
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert f"wrote {name}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["chart", "chart.xyz"])
def test_plot_of_another_ending(run, assert_one_line_error, tmp_path, name):
    pytest.importorskip("matplotlib")
    before = set(tmp_path.iterdir())
    assert_one_line_error(run("demo", "--plot", name), name, ".pdf", ".png", ".svg")
    assert set(tmp_path.iterdir()) == before


def test_plot_without_matplotlib(run, assert_one_line_error, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    before = set(tmp_path.iterdir())
    assert_one_line_error(run("demo", "--plot", "chart.png"), "pip install matplotlib")
    assert set(tmp_path.iterdir()) == before


def test_the_packaged_figure_is_a_measured_one():
    measured = demo.keras_time()
    assert 0 < measured.fastlstm < measured.keras
    assert re.fullmatch(r"\d+\.\d+\.\d+", measured.keras_version) and re.fullmatch(r"\d{4}-\d\d-\d\d", measured.date)
    assert len(measured.processor) > 3


def test_window_is_the_last_year():
    _, passengers = demo.load_series()
    np.testing.assert_array_equal(demo.window(), demo.model_input(passengers[-12:]))
