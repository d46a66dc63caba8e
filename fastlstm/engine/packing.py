"""Weights laid out once for the packed kernels; csrc/gemm_packed.h explains the layout with an example."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

GROUP = 16  # FL_GROUP
PANEL = 4 * GROUP
GRU_PANEL = 3 * GROUP
LINE = 16  # floats of a cache line, and of the widest vector

# Of what a Program packs and how: files hold packed arrays, so every change to either takes the next number.
LAYOUT_VERSION = 2


class Packing(NamedTuple):
    """An array that a Program makes of weights, before it is made.

    Args:
        form: Says what is made of the sources.
        sources: The weights, which nobody changes while there are arrays kept for them.
        shape: Of the array.
        make: Makes it: float32, C-contiguous.
    """

    form: str
    sources: tuple[np.ndarray, ...]
    shape: tuple[int, ...]
    make: Callable[[], np.ndarray]


Obtain = Callable[[Packing], np.ndarray]

_kept: dict[tuple[str | int, ...], tuple[tuple[weakref.ref[Any], ...], np.ndarray]] = {}


def obtain(packing: Packing) -> np.ndarray:
    """Return the array: the one kept for these very sources if there is one, else a new one."""
    sources, array = _kept.get(_key(packing), ((), None))
    if array is None or any(kept() is not source for kept, source in zip(sources, packing.sources, strict=True)):
        return packing.make()
    return array


def keep(packing: Packing, array: np.ndarray) -> None:
    """Have `obtain` return an array, uncopied, for as long as all sources are there.

    Args:
        packing: What would be made.
        array: The same values, float32 and C-contiguous, made before.

    Raises:
        ValueError: The array has another shape or dtype.
    """
    if array.shape != packing.shape or array.dtype != np.float32 or not array.flags.c_contiguous:
        raise ValueError(
            f"Expected a C-contiguous float32 array of shape {packing.shape}, received {array.dtype} of shape "
            f"{array.shape}."
        )
    key = _key(packing)

    def forget(_: weakref.ref[Any]) -> None:
        _kept.pop(key, None)

    _kept[key] = tuple(weakref.ref(source, forget) for source in packing.sources), array


def _key(packing: Packing) -> tuple[str | int, ...]:
    return (packing.form, *map(id, packing.sources))


def pack(matrix: np.ndarray, order: np.ndarray, width: int = PANEL) -> np.ndarray:
    """Lays out a matrix, or one row such as a bias.

    Args:
        matrix: `(features, columns)` or `(columns,)`.
        order: Which column goes where, -1 for a column of zeros; as many as whole groups hold.
        width: Columns of a panel.

    Returns:
        float32 `(features * len(order),)`, from the start of a cache line on: panel after panel, each with its part of
        row 0, row 1, …
    """
    rows = np.atleast_2d(np.asarray(matrix, dtype=np.float32))
    packed = aligned_empty(len(rows) * len(order))
    # Straight into place: the holes that a temporary of a matrix's size leaves in the heap stay with the process.
    for start in range(0, len(order), width):
        columns = order[start : start + width]
        panel = packed[len(rows) * start :][: len(rows) * len(columns)].reshape(len(rows), len(columns))
        np.take(rows, columns, axis=1, out=panel, mode="clip")  # any other mode buffers
        panel[:, columns < 0] = 0
    return packed


def aligned_empty(size: int, dtype: np.dtype | type = np.float32) -> np.ndarray:
    """Return an array from the start of a cache line on: NumPy's own mostly leave every vector straddling two."""
    itemsize = np.dtype(dtype).itemsize
    block = np.empty(size + 4 * LINE // itemsize, dtype)
    start = -block.ctypes.data % (4 * LINE) // itemsize
    return block[start : start + size]


def plain_order(columns: int) -> np.ndarray:
    """The columns as they are, then padding."""
    return _pad(np.arange(columns))


def gate_order(units: int, gates: int) -> np.ndarray:
    """The columns of every gate (LSTM i, f, c, o; GRU z, r, h) of 16 units, of the next 16, …, of the units that are
    left, then padding."""
    blocks = [np.arange(unit, min(unit + GROUP, units)) for unit in range(0, units, GROUP)]
    return _pad(np.concatenate([gate * units + block for block in blocks for gate in range(gates)]))


def _pad(order: np.ndarray) -> np.ndarray:
    return np.pad(order, (0, -len(order) % GROUP), constant_values=-1)
