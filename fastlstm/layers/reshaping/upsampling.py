"""Repetition along one, two or three axes, and images enlarged by other kernels."""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import standardize_tuple
from fastlstm.layers.base.serialization import register
from fastlstm.layers.reshaping.interpolation import INTERPOLATIONS, interpolated
from fastlstm.layers.reshaping.reshaping import checked_count
from fastlstm.layers.reshaping.resizing import Resizing, without_data_format
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


class UpSampling(Resizing):
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
class UpSampling1D(UpSampling):
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
        return without_data_format(super().get_config())


@register
class UpSampling2D(UpSampling):
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
                f"Received: interpolation={quoted(interpolation)}"
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
        kernels = [interpolated(np.eye(n, dtype=np.float32), 0, n * factor, self.interpolation) for n, factor in pairs]

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
            x = interpolated(x, axis, x.shape[axis] * factor, self.interpolation)
        return np.ascontiguousarray(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


@register
class UpSampling3D(UpSampling):
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
