"""The models, under Keras' names."""

from fastlstm.models.cloning import clone_model
from fastlstm.models.functional import Functional
from fastlstm.models.loading import load_model, model_from_json, save_model
from fastlstm.models.model import Model
from fastlstm.models.packed import load_packed, save_packed
from fastlstm.models.sequential import Sequential
from fastlstm.models.stream import Stream, StreamPool

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "Stream",
    "StreamPool",
    "clone_model",
    "load_model",
    "load_packed",
    "model_from_json",
    "save_model",
    "save_packed",
]
