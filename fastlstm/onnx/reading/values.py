"""What names in an ONNX graph stand for while a model is made of it.

A model has the batch first, and the engine reads `(batch, timesteps, features)`. Graphs have any order, and turn it
round and back. So a tensor here is symbolic, in our order, with the order in which the graph sees it: a `Transpose` of
the graph changes that order and nothing else, and what is turned round and back costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm import ops
from fastlstm.layers.symbolic.keras_tensor import KerasTensor


class Unfit(Exception):
    """Why a node cannot be read; whoever reads the nodes adds which one it is."""


class Size:
    """A size that is known when the model runs; equal to itself alone.

    Args:
        name: For errors.
        known: Its value where the file says one, of a batch for example, which the model leaves open; else None.
    """

    def __init__(self, name: str, known: int | None = None) -> None:
        self.name = name
        self.known = known

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Sizes:
    """Whole numbers, some of which are sizes that are known when the model runs.

    Args:
        items: An array of objects, of no axis or one: integers and `Size`.
    """

    items: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.items.shape


@dataclass(frozen=True)
class Filled:
    """One number in a shape of which sizes are not known, such as the zeros that a network begins from.

    Args:
        number: The number, an array of no axis.
        sizes: The shape: integers and `Size`.
    """

    number: np.ndarray
    sizes: tuple[Any, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.sizes

    @property
    def rank(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True)
class Ramp:
    """0, 1, … up to a size that is known when the model runs, before it has an axis of the batch.

    Args:
        size: The size.
        dtype: NumPy's name of the dtype.
    """

    size: Size
    dtype: str = "int32"

    @property
    def shape(self) -> tuple[Any, ...]:
        return (self.size,)


class Tensor:
    """A tensor.

    Args:
        tensor: It, with the batch first.
        order: Which of its axes is where in the graph: the graph's axis i is axis `order[i]` of the tensor.
        sizes: The sizes in our order: integers and `Size`; the first one is that of the batch.
    """

    def __init__(self, tensor: KerasTensor, order: Sequence[int], sizes: Sequence[Any]) -> None:
        self.tensor = tensor
        self.order: tuple[int, ...] = tuple(order)
        self.sizes: tuple[Any, ...] = tuple(sizes)
        assert len(self.order) == len(self.sizes) == len(tensor.shape)

    @property
    def rank(self) -> int:
        return len(self.order)

    @property
    def batch_axis(self) -> int:
        """Where the graph has the batch."""
        return self.order.index(0)

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes as the graph sees them."""
        return tuple(self.sizes[axis] for axis in self.order)

    def transposed(self, axes: Sequence[int]) -> Tensor:
        """Return the tensor as the graph sees it after a `Transpose`."""
        return Tensor(self.tensor, [self.order[axis] for axis in axes], self.sizes)

    def with_tensor(self, tensor: KerasTensor) -> Tensor:
        """Return another tensor of this shape and order."""
        return Tensor(tensor, self.order, self.sizes)

    def in_order(self, order: Sequence[int]) -> Tensor:
        """Return the tensor with its axes where an order has them, turned round if it has to be."""
        order = tuple(order)
        if order == self.order:
            return self
        # The graph's axis i, which is axis self.order[i], comes to be axis order[i].
        axes = [0] * self.rank
        for ours, theirs in zip(self.order, order, strict=True):
            axes[theirs] = ours
        if axes[0] != 0:
            raise Unfit("it needs the batch as another axis than the first")
        turned = ops.transpose(self.tensor, axes) if axes != list(range(self.rank)) else self.tensor
        return Tensor(turned, order, [self.sizes[axis] for axis in axes])

    def natural(self) -> Tensor:
        """Return the tensor with its axes in the graph's order, but for the batch, which comes first."""
        batch = self.batch_axis
        order = [0 if at == batch else at + (at < batch) for at in range(self.rank)]
        return self.in_order(order)


class Stack:
    """Tensors of one shape along an axis that none of them has: the directions of a recurrent node, or layers.

    Args:
        items: The tensors.
        axis: Where the graph has the axis.
        joined: The tensors as one, side by side along the last axis of theirs, where a layer gave them so.
    """

    def __init__(self, items: Sequence[Tensor], axis: int, joined: Tensor | None = None) -> None:
        self.items: list[Tensor] = list(items)
        self.axis = axis
        self.joined = joined

    @property
    def rank(self) -> int:
        return self.items[0].rank + 1

    @property
    def dtype(self) -> str:
        return self.items[0].dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        shape = list(self.items[0].shape)
        shape.insert(self.axis, len(self.items))
        return tuple(shape)

    def transposed(self, axes: Sequence[int]) -> Stack:
        """Return the stack as the graph sees it after a `Transpose`."""
        place = list(axes).index(self.axis)
        of_items = [axis - (axis > self.axis) for axis in axes if axis != self.axis]
        joined = None if self.joined is None else self.joined.transposed(of_items)
        return Stack([item.transposed(of_items) for item in self.items], place, joined)

    def as_tensor(self) -> Tensor:
        """Return the tensors as one, with the axis."""
        items = [item.in_order(self.items[0].order) for item in self.items]
        first = items[0]
        # Behind all axes there are, so that theirs stay where they are.
        made = ops.stack([item.tensor for item in items], axis=-1)
        order = list(first.order)
        order.insert(self.axis, first.rank)
        return Tensor(made, order, [*first.sizes, len(items)])


def identity(items: Sequence[Tensor]) -> Any:
    """Return what is equal for the same tensors in the same orders."""
    return tuple((id(item.tensor), item.order) for item in items)


Value = Any  # np.ndarray | Sizes | Filled | Ramp | Tensor | Stack
