"""Dtypes of tensors by name, and Keras' promotion of them, which is that of JAX.

Python numbers are weak: `int` and `float` give way to the dtype of a tensor.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastlstm import backend

# Every dtype, and what it is promoted to at the next step.
_NEXT: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int": ("uint8", "int8"),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("float16",),
    "float16": ("float32",),
    "float32": ("float64",),
    "float64": (),
}
_WEAK = {bool: "bool", int: "int", float: "float"}
# What a weak dtype is where nothing else says, and Keras' replacement of 64 bits.
_RESOLVED = {"int": "int32", "float": "float32", "uint64": "uint32"}


def standardize(dtype: Any) -> str:
    """Return the name of a dtype that is a string, a NumPy dtype or a Python type; None is `floatx()`.

    Raises:
        ValueError: When it is none that is known.

    Differs from Keras: bfloat16, which NumPy lacks, is float32; complex numbers are not supported.
    """
    name = backend.standardize_dtype(dtype)
    if name.startswith("complex"):
        raise ValueError(f"Invalid dtype: {name}")
    return "float32" if name == "bfloat16" else name


def of(value: Any) -> str:
    """Return the dtype of a tensor, an array, or a Python number, which is `int` or `float` then."""
    if type(value) in _WEAK:
        return _WEAK[type(value)]
    if not hasattr(value, "dtype"):
        value = as_array(value)
    dtype = value.dtype
    if not isinstance(dtype, str):
        dtype = "string" if dtype.kind in "OSU" else dtype.name
    return "float32" if dtype == "bfloat16" else dtype


def as_array(value: Any) -> np.ndarray:
    """Return a value as an array; numbers from Python are int32 and float32, as in Keras."""
    if hasattr(value, "dtype"):
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    array = np.asarray(value)
    narrow = {"int64": "int32", "float64": "float32"}.get(array.dtype.name)
    return array if narrow is None else array.astype(narrow)


@functools.lru_cache(1024)
def result_type(*dtypes: str) -> str:
    """Return the dtype of an operation on tensors of these dtypes.

    Raises:
        ValueError: When a dtype is not a number's.
    """
    bounds = [_above(dtype) for dtype in dtypes]
    common = frozenset.intersection(*bounds)
    # The least one is below all of them.
    least = next(dtype for dtype in _NEXT if dtype in common and common <= _above(dtype))
    return _RESOLVED.get(least, least)


@functools.cache
def _above(dtype: str) -> frozenset[str]:
    """The dtype and all that it can be promoted to."""
    if dtype not in _NEXT:
        raise ValueError(f"dtype='{dtype}' is not a valid dtype for Keras type promotion.")
    return frozenset({dtype}).union(*(_above(following) for following in _NEXT[dtype]))


# Rules: the dtypes of an operation's tensors → (what they are cast to, or None; that of the result).

Rule = tuple[Any, Any]


def promoted(*dtypes: str, **parameters: Any) -> Rule:
    """One dtype for all."""
    dtype = result_type(*dtypes)
    return dtype, dtype


def floating(*dtypes: str, **parameters: Any) -> Rule:
    """One dtype for all, a float."""
    dtype = result_type(*dtypes, "float")
    return dtype, dtype


def compared(*dtypes: str, **parameters: Any) -> Rule:
    """One dtype for all, and booleans."""
    return result_type(*dtypes), "bool"


def logical(*dtypes: str, **parameters: Any) -> Rule:
    """Booleans from booleans."""
    result_type(*dtypes)
    return "bool", "bool"


def boolean(*dtypes: str, **parameters: Any) -> Rule:
    """Booleans from numbers."""
    result_type(*dtypes)
    return None, "bool"


def kept(*dtypes: str, **parameters: Any) -> Rule:
    """That of the first tensor."""
    return None, _RESOLVED.get(dtypes[0], dtypes[0])


def counted(*dtypes: str, **parameters: Any) -> Rule:
    """Integers."""
    return None, "int32"


def requested(*dtypes: str, dtype: Any = None, **parameters: Any) -> Rule:
    """What the argument `dtype` says, or that of the first tensor."""
    return kept(*dtypes) if dtype is None else (None, standardize(dtype))


def requested_float(*dtypes: str, dtype: Any = None, **parameters: Any) -> Rule:
    """What the argument `dtype` says, or float32."""
    return None, standardize(dtype)


def summed(*dtypes: str, dtype: Any = None, **parameters: Any) -> Rule:
    """At least 32 bits, unless the argument `dtype` says otherwise."""
    if dtype is None:
        wide = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}
        dtype = wide.get(dtypes[0], dtypes[0])
    dtype = standardize(dtype)
    return dtype, dtype


def accumulated(*dtypes: str, dtype: Any = None, **parameters: Any) -> Rule:
    """That of the tensor, integers for booleans, unless the argument `dtype` says otherwise."""
    dtype = standardize(dtype or {"bool": "int32"}.get(dtypes[0], dtypes[0]))
    return dtype, dtype


def averaged(*dtypes: str, **parameters: Any) -> Rule:
    """At least float32 on the way, and floats from integers."""
    computed = result_type(dtypes[0], "float32")
    return computed, dtypes[0] if dtypes[0].startswith("float") else computed


def not_boolean(*dtypes: str, **parameters: Any) -> Rule:
    """One dtype for all, integers for booleans."""
    dtype = {"bool": "int32"}.get(result_type(*dtypes), result_type(*dtypes))
    return dtype, dtype


def multiplied(*dtypes: str, **parameters: Any) -> Rule:
    """One dtype for all, floats on the way."""
    return result_type(*dtypes, "float"), result_type(*dtypes)
