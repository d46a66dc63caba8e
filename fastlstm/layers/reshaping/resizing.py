"""Layers that lengthen or shorten one, two or three axes: zero padding, cropping, and repetition."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import standardize_data_format, standardize_tuple
from fastlstm.layers.base.data_format import channel_axis, lengths_of, shape_of
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.layer import LATER_STEPS, Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.reshaping.interpolation import INTERPOLATIONS, interpolated
from fastlstm.layers.reshaping.reshaping import checked_count
from fastlstm.memory import require_array

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

_Pairs = tuple[tuple[int, int], ...]
_ORDINALS = ("1st", "2nd", "3rd")
# What an argument of pairs may be, by the number of axes.
_FORMS = {
    2: "an int, a tuple of 2 ints (symmetric_height_crop, symmetric_width_crop), or a tuple of 2 tuples of 2 ints "
    "((top_crop, bottom_crop), (left_crop, right_crop))",
    3: "an int, a tuple of 3 ints (symmetric_dim1_{0}, symmetric_dim2_{0}, symmetric_dim3_{0}), or a tuple of 3 tuples "
    "of 2 ints ((left_dim1_{0}, right_dim1_{0}), (left_dim2_{0}, right_dim2_{0}), (left_dim3_{0}, right_dim2_{0}))",
}


class _Resizing(Layer):
    """Another length for every axis between batch and channels."""

    rank: ClassVar[int]

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format: str = standardize_data_format(data_format)
        self.input_spec: InputSpec = InputSpec(ndim=self.rank + 2)

    @property
    def _first_axis(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    @property
    def _widths(self) -> _Pairs:
        """What is at both ends of every axis."""
        raise NotImplementedError

    def _inside(self, shape: Sequence[int]) -> tuple[slice, ...]:
        """The index by which an array of this shape lies in one that is as much longer as `_widths` says."""
        sizes = zip(self._widths, lengths_of(shape, self.data_format), strict=True)
        return (*[slice(None)] * self._first_axis, *(slice(before, before + size) for (before, _), size in sizes))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        lengths = lengths_of(input_shape, self.data_format)
        resized = [None if length is None else self._resized(number, length) for number, length in enumerate(lengths)]
        channels = input_shape[channel_axis(self.data_format)]
        return shape_of(input_shape[0], resized, channels, self.data_format)

    def _resized(self, number: int, length: int) -> int:
        """Return the new length of one of the axes."""
        raise NotImplementedError

    @property
    def lowers(self) -> bool:
        return self.rank == 1 and self.data_format == "channels_last" and type(self).lower is not Layer.lower

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return LATER_STEPS

    def _config(self, name: str) -> dict[str, Any]:
        return {**super().get_config(), name: getattr(self, name), "data_format": self.data_format}


def _pairs(value: Any, rank: int, name: str) -> Any:
    """Return what is at both ends of every axis: a pair for one axis, else pairs.

    Raises:
        ValueError: With Keras' texts, when `value` does not say that.
    """
    if rank == 1:
        return standardize_tuple(value, 2, name, allow_zero=True)
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"`{name}` cannot be negative. Received: {name}={value}.")
        return ((value, value),) * rank
    if not hasattr(value, "__len__"):
        form = _FORMS[rank].format("pad" if name == "padding" else "crop")
        raise ValueError(f"`{name}` should be either {form}. Received: {name}={value}.")
    if len(value) != rank:
        count = "two" if rank == 2 else rank
        raise ValueError(f"`{name}` should have {count} elements. Received: {name}={value}.")
    entries = zip(_ORDINALS, value, strict=False)
    return tuple(standardize_tuple(entry, 2, f"{nth} entry of {name}", allow_zero=True) for nth, entry in entries)


class _ZeroPadding(_Resizing):
    def __init__(self, padding: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding: Any = _pairs(padding, self.rank, "padding")

    @property
    def _widths(self) -> _Pairs:
        return self.padding if self.rank > 1 else (self.padding,)

    def _resized(self, number: int, length: int) -> int:
        return length + sum(self._widths[number])

    def lower(self) -> list[ops.Op]:
        before, after = self.padding
        return [ops.StepsOp(before, after)]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        shape: tuple[Any, ...] = self.compute_output_shape(inputs.shape)
        require_array(shape, f"{type(self).__name__} '{self.name}'")
        y = np.zeros(shape, np.float32)
        y[self._inside(inputs.shape)] = inputs
        return y

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        return self.call(inputs), lambda d: (d[self._inside(inputs.shape)], ())

    def get_config(self) -> dict[str, Any]:
        return self._config("padding")


class _Cropping(_Resizing):
    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping: Any = _pairs(cropping, self.rank, "cropping")

    @property
    def _widths(self) -> _Pairs:
        return self.cropping if self.rank > 1 else (self.cropping,)

    def _resized(self, number: int, length: int) -> int:
        return length - sum(self._widths[number])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        shape = super().compute_output_shape(input_shape)
        if any(length is not None and length <= 0 for length in lengths_of(shape, self.data_format)):
            problem = (
                "`cropping` parameter of `Cropping1D` layer must be smaller than the input length. "
                if self.rank == 1
                else "Values in `cropping` argument should be smaller than the corresponding spatial dimension of the "
                "input. "
            )
            raise ValueError(f"{problem}Received: input_shape={tuple(input_shape)}, cropping={self.cropping}")
        return shape

    def lower(self) -> list[ops.Op]:
        before, after = self.cropping
        return [ops.StepsOp(-before, -after)]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        shape: tuple[Any, ...] = self.compute_output_shape(inputs.shape)
        return np.array(inputs[self._inside(shape)])

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        def backward(d: np.ndarray) -> Any:
            dx = np.zeros_like(inputs)
            dx[self._inside(d.shape)] = d
            return dx, ()

        return self.call(inputs), backward

    def get_config(self) -> dict[str, Any]:
        return self._config("cropping")


class _UpSampling(_Resizing):
    def __init__(self, size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.size: Any = standardize_tuple(size, self.rank, "size") if self.rank > 1 else checked_count("size", size)

    @property
    def _factors(self) -> tuple[int, ...]:
        return self.size if self.rank > 1 else (self.size,)

    def _resized(self, number: int, length: int) -> int:
        return length * self._factors[number]

    def lower(self) -> list[ops.Op]:
        return [ops.StepsOp(size=self.size)]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        require_array(self.compute_output_shape(inputs.shape), f"{type(self).__name__} '{self.name}'")
        first = self._first_axis
        before, lengths, after = (
            inputs.shape[:first],
            inputs.shape[first : first + self.rank],
            inputs.shape[first + self.rank :],
        )
        ones = inputs.reshape(*before, *(size for length in lengths for size in (length, 1)), *after)
        times = [size for pair in zip(lengths, self._factors, strict=True) for size in pair]
        repeated = np.broadcast_to(ones, (*before, *times, *after)).copy()
        return repeated.reshape(*before, *map(mul, lengths, self._factors), *after)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        first = self._first_axis
        lengths = inputs.shape[first : first + self.rank]
        times = [size for pair in zip(lengths, self._factors, strict=True) for size in pair]
        repeats = tuple(range(first + 1, first + 2 * self.rank, 2))

        def backward(d: np.ndarray) -> Any:
            return d.reshape(*d.shape[:first], *times, *d.shape[first + self.rank :]).sum(axis=repeats), ()

        return self.call(inputs), backward

    def get_config(self) -> dict[str, Any]:
        return self._config("size")


@register
class ZeroPadding1D(_ZeroPadding):
    """Steps of zeros before and after.

    Args:
        padding: Number of steps on both sides, or a pair `(before, after)`.
        data_format: `channels_last` `(batch, timesteps, features)`, or `channels_first` `(batch, features, timesteps)`.
            None: `channels_last`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


