"""Layers that lengthen or shorten one, two or three axes; see padding.py and upsampling.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from fastlstm.layers.base.argument_validation import standardize_data_format
from fastlstm.layers.base.data_format import channel_axis, lengths_of, shape_of
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.layer import LATER_STEPS, Layer

if TYPE_CHECKING:
    pass

Pairs = tuple[tuple[int, int], ...]


class Resizing(Layer):
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
    def _widths(self) -> Pairs:
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


def without_data_format(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a layer over time, which always has the channels last."""
    return {name: value for name, value in config.items() if name != "data_format"}
