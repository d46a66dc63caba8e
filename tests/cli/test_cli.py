"""The `fastlstm` command: one line for every error, whatever the command."""

import subprocess
import sys

import pytest

import fastlstm
from fastlstm import cli


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
def test_errors_of_arguments(assert_one_line_error, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert_one_line_error(stop.value.code)


def test_summary(run, capsys):
    assert run("summary", "last.keras") == 0
    output = capsys.readouterr().out
    assert "LSTM" in output and "(None, 2)" in output and "Total params" in output


def test_summary_of_no_model(run, assert_one_line_error):
    assert_one_line_error(run("summary", "x.npy"), "x.npy")


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


def test_a_name_in_a_file_cannot_steer_the_terminal(capsys):
    cli.print_error("no layer '\x1b[2J\u202e\n  evil'")
    assert capsys.readouterr().err == "fastlstm: error: no layer '\\x1b[2J\\u202e evil'\n"


def test_a_reader_that_has_enough_is_no_error(files):
    line = f"{sys.executable} -m fastlstm predict last.keras x.npy -o - --format csv | true"
    finished = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, cwd=files.directory)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_every_command_says_what_it_does(capsys):
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit):
            cli.main([command.__name__.rpartition(".")[2], "--help"])
        assert command.__doc__.splitlines()[0] in capsys.readouterr().out
