"""The operations that Keras 3 makes masks from: it writes them into the files of models that have masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.operation import Operation, Rearrangement, broadcast


class ConvertToTensor(Rearrangement):
    """The identity.

    Args:
        dtype, sparse, ragged: Only None or False.
        name: As for `Operation`.
    """

    keras_module = "keras.src.ops.core"

    def __init__(
        self, dtype: object = None, sparse: object = None, ragged: object = None, name: str | None = None
    ) -> None:
        super().__init__(name)
        if dtype or sparse or ragged:
            raise ValueError(f"ConvertToTensor '{self.name}': only dense tensors of the same dtype are supported.")

    def call(self, x: np.ndarray) -> np.ndarray:
        return x

    def compute_output_shape(self, x: KerasTensor) -> Shape:
        return x.shape


class ExpandDims(Rearrangement):
    """A new axis of size 1.

    Args:
        axis: Its place in the output.
        name: As for `Operation`.
    """

    def __init__(self, axis: int, name: str | None = None) -> None:
        super().__init__(name)
        self.axis = _checked_axis(axis)

    def call(self, x: np.ndarray) -> np.ndarray:
        return np.expand_dims(x, self.axis)

    def compute_output_shape(self, x: KerasTensor) -> Shape:
        place = _place(self.axis, len(x.shape) + 1)
        return (*x.shape[:place], 1, *x.shape[place:])

    def get_config(self) -> dict[str, object]:
        return {"name": self.name, "axis": self.axis}


class Concatenate(Rearrangement):
    """A list of tensors side by side.

    Args:
        axis: Along which axis.
        name: As for `Operation`.
    """

    def __init__(self, axis: int = 0, name: str | None = None) -> None:
        super().__init__(name)
        self.axis = _checked_axis(axis)

    def call(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(xs, self.axis)

    def compute_output_shape(self, xs: Sequence[KerasTensor]) -> Shape:
        shapes = [x.shape for x in xs]
        place = _place(self.axis, len(shapes[0]))
        if len({len(shape) for shape in shapes}) > 1:
            raise ValueError(f"Cannot concatenate tensors of shapes {shapes}.")
        rest = broadcast([(*shape[:place], *shape[place + 1 :]) for shape in shapes])
        sizes = [shape[place] for shape in shapes]
        return (*rest[:place], None if None in sizes else sum(sizes), *rest[place:])

    def get_config(self) -> dict[str, object]:
        return {"name": self.name, "axis": self.axis}


class Any(Operation):
    """Whether any value along an axis is other than 0.

    Args:
        axis: The axis, alone or in a list; None for all.
        keepdims: Boolean, whether the axis remains, with size 1.
        name: As for `Operation`.
    """

    def __init__(self, axis: int | list[int] | None = None, keepdims: bool = False, name: str | None = None) -> None:
        super().__init__(name)
        axes = axis if isinstance(axis, (list, tuple)) else () if axis is None else (axis,)
        self.axis = axis
        self._axes = tuple(map(_checked_axis, axes)) or None
        self.keepdims = bool(keepdims)

    def call(self, x: np.ndarray) -> np.ndarray:
        return np.any(x, axis=self._axes, keepdims=self.keepdims)

    def output_dtype(self, x: KerasTensor) -> str:
        return "bool"

    def compute_output_shape(self, x: KerasTensor) -> Shape:
        ndim = len(x.shape)
        places = range(ndim) if self._axes is None else {_place(axis, ndim) for axis in self._axes}
        if self.keepdims:
            return tuple(1 if place in places else size for place, size in enumerate(x.shape))
        return tuple(size for place, size in enumerate(x.shape) if place not in places)

    def get_config(self) -> dict[str, object]:
        return {"name": self.name, "axis": self.axis, "keepdims": self.keepdims}


class _Constant(Operation, abstract=True):
    """One value in the shape of the input.

    Args:
        dtype: String; None takes that of the input.
        name: As for `Operation`.
    """

    value: ClassVar[int]

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        super().__init__(name)
        if dtype not in (None, "bool", "float32"):
            raise ValueError(f"{type(self).__name__} '{self.name}': the dtype {dtype!r} is not supported.")
        self._dtype = dtype

    def call(self, x: np.ndarray) -> np.ndarray:
        return np.full(np.shape(x), self.value, self._dtype or np.asarray(x).dtype)

    def output_dtype(self, x: KerasTensor) -> str:
        return self._dtype or x.dtype

    def compute_output_shape(self, x: KerasTensor) -> Shape:
        return x.shape

    def get_config(self) -> dict[str, object]:
        return {"name": self.name, "dtype": self._dtype}


class ZerosLike(_Constant):
    value = 0


class OnesLike(_Constant):
    value = 1


def _checked_axis(axis: object) -> int:
    if type(axis) is not int:
        raise ValueError(f"An axis should be an integer. Received: axis={axis}")
    return axis


def _place(axis: int, ndim: int) -> int:
    """The axis counted from the first one."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"Axis {axis} is out of range for a tensor of {ndim} dimensions.")
    return axis % ndim
