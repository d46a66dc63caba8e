"""`split_dataset`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.utils.dataset import Dataset, of_rows


@explained
def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Dataset, Dataset]:
    """Return two datasets of the samples of one.

    Args:
        dataset: An array, a list or tuple of arrays of one length, or a dataset of this package.
        left_size, right_size: The number of samples, an integer, or their part of all, a float; None is the rest.
        shuffle: Boolean, whether the samples are shuffled before.
        seed: Integer of the order; None takes one from NumPy.

    Raises:
        TypeError, ValueError: With Keras' texts, when the sizes do not fit.

    Differs from Keras: the random order is another one.
    """
    arrays = tuple(dataset) if isinstance(dataset, list) else dataset
    samples = list(dataset if isinstance(dataset, Dataset) else of_rows(arrays))
    left, right = _sizes(left_size, right_size, len(samples))
    if shuffle:
        order = np.random.RandomState(np.random.randint(1_000_000) if seed is None else seed)
        samples = [samples[place] for place in order.permutation(len(samples))]
    parts = samples[:left], samples[-int(right) :]
    return Dataset(lambda: iter(parts[0]), len(parts[0])), Dataset(lambda: iter(parts[1]), len(parts[1]))


def _sizes(left: Any, right: Any, length: int) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. "
            "Received: left_size=None and right_size=None"
        )
    for name, size, joint in (("left_size", left, ""), ("right_size", right, "and ")):
        _check(name, size, joint, length)
    if type(left) is type(right) is float and left + right > 1:
        raise ValueError(
            "The sum of `left_size` and `right_size` is greater than 1. It must be less than or equal to 1."
        )
    left, right = (round(size * length) if isinstance(size, float) else size for size in (left, right))
    left = length - right if left is None else left
    right = length - left if right is None else right
    if left + right > length:
        raise ValueError(
            f"The sum of `left_size` and `right_size` should be smaller than the {length}. "
            f"Received: left_size + right_size = {left + right}and total_length = {length}"
        )
    for size, side in ((left, "left"), (right, "right")):
        if size == 0:
            raise ValueError(
                f"With `dataset` of length={length}, `left_size`={left} and `right_size`={right}.Resulting {side} side "
                "dataset split will be empty. Adjust any of the aforementioned parameters"
            )
    return left, right


def _check(name: str, size: Any, joint: str, length: int) -> None:
    if size is None:
        return
    if type(size) not in (int, float):
        raise TypeError(
            f"Invalid `{name}` Type. Expected: int or float or None, Received: type({name})={type(size)}.  "
        )
    if size <= 0 or size >= (length if type(size) is int else 1):
        raise ValueError(
            f"`{name}` should be either a positive integer {joint}smaller than {length}, or a float within the range "
            f"`[0, 1]`. Received: {name}={size}"
        )
