"""Trained Keras LSTM networks on a CPU: Keras' files, Keras' interface, no TensorFlow."""

import importlib
from typing import TYPE_CHECKING, Any

from fastlstm import (
    activations,
    backend,
    config,
    constraints,
    engine,
    initializers,
    layers,
    models,
    random,
    regularizers,
    saving,
)
from fastlstm._version import __version__
from fastlstm.backend import Variable
from fastlstm.engine import get_include, get_num_threads, set_num_threads, show_config
from fastlstm.identifiers import missing_names
from fastlstm.initializers import Initializer
from fastlstm.layers import Input, InputSpec, Layer
from fastlstm.layers.base.dtype_policy import DTypePolicy, dtype_policy, set_dtype_policy
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
from fastlstm.models.backend_function import function
from fastlstm.models.keras_objects import deserialize_keras_object, serialize_keras_object
from fastlstm.models.loading import load_weights, save_weights
from fastlstm.models.torch_modules import from_torch
from fastlstm.object_registration import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from fastlstm.older_modules import give_older_modules
from fastlstm.regularizers import Regularizer

if TYPE_CHECKING:
    from fastlstm import (
        callbacks,
        datasets,
        losses,
        metrics,
        mixed_precision,
        onnx,
        ops,
        optimizers,
        preprocessing,
        utils,
    )
    from fastlstm.losses import Loss
    from fastlstm.metrics import Metric
    from fastlstm.optimizers import Optimizer

__all__ = [
    "DTypePolicy",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "clone_model",
    "config",
    "constraints",
    "datasets",
    "from_torch",
    "get_include",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "load_packed",
    "losses",
    "metrics",
    "mixed_precision",
    "model_from_json",
    "models",
    "onnx",
    "ops",
    "optimizers",
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
vars(backend).update(function=function, is_keras_tensor=is_keras_tensor)
vars(config).update(dtype_policy=dtype_policy, set_dtype_policy=set_dtype_policy)
vars(saving).update(
    CustomObjectScope=custom_object_scope,
    custom_object_scope=custom_object_scope,
    deserialize_keras_object=deserialize_keras_object,
    get_custom_objects=get_custom_objects,
    get_registered_name=get_registered_name,
    get_registered_object=get_registered_object,
    load_model=load_model,
    load_weights=load_weights,
    register_keras_serializable=register_keras_serializable,
    save_model=save_model,
    save_weights=save_weights,
    serialize_keras_object=serialize_keras_object,
)

# Keras 1 and 2 had their layers' base in a room that is another one here.
give_older_modules(layers, "base_layer input_layer input_spec topology", under="fastlstm.engine")


def _of_an_older_engine(name: str) -> Any:
    if name == "Model":
        return Model
    if name in ("Input", "InputLayer", "InputSpec", "Layer"):
        return getattr(layers, name)
    raise AttributeError(f"module 'fastlstm.engine' has no attribute '{name}'")


vars(engine)["__getattr__"] = _of_an_older_engine

# Imported when they are first asked for: who only predicts does without them.
_ROOMS = (
    "callbacks",
    "datasets",
    "losses",
    "metrics",
    "mixed_precision",
    "onnx",
    "ops",
    "optimizers",
    "preprocessing",
    "utils",
)
_ON_DEMAND = dict.fromkeys(_ROOMS, "")
_ON_DEMAND |= {"Loss": "losses", "Metric": "metrics", "Optimizer": "optimizers"}

_missing = missing_names(
    __name__,
    """
    FloatDTypePolicy Function Operation Quantizer RematScope StatelessScope SymbolicScope applications
    device distillation distribution dtype_policies export legacy name_scope quantizers remat
    tree version visualization wrappers
    """,
)


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        return _missing(name)
    room = importlib.import_module(f"{__name__}.{_ON_DEMAND[name] or name}")
    return getattr(room, name) if _ON_DEMAND[name] else room


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
