"""ONNX out and in: `save` writes a model as an ONNX graph, `load` makes a model of one. Needs `fastlstm[onnx]`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastlstm.onnx.reading.model import load
    from fastlstm.onnx.writing.model import save

__all__ = ["load", "save"]

# Imported when they are first asked for: who opens other files does without them.
_ROOMS = {"load": "reading", "save": "writing"}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}.model"), name)
