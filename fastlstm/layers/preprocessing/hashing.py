"""Hashes of strings that Keras' layers assign by, as TensorFlow computes them: FarmHash64 and SipHash-2-4.

FarmHash64 is `Fingerprint64` of Pike and Alakuijala (2014, github.com/google/farmhash), which never changes; SipHash is
that of Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
"""

from __future__ import annotations

from collections.abc import Sequence

_MASK = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def bucket(value: bytes, buckets: int, key: Sequence[int] | None = None) -> int:
    """Return the bucket of a string.

    Args:
        value: The string.
        buckets: Number of buckets.
        key: Two integers for SipHash; None for FarmHash64.
    """
    return (farmhash64(value) if key is None else siphash(value, key)) % buckets


def farmhash64(value: bytes) -> int:
    """Return the fingerprint of a string, an integer below 2**64."""
    size = len(value)
    if size <= 16:
        return _up_to_16(value)
    if size <= 32:
        mul, a, b = _K2 + 2 * size, _word(value, 0) * _K1 & _MASK, _word(value, 8)
        c, d = _word(value, size - 8) * mul & _MASK, _word(value, size - 16) * _K2 & _MASK
        return _joined(_turned(a + b, 43) + _turned(c, 30) + d, a + _turned(b + _K2, 18) + c, mul)
    return _up_to_64(value) if size <= 64 else _longer(value)


def _up_to_16(value: bytes) -> int:
    size = len(value)
    mul = _K2 + 2 * size
    if size >= 8:
        a, b = _word(value, 0) + _K2 & _MASK, _word(value, size - 8)
        return _joined(_turned(b, 37) * mul + a, (_turned(a, 25) + b) * mul, mul)
    if size >= 4:
        first, last = (int.from_bytes(value[at : at + 4], "little") for at in (0, size - 4))
        return _joined(size + (first << 3), last, mul)
    if size == 0:
        return _K2
    y, z = value[0] + (value[size >> 1] << 8), size + (value[-1] << 2)
    return _mixed((y * _K2 ^ z * _K0) & _MASK) * _K2 & _MASK


def _up_to_64(value: bytes) -> int:
    size = len(value)
    mul, a, b = _K2 + 2 * size, _word(value, 0) * _K2 & _MASK, _word(value, 8)
    c, d = _word(value, size - 8) * mul & _MASK, _word(value, size - 16) * _K2 & _MASK
    y = _turned(a + b, 43) + _turned(c, 30) + d & _MASK
    z = _joined(y, a + _turned(b + _K2, 18) + c, mul)
    e, f = _word(value, 16) * mul & _MASK, _word(value, 24)
    g, h = (y + _word(value, size - 32)) * mul & _MASK, (z + _word(value, size - 24)) * mul & _MASK
    return _joined(_turned(e + f, 43) + _turned(g, 30) + h, e + _turned(f + a, 18) + g, mul)


def _longer(value: bytes) -> int:
    seed = 81
    y = seed * _K1 + 113 & _MASK
    z = _mixed(y * _K2 + 113 & _MASK) * _K2 & _MASK
    x = seed * _K2 + _word(value, 0) & _MASK
    state = (x, y, z, (0, 0), (0, 0))
    whole = (len(value) - 1) // 64 * 64
    for at in range(0, whole, 64):
        state = _round(value, at, *state, _K1, 1)
    x, y, z, v, w = state
    mul, rest = _K1 + ((z & 0xFF) << 1), (len(value) - 1) & 63
    w = w[0] + rest & _MASK, w[1]
    v = v[0] + w[0] & _MASK, v[1]
    w = w[0] + v[0] & _MASK, w[1]
    x, y, z, v, w = _round(value, len(value) - 64, x, y, z, v, w, mul, 9)
    return _joined(_joined(v[0], w[0], mul) + _mixed(y) * _K0 + z, _joined(v[1], w[1], mul) + x, mul)


_Pair = tuple[int, int]


def _round(
    value: bytes, at: int, x: int, y: int, z: int, v: _Pair, w: _Pair, mul: int, factor: int
) -> tuple[int, int, int, _Pair, _Pair]:
    """One block of 64 bytes; the last one has factors of its own."""
    x = _turned(x + y + v[0] + _word(value, at + 8), 37) * mul & _MASK
    y = _turned(y + v[1] + _word(value, at + 48), 42) * mul & _MASK
    x ^= w[1] * factor & _MASK
    y = y + v[0] * factor + _word(value, at + 40) & _MASK
    z = _turned(z + w[0], 33) * mul & _MASK
    v = _weak(value, at, v[1] * mul, x + w[0])
    w = _weak(value, at + 32, z + w[1], y + _word(value, at + 16))
    return z, y, x, v, w


def _weak(value: bytes, at: int, a: int, b: int) -> _Pair:
    w, x, y, z = (_word(value, at + step) for step in (0, 8, 16, 24))
    a = a + w & _MASK
    b = _turned(b + a + z, 21)
    c = a
    a = a + x + y & _MASK
    b = b + _turned(a, 44) & _MASK
    return a + z & _MASK, b + c & _MASK


def _joined(u: int, v: int, mul: int) -> int:
    v &= _MASK
    a = _mixed(((u & _MASK) ^ v) * mul & _MASK)
    return _mixed((v ^ a) * mul & _MASK) * mul & _MASK


def _mixed(value: int) -> int:
    return value ^ (value >> 47)


def _turned(value: int, bits: int) -> int:
    """Rotated to the right."""
    value &= _MASK
    return (value >> bits | value << (64 - bits)) & _MASK


def _word(value: bytes, at: int) -> int:
    return int.from_bytes(value[at : at + 8], "little")


def siphash(value: bytes, key: Sequence[int]) -> int:
    """Return SipHash-2-4 of a string, an integer below 2**64.

    Args:
        value: The string.
        key: Two integers.
    """
    k0, k1 = (part & _MASK for part in key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = value + bytes(7 - len(value) % 8) + bytes([len(value) & 0xFF])
    for at in range(0, len(padded), 8):
        word = _word(padded, at)
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        for a, b, left in ((0, 1, 13), (2, 3, 16)):
            v[a] = v[a] + v[b] & _MASK
            v[b] = _turned(v[b], 64 - left) ^ v[a]
        v[0] = _turned(v[0], 32)
        for a, b, left in ((0, 3, 21), (2, 1, 17)):
            v[a] = v[a] + v[b] & _MASK
            v[b] = _turned(v[b], 64 - left) ^ v[a]
        v[2] = _turned(v[2], 32)
