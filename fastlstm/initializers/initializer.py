"""The base class of all initializers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike


class Initializer:
    """Base class of all initializers."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        """Return the starting values.

        Args:
            shape: Shape of the weight.
            dtype: Dtype of the weight; None is float32.
        """
        raise NotImplementedError("Initializer subclasses must implement the `__call__()` method.")

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        return cls(**config)

    def clone(self) -> Initializer:
        return self.from_config(self.get_config())


def as_dtype(dtype: DTypeLike | None) -> np.dtype:
    """Return the dtype, float32 for None."""
    return np.dtype(np.float32 if dtype is None else dtype)
