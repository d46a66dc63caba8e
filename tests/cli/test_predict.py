"""`fastlstm predict`: arrays in and out in every format, and nothing that is silently something else."""

import io
import sys

import numpy as np
import pytest

from fastlstm import Input, Model
from fastlstm.cli import files as cli_files
from fastlstm.layers import LSTM, Dense
from networks import random, randomized

BATCH, TIMESTEPS, FEATURES, OUTPUTS = 5, 4, 3, 2


def load(data):
    return np.load(io.BytesIO(data))


@pytest.mark.parametrize("extension", ["npy", "npz"])
@pytest.mark.parametrize("name", ["last", "steps"])
def test_arrays(files, run, capsys, name, extension):
    assert run("predict", f"{name}.keras", f"x.{extension}", "-o", "y.npy") == 0
    y = files.models[name].predict(files.x, verbose=0)
    np.testing.assert_array_equal(np.load("y.npy"), y)
    last = files.models[name].layers[-1].name
    assert capsys.readouterr().out == f"wrote y.npy: {last} {y.shape}\n"


def test_arrays_by_name(files, run):
    np.savez("named.npz", **{files.models["last"].inputs[0].name: files.x})
    assert run("predict", "last.keras", "named.npz", "-o", "y.npy") == 0
    np.testing.assert_array_equal(np.load("y.npy"), files.models["last"].predict(files.x, verbose=0))


