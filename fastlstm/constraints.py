"""Constraints: projections of weights after a training step, as `keras.constraints` defines them.

Every one is called as `constraint(w)` and returns a new array of w's shape. A norm is the Euclidean one over `axis`:
0 for the weights into each unit of a Dense kernel `(features, units)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastlstm.arguments import check_numbers, places
from fastlstm.identifiers import Registry, named
from fastlstm.regularizers import as_floating

# Keras' `backend.epsilon()`, which keeps a weight of norm 0 at 0.
_EPSILON = 1e-7


class Constraint:
    """Base class of all constraints."""

    def __call__(self, w: ArrayLike) -> np.ndarray:
        """Return the projected weight."""
        raise NotImplementedError("Constraint subclasses must implement the `__call__()` method.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        return cls(**config)


class MaxNorm(Constraint):
    """Shrink what has a norm over `max_value` to that norm.

    Args:
        max_value: Float, the largest norm.
        axis: Integer or list of integers, the axes of a norm.
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        check_numbers(max_value=max_value)
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: ArrayLike) -> np.ndarray:
        w = as_floating(w)
        norms = _norms(w, self.axis)
        return w * (np.clip(norms, 0, self.max_value) / (_EPSILON + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Set negative weights to 0."""

    def __call__(self, w: ArrayLike) -> np.ndarray:
        return np.maximum(as_floating(w), 0)


class UnitNorm(Constraint):
    """Scale every norm to 1.

    Args:
        axis: Integer or list of integers, the axes of a norm.
    """

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = axis

    def __call__(self, w: ArrayLike) -> np.ndarray:
        w = as_floating(w)
        return w / (_EPSILON + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Move every norm towards the interval from `min_value` to `max_value`.

    Args:
        min_value: Float, the smallest norm.
        max_value: Float, the largest norm.
        rate: Float, the part of the way that one call goes; 1 goes all of it.
        axis: Integer or list of integers, the axes of a norm.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ) -> None:
        check_numbers(min_value=min_value, max_value=max_value, rate=rate)
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: ArrayLike) -> np.ndarray:
        w = as_floating(w)
        norms = _norms(w, self.axis)
        desired = self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (_EPSILON + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


def _norms(w: np.ndarray, axis: int | Sequence[int]) -> np.ndarray:
    return np.sqrt(np.sum(np.square(w), axis=tuple(places(axis, w.ndim)), keepdims=True))


_REGISTRY = Registry("constraint", named(MaxNorm, NonNeg, UnitNorm, MinMaxNorm))
get: Callable[[Any], Any] = _REGISTRY.get
serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize
deserialize: Callable[..., Any] = _REGISTRY.deserialize

max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm
