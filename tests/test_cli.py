"""The `fastlstm` command: what it writes, and one line for every error."""

import subprocess
import sys
from io import BytesIO, TextIOWrapper
from types import SimpleNamespace

import numpy as np
import pytest

import fastlstm
from fastlstm import Input, Sequential, cli
from fastlstm.layers import LSTM, Dense
from networks import randomized

BATCH, TIMESTEPS, FEATURES, UNITS, OUTPUTS = 5, 4, 3, 7, 2


@pytest.fixture
def files(tmp_path):
    """A directory with models and with `x` in every format, and what is in them."""
    rng = np.random.default_rng(3)
    models = {
        "last": Sequential([Input((TIMESTEPS, FEATURES)), LSTM(UNITS), Dense(OUTPUTS)]),
        "steps": Sequential([Input((TIMESTEPS, FEATURES)), LSTM(UNITS, return_sequences=True), Dense(OUTPUTS)]),
        "vectors": Sequential([Input((FEATURES,)), Dense(OUTPUTS, activation="tanh")]),
        "states": Sequential([Input((TIMESTEPS, FEATURES)), LSTM(UNITS, return_state=True)]),
        "volumes": Sequential([Input((2, TIMESTEPS, FEATURES)), Dense(OUTPUTS)]),
    }
    for name, model in models.items():
        randomized(model).save(tmp_path / f"{name}.keras")
    x = rng.normal(size=(BATCH, TIMESTEPS, FEATURES)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", anything=x)
    np.savetxt(tmp_path / "x.csv", x[1], delimiter=",", fmt="%.9g")
    return SimpleNamespace(directory=tmp_path, models=models, x=x)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def assert_one_line_error(capsys, code, *words):
    output, error = capsys.readouterr()
    assert code == 2
    assert error.startswith("fastlstm: error: ") and error.count("\n") == 1 and error.endswith("\n")
    for word in words:
        assert str(word) in error
    assert "wrote" not in output


@pytest.mark.parametrize("extension", ["npy", "npz"])
@pytest.mark.parametrize("name", ["last", "steps"])
def test_predict_of_arrays(files, capsys, name, extension):
    output = files.directory / "y.npy"
    assert run("predict", files.directory / f"{name}.keras", files.directory / f"x.{extension}", "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), files.models[name].predict(files.x, verbose=0))
    assert "wrote" in capsys.readouterr().out


def test_predict_of_arrays_by_name(files):
    name = files.models["last"].inputs[0].name
    np.savez(files.directory / "named.npz", **{name: files.x})
    output = files.directory / "y.npy"
    assert run("predict", files.directory / "last.keras", files.directory / "named.npz", "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), files.models["last"].predict(files.x, verbose=0))


def test_predict_in_batches(files):
    output = files.directory / "y.npy"
    arguments = ("predict", files.directory / "last.keras", files.directory / "x.npy", "-o", output, "--batch-size", 2)
    assert run(*arguments) == 0
    np.testing.assert_allclose(np.load(output), files.models["last"].predict(files.x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("head", ["", "a,b,c\n", "\ufeffa,b,c\n\n"])
def test_predict_of_csv_is_one_sequence(files, head):
    source = files.directory / "x.csv"
    source.write_text(head + source.read_text(), encoding="utf-8")
    output = files.directory / "y.npy"
    assert run("predict", files.directory / "steps.keras", source, "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), files.models["steps"].predict(files.x[1:2], verbose=0))


def test_predict_of_csv_is_samples_of_vectors(files):
    output = files.directory / "y.npy"
    assert run("predict", files.directory / "vectors.keras", files.directory / "x.csv", "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), files.models["vectors"].predict(files.x[1], verbose=0))


def test_csv_output_has_a_line_for_each_step(files):
    output = files.directory / "y.csv"
    output.write_text("to be replaced")
    assert run("predict", files.directory / "steps.keras", files.directory / "x.npy", "-o", output) == 0
    expected = files.models["steps"].predict(files.x, verbose=0).reshape(BATCH * TIMESTEPS, OUTPUTS)
    np.testing.assert_array_equal(np.loadtxt(output, delimiter=",", dtype="float32"), expected)


def test_nothing_is_left_beside_the_output(files):
    before = set(files.directory.iterdir())
    output = files.directory / "y.csv"
    assert run("predict", files.directory / "last.keras", files.directory / "x.npy", "-o", output) == 0
    assert set(files.directory.iterdir()) == before | {output}


def test_failed_write_leaves_the_old_output(files, capsys, monkeypatch):
    def full(file, y):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setitem(cli.WRITERS, ".npy", full)
    output = files.directory / "y.npy"
    output.write_bytes(b"old")
    before = set(files.directory.iterdir())
    code = run("predict", files.directory / "last.keras", files.directory / "x.npy", "-o", output)
    assert_one_line_error(capsys, code, "disk full")
    assert output.read_bytes() == b"old" and set(files.directory.iterdir()) == before


@pytest.mark.parametrize(
    ("model", "source", "output", "words"),
    [
        ("none.keras", "x.npy", "y.npy", ["none.keras"]),
        ("broken.keras", "x.npy", "y.npy", ["broken.keras"]),
        ("last.keras", "none.npy", "y.npy", ["none.npy"]),
        ("last.keras", "none.npz", "y.npy", ["none.npz"]),
        ("last.keras", "none.csv", "y.npy", ["none.csv"]),
        ("last.keras", "x.txt", "y.npy", ["x.txt", ".npy or .npz or .csv"]),
        ("last.keras", "x.npy", "y.txt", ["y.txt", ".npy or .csv"]),
        ("last.keras", "x.npy", "nowhere/y.npy", ["no directory", "nowhere"]),
        ("last.keras", "x.npy", "directory.npy", ["is a directory"]),
        ("last.keras", "broken.npy", "y.npy", ["broken.npy cannot be read"]),
        ("last.keras", "broken.npz", "y.npy", ["broken.npz cannot be read"]),
        ("last.keras", "cut.npy", "y.npy", ["cut.npy cannot be read"]),
        ("last.keras", "objects.npy", "y.npy", ["objects.npy cannot be read", "allow_pickle"]),
        ("last.keras", "words.csv", "y.npy", ["words.csv cannot be read", "seven"]),
        ("last.keras", "empty.csv", "y.npy", ["empty.csv cannot be read", "no numbers"]),
        ("last.keras", "wide.csv", "y.npy", ["wide.csv", "expected 3 columns", "found 4"]),
        ("volumes.keras", "x.csv", "y.npy", ["x.csv", "a .npy can"]),
        ("last.keras", "wide.npy", "y.npy", ["3", "4"]),
        ("last.keras", "flat.npy", "y.npy", ["(None, 4, 3)", "(15, 4)"]),
        ("last.keras", "two.npz", "y.npy", ["a", "b"]),
        ("states.keras", "x.npy", "y.npy", ["states.keras has 3 outputs"]),
    ],
)
def test_errors_of_predict(files, capsys, model, source, output, words):
    folder = files.directory
    (folder / "directory.npy").mkdir()
    (folder / "x.txt").write_text("1")
    for broken in ("broken.keras", "broken.npy", "broken.npz"):
        (folder / broken).write_bytes(b"PK no such file\n")
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:-40])
    np.save(folder / "objects.npy", np.array([[None]]), allow_pickle=True)
    (folder / "words.csv").write_text("1,2,3\n4,5,seven\n")
    (folder / "empty.csv").write_text("a,b,c\n")
    (folder / "wide.csv").write_text("1,2,3,4\n")
    np.save(folder / "wide.npy", np.ones((2, TIMESTEPS, FEATURES + 1)))
    np.save(folder / "flat.npy", np.ones((15, 4)))
    np.savez(folder / "two.npz", a=files.x, b=files.x)
    code = run("predict", folder / model, folder / source, "-o", folder / output)
    assert_one_line_error(capsys, code, *words)
    assert not (folder / "y.npy").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["predict"],
        ["predict", "m", "x", "-oy", "--batch-size", "0"],
        ["summary"],
        ["demo", "--plot"],
    ],
)
def test_errors_of_arguments(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert_one_line_error(capsys, stop.value.code)


def test_summary(files, capsys):
    assert run("summary", files.directory / "last.keras") == 0
    output = capsys.readouterr().out
    assert "LSTM" in output and f"(None, {OUTPUTS})" in output and "Total params" in output


def test_summary_of_no_model(files, capsys):
    assert_one_line_error(capsys, run("summary", files.directory / "x.npy"), "x.npy")


def test_demo(capsys):
    assert run("demo") == 0
    output = capsys.readouterr().out
    assert "27.4" in output and "77.0" in output and "One prediction takes" in output
    chart = output.strip().split("\n\n")[1]
    assert chart.count("●") + chart.count("o") == 24


def test_demo_without_unicode(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), encoding="ascii"))
    assert run("demo") == 0
    sys.stdout.seek(0)
    assert "o actual" in sys.stdout.read()


def test_demo_plot(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert run("demo", "--plot", tmp_path / "chart") == 0
    assert (tmp_path / "chart").read_bytes().startswith(b"\x89PNG")


def test_demo_plot_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert_one_line_error(capsys, run("demo", "--plot", tmp_path / "chart.png"), "matplotlib")
    assert not any(tmp_path.iterdir())


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fastlstm {fastlstm.__version__}\n"


def test_as_a_module(files):
    command = [sys.executable, "-m", "fastlstm", "summary", str(files.directory / "none.keras")]
    # Elsewhere than in the sources, which Python would prefer to what is installed.
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=files.directory)
    assert finished.returncode == 2
    assert finished.stderr.startswith("fastlstm: error: ") and finished.stderr.count("\n") == 1
