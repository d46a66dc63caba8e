"""Pooling over all of one, two or three axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.argument_validation import standardize_data_format
from fastlstm.layers.base.data_format import channel_axis, lengths_of, shape_of
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.joining import GraphValues, one_value
from fastlstm.layers.base.layer import LATER_STEPS, Layer
from fastlstm.layers.base.serialization import register

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


class _GlobalPooling(Layer):
    """One value per channel from all positions; `GlobalMaxPooling1D` tells of the arguments."""

    rank: ClassVar[int]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format: str = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec: InputSpec = InputSpec(ndim=self.rank + 2)

    @property
    def lowers(self) -> bool:
        return self.rank == 1 and self.data_format == "channels_last"

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, self.rank + 2)
        if x is None or self.data_format != "channels_last" or self.rank > 2:
            return None
        if self.rank == 1:
            return [graph.add_row(self.lower(), x.number, mask=x.mask if self.reads_masks else None)]
        channels = x.shape[-1]
        if channels is None or self.keepdims:
            return None
        return [graph.add_row(self.lower(), graph.add(ops.ReshapeOp(3, (-1, channels)), x.number))]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return LATER_STEPS

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        lengths = (1,) * self.rank if self.keepdims else ()
        return shape_of(input_shape[0], lengths, input_shape[channel_axis(self.data_format)], self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format, "keepdims": self.keepdims}


class _GlobalMaxPooling(_GlobalPooling):
    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        return _GlobalPooling.lower_call(self, graph, args, kwargs)

    def lower(self) -> list[ops.Op]:
        return [ops.GlobalPoolOp(True, bool(self.keepdims))]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.max(axis=self._axes, keepdims=self.keepdims)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        y = inputs.max(axis=self._axes, keepdims=True)

        def backward(d: np.ndarray) -> Any:
            # Greatest values that are equal share the gradient.
            greatest = (inputs == y).astype(np.float32)
            return greatest * (d.reshape(y.shape) / greatest.sum(axis=self._axes, keepdims=True)), ()

        return self.call(inputs), backward


class _GlobalAveragePooling(_GlobalPooling):
    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        return _GlobalPooling.lower_call(self, graph, args, kwargs)

    def lower(self) -> list[ops.Op]:
        return [ops.GlobalPoolOp(False, bool(self.keepdims))]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        count = np.float32(math.prod(lengths_of(inputs.shape, self.data_format)))
        with np.errstate(invalid="ignore"):
            return inputs.sum(axis=self._axes, keepdims=self.keepdims) / count

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        count = np.float32(math.prod(lengths_of(inputs.shape, self.data_format)))

        def backward(d: np.ndarray) -> Any:
            d = d if self.keepdims else np.expand_dims(d, self._axes)
            return np.broadcast_to(d / count, inputs.shape), ()

        return self.call(inputs), backward


@register
class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The greatest value of each channel: `(batch, timesteps, channels)` to `(batch, channels)`.

    Args:
        data_format: `channels_last`, or `channels_first` for `(batch, channels, timesteps)`. None: `channels_last`.
        keepdims: Boolean, whether time stays as an axis of size 1.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    rank = 1


@register
class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The greatest value of each channel: `(batch, rows, columns, channels)` to `(batch, channels)`.

    Args:
        data_format: `channels_last`, or `channels_first` for `(batch, channels, rows, columns)`. None: `channels_last`.
        keepdims: Boolean, whether both axes stay with a size of 1.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    rank = 2


@register
class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The greatest value of each channel: `(batch, depth, rows, columns, channels)` to `(batch, channels)`.

    Args:
        data_format, keepdims, **kwargs: As for `GlobalMaxPooling2D`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    rank = 3


@register
class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each channel over the steps that are not masked; NaN if there are none.

    Args:
        data_format: `channels_last`, or `channels_first` for `(batch, channels, timesteps)`. None: `channels_last`.
        keepdims: Boolean, whether time stays as an axis of size 1.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    rank = 1
    supports_masking = True
    ends_masks = True
    reads_masks = True

    def lower(self) -> list[ops.Op]:
        return super().lower()

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        return _GlobalAveragePooling.lower_call(self, graph, args, kwargs)

    def call(self, inputs: np.ndarray, mask: Any = None) -> np.ndarray:
        if mask is None:
            return super().call(inputs)
        (axis,) = self._axes
        valid = np.expand_dims(np.asarray(mask, bool), 3 - axis)
        with np.errstate(invalid="ignore"):
            counts = valid.sum(axis=axis, keepdims=self.keepdims, dtype=np.float32)
            return np.where(valid, inputs, np.float32(0)).sum(axis=axis, keepdims=self.keepdims) / counts

    def call_with_gradient(self, inputs: np.ndarray, mask: Any = None) -> tuple[np.ndarray, Backward]:
        if mask is None:
            return super().call_with_gradient(inputs)
        (axis,) = self._axes
        valid = np.expand_dims(np.asarray(mask, bool), 3 - axis)

        def backward(d: np.ndarray) -> Any:
            d = d if self.keepdims else np.expand_dims(d, axis)
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(valid, d / valid.sum(axis=axis, keepdims=True, dtype=np.float32), np.float32(0)), ()

        return self.call(inputs, mask), backward

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


@register
class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel: `(batch, rows, columns, channels)` to `(batch, channels)`.

    Args:
        data_format, keepdims, **kwargs: As for `GlobalMaxPooling2D`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    rank = 2


@register
class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of each channel: `(batch, depth, rows, columns, channels)` to `(batch, channels)`.

    Args:
        data_format, keepdims, **kwargs: As for `GlobalMaxPooling2D`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    rank = 3


GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
