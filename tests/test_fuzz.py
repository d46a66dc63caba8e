"""The corpus of fuzz/, replayed, and mutations of its files: the targets run, and what they refuse is in words."""

from __future__ import annotations

import importlib
import random
import warnings
from pathlib import Path

import pytest

pytestmark = pytest.mark.packed_kernels

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "fuzz" / "corpus").glob("*/*"))


@pytest.fixture(scope="module")
def fuzz():
    """The modules structure and targets of fuzz/, which is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "fuzz")
        return {name: importlib.import_module(name) for name in ("structure", "targets")}


def name_of(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_corpus_is_read_and_run(path, fuzz):
    sound = not path.name.startswith("found-")
    outcome = fuzz["targets"].attempt(path.parent.name, path.read_bytes())
    assert outcome == "run" or not sound


@pytest.mark.parametrize("target", sorted({path.parent.name for path in FILES}))
def test_mutations_reach_a_prediction(target, fuzz):
    rng, outcomes = random.Random(1), []
    files = [path.read_bytes() for path in FILES if path.parent.name == target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(40):
            data = fuzz["structure"].mutate_file(rng.choice(files), rng)
            outcomes.append(fuzz["targets"].attempt(target, data))
    assert outcomes.count("run") >= len(outcomes) / 3
    assert outcomes.count("run") < len(outcomes)


def test_mutations_of_mutations_of_a_request_reach_a_prediction(fuzz):
    """As under the guidance of coverage, which goes on from what was refused too."""
    rng, outcomes = random.Random(1), []
    files = [path.read_bytes() for path in FILES if path.parent.name == "request"]
    for _ in range(60):
        data = rng.choice(files)
        for _ in range(4):
            data = fuzz["structure"].mutate_file(data, rng)
        outcomes.append(fuzz["targets"].attempt("request", data))
    assert outcomes.count("run") >= len(outcomes) / 8
