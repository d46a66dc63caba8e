"""Keras files: bytes → normalised configs and named arrays, and back. Knows files, not layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.identifiers import missing_names
from fastlstm.saving.config import normalise
from fastlstm.saving.detect import open_file
from fastlstm.saving.keras_v3 import write_keras
from fastlstm.saving.legacy_h5 import write_legacy_h5
from fastlstm.saving.model_file import ModelFile
from fastlstm.saving.optimizer_state import OptimizerState
from fastlstm.saving.spec import LayerSpec, VariableSpec
from fastlstm.saving.weights_h5 import write_weights

__all__ = [
    "LayerSpec",
    "ModelFile",
    "OptimizerState",
    "VariableSpec",
    "normalise",
    "open_file",
    "write_keras",
    "write_legacy_h5",
    "write_weights",
]

# What Keras has here about models is added where they are known: see `fastlstm/__init__.py`.
__getattr__: Callable[[str], Any] = missing_names(__name__, "KerasFileEditor")
