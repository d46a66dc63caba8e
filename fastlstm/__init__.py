"""Trained Keras LSTM networks on a CPU: Keras' files, Keras' interface, no TensorFlow."""

import importlib
from types import ModuleType

from fastlstm import (
    activations,
    backend,
    config,
    constraints,
    initializers,
    layers,
    models,
    random,
    regularizers,
    saving,
)
from fastlstm._version import __version__
from fastlstm.engine import get_include, get_num_threads, set_num_threads, show_config
from fastlstm.identifiers import missing_names
from fastlstm.layers import Input, Layer
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_keras_tensor
from fastlstm.models import (
    Model,
    Sequential,
    clone_model,
    load_model,
    load_packed,
    model_from_json,
    save_model,
    save_packed,
)
from fastlstm.models.loading import load_weights, save_weights

__all__ = [
    "Input",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "backend",
    "clone_model",
    "config",
    "constraints",
    "get_include",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "load_packed",
    "losses",
    "metrics",
    "model_from_json",
    "models",
    "ops",
    "preprocessing",
    "random",
    "regularizers",
    "save_model",
    "save_packed",
    "saving",
    "set_num_threads",
    "show_config",
    "utils",
]

# Names that Keras has in rooms which know nothing of layers and models here.
vars(backend).update(is_keras_tensor=is_keras_tensor)
vars(saving).update(load_model=load_model, load_weights=load_weights, save_model=save_model, save_weights=save_weights)

# Imported when they are first asked for: who only predicts does without them.
_ON_DEMAND = frozenset({"losses", "metrics", "ops", "preprocessing", "utils"})

_missing = missing_names(
    __name__,
    """
    DTypePolicy FloatDTypePolicy Function Initializer InputSpec Loss Metric Operation Optimizer Quantizer Regularizer
    RematScope StatelessScope SymbolicScope Variable applications callbacks datasets device distillation distribution
    dtype_policies export legacy mixed_precision name_scope optimizers quantizers remat tree version
    visualization wrappers
    """,
)


def __getattr__(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}") if name in _ON_DEMAND else _missing(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
