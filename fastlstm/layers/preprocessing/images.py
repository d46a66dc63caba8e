"""What stands between images and a network: other sizes, and random changes, which act in training alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from fastlstm.layers.base.argument_validation import standardize_data_format
from fastlstm.layers.base.data_format import channel_axis, lengths_of, shape_of
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.reshaping.interpolation import interpolated

Shape = tuple[int | None, ...]


class _Images(Layer):
    """Images `(batch, rows, columns, channels)` of another size; `Resizing` tells of the arguments."""

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, size in (("height", height), ("width", width)):
            if not isinstance(size, int) or size <= 0:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={size}")
        self.height = height
        self.width = width
        self.data_format: str = standardize_data_format(data_format)

    @property
    def _axes(self) -> tuple[int, int]:
        return (-3, -2) if self.data_format == "channels_last" else (-2, -1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        if len(input_shape) != 4:
            raise ValueError(f"Layer '{self.name}' takes batches of images. Received: input_shape={input_shape}")
        channels = input_shape[channel_axis(self.data_format)]
        return shape_of(input_shape[0], (self.height, self.width), channels, self.data_format)

    def get_config(self) -> dict[str, Any]:
        sizes = {"height": self.height, "width": self.width, "data_format": self.data_format}
        return {**super().get_config(), **sizes}


@register
class Resizing(_Images):
    """Images of another size, by values between those of the old rows and columns.

    Args:
        height, width: Positive integers.
        interpolation: `bilinear` or `nearest`.
        crop_to_aspect_ratio, pad_to_aspect_ratio, antialias: Only False.
        fill_mode, fill_value: Kept for configs; they belong to the padding.
        data_format: `channels_last`, `channels_first` or None for the first of these.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format, **kwargs)
        refused = {
            "crop_to_aspect_ratio": crop_to_aspect_ratio,
            "pad_to_aspect_ratio": pad_to_aspect_ratio,
            "antialias": antialias,
            "interpolation": interpolation not in ("bilinear", "nearest"),
        }
        for name, value in refused.items():
            if value:
                raise ValueError(f"Resizing '{self.name}': this value of the argument `{name}` is not supported.")
        self.interpolation = interpolation
        self._fill = {"fill_mode": fill_mode, "fill_value": fill_value}

    def call(self, inputs: np.ndarray) -> np.ndarray:
        y = np.asarray(inputs, np.float32)
        resized = _nearest if self.interpolation == "nearest" else partial(interpolated, name="bilinear")
        for axis, size in zip(self._axes, (self.height, self.width), strict=True):
            y = resized(y, axis % y.ndim, size)
        return y

    def get_config(self) -> dict[str, Any]:
        kept = {"interpolation": self.interpolation, "antialias": False, **self._fill}
        return {**super().get_config(), **kept, "crop_to_aspect_ratio": False, "pad_to_aspect_ratio": False}


def _nearest(x: np.ndarray, axis: int, size: int) -> np.ndarray:
    """An axis of another length, of the values in which the middles of the new positions lie."""
    length = x.shape[axis]
    middles = (np.arange(size) + np.float32(0.5)) * np.float32(length / size)
    return x.take(np.minimum(middles.astype(int), length - 1), axis)


@register
class CenterCrop(_Images):
    """The middle of images.

    Args:
        height, width: Positive integers.
        data_format: As for `Resizing`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid; in calls, when images are smaller than that.

    Differs from Keras: smaller images are refused rather than made larger.
    """

    def call(self, inputs: np.ndarray) -> np.ndarray:
        x = np.asarray(inputs, np.float32)
        wanted = (self.height, self.width)
        if any(length < size for length, size in zip(lengths_of(x.shape, self.data_format), wanted, strict=True)):
            raise ValueError(f"Layer '{self.name}' takes images of {wanted} and larger. Received: shape {x.shape}")
        for axis, size in zip(self._axes, wanted, strict=True):
            start = (x.shape[axis] - size) // 2
            x = x.take(np.arange(start, start + size), axis)
        return x


class _Random(Layer):
    """What changes images at random in training, and returns them as they are otherwise.

    Args:
        *args: The values of the class' `arguments`, in their order.
        **kwargs: The same by name; and as for `Layer`.

    Differs from Keras: a call in training is refused.
    """

    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(self.arguments):
            raise TypeError(f"{type(self).__name__} takes at most {len(self.arguments)} values, and {len(args)} came.")
        given = dict(zip(self.arguments, args, strict=False))
        given |= {name: kwargs.pop(name) for name in self.arguments if name in kwargs}
        super().__init__(**kwargs)
        self._arguments = given

    def call(self, inputs: np.ndarray, training: bool | None = None) -> np.ndarray:
        """Return the inputs.

        Raises:
            NotImplementedError: In training.
        """
        if training:
            named = f"Layer '{self.name}' (of type {type(self).__name__})"
            raise NotImplementedError(f"{named} is supported outside of training alone, where it changes nothing.")
        return inputs

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._arguments}


_FILLED = ("fill_mode", "interpolation", "seed", "fill_value", "data_format")


@register
class RandomFlip(_Random):
    """Images turned over at random, in training alone."""

    arguments: ClassVar[tuple[str, ...]] = ("mode", "seed", "data_format")


@register
class RandomRotation(_Random):
    """Images turned at random, in training alone."""

    arguments: ClassVar[tuple[str, ...]] = ("factor", *_FILLED)


@register
class RandomZoom(_Random):
    """Images made larger or smaller at random, in training alone."""

    arguments: ClassVar[tuple[str, ...]] = ("height_factor", "width_factor", *_FILLED)


@register
class RandomTranslation(_Random):
    """Images moved at random, in training alone."""

    arguments: ClassVar[tuple[str, ...]] = ("height_factor", "width_factor", *_FILLED)


@register
class RandomContrast(_Random):
    """Images of another contrast at random, in training alone."""

    arguments: ClassVar[tuple[str, ...]] = ("factor", "value_range", "seed", "data_format")


@register
class RandomBrightness(_Random):
    """Images made lighter or darker at random, in training alone."""

    arguments: ClassVar[tuple[str, ...]] = ("factor", "value_range", "seed", "data_format")
