"""Windows over the axes between batch and channels: where they lie, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fastlstm.memory import require_array

# Values that are copied out of windows at a time: few enough for the cache that the product then reads them from, and
# for the memory of a call not to grow with its batch.
BLOCK = 1 << 17


class Axis(NamedTuple):
    """The windows along one axis: `count` of them, over an axis with `before` and `after` more positions at its ends.

    Window `i` reads the positions `i*stride + j*dilation` of the widened axis, for `j` below `size`.
    """

    count: int  # type: ignore[assignment]  # a tuple counts, too
    before: int
    after: int
    size: int
    stride: int = 1
    dilation: int = 1


def place_windows(length: int, size: int, stride: int, dilation: int, padding: str) -> Axis:
    """Return where the windows along an axis lie; their `count` is 0 or less if the axis is too short for one.

    Args:
        length: Of the axis.
        size: Positions that a window reads.
        stride: Positions from one window to the next.
        dilation: Positions from one that a window reads to the next.
        padding: `valid` (none), `same` (on both sides) or `causal` (before).
    """
    span = (size - 1) * dilation + 1
    if padding == "valid":
        return Axis((length - span) // stride + 1, 0, 0, size, stride, dilation)
    count = (length - 1) // stride + 1
    if padding == "causal":
        return Axis(count, span - 1, 0, size, stride, dilation)
    total = max((count - 1) * stride + span - length, 0)
    return Axis(count, total // 2, total - total // 2, size, stride, dilation)


def padded(x: np.ndarray, axes: Sequence[Axis], value: float = 0.0) -> np.ndarray:
    """Return `x` with the positions that the windows read beyond its ends; `x` itself if there are none.

    Args:
        x: `(batch, *lengths, channels)`.
        axes: One for each length.
        value: What the new positions hold.
    """
    if not any(axis.before or axis.after for axis in axes):
        return x
    pairs = list(zip(axes, x.shape[1:-1], strict=True))
    shape = (len(x), *(axis.before + length + axis.after for axis, length in pairs), x.shape[-1])
    require_array(shape, "What windows read")
    wide = np.empty(shape, x.dtype)
    wide.fill(value)
    wide[(slice(None), *(slice(axis.before, axis.before + length) for axis, length in pairs))] = x
    return wide


def windows(x: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """Return a view `(batch, *counts, *sizes, channels)` of what the windows read.

    Args:
        x: `padded(x, axes)`; what is not C-contiguous is copied.
        axes: One for each length, with counts above 0.
    """
    x = np.ascontiguousarray(x)
    batch, *steps, channel = x.strides
    apart = [step * axis.stride for step, axis in zip(steps, axes, strict=True)]
    within = [step * axis.dilation for step, axis in zip(steps, axes, strict=True)]
    shape = (len(x), *(axis.count for axis in axes), *(axis.size for axis in axes), x.shape[-1])
    # As `as_strided`, which takes five times as long, but within bounds.
    return np.ndarray(shape, x.dtype, x, 0, (batch, *apart, *within, channel))


def taps(x: np.ndarray, number: int, axis: Axis) -> list[np.ndarray]:
    """Return views of what all windows along one axis read at their first position, at their second …

    Args:
        x: Padded array.
        number: Of the axis.
        axis: Its windows.
    """
    reach = (axis.count - 1) * axis.stride + 1
    starts = range(0, axis.size * axis.dilation, axis.dilation)
    before = (slice(None),) * number
    return [x[(*before, slice(start, start + reach, axis.stride))] for start in starts]


def over_blocks(
    x: np.ndarray, axes: Sequence[Axis], channels: int, compute: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return `(batch, *counts, channels)`, from the windows of some images, or of some lines of one, at a time.

    Args:
        x: `(batch, *lengths, features)`.
        axes: One for each length.
        channels: Of the result.
        compute: Takes a part of `windows` and returns the result for it, a new array.
    """
    counts = [axis.count for axis in axes]
    if len(x) * min(counts) == 0:
        return np.empty((len(x), *counts, channels), np.float32)
    view = windows(padded(x, axes), axes)
    if view.size <= BLOCK:
        return compute(view)
    y = np.empty((len(x), *counts, channels), np.float32)
    for block in blocks(len(x), counts[0], view.size // (len(x) * counts[0])):
        y[block] = compute(view[block])
    return y


def windows_backward(
    x: np.ndarray,
    axes: Sequence[Axis],
    of_position: Callable[[tuple[int, ...], np.ndarray], np.ndarray],
    value: float = 0.0,
) -> np.ndarray:
    """Return the gradient by `x`, put together from those by each position that the windows read.

    Args:
        x: `(batch, *lengths, features)`.
        axes: One for each length.
        of_position: Takes one position after the other and what all windows read there `(batch, *counts, features)`;
            returns the gradient by it.
        value: What was read beyond the ends.
    """
    wide = np.ascontiguousarray(padded(x, axes, value))
    d_wide = np.zeros(wide.shape, np.float32)
    read, d_read = windows(wide, axes), windows(d_wide, axes)
    every: tuple[Any, ...] = (slice(None),) * (len(axes) + 1)
    for position in product(*(range(axis.size) for axis in axes)):
        # No two windows read the same at one position of theirs.
        d_read[(*every, *position)] += of_position(position, read[(*every, *position)])
    inside = zip(axes, x.shape[1:-1], strict=True)
    return d_wide[(slice(None), *(slice(axis.before, axis.before + length) for axis, length in inside))]


def blocks(images: int, lines: int, line: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of the first two axes of windows, of which a line holds so many values."""
    many = max(1, BLOCK // line)
    at_once = max(1, many // lines)
    for image, first in product(range(0, images, at_once), range(0, lines, many)):
        yield slice(image, image + at_once), slice(first, first + many)
