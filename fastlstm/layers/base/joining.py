"""Calls of layers as ops of a graph: what a plan joins into one Program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.structure import flatten
from fastlstm.records import Record

# The values that a call gives, in the order of `flatten`; one that few ask for as a function that adds it.
GraphValues = list["int | Callable[[], int]"]


class GraphValue(Record):
    """A tensor in a graph of ops.

    Args:
        number: Of the value.
        shape: With the batch; None for sizes that are not known. The engine has all axes from the third on as one.
        mask: The number of the op that makes its mask; None if it has none.
    """

    number: int
    shape: tuple[int | None, ...]
    mask: int | None = None

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.shape)


def one_value(args: Any, kwargs: dict[str, Any], *ranks: int) -> GraphValue | None:
    """Return the value that a call takes alone; None if it takes something else.

    Args:
        args, kwargs: Of the call.
        *ranks: How many axes the value may have.
    """
    if len(args) != 1 or kwargs or not isinstance(args[0], GraphValue) or args[0].rank not in ranks:
        return None
    return args[0]


def values_in(nested: Any, *ranks: int) -> list[GraphValue] | None:
    """Return the values in a structure; None where something else is among them, or one of another rank."""
    leaves = flatten(nested)
    return leaves if all(isinstance(leaf, GraphValue) and leaf.rank in ranks for leaf in leaves) else None


def values_of_one_mask(nested: Any, *ranks: int) -> list[GraphValue] | None:
    """As `values_in`; None too where one has another mask than another."""
    values = values_in(nested, *ranks)
    return values if values is not None and len({value.mask for value in values}) == 1 else None


def unmasked_values_in(nested: Any, *ranks: int) -> list[GraphValue] | None:
    """As `values_in`; None too where one has a mask."""
    values = values_in(nested, *ranks)
    return values if values is not None and all(value.mask is None for value in values) else None


def constant_of(value: Any, rank: int) -> np.ndarray | None:
    """Return a constant as `MergeOp` takes it; None if it is none of numbers, or differs from row to row.

    Args:
        value: A number or an array, which NumPy would repeat along the axes of a tensor.
        rank: The tensor's, with the batch.
    """
    array = np.asarray(value)
    shape = (1,) * (rank - array.ndim) + array.shape
    if array.dtype.kind not in "biuf" or not array.size or len(shape) > rank or rank > 3 or shape[0] != 1:
        return None
    return np.asarray(array, np.float32).reshape((1, shape[1]) if rank == 2 else shape[1:])


def softmax_over(graph: Graph, x: GraphValue, axis: int) -> int | None:
    """Add a softmax over an axis of a value of two or three; None over the batch, or where there is no such axis."""
    softmax = ops.ActivationOp(ops.Activation("softmax"))
    if not -x.rank <= axis < x.rank or axis % x.rank == 0:
        return None
    if axis % x.rank == x.rank - 1:
        return graph.add(softmax, x.number)
    return graph.add(ops.PermuteOp(), graph.add(softmax, graph.add(ops.PermuteOp(), x.number)))


def fold_of(shape: Sequence[int | None]) -> int | None:
    """Return the width of the sequences that are the steps of a tensor of four or more axes; None if unknown."""
    inner = shape[3:]
    return None if None in inner else math.prod(inner)  # type: ignore[arg-type]


def rows_of_planes(graph: Graph, lowered: Sequence[ops.Op], x: GraphValue) -> int | None:
    """Add ops on rows to the last axis of a tensor of four or more axes; None if something else is among them."""
    features = x.shape[-1]
    if features is None or not all(isinstance(op, ops.RowOp) for op in lowered):
        return None
    return graph.add(ops.UnfoldOp(), graph.add_row(lowered, graph.add(ops.FoldOp(features), x.number)))
