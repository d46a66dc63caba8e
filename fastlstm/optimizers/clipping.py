"""Gradients kept small, in place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BLOCK = 16384


def clip(
    gradients: Sequence[np.ndarray], clipnorm: float | None, clipvalue: float | None, global_clipnorm: float | None
) -> None:
    """Change gradients in place by at most one of three rules.

    Args:
        gradients: C-contiguous float32 arrays.
        clipnorm: Largest norm of each, or None.
        clipvalue: Largest size of a number, or None.
        global_clipnorm: Largest norm of all together, or None.
    """
    if clipnorm:
        for gradient in gradients:
            limit = np.float32(clipnorm)
            norm = np.sqrt(sum_of_squares(gradient))
            gradient *= limit
            gradient /= np.maximum(norm, limit)
    elif global_clipnorm:
        limit = np.float32(global_clipnorm)
        norm = np.sqrt(np.sum(np.array([sum_of_squares(gradient) for gradient in gradients], np.float32)))
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = limit * np.minimum(np.float32(1) / norm, np.float32(1) / limit)
            # What is not finite makes all of it NaN.
            scale += norm - norm
        for gradient in gradients:
            gradient *= scale
    elif clipvalue:
        limit = np.float32(clipvalue)
        for gradient in gradients:
            np.clip(gradient, -limit, limit, out=gradient)


def sum_of_squares(array: np.ndarray) -> np.float32:
    """Return the sum of squares of a C-contiguous float32 array, in an order that its size alone says."""
    flat = array.reshape(-1)
    squares = np.empty(min(_BLOCK, flat.size), np.float32)
    total = np.float32(0)
    for begin in range(0, flat.size, _BLOCK):
        block = flat[begin : begin + _BLOCK]
        total += np.sum(np.multiply(block, block, out=squares[: block.size]))
    return total
