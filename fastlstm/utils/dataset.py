"""`Dataset`: elements that are made one by one, with the methods of `tf.data.Dataset` that scripts for Keras call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastlstm.backend import Tensor
from fastlstm.printable import quoted


class Dataset:
    """Elements in an order; every `for` loop begins again.

    Args:
        elements: Makes an iterator over them.
        count: How many there are; None: nobody knows, or they never end.

    Differs from TensorFlow: functions of `map` and `filter` get arrays, and random orders are others.
    """

    def __init__(self, elements: Callable[[], Iterator[Any]], count: int | None) -> None:
        self._elements = elements
        self._count = count

    @property
    def num_batches(self) -> int | None:
        """Number of elements, None while that is not known."""
        return self._count

    def __len__(self) -> int:
        if self.num_batches is None:
            raise TypeError("The dataset length is unknown.")
        return self.num_batches

    def __iter__(self) -> Iterator[Any]:
        return self._elements()

    def cardinality(self) -> Tensor:
        """Return the number of elements, -2 where it is not known."""
        return np.asarray(-2 if self.num_batches is None else self.num_batches).view(Tensor)

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Return an iterator over the elements, whose leaves are plain arrays."""
        return (_mapped(np.array, element) for element in self)

    def take(self, count: int) -> Dataset:
        """Return the first elements.

        Args:
            count: Their number; a negative one is all of them.
        """
        if count < 0:
            return self
        size = None if self.num_batches is None else min(count, self.num_batches)
        return Dataset(lambda: itertools.islice(self, count), size)

    def skip(self, count: int) -> Dataset:
        """Return the elements behind the first ones.

        Args:
            count: How many are left out; with a negative number, all are.
        """
        if count < 0:
            return Dataset(lambda: iter(()), 0)
        size = None if self.num_batches is None else max(0, self.num_batches - count)
        return Dataset(lambda: itertools.islice(self, count, None), size)

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None, deterministic: Any = None) -> Dataset:
        """Return what a function makes of every element; those that are tuples are its arguments.

        Args:
            map_func: The function.
            num_parallel_calls, deterministic: Hints to TensorFlow; here one call follows the other, in order.
        """
        return Dataset(lambda: (_called(map_func, element) for element in self), self.num_batches)

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """Return the elements of which a function is true."""
        return Dataset(lambda: (element for element in self if np.all(_called(predicate, element))), None)

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None, deterministic: Any = None
    ) -> Dataset:
        """Return stacks of so many elements.

        Args:
            batch_size: Positive integer.
            drop_remainder: Boolean, whether a last one of fewer is left out.
            num_parallel_calls, deterministic: As for `map`.
        """
        if batch_size <= 0:
            raise ValueError(f"`batch_size` must be positive. Received: batch_size={batch_size}")
        count = self.num_batches
        if count is not None:
            count = count // batch_size if drop_remainder else -(-count // batch_size)

        def elements() -> Iterator[Any]:
            single = iter(self)
            while found := list(itertools.islice(single, batch_size)):
                if len(found) == batch_size or not drop_remainder:
                    yield _mapped(_stacked, *found)

        return Dataset(elements, count)

    def unbatch(self) -> Dataset:
        """Return the rows of every element."""

        def elements() -> Iterator[Any]:
            for element in self:
                for row in range(_rows(element)):
                    yield _row(element, row)

        return Dataset(elements, None)

    def repeat(self, count: int | None = None) -> Dataset:
        """Return the elements so many times, without an end for None and -1."""
        if count is None or count < 0:
            return Dataset(lambda: (element for _ in itertools.count() for element in self), None)
        size = None if self.num_batches is None else count * self.num_batches
        return Dataset(lambda: (element for _ in range(count) for element in self), size)

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool | None = None
    ) -> Dataset:
        """Return the elements in random order, `buffer_size` of them at a time.

        Args:
            buffer_size: Positive integer.
            seed: Integer of the order; None takes one from NumPy.
            reshuffle_each_iteration: Boolean, whether every loop has an order of its own; None for True.
        """
        first = np.random.randint(1_000_000) if seed is None else seed
        shared = np.random.RandomState(first)

        def elements() -> Iterator[Any]:
            state = np.random.RandomState(first) if reshuffle_each_iteration is False else shared
            source = iter(self)
            waiting: list[Any] = list(itertools.islice(source, buffer_size))
            while waiting:
                yield waiting.pop(state.randint(len(waiting)))
                waiting += itertools.islice(source, 1)

        return Dataset(elements, self.num_batches)

    def cache(self, filename: str = "") -> Dataset:
        """Return the elements, kept from the first loop that reaches their end.

        Args:
            filename: Only empty: they are kept in memory.

        Raises:
            NotImplementedError: It is not empty.
        """
        if filename:
            raise NotImplementedError(f"`cache` keeps elements in memory alone. Received: filename={quoted(filename)}")
        kept: list[Any] = []

        def elements() -> Iterator[Any]:
            if kept:
                yield from kept
                return
            seen = []
            for element in self:
                seen.append(element)
                yield element
            kept[:] = seen

        return Dataset(elements, self.num_batches)

    def prefetch(self, buffer_size: Any = None) -> Dataset:
        """Return the same elements: nothing is made ahead, however many `buffer_size` is."""
        return self


def of_rows(arrays: Any) -> Dataset:
    """Return the rows of arrays, or of a tuple or dict of them, as a dataset."""
    parts = _mapped(np.asarray, arrays)
    count = _rows(parts)
    return Dataset(lambda: (_row(parts, row) for row in range(count)), count)


def _rows(element: Any) -> int:
    """The number of rows of the first leaf."""
    lengths: list[int] = []
    _mapped(lambda leaf: lengths.append(len(leaf)), element)
    return lengths[0]


def _row(element: Any, row: int) -> Any:
    return _mapped(lambda leaf: _tensor(leaf[row]), element)


def _called(function: Callable[..., Any], element: Any) -> Any:
    return function(*element) if isinstance(element, tuple) else function(element)


def _tensor(leaf: Any) -> Any:
    return np.asarray(leaf).view(Tensor)


def _stacked(*leaves: Any) -> Any:
    return np.stack([np.asarray(leaf) for leaf in leaves]).view(Tensor)


def _mapped(function: Callable[..., Any], *elements: Any) -> Any:
    """The structure of the elements with `function(*leaves)` in place of the leaves."""
    first = elements[0]
    if isinstance(first, dict):
        return {key: _mapped(function, *(element[key] for element in elements)) for key in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_mapped(function, *leaves) for leaves in zip(*elements, strict=True))
    return function(*elements)
