"""Where the channels of an array are: last, or after the batch. Layers compute with the channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_Size = TypeVar("_Size", int, "int | None")


def channel_axis(data_format: str) -> int:
    """Return the number of the channels' axis."""
    return -1 if data_format == "channels_last" else 1


def lengths_of(shape: Sequence[_Size], data_format: str) -> Sequence[_Size]:
    """Return the sizes of the axes between batch and channels, or after both."""
    return shape[1:-1] if data_format == "channels_last" else shape[2:]


def shape_of(batch: _Size, lengths: Sequence[_Size], channels: _Size, data_format: str) -> tuple[_Size, ...]:
    """Return the shape of which `lengths_of` gives the lengths."""
    if data_format == "channels_last":
        return (batch, *lengths, channels)  # type: ignore[arg-type]
    return (batch, channels, *lengths)  # type: ignore[arg-type]


def channels_last(x: np.ndarray, data_format: str) -> np.ndarray:
    """Return a view of `x` with the channels last."""
    return x if data_format == "channels_last" else np.moveaxis(x, 1, -1)


def as_data_format(x: np.ndarray, data_format: str) -> np.ndarray:
    """Return `x`, which has the channels last, in the order of `data_format`, C-contiguous."""
    return np.ascontiguousarray(x if data_format == "channels_last" else np.moveaxis(x, -1, 1))
