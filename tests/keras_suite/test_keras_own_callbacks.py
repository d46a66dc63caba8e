"""Keras' own tests of callbacks, which train, as they are in the installed `keras` package."""

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fastlstm import callbacks, initializers, layers, losses, metrics, models, ops, optimizers, saving, utils

pytest.importorskip("absl.testing", reason="needs absl-py (the `test` extra)")
try:
    importlib.metadata.distribution("keras")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("needs the test files of an installed keras (the `test` extra)", allow_module_level=True)

spec = importlib.util.spec_from_file_location("keras_shim_callbacks", Path(__file__).with_name("shim.py"))
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning"),
    pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning"),
    # Of files and folders that the tests leave open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def get_test_data(train_samples, test_samples, input_shape, num_classes, random_seed=None):
    """Classes whose centers lie apart, as Keras' tests take them."""
    rng = np.random.default_rng(random_seed)
    centers = 2 * num_classes * rng.random((num_classes, *input_shape))
    y = rng.integers(0, num_classes, train_samples + test_samples)
    x = (centers[y] + rng.normal(0, 1.0, (len(y), *input_shape))).astype(np.float32)
    return (x[:train_samples], y[:train_samples]), (x[train_samples:], y[train_samples:])


TOP = {
    "callbacks": shim.module("callbacks", **{name: getattr(callbacks, name) for name in callbacks.__all__}),
    "initializers": initializers,
    "layers": layers,
    "losses": losses,
    "metrics": metrics,
    "models": models,
    "ops": ops,
    "optimizers": optimizers,
    "saving": saving,
    "utils": shim.module("utils", numerical_utils=utils, io_utils=utils),
}
DEEP = {
    "callbacks.callback": callbacks,
    "models.sequential": models,
    "testing.test_utils": shim.module("testing.test_utils", get_test_data=get_test_data),
}
vars(shim.STUBS["keras.src"]).update(TOP)
shim.STUBS["keras.src.testing"].test_utils = DEEP["testing.test_utils"]
shim.STUBS |= {f"keras.src.{name}": stub for name, stub in {**TOP, **DEEP}.items()}

VERBOSE = (r"verbose_logging", "messages are printed, whatever the verbosity of Keras' logging")
OPERATOR = (
    r"test_early_stopping$|monitor_op_logic",
    "compares numbers by an operator of Python's, not by one of `ops`",
)

# File → (what it leaves out, why); the expressions are searched for in the names of the tests.
FILES = {
    "callbacks/callback_test.py": (
        (r"model_state_is_current", "trains a model with a step of its own, for a backend"),
    ),
    "callbacks/csv_logger_test.py": (),
    "callbacks/early_stopping_test.py": (OPERATOR,),
    "callbacks/lambda_callback_test.py": (),
    "callbacks/learning_rate_scheduler_test.py": (VERBOSE,),
    "callbacks/model_checkpoint_test.py": (),
    "callbacks/monitor_callback_test.py": (OPERATOR,),
    "callbacks/reduce_lr_on_plateau_test.py": (VERBOSE,),
    "callbacks/terminate_on_nan_test.py": (),
}

CASES, USED = shim.collected(FILES)
globals().update(CASES)


@pytest.mark.parametrize("path", FILES)
def test_every_reason_to_skip_is_of_use(path):
    assert all(USED[path].values()), USED[path]
