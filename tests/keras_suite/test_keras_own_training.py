"""Keras' own tests of what is beside layers and models, as they are in the installed `keras` package."""

import importlib.metadata
import importlib.util
from pathlib import Path

import pytest

from fastlstm import utils

pytest.importorskip("absl.testing", reason="needs absl-py (the `test` extra)")
try:
    importlib.metadata.distribution("keras")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the test files of an installed keras (the `test` extra)", allow_module_level=True)

spec = importlib.util.spec_from_file_location("keras_shim_training", Path(__file__).with_name("shim.py"))
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

MODULES_OF_UTILS = ("numerical_utils", "progbar", "sequence_utils", "timeseries_dataset_utils")
shim.STUBS["keras.src.utils"] = shim.module("utils", **dict.fromkeys(MODULES_OF_UTILS, utils))

# File → (what it leaves out, why); the expressions are searched for in the names of the tests.
FILES = {
    "utils/numerical_utils_test.py": (
        (r"backend_tensor", "a tensor is an array here"),
        (r"build_pos_neg_masks", "a function of Keras' own"),
        (r"normalize", "draws with a backend's random numbers"),
    ),
    "utils/progbar_test.py": (
        (r"stateful_stateless_output", "a bar that is in no terminal is written once, complete"),
    ),
    "utils/sequence_utils_test.py": (),
    "utils/timeseries_dataset_utils_test.py": (),
}

CASES, USED = shim.collected(FILES)
globals().update(CASES)


@pytest.mark.parametrize("path", FILES)
def test_every_reason_to_skip_is_of_use(path):
    assert all(USED[path].values()), USED[path]
