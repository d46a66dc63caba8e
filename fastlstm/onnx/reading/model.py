"""ONNX files as models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastlstm.memory import asking, without_collection
from fastlstm.models.model import Model
from fastlstm.onnx.library import onnx_library
from fastlstm.onnx.reading import elementwise, ordering, products, recurrent, scanning, selecting, shaping, sums
from fastlstm.onnx.reading.graph import OLDEST, Reader
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError, reading
from fastlstm.saving.regular import open_regular

# Bytes that may be made of each of the file, in which nothing is packed: constants of two bytes become four or eight,
# and weights.
_EXPANSION = 32
_FAMILIES = (elementwise, ordering, products, recurrent, scanning, selecting, shaping, sums)


def load(path: str | os.PathLike[str] | bytes) -> Model:
    """Return the model of an ONNX file, with layers of this package in place of its nodes.

    Args:
        path: The file, or what is in it.

    Raises:
        OSError: When there is no such file.
        ValueError: When it is no file or no ONNX model, a node cannot be read (the text names it), its operators are
            older than those of version 7, or it would make more than a load may.
        ModuleNotFoundError: Without the onnx package.

    A model has the batch as the first axis of every input and output. Where a graph has time first,
    `(timesteps, batch, features)`, the model takes and gives `(batch, timesteps, features)`; other axes stay in the
    graph's order.
    """
    onnx = onnx_library()
    data = path if isinstance(path, bytes) else _content(Path(path))
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as error:  # what protobuf raises is nobody's public name
        raise SavedModelError(f"{_name(path)} is no ONNX model: {error}") from None
    budget = Budget(len(data), _EXPANSION)
    with reading(_name(path), "an ONNX model"), asking(budget.take_bytes), without_collection():
        if not proto.graph.node:
            raise SavedModelError(f"{_name(path)} is no ONNX model, or one of nothing.")
        versions = [one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")]
        opset = versions[0] if versions else 1
        if opset < OLDEST:
            raise SavedModelError(
                f"{_name(path)} has operators of version {opset}; those from {OLDEST} on are supported."
            )
        return Reader(proto.graph, opset, budget).model()


def _content(path: Path) -> bytes:
    with open_regular(path) as stream:
        return stream.read()


def _name(path: Any) -> str:
    return "The data" if isinstance(path, bytes) else str(path)
