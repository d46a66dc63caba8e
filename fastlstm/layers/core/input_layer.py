"""`Input` and `InputLayer`: the shape of what a model is given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.input_spec import standardize_shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.node import Node


@register
class InputLayer(Layer):
    """The input of a model.

    Args:
        shape: Shape without the batch, None where unknown.
        batch_size: Integer, for stateful layers; or None.
        dtype: String, `float32` by default; `string` for layers of text. Other inputs are cast to float32, but for
            layers that look integers up and for operations.
        sparse: Only None or False.
        ragged: Only None or False.
        batch_shape: Shape with the batch, in place of `shape` and `batch_size`.
        input_tensor: Only None.
        optional: Boolean, kept for configs.
        name: String; None makes one.
        **kwargs: `input_shape` and `batch_input_shape`, older names of `shape` and `batch_shape`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    supports_masking = True

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if "input_shape" in kwargs:
            warnings.warn("Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2)
            shape = kwargs.pop("input_shape")
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name, **kwargs)
        for argument, value in {"sparse": sparse, "ragged": ragged, "input_tensor": input_tensor}.items():
            if value is not None and value is not False:
                raise ValueError(f"InputLayer '{self.name}': the argument `{argument}` is not supported.")
        self.batch_shape: tuple[int | None, ...] = _batch_shape(shape, batch_size, batch_shape)
        self.input_dtype = "string" if dtype in ("string", str) else np.dtype(dtype or "float32").name
        self.optional = optional
        self._tensor_name = self._new_tensor(name).name
        self.built = True

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.copy()

    def _new_tensor(self, name: str | None) -> KerasTensor:
        tensor = KerasTensor(self.batch_shape, self.input_dtype, name)
        Node(self, (), {}, tensor)
        return tensor

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._new_tensor(self._tensor_name)

    @property
    def dtype(self) -> str:
        """Dtype of the input as it was declared."""
        return self.input_dtype

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return self.batch_shape

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.input_dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """Return the symbolic input of a model: the first item of a `Sequential`, or what the first layers are called on.

    Args:
        shape: Shape without the batch, None where unknown.
        batch_size: Integer, for stateful layers; or None.
        dtype: String, `float32` by default.
        sparse: Only None or False.
        ragged: Only None or False.
        batch_shape: Shape with the batch, in place of `shape` and `batch_size`.
        name: String; None makes one.
        tensor: Only None.
        optional: Boolean, kept for configs.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name)
    return layer.output


def _batch_shape(shape: Any, batch_size: int | None, batch_shape: Any) -> tuple[int | None, ...]:
    if batch_shape is not None:
        for argument, value in {"shape": shape, "batch_size": batch_size}.items():
            if value is not None:
                raise ValueError(f"You cannot pass both `{argument}` and `batch_shape` at the same time.")
        return standardize_shape(batch_shape)
    if shape is None:
        raise ValueError("You must pass a `shape` argument.")
    return (*standardize_shape((batch_size,)), *standardize_shape(shape))
