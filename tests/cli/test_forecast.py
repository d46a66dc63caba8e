"""`fastlstm forecast`: a series goes on as `Model.forecast` says."""

import io

import numpy as np
import pytest


def test_a_csv_goes_on(files, run, capsys):
    assert run("forecast", "next.keras", "series.csv", "--steps", 6) == 0
    printed = np.loadtxt(io.StringIO(capsys.readouterr().out), delimiter=",", dtype="float32")
    expected = files.models["next"].forecast(files.series[-4:], 6)
    assert expected.shape == (6, 3)
    np.testing.assert_array_equal(printed, expected)


def test_files_and_pipes(files, run, pipe, capsys):
    expected = files.models["next"].forecast(files.series[-4:], 3)
    assert run("forecast", "next.keras", "series.npy", "--steps", 3, "-o", "next.npy") == 0
    np.testing.assert_array_equal(np.load("next.npy"), expected)
    assert capsys.readouterr().out == "wrote next.npy: forecast (3, 3)\n"
    out = pipe((files.directory / "series.csv").read_bytes(), "forecast", "next.keras", "-", "--steps", "3")
    np.testing.assert_array_equal(np.loadtxt(io.BytesIO(out), delimiter=",", dtype="float32"), expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("next.keras series.csv --steps 0", ["positive integer"]),
        ("next.keras series.csv", ["--steps"]),
        ("next.keras none.csv --steps 2", ["none.csv"]),
        ("next.keras x.npz --steps 2", ["x.npz", ".csv or .npy"]),
        ("next.keras x.npy --steps 2", ["x.npy", "(time steps, 3)", "(5, 4, 3)"]),
        ("next.keras short.csv --steps 2", ["2 time steps", "4 that the model takes"]),
        ("next.keras wide.csv --steps 2", ["(time steps, 3)", "(2, 4)"]),
        ("next.keras series.csv --steps 2 -o y.npz", ["y.npz", ".csv or .npy"]),
        ("next.keras series.csv --steps 2 -o no/y.npy", ["no directory"]),
        ("vectors.keras series.csv --steps 2", ["vectors.keras", "only a model of one sequence"]),
        ("last.keras series.csv --steps 2", ["does not fit its input of 3 features"]),
    ],
)
def test_errors(files, run, assert_one_line_error, words, expected):
    (files.directory / "short.csv").write_text("1,2,3\n4,5,6\n")
    (files.directory / "wide.csv").write_text("1,2,3,4\n5,6,7,8\n")
    try:
        code = run("forecast", *words.split())
    except SystemExit as stop:  # of the arguments
        code = stop.code
    assert_one_line_error(code, *expected)
