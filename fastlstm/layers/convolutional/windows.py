"""Windows over time, for convolution and pooling: `(batch, timesteps, channels)` cut into pieces of one size."""

from __future__ import annotations

import numpy as np


def swap_if_channels_first(x: np.ndarray, data_format: str) -> np.ndarray:
    """Return a view with time and channels exchanged for `channels_first`: to the order of this module, and back."""
    return x.swapaxes(1, 2) if data_format == "channels_first" else x


def window_count(length: int | None, size: int, stride: int, dilation: int, padding: str) -> int | None:
    """Return how many windows there are, 0 or less if the input is too short; None for an unknown length.

    Args:
        length: Time steps before padding.
        size: Steps that a window reads.
        stride: Steps from one window to the next.
        dilation: Steps from one that a window reads to the next.
        padding: `valid`, `same` or `causal`.
    """
    if length is None:
        return None
    span = (size - 1) * dilation + 1 if padding == "valid" else 1
    return (length - span) // stride + 1


def padded(x: np.ndarray, size: int, stride: int, dilation: int, padding: str, value: float = 0.0) -> np.ndarray:
    """Return `x` with the steps that the padding puts around it; `x` itself if there are none.

    Args:
        x: `(batch, timesteps, channels)`.
        size, stride, dilation, padding: As for `window_count`.
        value: What the new steps hold.
    """
    span = (size - 1) * dilation + 1
    if padding == "valid":
        return x
    if padding == "causal":
        before, after = span - 1, 0
    else:
        count = window_count(x.shape[1], size, stride, dilation, padding)
        total = max((count - 1) * stride + span - x.shape[1], 0)
        before, after = total // 2, total - total // 2
    return np.pad(x, ((0, 0), (before, after), (0, 0)), constant_values=value)


def windows(x: np.ndarray, size: int, stride: int, dilation: int) -> np.ndarray:
    """Return a read-only view `(batch, count, size, channels)` of padded `x`, which is long enough for one window."""
    span = (size - 1) * dilation + 1
    view = np.lib.stride_tricks.sliding_window_view(x, span, axis=1)
    return view[:, ::stride, :, ::dilation].swapaxes(2, 3)


def taps(x: np.ndarray, size: int, stride: int, dilation: int) -> list[np.ndarray]:
    """Return for each step of a window the view `(batch, count, channels)` of what all windows read there."""
    return list(np.moveaxis(windows(x, size, stride, dilation), 2, 0))
