"""Symbolic tensors: a shape and a name in place of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm import backend
from fastlstm.layers.input_spec import Shape, standardize_shape


class KerasTensor:
    """A tensor that has no values yet.

    Args:
        shape: Shape with the batch, None where unknown.
        dtype: String.
        name: String; None makes one.
        origin: The layer that gives it.
    """

    def __init__(
        self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None, origin: Any = None
    ) -> None:
        self.shape: Shape = standardize_shape(shape)
        self.dtype = dtype
        self.name = backend.auto_name("KerasTensor") if name is None else name
        self.origin = origin

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"
