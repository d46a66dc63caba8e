"""What a graph may make of its constants and sizes, asked before it is made: no small file costs much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.onnx.reading.values import Sizes, Stack, Tensor, Unfit, Value
from fastlstm.saving.budget import Budget

MAX_AXES = 32
_MAX_SIZES = 1000  # that are calculated at once
_LARGEST = 2**63  # of a size


def require_axes(count: int) -> None:
    """Raise where there are more axes, or numbers for them, than a tensor has.

    Raises:
        Unfit: There are.
    """
    if count > MAX_AXES:
        raise Unfit(f"it has {count} axes, or numbers for them, where {MAX_AXES} are the most")


def take_broadcast(budget: Budget, arrays: Sequence[np.ndarray]) -> None:
    """Take what an array takes that others are broadcast to.

    Raises:
        ValueError: More than a load may take, or shapes that do not fit each other.
    """
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    count = int(np.prod(shape, dtype=object)) if shape else 1
    budget.take_bytes(count * max(array.itemsize for array in arrays), "A constant")


def take_joined(budget: Budget, arrays: Sequence[np.ndarray]) -> None:
    """Take what arrays take that are joined.

    Raises:
        ValueError: More than a load may take.
    """
    budget.take_bytes(sum(array.size for array in arrays) * max(array.itemsize for array in arrays), "A constant")


def take_layers(budget: Budget, count: int) -> None:
    """Take layers that a node makes, but for the one that it is counted as.

    Raises:
        ValueError: More than a load may make.
    """
    budget.take("layers", max(0, count - 1), "The graph")


def take_weights(budget: Budget, inputs: Sequence[Value]) -> None:
    """Take what constants take that become the weights of a layer: as often as one is in use.

    Raises:
        ValueError: More than a load may take.
    """
    if any(isinstance(value, (Tensor, Stack)) for value in inputs):
        budget.take_bytes(sum(4 * value.size for value in inputs if isinstance(value, np.ndarray)), "A weight")


def check_made(budget: Budget, made: Value, given: Sequence[Value]) -> None:
    """Raise where what a node has made is beyond what later ones can take.

    Args:
        budget: What the load may take; new arrays count.
        made: An output.
        given: The inputs.

    Raises:
        Unfit: More axes than a tensor has, or more sizes than there are.
        ValueError: More than a load may take.
    """
    if isinstance(made, (Tensor, Stack)):
        require_axes(made.rank)
    elif isinstance(made, Sizes):
        check_sizes(made.items)
    elif isinstance(made, np.ndarray) and not any(_share_memory(made, value) for value in given):
        budget.take_bytes(made.nbytes, "A constant")


def _share_memory(made: np.ndarray, given: Value) -> bool:
    return isinstance(given, np.ndarray) and np.may_share_memory(made, given)


def check_sizes(items: Any) -> None:
    """Raise for sizes that are those of no tensor.

    Args:
        items: Integers and sizes that are not known, an array of objects.

    Raises:
        Unfit: They are too many, or too large.
    """
    if items.size > _MAX_SIZES:
        raise Unfit(f"it calculates with {items.size} sizes")
    if any(isinstance(item, int) and not -_LARGEST <= item < _LARGEST for item in items.ravel().tolist()):
        raise Unfit("it makes a size of more than 64 bits")
