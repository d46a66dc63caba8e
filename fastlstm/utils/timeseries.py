"""Windows of a series, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.backend import Tensor
from fastlstm.printable import quoted
from fastlstm.utils.dataset import Dataset


class TimeseriesDataset(Dataset):
    """Windows of a series and their targets, made batch by batch; every `for` loop begins again.

    Made by `timeseries_dataset_from_array`, in place of Keras' `tf.data.Dataset`; the arrays answer to `numpy()`, too.
    """

    def __init__(
        self,
        data: np.ndarray,
        targets: np.ndarray | None,
        starts: np.ndarray,
        offsets: np.ndarray,
        batch_size: int | None,
        shuffling: np.random.RandomState | None,
    ) -> None:
        self._data = data
        self._targets = targets
        self._starts = starts
        self._offsets = offsets
        self._batch_size = batch_size
        self._shuffling = shuffling

    @property
    def num_batches(self) -> int:
        """Number of batches, or of windows where they come one by one."""
        return -(-len(self._starts) // (self._batch_size or 1))

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"There are batches from 0 to {len(self) - 1}. Received: index={quoted(index)}")
        if self._batch_size is None:
            starts = self._starts[index]
        else:
            starts = self._starts[index * self._batch_size : (index + 1) * self._batch_size]
        windows = self._data[starts[..., np.newaxis] + self._offsets].view(Tensor)
        return windows if self._targets is None else (windows, np.asarray(self._targets[starts]).view(Tensor))

    def __iter__(self) -> Iterator[Any]:
        if self._shuffling is not None:
            self._shuffling.shuffle(self._starts)
        for index in range(len(self)):
            yield self[index]


@explained
def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> TimeseriesDataset:
    """Return the windows of a series, in batches.

    Args:
        data: Array whose first axis is time.
        targets: Array of the targets, the first one that of the window which begins with the first step; or None.
        sequence_length: Timesteps of a window.
        sequence_stride: Steps from the beginning of a window to that of the next.
        sampling_rate: Steps from one timestep of a window to the next.
        batch_size: Windows of a batch; None gives them one by one.
        shuffle: Boolean, whether the windows come in random order, another one each time.
        seed: Integer of the order; None takes one from NumPy.
        start_index: Integer, the first step of `data` and `targets` to use, None for the first one.
        end_index: Integer, the step after the last one to use, None for the end.
        format: `"tf"` or `"grain"`, checked; the dataset is of arrays either way.

    Returns:
        An iterable with a length; its elements are `(windows, targets)`, or `windows` without targets.

    Raises:
        ValueError: When an argument is out of range.

    Differs from Keras: the random order is another one than TensorFlow's.
    """
    _check_range(len(data), sampling_rate, sequence_stride, start_index, end_index)
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={quoted(format)}')
    start = start_index or 0
    end = len(data) if end_index is None else end_index
    count = end - start - (sequence_length - 1) * sampling_rate
    if targets is not None:
        count = min(count, len(targets))
    starts = np.arange(0, count, sequence_stride)
    shuffling = None
    if shuffle:
        shuffling = np.random.RandomState(np.random.randint(1_000_000) if seed is None else seed)
    return TimeseriesDataset(
        np.asarray(data)[start:end],
        None if targets is None else np.asarray(targets)[start:end],
        starts,
        np.arange(0, sequence_length * sampling_rate, sampling_rate),
        batch_size,
        shuffling,
    )


def _check_range(
    length: int, sampling_rate: int, sequence_stride: int, start_index: int | None, end_index: int | None
) -> None:
    """Raise Keras' errors for what is out of range; as there, an index of 0 is none."""
    if start_index:
        if start_index < 0:
            raise ValueError(f"`start_index` must be 0 or greater. Received: start_index={quoted(start_index)}")
        if start_index >= length:
            raise ValueError(
                "`start_index` must be lower than the length of the data. "
                f"Received: start_index={quoted(start_index)}, for data of length {length}"
            )
    if end_index:
        if start_index and end_index <= start_index:
            raise ValueError(
                "`end_index` must be higher than `start_index`. "
                f"Received: start_index={quoted(start_index)}, and end_index={quoted(end_index)} "
            )
        if end_index >= length:
            raise ValueError(
                "`end_index` must be lower than the length of the data. "
                f"Received: end_index={quoted(end_index)}, for data of length {length}"
            )
        if end_index <= 0:
            raise ValueError(f"`end_index` must be higher than 0. Received: end_index={quoted(end_index)}")
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if value <= 0:
            raise ValueError(f"`{name}` must be higher than 0. Received: {name}={quoted(value)}")
        if value >= length:
            raise ValueError(
                f"`{name}` must be lower than the length of the data. "
                f"Received: {name}={quoted(value)}, for data of length {length}"
            )