def test_in_batches(files, run):
    assert run("predict", "last.keras", "x.npy", "-o", "y.npy", "--batch-size", 2) == 0
    np.testing.assert_allclose(np.load("y.npy"), files.models["last"].predict(files.x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("head", ["", "a,b,c\n", "\ufeffa,b,c\n\n"])
def test_csv_is_one_sequence(files, run, head):
    source = files.directory / "x.csv"
    source.write_text(head + source.read_text(), encoding="utf-8")
    assert run("predict", "steps.keras", "x.csv", "-o", "y.npy") == 0
    np.testing.assert_array_equal(np.load("y.npy"), files.models["steps"].predict(files.x[1:2], verbose=0))


def test_csv_of_any_length_where_the_model_takes_any(files, run):
    assert run("predict", "any length.keras", "series.csv", "-o", "y.npy") == 0
    np.testing.assert_array_equal(np.load("y.npy"), files.models["any length"].predict(files.series[None], verbose=0))


@pytest.mark.parametrize("stride", [1, 3, 20])
@pytest.mark.parametrize("name", ["last", "steps", "any length"])
def test_csv_in_windows(files, run, name, stride):
    arguments = ("--window", TIMESTEPS, *(("--stride", stride) if stride > 1 else ()))
    assert run("predict", f"{name}.keras", "series.csv", "-o", "y.npy", *arguments) == 0
    windows = [files.series[start : start + TIMESTEPS] for start in range(0, 11 - TIMESTEPS + 1, stride)]
    np.testing.assert_array_equal(np.load("y.npy"), files.models[name].predict(np.stack(windows), verbose=0))


def test_csv_is_samples_of_vectors(files, run):
    assert run("predict", "vectors.keras", "x.csv", "-o", "y.npy") == 0
    np.testing.assert_array_equal(np.load("y.npy"), files.models["vectors"].predict(files.x[1], verbose=0))


def test_csv_output_has_a_line_for_each_step(files, run):
    (files.directory / "y.csv").write_text("to be replaced")
    assert run("predict", "steps.keras", "x.npy", "-o", "y.csv") == 0
    expected = files.models["steps"].predict(files.x, verbose=0).reshape(BATCH * TIMESTEPS, OUTPUTS)
    np.testing.assert_array_equal(np.loadtxt("y.csv", delimiter=",", dtype="float32"), expected)


def test_several_outputs_in_one_npz(files, run, capsys):
    assert run("predict", "states.keras", "x.npy", "-o", "y.npz") == 0
    expected = files.models["states"].predict(files.x, verbose=0)
    name = files.models["states"].layers[-1].name
    with np.load("y.npz") as arrays:
        assert arrays.files == [name, f"{name}_1", f"{name}_2"]
        for key, array in zip(arrays.files, expected, strict=True):
            np.testing.assert_array_equal(arrays[key], array)
    assert f"{name}_2 (5, 7)" in capsys.readouterr().out


@pytest.mark.parametrize("as_dict", [False, True])
def test_several_inputs_and_outputs_by_name(run, as_dict):
    x, other = Input((TIMESTEPS, FEATURES), name="x"), Input((2,), name="file")
    h = LSTM(4)(x)
    outputs = [Dense(3, name="p")(h), Dense(1, name="q")(other)]
    model = randomized(Model([x, other], dict(zip("ab", outputs, strict=True)) if as_dict else outputs))
    model.save("two.keras")
    given = {"x": random(5, TIMESTEPS, FEATURES), "file": random(5, 2)}
    with open("two.npz", "wb") as file:
        cli_files.write_npz(file, given)
    assert run("predict", "two.keras", "two.npz", "-o", "y.npz") == 0
    expected = model.predict(given, verbose=0)
    expected = expected if as_dict else dict(zip("pq", expected, strict=True))
    with np.load("y.npz") as arrays:
        assert set(arrays.files) == set(expected)
        for key, array in expected.items():
            np.testing.assert_array_equal(arrays[key], array)


@pytest.mark.parametrize("extension", ["npy", "npz", "csv"])
def test_standard_input_and_output(files, pipe, capsys, extension):
    data = (files.directory / f"x.{extension}").read_bytes()
    out = pipe(data, "predict", "last.keras", "-", "-o", "-")
    expected = files.models["last"].predict(files.x[1:2] if extension == "csv" else files.x, verbose=0)
    if extension == "csv":
        np.testing.assert_array_equal(np.loadtxt(io.BytesIO(out), delimiter=",", ndmin=2, dtype="float32"), expected)
    elif extension == "npy":
        np.testing.assert_array_equal(load(out), expected)
    else:
        (name,) = load(out).files
        np.testing.assert_array_equal(load(out)[name], expected)


def test_format_of_standard_output(files, pipe):
    out = pipe(b"", "predict", "last.keras", "x.npy", "-o", "-", "--format", "csv")
    np.testing.assert_array_equal(
        np.loadtxt(io.BytesIO(out), delimiter=",", dtype="float32"), files.models["last"].predict(files.x, verbose=0)
    )


def test_a_terminal_gets_no_bytes(run, assert_one_line_error, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert_one_line_error(run("predict", "last.keras", "x.npy", "-o", "-"), "terminal", "--format csv")


def test_nothing_is_left_beside_the_output(files, run):
    before = set(files.directory.iterdir())
    assert run("predict", "last.keras", "x.npy", "-o", "y.csv") == 0
    assert set(files.directory.iterdir()) == before | {files.directory / "y.csv"}


def test_failed_write_leaves_the_old_output(files, run, assert_one_line_error, monkeypatch):
    def full(file, arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setitem(cli_files.WRITERS, ".npy", full)
    output = files.directory / "y.npy"
    output.write_bytes(b"old")
    before = set(files.directory.iterdir())
    assert_one_line_error(run("predict", "last.keras", "x.npy", "-o", "y.npy"), "disk full")
    assert output.read_bytes() == b"old" and set(files.directory.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("none.keras x.npy -o y.npy", ["none.keras"]),
        ("broken.keras x.npy -o y.npy", ["broken.keras"]),
        ("last.keras none.npy -o y.npy", ["none.npy"]),
        ("last.keras none.npz -o y.npy", ["none.npz"]),
        ("last.keras none.csv -o y.npy", ["none.csv"]),
        ("last.keras x.txt -o y.npy", ["x.txt", ".npy or .npz or .csv"]),
        ("last.keras x.npy -o y.txt", ["y.txt", ".npy or .npz or .csv"]),
        ("last.keras x.npy -o nowhere/y.npy", ["no directory", "nowhere"]),
        ("last.keras x.npy -o directory.npy", ["is a directory"]),
        ("last.keras broken.npy -o y.npy", ["broken.npy cannot be read"]),
        ("last.keras broken.npz -o y.npy", ["broken.npz cannot be read"]),
        ("last.keras cut.npy -o y.npy", ["cut.npy cannot be read"]),
        ("last.keras objects.npy -o y.npy", ["objects.npy cannot be read", "allow_pickle"]),
        ("last.keras words.csv -o y.npy", ["words.csv cannot be read", "seven"]),
        ("last.keras latin.csv -o y.npy", ["latin.csv cannot be read", "utf-8"]),
        ("last.keras empty.csv -o y.npy", ["empty.csv cannot be read", "no numbers"]),
        ("last.keras wide.csv -o y.npy", ["wide.csv", "expected 3 columns", "found 4"]),
        ("last.keras series.csv -o y.npy", ["series.csv", "expected 4 time steps", "has 11", "--window 4"]),
        ("last.keras short.csv -o y.npy", ["short.csv", "expected 4 time steps", "has 1"]),
        ("last.keras short.csv -o y.npy --window 4", ["1 lines are less than a window of 4"]),
        ("last.keras series.csv -o y.npy --window 5", ["expected 4 time steps", "--window is 5"]),
        ("last.keras series.csv -o y.npy --stride 2", ["--stride needs --window"]),
        ("last.keras x.npy -o y.npy --window 4", ["--window is for a .csv"]),
        ("vectors.keras series.csv -o y.npy --window 4", ["--window is for models of sequences"]),
        ("volumes.keras x.csv -o y.npy", ["x.csv", "a .npy or .npz can"]),
        ("last.keras wide.npy -o y.npy", ["3", "4"]),
        ("last.keras flat.npy -o y.npy", ["(None, 4, 3)", "(15, 4)"]),
        ("last.keras two.npz -o y.npy", ["a", "b"]),
        ("states.keras x.npy -o y.npy", ["3 outputs", "only an .npz holds"]),
        ("states.keras x.npy -o -", ["3 outputs", "only an .npz holds"]),
        ("last.keras x.npy -o y.npy --format csv", ["--format", "y.npy"]),
    ],
)
def test_errors(files, run, assert_one_line_error, words, expected):
    folder = files.directory
    (folder / "directory.npy").mkdir()
    (folder / "x.txt").write_text("1")
    for broken in ("broken.keras", "broken.npy", "broken.npz"):
        (folder / broken).write_bytes(b"PK no such file\n")
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:-40])
    np.save(folder / "objects.npy", np.array([[None]]), allow_pickle=True)
    (folder / "words.csv").write_text("1,2,3\n4,5,seven\n")
    (folder / "latin.csv").write_bytes("größe,b,c\n1,2,3\n".encode("latin-1"))
    (folder / "empty.csv").write_text("a,b,c\n")
    (folder / "wide.csv").write_text("1,2,3,4\n")
    (folder / "short.csv").write_text("1,2,3\n")
    np.save(folder / "wide.npy", np.ones((2, TIMESTEPS, FEATURES + 1)))
    np.save(folder / "flat.npy", np.ones((15, 4)))
    np.savez(folder / "two.npz", a=files.x, b=files.x)
    assert_one_line_error(run("predict", *words.split()), *expected)
    assert not (folder / "y.npy").exists()


def test_a_large_file_is_predicted_in_parts(files, run, capsys, monkeypatch):
    from fastlstm.cli import predict

    monkeypatch.setattr(cli_files, "MAPPED_FROM", 0)
    monkeypatch.setattr(predict, "PART", 1000)
    model, x = files.models["last"], random(501, TIMESTEPS, FEATURES)
    read = []
    monkeypatch.setitem(cli_files.READERS, ".npy", lambda file: read.append(file))
    for array in (x, np.asfortranarray(x.astype("float64"))):
        np.save("large.npy", array)
        for batch_size in ([], ["--batch-size", 7]):
            assert run("predict", "last.keras", "large.npy", "-o", "y.npy", *batch_size) == 0
            np.testing.assert_array_equal(np.load("y.npy"), model.predict(x, verbose=0))
            name = model.layers[-1].name
            assert capsys.readouterr().out == f"wrote y.npy: {name} (501, {OUTPUTS})\n"
    assert not read


def test_a_large_file_that_cannot_be_read(files, run, assert_one_line_error, monkeypatch):
    monkeypatch.setattr(cli_files, "MAPPED_FROM", 0)
    (files.directory / "cut.npy").write_bytes((files.directory / "x.npy").read_bytes()[:-40])
    np.save("objects.npy", np.array([[None]]), allow_pickle=True)
    for name in ("cut", "objects"):
        assert_one_line_error(run("predict", "last.keras", f"{name}.npy", "-o", "y.npy"), f"{name}.npy cannot be read")
    assert not (files.directory / "y.npy").exists()
