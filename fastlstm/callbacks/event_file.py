"""TensorBoard's files: records of events, each with values under tags.

A record is its length, its bytes and a checksum of either; an event is a protocol buffer (`tensorflow/core/util/
event.proto`, `framework/summary.proto` and `framework/tensor.proto` of TensorFlow have the numbers of the fields).
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fastlstm.crc32c import crc32c, masked

_BINS = 30
_STRING, _FLOAT, _DOUBLE = 7, 1, 2
# Of a tag: what TensorBoard's plugin makes of its values.
_SCALARS, _TENSORS = 1, 2

_numbers = itertools.count()


class EventFile:
    """A new file of events in a folder, which is made if need be.

    Args:
        folder: Its path.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}.v2"
        self.path: Path = Path(folder) / name
        self._file = self.path.open("wb")
        self._write(event(time.time(), version="brain.Event:2"))

    def add(self, values: Iterable[bytes], step: int) -> None:
        """Write an event.

        Args:
            values: What `scalar`, `histogram` and `document` give.
            step: Integer.
        """
        self._write(event(time.time(), step, values))

    def _write(self, data: bytes) -> None:
        self._file.write(record(data))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def record(data: bytes) -> bytes:
    """Return bytes as they stand in a file of records."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, _checksum(length), data, _checksum(data)])


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked(crc32c(data)))


def event(wall_time: float, step: int = 0, values: Iterable[bytes] = (), version: str | None = None) -> bytes:
    """Return an event: of a version, at the beginning of a file, or of values."""
    parts = [_tag(1, 1) + struct.pack("<d", wall_time)]
    if step:
        parts.append(_tag(2, 0) + _varint(step))
    if version is not None:
        parts.append(_bytes(3, version.encode()))
    summary = b"".join(_bytes(1, value) for value in values)
    return b"".join([*parts, _bytes(5, summary) if summary else b""])


def scalar(tag: str, value: float) -> bytes:
    """Return a number under a tag."""
    return _value(tag, "scalars", b"", _SCALARS, _array(np.float32(value), _FLOAT))


def histogram(tag: str, values: np.ndarray) -> bytes:
    """Return how many of some values lie in each of 30 ranges."""
    finite = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(finite, _BINS)
    table = np.stack([edges[:-1], edges[1:], counts.astype(np.float64)], axis=1)
    return _value(tag, "histograms", b"", _TENSORS, _array(table, _DOUBLE))


def document(tag: str, text: str, plugin: str, content: bytes) -> bytes:
    """Return a text for a plugin."""
    tensor = _tag(1, 0) + _varint(_STRING) + _bytes(2, b"") + _bytes(8, text.encode())
    return _value(tag, plugin, content, 0, tensor)


def _value(tag: str, plugin: str, content: bytes, data_class: int, tensor: bytes) -> bytes:
    of_plugin = _bytes(1, plugin.encode()) + (_bytes(2, content) if content else b"")
    metadata = _bytes(1, of_plugin) + (_tag(4, 0) + _varint(data_class) if data_class else b"")
    return _bytes(1, tag.encode()) + _bytes(8, tensor) + _bytes(9, metadata)


def _array(array: np.ndarray | np.floating, kind: int) -> bytes:
    sizes = b"".join(_bytes(2, _tag(1, 0) + _varint(size)) for size in array.shape)
    return _tag(1, 0) + _varint(kind) + _bytes(2, sizes) + _bytes(4, array.tobytes())


def _bytes(number: int, data: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(data)) + data


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])
