"""Values between those of an axis, as TensorFlow's `tf.image.resize` computes them without antialiasing.

The axis has another length afterwards, position `i` of it at `(i + 0.5) * old / new - 0.5` of the old one. A value
is the mean of those near it, weighted by a kernel of their distance; what lies beyond the ends does not count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _cubic(b: float, c: float) -> Callable[[np.ndarray], np.ndarray]:
    """The kernel of Mitchell and Netravali (1988)."""

    def kernel(distance: np.ndarray) -> np.ndarray:
        d = np.abs(distance)
        near = ((12 - 9 * b - 6 * c) * d - 18 + 12 * b + 6 * c) * d * d + 6 - 2 * b
        far = ((-(b + 6 * c) * d + 6 * b + 30 * c) * d - 12 * b - 48 * c) * d + 8 * b + 24 * c
        return np.where(d < 1, near, np.where(d < 2, far, 0)) / 6

    return kernel


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda distance: np.where(np.abs(distance) < radius, np.sinc(distance) * np.sinc(distance / radius), 0)


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(distance), 0)


def _gaussian(distance: np.ndarray) -> np.ndarray:
    return np.where(np.abs(distance) < 1.5, np.exp(-2 * distance**2), 0)


# Name → (positions on either side, kernel); None where every value is there `factor` times.
INTERPOLATIONS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]] | None] = {
    "bilinear": (1, _triangle),
    "nearest": None,
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "bicubic": (2, _cubic(0, 0.5)),
    "area": None,
    "gaussian": (2, _gaussian),
    "mitchellcubic": (2, _cubic(1 / 3, 1 / 3)),
}


def interpolated(x: np.ndarray, axis: int, size: int, name: str) -> np.ndarray:
    """Return `x` with an axis of another length.

    Args:
        x: float32.
        axis: Its number, not negative.
        size: Its length afterwards.
        name: Of `INTERPOLATIONS`, one with a kernel.
    """
    length = x.shape[axis]
    centers: np.ndarray = ((np.arange(size) + 0.5) / (size / length) - 0.5).astype(np.float32)
    interpolation = INTERPOLATIONS[name]
    assert interpolation is not None
    radius, kernel = interpolation
    if name == "bicubic":  # TensorFlow's table of this kernel has 1024 entries from one position to the next.
        whole = np.floor(centers)
        centers = whole + np.rint((centers - whole) * 1024) / 1024
    positions = np.floor(centers)[:, np.newaxis].astype(int) + np.arange(1 - radius, 1 + radius)
    weights = kernel(positions - centers[:, np.newaxis]) * ((positions >= 0) & (positions < length))
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    shape = [1] * x.ndim
    shape[axis] = -1
    y = np.zeros((*x.shape[:axis], size, *x.shape[axis + 1 :]), np.float32)
    for position, weight in zip(positions.T, weights.T, strict=True):
        y += x.take(position, axis, mode="clip") * weight.reshape(shape)
    return y
