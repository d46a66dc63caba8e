"""Keras' own tests of what is beside layers and models, as they are in the installed `keras` package."""

import importlib.metadata
import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest

from fastlstm import activations, backend, losses, metrics, optimizers, utils
from fastlstm.layers.symbolic.keras_tensor import KerasTensor

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


ARRAYS = {name: function for name, function in vars(np).items() if callable(function)} | {
    "cast": np.asarray,
    "convert_to_numpy": np.asarray,
    "convert_to_tensor": tensor,
    "one_hot": lambda x, num_classes: np.eye(num_classes, dtype=np.float32)[x],
    "sigmoid": activations.sigmoid,
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
METRICS = module("metrics", metrics)
for file in ("accuracy", "confusion", "correlation", "f_score", "hinge", "iou", "probabilistic", "regression"):
    setattr(METRICS, f"{file}_metrics", metrics)
METRICS.metrics_utils = shim.module(
    "metrics.metrics_utils",
    AUCCurve=types.SimpleNamespace(PR="PR", PRGAIN="PRGAIN", ROC="ROC"),
    AUCSummationMethod=types.SimpleNamespace(INTERPOLATION="interpolation", MAJORING="majoring", MINORING="minoring"),
)
METRICS.reduction_metrics = module("metrics.reduction_metrics", metrics, **vars(metrics.reduction))
OPTIMIZERS = module("optimizers", optimizers)
UTILS = shim.module(
    "utils",
    **dict.fromkeys(("numerical_utils", "progbar", "sequence_utils", "timeseries_dataset_utils"), utils),
)
TOP = {
    "backend": BACKEND,
    "dtype_policies": shim.NOT_THERE,
    "losses": LOSSES,
    "metrics": METRICS,
    "ops": OPS,
    "optimizers": OPTIMIZERS,
    "utils": UTILS,
}
DEEP = {
    "backend.common.keras_tensor": shim.module("backend.common.keras_tensor", KerasTensor=KerasTensor),
    "losses.loss": losses.loss,
    "optimizers.schedules": optimizers.schedules,
    **{f"optimizers.{name.lower()}": optimizers for name in optimizers.__all__ if name[0].isupper()},
    "metrics.metric": metrics.metric,
}
shim.STUBS["keras.src.saving"].register_keras_serializable = lambda **names: lambda function: function
vars(shim.STUBS["keras.src"]).update(TOP)
shim.STUBS |= {f"keras.src.{name}": stub for name, stub in {**TOP, **DEEP}.items()}

OTHER_DTYPE = (r"test_config", "makes a metric of another dtype")
TRAINS = (r"end_to_end|test_compilation|handles_sas", "trains")
FLOAT32 = (r"dtype_arg|default_dtype|mixed_dtypes", "losses and metrics compute in float32")

PRIVATE = (r"clip_(norm|value)|AdamTest.test_ema", "calls private methods")
WITH_CLIPPING = ("adadelta", "adagrad", "adam", "adamax", "adamw", "ftrl", "lamb", "nadam", "rmsprop", "sgd")

# File → (what it leaves out, why); the expressions are searched for in the names of the tests.
FILES = {
    "losses/loss_test.py": (FLOAT32,),
    "losses/losses_test.py": (
        FLOAT32,
        (
            r"CosineSimilarityTest.test_config|HuberLossTest.test_config",
            "the config keeps an argument that Keras' forgets",
        ),
        (r"^Circle", "the loss is not supported"),
    ),
    "metrics/accuracy_metrics_test.py": (),
    "metrics/confusion_metrics_test.py": (
        TRAINS,
        (r"AUCTest.test_config", "makes a metric of another dtype"),
    ),
    "metrics/f_score_metrics_test.py": ((r"test_non_2d|undefined_output_dim", "calls a private method"),),
    "metrics/hinge_metrics_test.py": (OTHER_DTYPE,),
    "metrics/iou_metrics_test.py": (TRAINS,),
    "metrics/metric_test.py": (
        FLOAT32,
        (r"test_serialization", "no custom class is made from a config"),
        (r"stateless", "state is kept in the metric"),
    ),
    "metrics/probabilistic_metrics_test.py": (OTHER_DTYPE,),
    "metrics/reduction_metrics_test.py": (
        (r"dynamic_shape", "computes on symbolic tensors"),
        (r"MetricWrapperTest.test_config", "no custom function is made from a config"),
    ),
    "metrics/regression_metrics_test.py": (OTHER_DTYPE,),
    **dict.fromkeys((f"optimizers/{name}_test.py" for name in WITH_CLIPPING), (PRIVATE,)),
    "optimizers/adafactor_test.py": (PRIVATE,),
    "optimizers/lion_test.py": (PRIVATE, (r"test_ema", "looks at private attributes")),
    "optimizers/optimizer_test.py": (
        PRIVATE,
        (r"test_ema|test_gradient_accumulation$|test_static_loss_scaling", "looks at private attributes"),
        (r"overwrite_with_gradient", "a variable is not overwritten by its gradient"),
        (r"constraints_are_applied", "calls a backend's function"),
    ),
    "optimizers/schedules/learning_rate_schedule_test.py": ((r"test_fit_lr", "trains"),),
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
