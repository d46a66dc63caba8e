"""Text as TensorFlow has it, bytes of UTF-8: arrays of it, standardized, cut into tokens, joined to n-grams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from fastlstm.printable import shown

_PUNCTUATION = bytes(byte for byte in range(ord("!"), 127) if not chr(byte).isalnum())


def as_strings(x: Any) -> np.ndarray:
    """Return an array of objects, all of them `bytes`.

    Args:
        x: A string, `bytes`, or an array, list or tuple of them at any depth.

    Raises:
        ValueError: When there is something else, or rows of different lengths.
    """
    array = x if isinstance(x, np.ndarray) else _object_array(x)
    if array.dtype.kind == "S":
        return array.astype(object)
    if array.dtype.kind not in "UOT":
        raise ValueError(f"The layer takes strings. Received an array of dtype {array.dtype.name}.")
    encoded = np.empty(array.shape, object)
    encoded.ravel()[:] = [_encoded(item) for item in array.ravel().tolist()]
    return encoded


def _object_array(x: Any) -> np.ndarray:
    """What NumPy makes of it, unless it has to turn one item into the type of another."""
    if isinstance(x, (str, bytes, np.generic)):
        return np.asarray(x)
    try:
        found = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"Strings in rows of different lengths are not supported: {shown(x)}") from error
    return found if found.dtype.kind in "biuf" and found.size else np.array(x, object)


def _encoded(item: Any) -> bytes:
    if isinstance(item, bytes):
        return bytes(item)
    if isinstance(item, str):
        return item.encode("utf-8", "surrogatepass")
    raise ValueError(f"The layer takes strings. Received {shown(item)} of type {type(item).__name__}.")


def decoded(strings: np.ndarray) -> np.ndarray:
    """Return an array of `bytes` as one of `str`, as functions of the caller's get it."""
    texts = [item.decode("utf-8", "replace") for item in strings.ravel().tolist()]
    return np.array(texts, str).reshape(strings.shape)


def each(strings: np.ndarray, function: Callable[[Any], Any]) -> np.ndarray:
    """Return the array with a function of every item in its place."""
    made = np.empty(strings.shape, object)
    made.ravel()[:] = [function(item) for item in strings.ravel().tolist()]
    return made


def standardized(strings: np.ndarray, how: str) -> np.ndarray:
    """Return strings without differences that do not count.

    Args:
        strings: Array of `bytes`.
        how: `"lower"`, `"strip_punctuation"` or `"lower_and_strip_punctuation"`, of ASCII alone.
    """
    lower, strip = how.startswith("lower"), how.endswith("strip_punctuation")

    def function(item: bytes) -> bytes:
        item = item.lower() if lower else item
        return item.translate(None, _PUNCTUATION) if strip else item

    return each(strings, function)


def split(item: bytes, how: str) -> list[bytes]:
    """Return the tokens of a string.

    Args:
        item: The string.
        how: `"whitespace"`, of ASCII, or `"character"`.
    """
    if how == "whitespace":
        return item.split()
    return [character.encode() for character in item.decode("utf-8", "replace")]


def ngrams(tokens: Sequence[bytes], widths: Iterable[int]) -> list[bytes]:
    """Return tokens in a row joined by spaces, all of the first width, then all of the next."""
    of_widths = ((b" ".join(tokens[at : at + width]) for at in range(len(tokens) - width + 1)) for width in widths)
    return list(chain.from_iterable(of_widths))
