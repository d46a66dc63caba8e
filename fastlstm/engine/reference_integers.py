"""Products of integers, by their definition: the `product` of reference.py's equations, for the tests.

A row of x becomes integers of at most `limit`, each column of a weight integers of 16 or 8 bits; their products are
added up exactly. As in reference.py nothing is shared with the engine. What is rounded is rounded in float32, as there.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from fastlstm.engine.reference import Product

_LARGEST = {"int16": 2**15 - 1, "int8": 2**7 - 1}


def limit(mode: str, features: int) -> int:
    """Return the largest integer of a row of x: in int16 about half of the 31 bits that a sum of 256 values has."""
    return 127 if mode == "int8" else min(2**15 - 1, isqrt(2**33 // min(features, 256)))


def quantized_column(column: np.ndarray, mode: str) -> tuple[np.ndarray, np.float32]:
    """Return integers and their scale: the least float32 for which they and all sums with them fit.

    Args:
        column: `(features,)`, finite.
        mode: "int16" or "int8".
    """
    sizes = [abs(float(value)) for value in column]
    together = len(column) if mode == "int8" else min(len(column), 256)
    room = (2**31 - 1) // limit(mode, len(column)) - together / 2
    totals = []
    for start in range(0, len(column), together):
        totals.append(0.0)
        for size in sizes[start : start + together]:
            totals[-1] += size
    exact = max(max(sizes) / _LARGEST[mode], max(totals) / room)
    if exact == 0:
        return np.zeros(len(column), np.int64), np.float32(1)
    scale = np.float32(exact)
    while float(scale) < exact:
        scale = np.nextafter(scale, np.float32(np.inf))
    return np.array([round(float(value) / float(scale)) for value in column], np.int64), scale


def quantized_row(row: np.ndarray, mode: str) -> tuple[np.ndarray, np.float32]:
    """Return integers and their scale; NaN as scale if a value is NaN or infinite.

    Args:
        row: `(features,)`.
        mode: "int16" or "int8".
    """
    values, most = np.asarray(row, np.float32), np.float32(limit(mode, len(row)))
    if not np.isfinite(values).all():
        return np.zeros(len(row), np.int64), np.float32(np.nan)
    largest = max(np.abs(values).max(), np.float32(2.0**-100))
    return np.rint(values * (most / largest)).astype(np.int64), largest / most


def products(mode: str) -> Product:
    """Return the product of rows and a weight.

    Args:
        mode: "int16" or "int8".
    """
    quantized: dict[bytes, list[tuple[np.ndarray, np.float32]]] = {}

    def product(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        columns = quantized.setdefault(weight.tobytes(), [])
        if not columns:
            columns += [quantized_column(column, mode) for column in weight.T]
        integers, scales = np.stack([one for one, _ in columns], axis=1), np.array([one for _, one in columns])
        rows = [quantized_row(row, mode) for row in x]
        sums = np.array([row @ integers for row, _ in rows])
        if mode == "int8" or x.shape[1] <= 256:
            assert np.abs(sums).max() < 2**31
        row_scales = np.array([[one] for _, one in rows])
        return sums * row_scales.astype(np.float64) * scales.astype(np.float64)

    return product
