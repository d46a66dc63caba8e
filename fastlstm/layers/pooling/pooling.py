"""Pooling over windows of one, two or three axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.argument_validation import standardize_data_format, standardize_tuple
from fastlstm.layers.base.data_format import as_data_format, channels_last, lengths_of, shape_of
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.joining import GraphValues, one_value
from fastlstm.layers.base.layer import LATER_STEPS, Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.convolutional.windows import Axis, padded, place_windows, taps, windows_backward
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


class _Pooling(Layer):
    """One value per channel from each window; `MaxPooling1D` tells of the arguments."""

    rank: ClassVar[int]

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size: tuple[int, ...] = standardize_tuple(pool_size, self.rank, "pool_size")
        self.strides: tuple[int, ...] = standardize_tuple(
            pool_size if strides is None else strides, self.rank, "strides"
        )
        if padding not in ("valid", "same"):
            raise ValueError(
                f"Argument `padding` must be either 'valid' or 'same'. Received: padding={quoted(padding)}"
            )
        self.padding = padding
        self.data_format: str = standardize_data_format(data_format)
        self.input_spec: InputSpec = InputSpec(ndim=self.rank + 2)

    @property
    def lowers(self) -> bool:
        return self.rank == 1 and self.data_format == "channels_last"

    def lower(self) -> list[ops.Op]:
        return [ops.PoolOp(self.pool_size[0], self.strides[0], self.padding, isinstance(self, _MaxPooling))]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, self.rank + 2)
        if x is None or self.data_format != "channels_last" or self.rank > 2:
            return None
        if self.rank == 1:
            return [graph.add_row(self.lower(), x.number)]
        if x.shape[-1] is None:
            return None
        greatest = isinstance(self, _MaxPooling)
        sizes, strides = cast("tuple[int, int]", self.pool_size), cast("tuple[int, int]", self.strides)
        op = ops.PlanePoolOp(sizes, strides, x.shape[-1], self.padding, greatest)
        return [graph.add(op, x.number)]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return LATER_STEPS

    def call(self, inputs: np.ndarray) -> np.ndarray:
        x = channels_last(inputs, self.data_format)
        return as_data_format(self._pooled(x, self._axes(x)), self.data_format)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        x = channels_last(inputs, self.data_format)
        axes = self._axes(x)
        y = self._pooled(x, axes)

        def backward(d: np.ndarray) -> Any:
            dx = self._pooled_backward(channels_last(d, self.data_format), x, y, axes)
            return as_data_format(dx, self.data_format), ()

        return as_data_format(y, self.data_format), backward

    def _axes(self, x: np.ndarray) -> list[Axis]:
        """The windows along each of the lengths of `x`."""
        sizes = zip(x.shape[1:-1], self.pool_size, self.strides, strict=True)
        axes = [place_windows(length, size, stride, 1, self.padding) for length, size, stride in sizes]
        if min(axis.count for axis in axes) <= 0:
            self.compute_output_shape(shape_of(len(x), x.shape[1:-1], x.shape[-1], self.data_format))
        return axes

    def _pooled(self, x: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
        """Return `(batch, *counts, channels)`, a new array, from `(batch, *lengths, channels)`."""
        raise NotImplementedError

    def _pooled_backward(self, d: np.ndarray, x: np.ndarray, y: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
        """Return the gradient by `x` from that by `y`."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        lengths = lengths_of(input_shape, self.data_format)
        counts = [
            None if length is None else place_windows(length, size, stride, 1, self.padding).count
            for length, size, stride in zip(lengths, self.pool_size, self.strides, strict=True)
        ]
        if any(count is not None and count <= 0 for count in counts) and self.padding == "valid":
            raise ValueError(
                f"Computed output size would be zero or negative. Received: `inputs.shape={np.array(input_shape)}`, "
                f"`pool_size={np.array(self.pool_size)}`, `strides={self.strides}`, `padding={self.padding}`."
            )
        channels = input_shape[-1 if self.data_format == "channels_last" else 1]
        return shape_of(input_shape[0], counts, channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


def _combined(combine: np.ufunc, x: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """Return the values of each window of padded `x` combined, along one axis after the other."""
    for number, axis in enumerate(axes, 1):
        first, *others = taps(x, number, axis)
        x = combine(first, others[0]) if others else first.copy()
        for other in others[1:]:
            combine(x, other, out=x)
    return x


class _MaxPooling(_Pooling):
    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def _pooled(self, x: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
        return _combined(np.maximum, padded(x, axes, -math.inf), axes)

    def _pooled_backward(self, d: np.ndarray, x: np.ndarray, y: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
        # Of greatest values that are equal, the first one takes it all.
        left = np.ones(y.shape, bool)

        def of_position(_: tuple[int, ...], values: np.ndarray) -> np.ndarray:
            taken = left & (values == y)
            np.logical_and(left, ~taken, out=left)
            return np.where(taken, d, np.float32(0))

        return windows_backward(x, axes, of_position, -math.inf)


class _AveragePooling(_Pooling):
    def _pooled(self, x: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
        y = _combined(np.add, padded(x, axes), axes)
        y /= _sizes(x.shape[1:-1], axes)
        return y

    def _pooled_backward(self, d: np.ndarray, x: np.ndarray, y: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
        share = d / _sizes(x.shape[1:-1], axes)
        return windows_backward(x, axes, lambda _, values: share)


def _sizes(lengths: Sequence[int], axes: Sequence[Axis]) -> np.ndarray | np.float32:
    """Return how many values of the input each window holds, `(*counts, 1)`, or one number for all."""
    if not any(axis.before or axis.after for axis in axes):
        return np.float32(math.prod(axis.size for axis in axes))
    sizes = np.ones(1, np.float32)
    for length, axis in zip(reversed(lengths), reversed(axes), strict=True):
        starts = np.arange(axis.count, dtype=np.float32) * axis.stride - axis.before
        inside = np.minimum(starts + axis.size, length) - np.maximum(starts, 0)
        sizes = inside.reshape(-1, *(1 for _ in sizes.shape)) * sizes
    return sizes


@register
class MaxPooling1D(_MaxPooling):
    """The greatest value of each channel in each window over time: `(batch, timesteps, channels)`.

    Args:
        pool_size: Steps in a window.
        strides: Steps from one window to the next; None is `pool_size`.
        padding: `valid` (none), or `same` (windows that reach over both ends).
        data_format: `channels_last`, or `channels_first` for `(batch, channels, timesteps)`. None: `channels_last`.
        name: String, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid, or the input shorter than a window.
    """

    rank = 1


@register
class MaxPooling2D(_MaxPooling):
    """The greatest value of each channel in each window over two axes: `(batch, rows, columns, channels)`.

    Args:
        pool_size, strides: Integers for both axes, or pairs.
        data_format: `channels_last`, or `channels_first` for `(batch, channels, rows, columns)`. None: `channels_last`.
        padding, name, **kwargs: As for `MaxPooling1D`.

    Raises:
        ValueError: As for `MaxPooling1D`.
    """

    rank = 2


@register
class MaxPooling3D(_MaxPooling):
    """The greatest value of each channel in each window over three axes: `(batch, depth, rows, columns, channels)`.

    Args:
        pool_size, strides: Integers for all axes, or triples.
        padding, data_format, name, **kwargs: As for `MaxPooling2D`.

    Raises:
        ValueError: As for `MaxPooling1D`.
    """

    rank = 3


@register
class AveragePooling1D(_AveragePooling):
    """The mean of each channel in each window over time, in which steps of the padding do not count.

    Args:
        pool_size, strides, padding, data_format, name, **kwargs: As for `MaxPooling1D`; `pool_size` has no default.

    Raises:
        ValueError: As for `MaxPooling1D`.
    """

    rank = 1


@register
class AveragePooling2D(_AveragePooling):
    """The mean of each channel in each window over two axes, in which the padding does not count.

    Args:
        pool_size, strides, padding, data_format, name, **kwargs: As for `MaxPooling2D`; `pool_size` has no default.

    Raises:
        ValueError: As for `MaxPooling1D`.
    """

    rank = 2


@register
class AveragePooling3D(_AveragePooling):
    """The mean of each channel in each window over three axes, in which the padding does not count.

    Args:
        pool_size, strides, padding, data_format, name, **kwargs: As for `MaxPooling3D`; `pool_size` has no default.

    Raises:
        ValueError: As for `MaxPooling1D`.
    """

    rank = 3


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
