"""Keras' operations, `keras.ops`, on arrays and on the symbolic tensors of a graph.

An operation is an entry in one of the tables of this package: its name in Keras, a function of NumPy arrays, a rule of
shapes and one of dtypes. That is all that graphs, files and the functions here are made from.
"""

from typing import TYPE_CHECKING, Any

from fastlstm.ops import ctc, elementwise, indexing, neural, products, rearranging, reductions
from fastlstm.ops.creation import (
    arange,
    convert_to_numpy,
    dtype,
    empty,
    eye,
    full,
    identity,
    is_tensor,
    linspace,
    ndim,
    ones,
    shape,
    size,
    tri,
    zeros,
)
from fastlstm.ops.definition import BY_CLASS
from fastlstm.ops.definition import FUNCTIONS as FUNCTIONS
from fastlstm.ops.definition import Definition as Definition

_TABLES = (ctc, elementwise, indexing, neural, products, rearranging, reductions)
_CREATION = (arange, convert_to_numpy, dtype, empty, eye, full, identity, is_tensor, linspace, ndim, ones, shape, size,
             tri, zeros)  # fmt: skip

globals().update(FUNCTIONS)
if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


__all__ = sorted([*FUNCTIONS, *(function.__name__ for function in _CREATION)])


def find(class_name: Any) -> Definition | None:
    """Return the operation of which Keras' class has this name, None if there is none."""
    return BY_CLASS.get(class_name) if isinstance(class_name, str) else None
