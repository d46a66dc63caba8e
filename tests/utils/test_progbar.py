import re
import sys

import pytest

from fastlstm import config
from fastlstm.utils import Progbar, disable_interactive_logging, enable_interactive_logging


def plain(text):
    return re.sub(r"\x1b\[\d+m", "", text)


def test_a_file_gets_one_line(capsys):
    bar = Progbar(12)
    for step in range(1, 13):
        bar.update(step, [("loss", float(step)), ("tiny", 1e-5)])
    out = capsys.readouterr().out
    assert re.fullmatch(r"12/12 ━{20} \d+s \d+[mu]?s/step - loss: 12\.0000 - tiny: 1\.0000e-05\n", out), out


def test_a_terminal_gets_a_bar_that_moves(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    bar = Progbar(4, width=8, interval=0.0, stateful_metrics=["last"])
    bar.update(1, [("mean", 1.0), ("last", 1.0)])
    bar.update(3, [("mean", 4.0), ("last", 4.0)])
    bar.add(1, [("mean", 5.0), ("last", 5.0)])
    lines = plain(capsys.readouterr().out).split("\r")[1:]
    assert [line.split()[0] for line in lines] == ["1/4", "3/4", "4/4"]
    assert [line.count("━") for line in lines] == [8, 8, 8]
    # Two steps with the mean 4 after one with 1; the last values are those of all steps.
    assert [re.findall(r"(?:mean|last): ([\d.]+)", line) for line in lines] == [
        ["1.0000", "1.0000"],
        ["3.0000", "4.0000"],
        ["5.0000", "5.0000"],
    ]
    assert lines[-1].endswith("\n")


def test_a_line_fits_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    Progbar(1).update(1, [(f"metric_{i}", 1.0) for i in range(9)])
    out = capsys.readouterr().out
    assert len(plain(out).strip("\r\n")) == 59


@pytest.mark.parametrize(("verbose", "start"), [(0, ""), (2, r"2/2 - \d+s - ")])
def test_other_levels(capsys, verbose, start):
    bar = Progbar(2, verbose=verbose)
    bar.update(1, [("loss", 1.0)])
    bar.update(2, [("loss", 2.0)])
    out = capsys.readouterr().out
    assert re.match(start, out)
    assert out.endswith("- loss: 2.0000\n") if start else not out


def test_an_unknown_target(capsys):
    bar = Progbar(None, stateless_metrics=["a"])
    bar.update(1, [("a", 2.0)])
    bar.update(2, [("a", 4.0), ("b", 1.0)], finalize=True)
    assert re.match(r" +2/Unknown \d+s \d+[mu]?s/step - a: 4.0000 - b: 1.0000", capsys.readouterr().out)
    with pytest.raises(ValueError, match="Only one of `stateful_metrics` or `stateless_metrics`"):
        Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_messages_go_to_the_log(capsys, caplog):
    disable_interactive_logging()
    try:
        with caplog.at_level("INFO", "fastlstm"):
            Progbar(1).update(1, [("loss", 1.0)])
        assert not config.is_interactive_logging_enabled()
    finally:
        enable_interactive_logging()
    assert "1/1" in caplog.text
    assert not capsys.readouterr().out
