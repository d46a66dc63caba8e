"""Products of tensors of an older `keras.backend`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm import ops
from fastlstm.ops.older.registry import defined
from fastlstm.printable import quoted


@defined
def dot(x: Any, y: Any) -> Any:
    """Return the product over the last axis of `x` and the last but one of `y`."""
    if len(x.shape) <= 2 and len(y.shape) <= 2:
        return ops.matmul(x, y)
    return ops.dot(x, y)


@defined
def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Return the product of every row of `x` with the same row of `y`.

    Args:
        x, y: Tensors of two axes or more, the first that of the batch.
        axes: Over which axes of the two it is taken, an int for both; None: the last of `x`, and of `y` the last but
            one or the only one.

    Raises:
        ValueError: When they have too few axes, or sizes that do not fit.
    """
    shapes = tuple(x.shape), tuple(y.shape)
    ranks = len(shapes[0]), len(shapes[1])
    if min(ranks) < 2:
        raise ValueError(
            f"Cannot do batch_dot on inputs with rank < 2. Received inputs with tf.shapes {shapes[0]} and {shapes[1]}."
        )
    a, b = _axes(axes, ranks)
    if _differ(shapes[0][0], shapes[1][0]):
        raise ValueError(
            "Cannot do batch_dot on inputs with different batch sizes. "
            f"Received inputs with tf.shapes {shapes[0]} and {shapes[1]}."
        )
    if _differ(shapes[0][a], shapes[1][b]):
        raise ValueError(
            f"Cannot do batch_dot on inputs with tf.shapes {shapes[0]} and {shapes[1]} with axes={[a, b]}. "
            f"x.shape[{a}] != y.shape[{b}] ({shapes[0][a]} != {shapes[1][b]})."
        )
    left = _flat(_moved(x, a, ranks[0] - 1), ranks[0] == 2, last=True)
    right = _flat(_moved(y, b, 1), ranks[1] == 2, last=False)
    kept_of_x = [size for axis, size in enumerate(shapes[0]) if axis not in (0, a)]
    kept_of_y = [size for axis, size in enumerate(shapes[1]) if axis not in (0, b)]
    sizes = [-1 if size is None else size for size in (*kept_of_x, *kept_of_y)] or [1]
    return ops.reshape(ops.matmul(left, right), (-1 if shapes[0][0] is None else shapes[0][0], *sizes))


def _axes(axes: Any, ranks: tuple[int, int]) -> tuple[int, int]:
    if axes is None:
        axes = (ranks[0] - 1, ranks[1] - (1 if ranks[1] == 2 else 2))
    pair: Sequence[Any] = (axes, axes) if isinstance(axes, int) else axes
    if len(pair) != 2:
        raise ValueError(f"`axes` should be None, an int or a pair of them. Provided: {quoted(axes)}")
    if any(isinstance(axis, (list, tuple)) for axis in pair):
        raise ValueError(
            f"Multiple target dimensions are not supported. Expected: None, int, (int, int), Provided: {axes}"
        )
    a, b = (axis + rank if axis < 0 else axis for axis, rank in zip(pair, ranks, strict=True))
    if 0 in (a, b):
        raise ValueError(
            "Cannot perform batch_dot over axis 0. If your inputs are not batched, add a dummy batch dimension to "
            "your inputs using K.expand_dims(x, 0)"
        )
    return a, b


def _differ(a: int | None, b: int | None) -> bool:
    return a is not None and b is not None and a != b


def _moved(x: Any, axis: int, place: int) -> Any:
    return x if axis == place else ops.moveaxis(x, axis, place)


def _flat(x: Any, of_rows: bool, last: bool) -> Any:
    """A tensor as matrices, the axis of the product last or first of the two."""
    shape = tuple(x.shape)
    if of_rows:
        return ops.expand_dims(x, 1 if last else 2)
    if len(shape) == 3:
        return x
    batch = -1 if shape[0] is None else shape[0]
    middle = shape[1:-1] if last else shape[2:]
    if None in middle:
        raise ValueError(f"Cannot do batch_dot on an input of shape {shape}, of which several sizes are unknown.")
    size = 1
    for each in middle:
        size *= each
    return ops.reshape(x, (batch, size, shape[-1]) if last else (batch, shape[1], size))
