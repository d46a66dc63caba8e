"""The one door to the onnx package, which is an extra."""

from __future__ import annotations

from typing import Any


def onnx_library() -> Any:
    """Return the onnx package.

    Raises:
        ModuleNotFoundError: When it is not installed; the text says how to install it.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("ONNX files need the onnx package: pip install 'fastlstm[onnx]'") from error
    return onnx
