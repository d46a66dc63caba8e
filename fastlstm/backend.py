"""What Keras keeps in its backend: the float type, the counters behind automatic names, and the tensor."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from fastlstm.identifiers import snake_case

_counters: dict[str, Iterator[int]] = {}


class Tensor(np.ndarray):
    """What layers and models return when they are called: a NumPy array that also answers to `numpy()`."""

    def numpy(self) -> np.ndarray:
        """Return the values as a plain `np.ndarray`."""
        return self.view(np.ndarray)


def floatx() -> str:
    """Return the float type of all weights and results, `"float32"`."""
    return "float32"


def auto_name(class_name: str) -> str:
    """Return the next automatic name of a class: `lstm`, then `lstm_1`, `lstm_2` …

    Args:
        class_name: As Python has it, e.g. `LSTM`.
    """
    prefix = snake_case(class_name)
    number = next(_counters.setdefault(prefix, itertools.count()))
    return f"{prefix}_{number}" if number else prefix


def get_uid(prefix: str = "") -> int:
    """Return how often this was called with `prefix` since the session was cleared, from 1."""
    return next(_counters.setdefault(f"uid of {prefix}", itertools.count(1)))


def clear_session(free_memory: bool = True) -> None:
    """Start the automatic names again from the beginning.

    Args:
        free_memory: As in Keras; nothing but names is kept here, so there is no memory to free either way.
    """
    _counters.clear()
