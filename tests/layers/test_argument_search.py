"""Every argument of every layer makes the difference that it makes in Keras: what a config holds is never ignored."""

import json
import sys
from pathlib import Path

import pytest

import fastlstm

DATA = Path(__file__).parents[1] / "data"
sys.path.insert(0, str(DATA))
from argument_cases import LEFT_OUT, changes  # noqa: E402

from fastlstm.saving.dialects import KNOWN  # noqa: E402

EXPECTED = json.loads((DATA / "arguments.json").read_text())  # make_arguments.py beside it asked Keras
# Where Keras takes the regularizer and does nothing with it.
FORGOTTEN = ("MultiHeadAttention", "SimpleRNN")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("name", EXPECTED)
def test_an_argument_changes_what_it_changes_in_keras(name):
    expected = dict(EXPECTED[name])
    if name in FORGOTTEN:
        expected['activity_regularizer="l2"'] = ["activity"]
    assert changes(fastlstm, name, {argument.partition("=")[0] for argument in expected}) == expected


def test_every_layer_is_asked():
    layers = {name for name in KNOWN if hasattr(fastlstm.layers, name)} - set(LEFT_OUT)
    assert layers == set(EXPECTED)
    assert sum(map(len, EXPECTED.values())) > 700
