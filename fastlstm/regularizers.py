"""Regularizers: penalties on weights or outputs, as `keras.regularizers` defines them.

Every one is called as `regularizer(x)` and returns the penalty as a scalar of x' dtype.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastlstm.arguments import array
from fastlstm.identifiers import Registry, named
from fastlstm.printable import quoted, shown

_MODES = ("rows", "columns")


class Regularizer:
    """Base class of all regularizers."""

    def __call__(self, x: ArrayLike) -> Any:
        """Return the penalty of `x`."""
        return 0.0

    def gradient(self, x: ArrayLike) -> np.ndarray:
        """Return the gradient of the penalty by `x`, for training."""
        raise NotImplementedError(
            f"The regularizer {type(self).__name__} does not say its gradient, so it cannot be trained with: give it a "
            "method `gradient(x)` that returns an array of the shape of `x`."
        )

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"{self} does not implement get_config()")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        return cls(**config)


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x**2)`.

    Args:
        l1: Float, not negative; None is 0.
        l2: Float, not negative; None is 0.

    Raises:
        ValueError: For another value.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1: float = _factor(0.0 if l1 is None else l1, "l1")
        self.l2: float = _factor(0.0 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> np.floating:
        x = as_floating(x)
        # A factor of 0 is no penalty, not 0 times it: x may hold infinities.
        penalty = x.dtype.type(0.0)
        if self.l1:
            penalty += x.dtype.type(self.l1) * np.sum(np.abs(x))
        if self.l2:
            penalty += x.dtype.type(self.l2) * np.sum(np.square(x))
        return penalty

    def gradient(self, x: ArrayLike) -> np.ndarray:
        x = as_floating(x)
        gradient = np.zeros_like(x)
        if self.l1:
            gradient += x.dtype.type(self.l1) * np.sign(x)
        if self.l2:
            gradient += x.dtype.type(2 * self.l2) * x
        return gradient

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """`l1 * sum(|x|)`.

    Args:
        l1: Float, not negative; None is 0.01.

    Raises:
        ValueError: For another value.

    Differs from Keras: the config keeps the factor as it was given, Keras rounds it to float32.
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1: float = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x: ArrayLike) -> np.floating:
        x = as_floating(x)
        return x.dtype.type(self.l1) * np.sum(np.abs(x))

    def gradient(self, x: ArrayLike) -> np.ndarray:
        x = as_floating(x)
        return x.dtype.type(self.l1) * np.sign(x)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """`l2 * sum(x**2)`.

    Args:
        l2: Float, not negative; None is 0.01.

    Raises:
        ValueError: For another value.
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2: float = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x: ArrayLike) -> np.floating:
        x = as_floating(x)
        return x.dtype.type(self.l2) * np.sum(np.square(x))

    def gradient(self, x: ArrayLike) -> np.ndarray:
        x = as_floating(x)
        return x.dtype.type(2 * self.l2) * x

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean over all pairs of rows (or columns) of `|cos|` of the angle between them.

    Args:
        factor: Float, not negative.
        mode: `rows` or `columns`.

    Raises:
        ValueError: For another value, and when called on an array that is not a matrix.

    Differs from Keras: the config keeps the factor as it was given; a single row has the penalty 0, not NaN.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor: float = _factor(factor, "factor")
        if mode not in _MODES:
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. '
                f"Received: mode={quoted(mode)}"
            )
        self.mode = mode

    def __call__(self, x: ArrayLike) -> np.floating:
        rows, _ = self._unit_rows(as_floating(x))
        cosines = np.abs(np.triu(rows @ rows.T, k=1))
        return rows.dtype.type(self._factor_of(rows)) * np.sum(cosines)

    def gradient(self, x: ArrayLike) -> np.ndarray:
        x = as_floating(x)
        rows, norms = self._unit_rows(x)
        signs = np.sign(rows @ rows.T)
        np.fill_diagonal(signs, 0)
        d_rows = rows.dtype.type(self._factor_of(rows)) * (signs @ rows)
        d_rows = (d_rows - rows * np.sum(d_rows * rows, axis=1, keepdims=True)) / norms
        return np.ascontiguousarray(d_rows if self.mode == "rows" else d_rows.T)

    def _unit_rows(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows (or columns) of norm 1, and their norms, 1 for a row of zeros."""
        if x.ndim != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={x.shape}")
        rows = x if self.mode == "rows" else x.T
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        norms = np.where(norms == 0, 1, norms)
        return rows / norms, norms

    def _factor_of(self, rows: np.ndarray) -> float:
        return self.factor / max(len(rows) * (len(rows) - 1) / 2, 1)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


def as_floating(values: ArrayLike) -> np.ndarray:
    """Return an array of floats, float32 where the values are of another kind."""
    made = array(values)
    return made if made.dtype.kind == "f" else array(made, np.float32)


def penalty_gradient(regularizer: Any, x: np.ndarray) -> np.ndarray:
    """Return the gradient of a penalty.

    Args:
        regularizer: A regularizer, or a function with an attribute `gradient`.
        x: What it is the penalty of.

    Raises:
        NotImplementedError: When it has no gradient.
    """
    gradient = getattr(regularizer, "gradient", None)
    if gradient is None:
        raise NotImplementedError(
            f"The regularizer {shown(regularizer)} does not say its gradient, so it cannot be trained with: give it an "
            "attribute `gradient`, a function of the same argument that returns an array of its shape."
        )
    return np.asarray(gradient(x), np.float32)


def _factor(value: Any, name: str) -> float:
    if not isinstance(value, (float, int)) or not 0 <= value <= sys.float_info.max:
        raise ValueError(
            f"Invalid value for argument {name}: expected a non-negative float.Received: {name}={quoted(value)}"
        )
    return float(value)


# Keras documents the name l1_l2 and refuses it; here it is L1L2.
_REGISTRY = Registry("regularizer", {**named(L1, L2, L1L2, OrthogonalRegularizer), "l1_l2": L1L2})
get: Callable[[Any], Any] = _REGISTRY.get
serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize
deserialize: Callable[..., Any] = _REGISTRY.deserialize

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer
