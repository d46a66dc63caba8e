"""Batches by number: the base class of users' own."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any


def _argument(name: str, default: Any) -> property:
    """Return the property of a constructor's argument, which warns where the constructor was never called."""
    kept = f"_{name}"

    def get(self: PyDataset) -> Any:
        if not hasattr(self, kept):
            setattr(self, kept, default)
            warnings.warn(
                "Your `PyDataset` class should call `super().__init__(**kwargs)` in its constructor. `**kwargs` can "
                "include `workers`, `use_multiprocessing`, `max_queue_size`. Do not pass these arguments to `fit()`, "
                "as they will be ignored.",
                stacklevel=2,
            )
        return getattr(self, kept)

    return property(get, lambda self, value: setattr(self, kept, value))


class PyDataset:
    """Batches by number. A subclass defines `__getitem__(index)`, which returns `(inputs,)`, `(inputs, targets)` or
    `(inputs, targets, sample_weights)`, and `__len__` or `num_batches`.

    Args:
        workers: Integer, kept: batches are made when they are needed, by the thread that needs them.
        use_multiprocessing: Boolean, kept.
        max_queue_size: Integer, kept.

    Differs from Keras: nothing is made ahead, so the order of the batches does not depend on threads.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    workers: Any = _argument("workers", 1)
    use_multiprocessing: Any = _argument("use_multiprocessing", False)
    max_queue_size: Any = _argument("max_queue_size", 10)

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        try:
            count = self.num_batches
        except NotImplementedError:
            count = None
        for index in itertools.count() if count is None else range(count):
            yield self[index]

    @property
    def num_batches(self) -> int | None:
        """Number of batches, None for no end; by default `len(self)`.

        Raises:
            NotImplementedError: When there is neither.
        """
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            "You need to implement the `num_batches` property:\n\n@property\ndef num_batches(self):\n  return ..."
        )

    def on_epoch_begin(self) -> None:
        """Called before the first batch of an epoch."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of an epoch."""
