"""Keras files: bytes → normalised configs and named arrays, and back. Knows files, not layers."""

from __future__ import annotations

from .config import normalise
from .detect import open_file
from .keras_v3 import write_keras
from .legacy_h5 import write_legacy_h5
from .model_file import ModelFile
from .spec import LayerSpec, VariableSpec
from .weights_h5 import write_weights

__all__ = [
    "LayerSpec",
    "ModelFile",
    "VariableSpec",
    "normalise",
    "open_file",
    "write_keras",
    "write_legacy_h5",
    "write_weights",
]
