"""Initializers that draw nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastlstm.arguments import check_numbers, explained
from fastlstm.initializers.initializer import Initializer, as_dtype
from fastlstm.printable import quoted


class Constant(Initializer):
    """The same value everywhere.

    Args:
        value: A number, or an array that broadcasts to the weight's shape.
    """

    def __init__(self, value: Any = 0.0) -> None:
        check_numbers(value=value)
        self.value = value

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        return np.full(shape, self.value, as_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        value = self.value
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, np.ndarray):
            value = {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
        return {"value": value}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        value = config.get("value")
        if isinstance(value, dict):
            array = value["config"]
            return cls(np.array(array["value"], array["dtype"]))
        return cls(**config)


class Zeros(Initializer):
    """Zeros everywhere."""

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        return np.zeros(shape, as_dtype(dtype))


class Ones(Initializer):
    """Ones everywhere."""

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        return np.ones(shape, as_dtype(dtype))


class Identity(Initializer):
    """The identity matrix times `gain`; only for weights of two dimensions.

    Args:
        gain: Float, factor of the matrix.

    Differs from Keras: the config keeps `gain`, which Keras forgets.
    """

    def __init__(self, gain: float = 1.0) -> None:
        check_numbers(gain=gain)
        self.gain = gain

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={quoted(shape)} of rank {len(shape)}."
            )
        return (self.gain * np.eye(shape[0], shape[1])).astype(as_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}
