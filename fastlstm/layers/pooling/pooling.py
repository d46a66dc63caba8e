"""Pooling over time, in windows and over all of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.argument_validation import standardize_data_format, standardize_tuple
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.convolutional.windows import padded, swap_if_channels_first, taps, window_count


class _Pooling(Layer):
    """One value per channel from each window over time."""

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
        self.pool_size = standardize_tuple(pool_size, 1, "pool_size")
        self.strides = standardize_tuple(pool_size if strides is None else strides, 1, "strides")
        if padding not in ("valid", "same"):
            raise ValueError(f"Argument `padding` must be either 'valid' or 'same'. Received: padding={padding}")
        self.padding = padding
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: np.ndarray) -> np.ndarray:
        self.compute_output_shape(inputs.shape)
        pooled = self._pooled(swap_if_channels_first(inputs, self.data_format))
        return np.ascontiguousarray(swap_if_channels_first(pooled, self.data_format))

    def _pooled(self, x: np.ndarray) -> np.ndarray:
        """Return `(batch, count, channels)`, a new array, from `(batch, timesteps, channels)`."""
        raise NotImplementedError

    def _taps(self, x: np.ndarray, outside: float) -> list[np.ndarray]:
        """Return what all windows read at their first step, at their second … with `outside` beyond the ends."""
        sizes = self.pool_size[0], self.strides[0], 1
        return taps(padded(x, *sizes, self.padding, outside), *sizes)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        shape = list(input_shape)
        time_axis = 1 if self.data_format == "channels_last" else 2
        count = window_count(shape[time_axis], self.pool_size[0], self.strides[0], 1, self.padding)
        if count is not None and count <= 0 and self.padding == "valid":
            raise ValueError(
                f"Computed output size would be zero or negative. Received: `inputs.shape={np.array(shape)}`, "
                f"`pool_size={np.array(self.pool_size)}`, `strides={self.strides}`, `padding={self.padding}`."
            )
        shape[time_axis] = count
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


@register
class MaxPooling1D(_Pooling):
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

    def _pooled(self, x: np.ndarray) -> np.ndarray:
        first, *rest = self._taps(x, -np.inf)
        return functools.reduce(np.maximum, rest, first.copy())


@register
class AveragePooling1D(_Pooling):
    """The mean of each channel in each window over time, in which steps of the padding do not count.

    Args:
        pool_size, strides, padding, data_format, name, **kwargs: As for `MaxPooling1D`; `pool_size` has no default.

    Raises:
        ValueError: As for `MaxPooling1D`.
    """

    def _pooled(self, x: np.ndarray) -> np.ndarray:
        there = np.ones((1, x.shape[1], 1), np.float32)
        return sum(self._taps(x, 0.0)) / sum(self._taps(there, 0.0))


class _GlobalPooling(Layer):
    """One value per channel from all steps."""

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=3)

    @property
    def _time_axis(self) -> int:
        return 1 if self.data_format == "channels_last" else 2

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        shape = list(input_shape)
        shape[self._time_axis : self._time_axis + 1] = [1] if self.keepdims else []
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


@register
class GlobalMaxPooling1D(_GlobalPooling):
    """The greatest value of each channel: `(batch, timesteps, channels)` to `(batch, channels)`.

    Args:
        data_format: `channels_last`, or `channels_first` for `(batch, channels, timesteps)`. None: `channels_last`.
        keepdims: Boolean, whether time stays as an axis of size 1.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.max(axis=self._time_axis, keepdims=self.keepdims)


@register
class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel over the steps that are not masked; NaN if there are none.

    Args:
        data_format: `channels_last`, or `channels_first` for `(batch, channels, timesteps)`. None: `channels_last`.
        keepdims: Boolean, whether time stays as an axis of size 1.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    supports_masking = True
    ends_masks = True

    def call(self, inputs: np.ndarray, mask: Any = None) -> np.ndarray:
        axis, keepdims = self._time_axis, self.keepdims
        with np.errstate(invalid="ignore"):
            if mask is None:
                return inputs.sum(axis=axis, keepdims=keepdims) / np.float32(inputs.shape[axis])
            valid = np.expand_dims(np.asarray(mask, bool), 3 - axis)
            counts = valid.sum(axis=axis, keepdims=keepdims, dtype=np.float32)
            return np.where(valid, inputs, np.float32(0)).sum(axis=axis, keepdims=keepdims) / counts

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


MaxPool1D = MaxPooling1D
AvgPool1D = AveragePooling1D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalAvgPool1D = GlobalAveragePooling1D
