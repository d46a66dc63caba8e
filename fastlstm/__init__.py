"""Trained Keras LSTM networks on a CPU: Keras' files, Keras' interface, no TensorFlow."""

from fastlstm import (
    activations,
    backend,
    constraints,
    initializers,
    layers,
    models,
    random,
    regularizers,
    utils,
)
from fastlstm._version import __version__
from fastlstm.engine import get_include, get_num_threads, set_num_threads, show_config
from fastlstm.layers import Input, Layer
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

__all__ = [
    "Input",
    "Layer",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "backend",
    "clone_model",
    "constraints",
    "get_include",
    "get_num_threads",
    "initializers",
    "layers",
    "load_model",
    "load_packed",
    "model_from_json",
    "models",
    "random",
    "regularizers",
    "save_model",
    "save_packed",
    "set_num_threads",
    "show_config",
    "utils",
]
