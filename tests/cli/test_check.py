"""`fastlstm check`: everything in a file that is not supported, at once, each with what to do."""

import json
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, load_model
from fastlstm.layers import GRU, LSTM, Bidirectional, Dense, Embedding, TimeDistributed
from fastlstm.models import checking
from fastlstm.models.checking import check
from networks import randomized

REFUSED = Path(__file__).parents[1] / "data" / "refused.zip"


def changed(path, change):
    """A `.keras` file with another config."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.fixture
def path(tmp_path):
    """A graph with layers inside layers."""
    x = Input((5, 3), name="x")
    inner = Sequential(
        [Input((5, 4)), LSTM(4, return_sequences=True, name="deep"), Dense(2, name="flat")], name="inner"
    )
    h = TimeDistributed(Dense(4, name="each"), name="times")(x)
    y = Bidirectional(GRU(3, name="one_way"), name="both")(inner(h))
    path = tmp_path / "model.keras"
    randomized(Model(x, Dense(1, name="last")(y))).save(path)
    return path


def layers(config):
    """Every layer's dict at any depth, by name."""
    found = {}
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            if isinstance(item.get("config"), dict) and "name" in item["config"]:
                found[item["config"]["name"]] = item
            pending += item.values()
    return found


def test_a_sound_file(path, run, capsys):
    assert run("check", path) == 0
    output, error = capsys.readouterr()
    assert re.fullmatch(r".*model\.keras, written by Keras 3\.\S+: opens and runs\n", output) and error == ""


def test_everything_at_once(path, run, capsys):
    def spoil(config):
        by_name = layers(config)
        by_name["deep"]["class_name"] = by_name["deep"]["registered_name"] = "DeepLSTM"
        by_name["flat"]["config"]["activation"] = "sqrtm"
        by_name["each"] |= {"module": "mine", "class_name": "Each", "registered_name": "mine>Each"}
        by_name["last"]["config"]["units"] = -1

    changed(path, spoil)
    assert run("check", path) == 1
    output, error = capsys.readouterr()
    problems = re.split(r"^\d+\. ", output, flags=re.MULTILINE)[1:]
    assert len(problems) == 4 and error.endswith(": 4 problems\n")
    by_name = {re.search(r"[Ll]ayer '(\w+)'", problem)[1]: problem for problem in problems}
    assert set(by_name) == {"deep", "flat", "each", "last"}
    assert "custom_objects={'DeepLSTM'" in by_name["deep"]
    assert 'custom_objects={"sqrtm": sqrtm}' in by_name["flat"]
    assert "class Each(fastlstm.layers.Layer):" in by_name["each"]
    assert "load_weights" in by_name["last"]


def test_weights_that_do_not_fit(path, run, capsys):
    changed(path, lambda config: layers(config)["last"]["config"].update(units=7))
    assert run("check", path) == 1
    assert "last" in capsys.readouterr().out


@pytest.mark.parametrize("name", [entry for entry in zipfile.ZipFile(REFUSED).namelist() if not entry.endswith("/")])
def test_every_refused_file_of_real_keras_says_what_to_do(tmp_path, name):
    with zipfile.ZipFile(REFUSED) as archive:
        report = check(archive.extract(name, tmp_path))
    if report.model is not None and not report.problems:
        pytest.skip("it is supported meanwhile")
    assert report.keras_version
    for problem in report.problems:
        advice = problem.advice or problem.what
        assert re.search(r"custom_objects|load_weights|do it before|Make|Save", advice), problem


def test_warnings_are_notes(path, run, capsys, monkeypatch):
    def warning(*arguments, **keywords):
        for _ in range(2):
            warnings.warn("half of it\x1b[2J", stacklevel=1)
        return load_model(*arguments, **keywords)

    monkeypatch.setattr(checking, "load_model", warning)
    assert run("check", path) == 0
    output = capsys.readouterr().out
    assert output.startswith("note: half of it\\x1b[2J\n") and output.count("note: ") == 1


def test_weights_alone(tmp_path):
    randomized(Sequential([Input((3,)), Dense(1)])).save_weights(tmp_path / "a.weights.h5")
    (problem,) = check(tmp_path / "a.weights.h5").problems
    assert "weights alone" in problem.what and "load_weights" in problem.what


@pytest.mark.parametrize("name", ["none.keras", "x.npy"])
def test_what_is_no_model(files, run, capsys, name):
    assert run("check", name) == 1
    output, error = capsys.readouterr()
    assert output.startswith("1. ") and name in output and error.endswith(": 1 problem\n")


def test_public_models(shared, public_model):
    report = check(shared / "models" / public_model["file"])
    assert report.problems == [] and report.model is not None


def test_ids_and_batches_in_files(tmp_path):
    text = Sequential([Input((None,), dtype="int32"), Embedding(9, 4), LSTM(3)])
    stateful = Sequential([Input((4, 2), batch_size=5), LSTM(3, stateful=True)])
    for name, model in {"text": text, "stateful": stateful}.items():
        model.save(tmp_path / f"{name}.keras")
        report = check(tmp_path / f"{name}.keras")
        assert report.problems == []
        assert np.all(report.model.get_weights()[0] == model.get_weights()[0])
