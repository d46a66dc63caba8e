"""The door for a file of any kind: commands and the service come through it."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastlstm.models import Model


def open_model(path: str | PathLike[str]) -> Model:
    """Return the model in a file of any Keras, in a packed one, or in one whose name ends in .onnx; it is not compiled.

    Raises:
        ValueError, OSError: As `fastlstm.load_model`, `load_packed` and `onnx.load`.
        ModuleNotFoundError: For .onnx, without the onnx package.
    """
    if fspath(path).lower().endswith(".onnx"):
        from fastlstm.onnx.reading.model import load

        return load(path)
    from fastlstm.models.packed import open_model as opened

    return opened(path)
