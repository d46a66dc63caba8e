"""`keras.preprocessing.sequence`, with what only Keras 2 has in it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers, explained
from fastlstm.utils.py_dataset import PyDataset
from fastlstm.utils.sequences import pad_sequences

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]


class TimeseriesGenerator(PyDataset):
    """Windows of a series, each with the target of the step after it, in batches.

    Args:
        data: Array or list whose first axis is time.
        targets: As many targets.
        length: Steps that a window spans.
        sampling_rate: Steps from one timestep of a window to the next.
        stride: Steps from one window to the next.
        start_index: First step to use.
        end_index: Last step to use as a target, None for the last one.
        shuffle: Boolean, whether to draw the windows with NumPy's global random numbers.
        reverse: Boolean, whether the timesteps of a window run backwards.
        batch_size: Windows of a batch.

    Raises:
        ValueError: When data and targets differ in length, or no window fits.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ValueError(
                "Data and targets have to be of same length. "
                f"Data length is {len(data)} while target length is {len(targets)}"
            )
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        check_numbers(start_index=start_index, end_index=end_index)
        self.start_index: int = start_index + length
        self.end_index: int = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` is disallowed, as no part of "
                "the sequence would be left to be used as current step."
            )

    def __len__(self) -> int:
        span = self.batch_size * self.stride
        return (self.end_index - self.start_index + span) // span

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            span = self.batch_size * self.stride
            first = self.start_index + span * index
            rows = np.arange(first, min(first + span, self.end_index + 1), self.stride)
        samples = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1] if self.reverse else samples), targets

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, with data and targets as JSON.

        Raises:
            TypeError: When these cannot be written as JSON.
        """
        return {
            "data": _as_json(self.data, "Data"),
            "targets": _as_json(self.targets, "Targets"),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """Return the generator as JSON.

        Args:
            **kwargs: As for `json.dumps`.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _as_json(values: Any, noun: str) -> str:
    try:
        return json.dumps(values.tolist() if isinstance(values, np.ndarray) else values)
    except TypeError as error:
        raise TypeError(f"{noun} not JSON Serializable:", values) from error


@explained
def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """Return the probabilities with which `skipgrams` keeps words, the most frequent ones least often.

    Args:
        size: Number of words; the i-th most frequent one is taken to have the frequency of Zipf's law.
        sampling_factor: word2vec's factor.
    """
    rank = np.arange(size)
    rank[0] = 1
    inverse_frequency = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    f = sampling_factor * inverse_frequency
    return np.minimum(1.0, f / np.sqrt(f))


@explained
def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Return pairs of words, and whether they are near each other in a sequence.

    Args:
        sequence: Indices of words; 0 is none.
        vocabulary_size: Indices go up to this number minus 1.
        window_size: Words on either side that are near.
        negative_samples: Random pairs, as a part of the number of the others.
        shuffle: Boolean, whether the pairs come in random order.
        categorical: Boolean, whether a label is `[0, 1]` or `[1, 0]` rather than 1 or 0.
        sampling_table: Probability with which each word is kept; None keeps all.
        seed: Integer of the order; None draws one.

    Returns:
        The pairs and their labels, drawn with Python's global random numbers.
    """
    near, far = ([0, 1], [1, 0]) if categorical else (1, 0)
    couples = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        for other in range(max(0, place - window_size), min(len(sequence), place + window_size + 1)):
            if other != place and sequence[other]:
                couples.append([word, sequence[other]])
    labels: list[Any] = [near for _ in couples]
    if negative_samples > 0:
        count = int(len(labels) * negative_samples)
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        couples += [[words[i % len(words)], random.randint(1, int(vocabulary_size - 1))] for i in range(count)]
        labels += [far] * count
    if shuffle:
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for values in (couples, labels):
            random.seed(seed)
            random.shuffle(values)
    return couples, labels
