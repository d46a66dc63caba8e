"""Zero padding and cropping of one, two or three axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import standardize_tuple
from fastlstm.layers.base.data_format import lengths_of
from fastlstm.layers.base.serialization import register
from fastlstm.layers.reshaping.resizing import Pairs, Resizing, without_data_format
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

_ORDINALS = ("1st", "2nd", "3rd")
# What an argument of pairs may be, by the number of axes.
_FORMS = {
    2: "an int, a tuple of 2 ints (symmetric_height_crop, symmetric_width_crop), or a tuple of 2 tuples of 2 ints "
    "((top_crop, bottom_crop), (left_crop, right_crop))",
    3: "an int, a tuple of 3 ints (symmetric_dim1_{0}, symmetric_dim2_{0}, symmetric_dim3_{0}), or a tuple of 3 tuples "
    "of 2 ints ((left_dim1_{0}, right_dim1_{0}), (left_dim2_{0}, right_dim2_{0}), (left_dim3_{0}, right_dim2_{0}))",
}


def _pairs(value: Any, rank: int, name: str) -> Any:
    """Return what is at both ends of every axis: a pair for one axis, else pairs.

    Raises:
        ValueError: With Keras' texts, when `value` does not say that.
    """
    if rank == 1:
        return standardize_tuple(value, 2, name, allow_zero=True)
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"`{name}` cannot be negative. Received: {name}={quoted(value)}.")
        return ((value, value),) * rank
    if not hasattr(value, "__len__"):
        form = _FORMS[rank].format("pad" if name == "padding" else "crop")
        raise ValueError(f"`{name}` should be either {form}. Received: {name}={quoted(value)}.")
    if len(value) != rank:
        count = "two" if rank == 2 else rank
        raise ValueError(f"`{name}` should have {count} elements. Received: {name}={quoted(value)}.")
    entries = zip(_ORDINALS, value, strict=False)
    return tuple(standardize_tuple(entry, 2, f"{nth} entry of {name}", allow_zero=True) for nth, entry in entries)


class ZeroPadding(Resizing):
    def __init__(self, padding: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding: Any = _pairs(padding, self.rank, "padding")

    @property
    def _widths(self) -> Pairs:
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


class Cropping(Resizing):
    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping: Any = _pairs(cropping, self.rank, "cropping")

    @property
    def _widths(self) -> Pairs:
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


@register
class ZeroPadding1D(ZeroPadding):
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
class ZeroPadding2D(ZeroPadding):
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
class ZeroPadding3D(ZeroPadding):
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
class Cropping1D(Cropping):
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
        return without_data_format(super().get_config())


@register
class Cropping2D(Cropping):
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
class Cropping3D(Cropping):
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
