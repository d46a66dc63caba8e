"""CRC-32C, the checksum of TensorFlow's files, which no module of the standard library knows.

The register after a run of bytes is linear in them over GF(2) (RFC 3720, B.4): so a block is cut into rows, all rows
go through the table side by side, and their registers are joined pair by pair, the left one first moved on by as many
zero bytes as the right one is long. A megabyte takes some milliseconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, reflected
_ONES = 0xFFFFFFFF
_WORDS = 64  # of two bytes in a row
_BLOCK = 2**20
_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | memoryview, crc: int = 0) -> int:
    """Return the checksum of some bytes.

    Args:
        data: The bytes.
        crc: The checksum of what comes before them.
    """
    view = memoryview(data).cast("B")
    register = crc ^ _ONES
    for start in range(0, len(view), _BLOCK):
        block = view[start : start + _BLOCK]
        register = _moved_on(register, len(block)) ^ _register(np.frombuffer(block, np.uint8))
    return register ^ _ONES


def masked(crc: int) -> int:
    """Return a checksum as files keep it, so that a checksum over checksums is no special case."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


def _register(data: np.ndarray) -> int:
    """The register after the bytes, from 0."""
    rows = 1 << max(0, -(-len(data) // (2 * _WORDS)) - 1).bit_length()
    padded = np.zeros(rows * 2 * _WORDS, np.uint8)
    padded[len(padded) - len(data) :] = data  # zeros before the first byte leave 0
    columns = np.ascontiguousarray(padded.view("<u2").reshape(rows, _WORDS).T)
    table = _table()
    registers = np.zeros(rows, "<u4")
    low = registers.view("<u2")[::2]
    for words in columns:
        steps = table.take(low ^ words)
        registers >>= 16
        registers ^= steps
    power = (2 * _WORDS).bit_length() - 1
    while len(registers) > 1:
        registers = _applied(_zeros(power), registers[0::2]) ^ registers[1::2]
        power += 1
    return int(registers[0])


def _moved_on(register: int, count: int) -> int:
    """The register after `count` zero bytes."""
    moved = np.array([register], np.uint32)
    for power in range(count.bit_length()):
        if count >> power & 1:
            moved = _applied(_zeros(power), moved)
    return int(moved[0])


def _applied(images: np.ndarray, registers: np.ndarray) -> np.ndarray:
    """A linear map, given by the images of the 32 bits."""
    result = np.zeros_like(registers)
    for bit, image in enumerate(images):
        result ^= (registers >> bit & 1) * image
    return result


@cache
def _zeros(power: int) -> np.ndarray:
    """The map of `2 ** power` zero bytes."""
    if power:
        return _applied(_zeros(power - 1), _zeros(power - 1))
    return _byte_steps(np.uint32(1) << np.arange(32, dtype=np.uint32))


@cache
def _table() -> np.ndarray:
    """The registers after two bytes, by the register's lower half."""
    return _byte_steps(_byte_steps(np.arange(2**16, dtype=np.uint32)))


def _byte_steps(registers: np.ndarray) -> np.ndarray:
    for _ in range(8):
        registers = registers >> 1 ^ (registers & 1) * np.uint32(_POLYNOMIAL)
    return registers
