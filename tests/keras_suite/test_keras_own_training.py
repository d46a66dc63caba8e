"""Keras' own tests of what is beside layers and models, as they are in the installed `keras` package."""

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fastlstm import backend, losses, utils

pytest.importorskip("absl.testing", reason="needs absl-py (the `test` extra)")
try:
    importlib.metadata.distribution("keras")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the test files of an installed keras (the `test` extra)", allow_module_level=True)

spec = importlib.util.spec_from_file_location("keras_shim_training", Path(__file__).with_name("shim.py"))
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)


def tensor(x, dtype=None):
    return np.asarray(x, dtype).view(backend.Tensor)


def set_keras_mask(x, mask):
    x._keras_mask = mask


def module(name, package, **further):
    """A stub with all that a module or package of fastlstm has."""
    return shim.module(name, **{**vars(package), **further})


ARRAYS = {
    "cast": np.asarray,
    "concatenate": np.concatenate,
    "convert_to_numpy": np.asarray,
    "convert_to_tensor": tensor,
    "expand_dims": np.expand_dims,
    "ones": np.ones,
    "shape": np.shape,
    "squeeze": np.squeeze,
    "tile": np.tile,
    "zeros": np.zeros,
}
BACKEND = module(
    "backend",
    backend,
    **ARRAYS,
    backend=lambda: "fastlstm",
    get_keras_mask=lambda x: getattr(x, "_keras_mask", None),
    set_keras_mask=set_keras_mask,
)
OPS = shim.module("ops", **ARRAYS)
LOSSES = module("losses", losses, losses=losses)
UTILS = shim.module(
    "utils",
    **dict.fromkeys(("numerical_utils", "progbar", "sequence_utils", "timeseries_dataset_utils"), utils),
)
TOP = {"backend": BACKEND, "dtype_policies": shim.NOT_THERE, "losses": LOSSES, "ops": OPS, "utils": UTILS}
DEEP = {"losses.loss": losses.loss}
vars(shim.STUBS["keras.src"]).update(TOP)
shim.STUBS |= {f"keras.src.{name}": stub for name, stub in {**TOP, **DEEP}.items()}

FLOAT32 = (r"dtype_arg|default_dtype|mixed_dtypes", "losses and metrics compute in float32")

# File → (what it leaves out, why); the expressions are searched for in the names of the tests.
FILES = {
    "losses/loss_test.py": (FLOAT32,),
    "losses/losses_test.py": (
        FLOAT32,
        (
            r"CosineSimilarityTest.test_config|HuberLossTest.test_config",
            "the config keeps an argument that Keras' forgets",
        ),
        (r"^(CTC|Circle)", "the loss is not supported"),
    ),
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
