"""What a stream's sequence so far has left, as bytes: a file for later, or for another server.

    0   magic (8 bytes), format version, bytes of the header (u32 each)
    16  the header: JSON, `{"shapes": [[[1, 50], …], …]}`, per layer its arrays' shapes
    …   the arrays, little-endian float32 in C order
    -4  CRC-32 (u32) of all bytes before

Numbers are little-endian. The shapes are to be those of the stream that takes it, so that nothing else is read.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence

import numpy as np

MAGIC = b"\x93FLSTATE"
FORMAT_VERSION = 1
_PREAMBLE = struct.Struct("<8sII")
_CHECKSUM = struct.Struct("<I")

States = list[list[np.ndarray]]


def to_bytes(states: States) -> bytes:
    """Return states as bytes."""
    header = json.dumps({"shapes": _shapes(states)}).encode()
    parts = [_PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(header)), header]
    parts += [np.ascontiguousarray(array, "<f4").tobytes() for of_layer in states for array in of_layer]
    data = b"".join(parts)
    return data + _CHECKSUM.pack(zlib.crc32(data))


def from_bytes(data: bytes, shapes: Sequence[Sequence[Sequence[int]]]) -> States:
    """Return the states in a checkpoint.

    Args:
        data: The checkpoint.
        shapes: Of the states that are expected.

    Raises:
        ValueError: It is none, is damaged or of another version, or of a stream of other layers.
    """
    if len(data) < _PREAMBLE.size + _CHECKSUM.size or not data.startswith(MAGIC):
        raise ValueError("This is not the state of a stream.")
    _, version, length = _PREAMBLE.unpack_from(data)
    if version != FORMAT_VERSION:
        raise ValueError(f"The state is of format {version}, and this version of fastlstm reads {FORMAT_VERSION}.")
    if _CHECKSUM.unpack(data[-4:])[0] != zlib.crc32(data[:-4]):
        raise ValueError("The state is damaged: its checksum differs.")
    wanted = [[list(shape) for shape in of_layer] for of_layer in shapes]
    if length > 10_000 + 4 * len(json.dumps(wanted)):
        raise ValueError(f"The state is damaged, or of another model: its header has {length} bytes.")
    try:
        found = json.loads(data[_PREAMBLE.size : _PREAMBLE.size + length])["shapes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("The state is damaged: its header cannot be read.") from None
    if found != wanted:
        raise ValueError(f"A state of these shapes is expected: {wanted}. Received: {str(found)[:500]}")
    values = np.frombuffer(data[_PREAMBLE.size + length : -4], "<f4") if (len(data) - length) % 4 == 0 else np.zeros(0)
    sizes = [int(np.prod(shape)) for of_layer in wanted for shape in of_layer]
    if len(values) != sum(sizes):
        raise ValueError("The state is damaged: it is too short or too long.")
    cut = iter(np.split(values, np.cumsum(sizes)[:-1]))
    return [[next(cut).reshape(shape).astype(np.float32) for shape in of_layer] for of_layer in wanted]


def _shapes(states: States) -> list[list[list[int]]]:
    return [[list(array.shape) for array in of_layer] for of_layer in states]
