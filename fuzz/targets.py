"""What is fuzzed: each target takes the bytes of a file, reads it, and runs what it has read."""

from __future__ import annotations

import asyncio
import functools
import io
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.layers import LSTM, Dense, Embedding, Input
from fastlstm.models import Model, Sequential, load_model, load_packed

# What a file may cause; anything else is a finding.
ALLOWED = (ValueError, TypeError, NotImplementedError, OSError, MemoryError)


class NoFolder(Exception):
    """The zip that stands for a folder is none."""


LARGEST = 100_000  # numbers of an input


def run(model: Model) -> None:
    """Predict, and step a stream where the model has one; what is refused must be refused in words."""
    shapes = [[length or (2, 3, 4)[min(i, 2)] for i, length in enumerate(given.shape)] for given in model.inputs]
    if any(np.prod(shape, dtype=float) > LARGEST for shape in shapes):
        return
    inputs = [np.ones(shape, np.float32) for shape in shapes]
    model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])
    if len(inputs) == 1:
        try:
            stream = model.stream(batch=2)
        except (ValueError, NotImplementedError):  # not every model has steps
            return
        stream.run(inputs[0])


def load(data: bytes) -> None:
    """`load_model` of a file: .keras, legacy .h5."""
    run(load_model(data))


def packed(data: bytes) -> None:
    """`load_packed`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.packed")
        path.write_bytes(data)
        run(load_packed(path))


def folder(data: bytes) -> None:
    """`load_model` of a folder: SavedModel, TensorFlow.js; the input is a zip of it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as file:
                file.extractall(folder)
        except Exception as error:  # whatever zipfile makes of a damaged file
            raise NoFolder from error
        script = Path(folder, "model.json")
        run(load_model(script if script.exists() else folder))


@functools.cache
def receiver() -> Model:
    """What `weights` loads into."""
    return Sequential(
        [Input((None,), name="x"), Embedding(5, 3, name="e"), LSTM(4, name="l"), Dense(2, name="d")], name="receiver"
    )


def weights(data: bytes) -> None:
    """`load_weights`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.weights.h5" if data[:4] == b"\x89HDF" else "m.keras")
        path.write_bytes(data)
        receiver().load_weights(path)
        run(receiver())


def onnx(data: bytes) -> None:
    """`fastlstm.onnx.load`."""
    from fastlstm import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.onnx")
        path.write_bytes(data)
        run(onnx.load(path))


@functools.cache
def service() -> tuple[Any, asyncio.AbstractEventLoop]:
    """What `request` asks, and the loop that it lives in."""
    from fastlstm.serving.app import Service
    from fastlstm.serving.settings import Settings

    return Service({"m": receiver()}, Settings()), asyncio.new_event_loop()


def request(data: bytes) -> None:
    """A request to infer, as a server gets it: `structure.REQUEST`, the length of its JSON or 0, the body."""
    from fastlstm.serving.protocol import HEADER_LENGTH, ServiceError

    (size,), body = struct.unpack("<I", data[4:8].ljust(4, b"\0")), data[8:]
    headers = {HEADER_LENGTH: str(size).encode()} if size else {}
    served, loop = service()
    try:
        reply = loop.run_until_complete(served.infer(body, {"name": "m"}, headers))
    except ServiceError as error:
        if not 400 <= error.status < 500:
            raise RuntimeError(f"{error.status}: {error}") from error
        raise ValueError(str(error)) from error
    if reply.status != 200:
        raise RuntimeError(f"status {reply.status}")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "load": load,
    "packed": packed,
    "folder": folder,
    "weights": weights,
    "onnx": onnx,
    "request": request,
}
CORPUS = Path(__file__).parent / "corpus"


def attempt(target: str, data: bytes) -> str:
    """Run a target and return "run", or the name of the error that refused the file.

    Raises:
        Exception: A finding: an error that no file may cause, or one without words.
    """
    try:
        TARGETS[target](data)
    except NoFolder:
        return "no folder"
    except ALLOWED as error:
        if len(str(error)) < 10:
            raise RuntimeError(f"an error without words: {error!r}") from error
        return type(error).__name__
    return "run"
