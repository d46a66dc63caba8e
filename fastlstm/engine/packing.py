"""Weights laid out once for the packed kernels; csrc/gemm_packed.h explains the layout with an example."""

from __future__ import annotations

import numpy as np

GROUP = 16  # FL_GROUP
PANEL = 4 * GROUP


def pack(matrix: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Lays out a matrix, or one row such as a bias.

    Args:
        matrix: `(features, columns)` or `(columns,)`.
        order: Which column goes where, -1 for a column of zeros; as many as whole groups hold.

    Returns:
        float32 `(features * len(order),)`: panel after panel, each with its part of row 0, row 1, …
    """
    rows = np.atleast_2d(np.asarray(matrix, dtype=np.float32))
    packed = np.empty(len(rows) * len(order), np.float32)
    # Straight into place: the holes that a temporary of a matrix's size leaves in the heap stay with the process.
    for start in range(0, len(order), PANEL):
        columns = order[start : start + PANEL]
        panel = packed[len(rows) * start :][: len(rows) * len(columns)].reshape(len(rows), len(columns))
        np.take(rows, columns, axis=1, out=panel, mode="clip")  # any other mode buffers
        panel[:, columns < 0] = 0
    return packed


def plain_order(columns: int) -> np.ndarray:
    """The columns as they are, then padding."""
    return _pad(np.arange(columns))


def lstm_order(units: int) -> np.ndarray:
    """The gate columns i, f, c, o of 16 units, of the next 16, …, of the units that are left, then padding."""
    blocks = [np.arange(unit, min(unit + GROUP, units)) for unit in range(0, units, GROUP)]
    return _pad(np.concatenate([gate * units + block for block in blocks for gate in range(4)]))


def _pad(order: np.ndarray) -> np.ndarray:
    return np.pad(order, (0, -len(order) % GROUP), constant_values=-1)
