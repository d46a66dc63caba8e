import itertools

import numpy as np
import pytest

from fastlstm.layers.convolutional import windows
from fastlstm.layers.convolutional.windows import over_blocks, padded, place_windows, taps

RNG = np.random.default_rng(3)
SIZES = list(itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 2, 3)))


@pytest.mark.parametrize("length", [1, 2, 7, 8])
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_where_windows_lie(length, padding):
    for size, stride, dilation in SIZES:
        axis = place_windows(length, size, stride, dilation, padding)
        assert axis[3:] == (size, stride, dilation)
        span = (size - 1) * dilation + 1
        if padding == "valid":
            assert axis.count <= 0 if length < span else axis.count == len(range(0, length - span + 1, stride))
            assert (axis.before, axis.after) == (0, 0)
            continue
        assert axis.count == len(range(0, length, stride))
        widened = axis.before + length + axis.after
        if padding == "causal":
            # The last position that the i-th window reads is position i*stride of the input.
            assert (axis.before, axis.after) == (span - 1, 0)
        elif axis.before + axis.after:
            # As little as possible, on both sides alike, the odd one after.
            assert (axis.count - 1) * stride + span == widened
            assert axis.after - axis.before in (0, 1)


def test_windows_read_what_they_should():
    x = RNG.normal(size=(2, 6, 7, 3)).astype(np.float32)
    axes = [place_windows(6, 3, 2, 1, "same"), place_windows(7, 2, 1, 3, "causal")]
    wide = padded(x, axes, -1.0)
    view = windows.windows(wide, axes)
    assert view.shape == (2, 3, 7, 3, 2, 3)
    for row, column, i, j in np.ndindex(3, 7, 3, 2):
        at_row, at_column = row * 2 + i - axes[0].before, column + 3 * j - axes[1].before
        inside = 0 <= at_row < 6 and 0 <= at_column < 7
        np.testing.assert_array_equal(view[:, row, column, i, j], x[:, at_row, at_column] if inside else -1)
    for j, tap in enumerate(taps(wide, 2, axes[1])):
        np.testing.assert_array_equal(tap[:, :6:2], view[:, :, :, 0, j])
    assert padded(x, [place_windows(length, 2, 1, 1, "valid") for length in (6, 7)]) is x


@pytest.mark.parametrize("block", [1, 40, 1_000, 3_000, 1 << 20])
def test_blocks(block, monkeypatch):
    monkeypatch.setattr(windows, "BLOCK", block)
    x = RNG.normal(size=(5, 8, 6, 3)).astype(np.float32)
    axes = [place_windows(8, 3, 1, 1, "same"), place_windows(6, 2, 2, 1, "valid")]
    expected = windows.windows(padded(x, axes), axes).sum(axis=(3, 4))
    sizes = []

    def compute(view):
        sizes.append(view.size)
        return view.sum(axis=(3, 4))

    np.testing.assert_array_equal(over_blocks(x, axes, 3, compute), expected)
    line = 3 * 3 * 2 * 3
    assert max(sizes) <= max(block, line)
    assert over_blocks(x[:0], axes, 3, compute).shape == (0, 8, 3, 3)