@register
class ZeroPadding2D(_ZeroPadding):
    """Rows and columns of zeros around.

    Args:
        padding: Number of rows and columns on all sides; or a pair of numbers, for rows and for columns; or a pair of
            pairs `((top, bottom), (left, right))`.
        data_format: `channels_last` `(batch, rows, columns, channels)`, or `channels_first`
            `(batch, channels, rows, columns)`. None: `channels_last`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


@register
class ZeroPadding3D(_ZeroPadding):
    """Zeros around three axes.

    Args:
        padding: A number for all sides; or three, one for each axis; or three pairs `(before, after)`.
        data_format: `channels_last` `(batch, depth, rows, columns, channels)`, or `channels_first`
            `(batch, channels, depth, rows, columns)`. None: `channels_last`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 3

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


@register
class Cropping1D(_Cropping):
    """The steps without the first and last ones: `(batch, timesteps, features)`.

    Args:
        cropping: Number of steps to drop on both sides, or a pair `(first, last)`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `cropping` is not valid, or leaves nothing.
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        return _without_data_format(super().get_config())


@register
class Cropping2D(_Cropping):
    """Rows and columns without the outer ones.

    Args:
        cropping: Number of rows and columns to drop on all sides; or a pair of numbers, for rows and for columns; or a
            pair of pairs `((top, bottom), (left, right))`.
        data_format: As for `ZeroPadding2D`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid, or nothing is left.
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


