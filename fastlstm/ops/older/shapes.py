"""Shapes, parts and repetitions of tensors, as an older `keras.backend` names them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm import ops
from fastlstm.config import standardize_data_format
from fastlstm.ops.older.registry import defined
from fastlstm.printable import quoted


@defined
def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Return tensors one behind the other along an axis."""
    return ops.concatenate(tensors, axis)


@defined
def expand_dims(x: Any, axis: int = -1) -> Any:
    """Return a tensor with one more axis of size 1."""
    return ops.expand_dims(x, axis)


@defined
def flatten(x: Any) -> Any:
    """Return all values in one axis."""
    return ops.reshape(x, (-1,))


@defined
def batch_flatten(x: Any) -> Any:
    """Return the values of each row in one axis."""
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


@defined
def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """Return a tensor with its axes in another order."""
    return ops.transpose(x, tuple(pattern))


@defined
def transpose(x: Any) -> Any:
    """Return a tensor with its axes in the opposite order."""
    return ops.transpose(x)


@defined
def reverse(x: Any, axes: Any) -> Any:
    """Return a tensor backwards along some axes."""
    return ops.flip(x, axes if isinstance(axes, int) else tuple(axes))


@defined
def gather(reference: Any, indices: Any) -> Any:
    """Return the rows of a tensor that the indices name."""
    return ops.take(reference, indices, axis=0)


@defined
def one_hot(indices: Any, num_classes: int) -> Any:
    """Return 1 at the place that an index names and 0 elsewhere, in a new last axis."""
    return ops.one_hot(indices, num_classes)


@defined
def tile(x: Any, n: Any) -> Any:
    """Return a tensor repeated `n` times along each axis."""
    return ops.tile(x, n)


@defined
def repeat(x: Any, n: int) -> Any:
    """Return the features of every row `n` times, as steps of a sequence.

    Raises:
        ValueError: When the tensor is not one of rows of features.
    """
    if len(x.shape) != 2:
        raise ValueError(f"Expected input `x` to have rank 2. Received: rank(x)={len(x.shape)}")
    return ops.tile(ops.expand_dims(x, 1), (1, n, 1))


@defined
def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Return every element `rep` times along an axis."""
    return ops.repeat(x, rep, axis)


def _padded(x: Any, padding: Any, rank: int, data_format: str | None) -> Any:
    if np.shape(padding) != (rank, 2):
        raise ValueError(
            f"Expected `padding` to be a tuple of {rank} tuples of 2 integers. Received: padding={quoted(padding)}"
        )
    first = standardize_data_format(data_format) == "channels_first"
    return ops.pad(x, [(0, 0), *[(0, 0)] * first, *padding, *[(0, 0)] * (not first)])


@defined
def temporal_padding(x: Any, padding: Any = (1, 1)) -> Any:
    """Return sequences with steps of zeros before and behind them."""
    if len(padding) != 2:
        raise ValueError(f"Expected `padding` to be a tuple of 2 integers. Received: padding={quoted(padding)}")
    return ops.pad(x, [(0, 0), tuple(padding), (0, 0)])


@defined
def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Return images with rows and columns of zeros around them."""
    return _padded(x, padding, 2, data_format)


@defined
def spatial_3d_padding(x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Return volumes with planes of zeros around them."""
    return _padded(x, padding, 3, data_format)


@defined
def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Return the values of one expression where a condition holds, and of the other where it does not.

    Args:
        condition: Tensor; one without axes chooses between the expressions.
        then_expression, else_expression: Tensors, or functions without arguments that return them.

    Raises:
        ValueError: When the condition has more axes than the expressions.
    """
    rank = len(np.shape(condition)) if not hasattr(condition, "shape") else len(condition.shape)
    if not rank and not hasattr(condition, "record_operation"):
        chosen = then_expression if condition else else_expression
        return chosen() if callable(chosen) else chosen
    then_expression, else_expression = (
        each() if callable(each) else each for each in (then_expression, else_expression)
    )
    missing = len(then_expression.shape) - rank
    if missing < 0:
        raise ValueError(
            "Rank of `condition` should be less than or equal to rank of `then_expression` and `else_expression`. "
            f"ndim(condition)={rank}, ndim(then_expression)={rank + missing}"
        )
    if rank > 1:
        for _ in range(missing):
            condition = ops.expand_dims(condition, -1)
    return ops.where(ops.cast(condition, "bool"), then_expression, else_expression)


@defined
def stop_gradient(variables: Any) -> Any:
    """Return a tensor through which training does not go."""
    if isinstance(variables, (list, tuple)):
        return [ops.stop_gradient(each) for each in variables]
    return ops.stop_gradient(variables)


@defined
def map_fn(fn: Callable[[Any], Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """Return what a function gives for each row."""
    return ops.stack([fn(each) for each in ops.unstack(elems)])


def _folded(fn: Callable[[Any, Any], Any], rows: list[Any], initializer: Any) -> Any:
    made = initializer
    for row in rows:
        made = row if made is None else fn(made, row)
    return made


@defined
def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Return `fn(fn(first, second), third)` and so on, from the first row on."""
    return _folded(fn, list(ops.unstack(elems)), initializer)


@defined
def foldr(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Return `fn(fn(last, last but one), …)`, from the last row on."""
    return _folded(fn, list(ops.unstack(elems))[::-1], initializer)