@register
class Cropping3D(_Cropping):
    """Three axes without the outer values.

    Args:
        cropping: A number for all sides; or three, one for each axis; or three pairs `(first, last)`.
        data_format: As for `ZeroPadding3D`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid, or nothing is left.
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


@register
class UpSampling1D(_UpSampling):
    """Every step several times: `(batch, timesteps, features)`.

    Args:
        size: Positive integer.
        **kwargs: As for `Layer`.

    Raises:
        TypeError: When `size` is not an integer.
        ValueError: When it is not positive.
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        return _without_data_format(super().get_config())


@register
class UpSampling2D(_UpSampling):
    """More rows and columns: every one several times, or values between them.

    Args:
        size: Integer for both axes, or a pair.
        data_format: As for `ZeroPadding2D`.
        interpolation: `nearest`, `bilinear`, `bicubic`, `lanczos3`, `lanczos5`, `area`, or Keras 2's `gaussian` and
            `mitchellcubic`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.

    Differs from Keras: an unknown `interpolation` is refused here and not when the layer is called.
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        self.interpolation: str = interpolation.lower()
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"Invalid value for argument `interpolation`. Expected of one {tuple(INTERPOLATIONS)}. "
                f"Received: interpolation={interpolation}"
            )

    @property
    def _repeats(self) -> bool:
        # TensorFlow leaves an image of the right size alone, which not every kernel would.
        return INTERPOLATIONS[self.interpolation] is None or max(self.size) == 1

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        if self._repeats:
            return super().call_with_gradient(inputs)
        first = self._first_axis
        pairs = zip(inputs.shape[first : first + 2], self.size, strict=True)
        kernels = [interpolated(np.eye(n, dtype=np.float32), 0, factor, self.interpolation) for n, factor in pairs]

        def backward(d: np.ndarray) -> Any:
            for axis, kernel in enumerate(kernels, first):
                d = np.moveaxis(np.tensordot(d, kernel, (axis, 0)), -1, axis)
            return np.ascontiguousarray(d), ()

        return self.call(inputs), backward

    def call(self, inputs: np.ndarray) -> np.ndarray:
        if self._repeats:
            return super().call(inputs)
        require_array(self.compute_output_shape(inputs.shape), f"{type(self).__name__} '{self.name}'")
        x = inputs
        for axis, factor in enumerate(self.size, self._first_axis):
            x = interpolated(x, axis, factor, self.interpolation)
        return np.ascontiguousarray(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


@register
class UpSampling3D(_UpSampling):
    """Every value several times along three axes.

    Args:
        size: Integer for all axes, or a triple.
        data_format: As for `ZeroPadding3D`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(size, data_format, **kwargs)


def _without_data_format(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a layer over time, which always has the channels last."""
    return {name: value for name, value in config.items() if name != "data_format"}
