"""`Dot`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValues, values_in
from fastlstm.layers.base.serialization import register
from fastlstm.layers.merging.merging import Merge
from fastlstm.layers.normalization.normalization import unit_length_with_gradient
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class Dot(Merge):
    """The products of two inputs over one axis of each, row by row.

    Args:
        axes: The axis for both, or a pair; not 0, the batch.
        normalize: Boolean, whether both are first brought to length 1 along it.
        **kwargs: As for `Layer`.

    Raises:
        TypeError: When `axes` is neither an integer nor a pair.
        ValueError: When it is not a pair of integers, or the inputs do not fit.
    """

    ends_masks = True

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int. Received: axes={quoted(axes)}"
                )
            if len(axes) != 2:
                raise ValueError(
                    f"Invalid format for argument `axes`: it should contain two elements. Received: axes={quoted(axes)}"
                )
            if not all(isinstance(axis, int) for axis in axes):
                raise ValueError(
                    f"Invalid format for argument `axes`: list elements should be integers. "
                    f"Received: axes={quoted(axes)}"
                )
        self.axes = axes
        self.normalize = normalize

    def call(self, inputs: Sequence[np.ndarray], mask: Sequence[Any] | None = None) -> np.ndarray:
        return self.call_with_gradient(inputs, mask)[0]

    def call_with_gradient(
        self, inputs: Sequence[np.ndarray], mask: Sequence[Any] | None = None
    ) -> tuple[np.ndarray, Backward]:
        shapes = [x.shape for x in inputs]
        shape = self.compute_output_shape(shapes)
        require_array(shape, f"Dot '{self.name}'")
        axes = self._axes(shapes)
        ways: list[Callable[[np.ndarray], np.ndarray]] = [lambda d: d, lambda d: d]
        arrays = list(inputs)
        if self.normalize:
            pairs = zip(arrays, axes, strict=True)
            arrays, ways = map(list, zip(*(unit_length_with_gradient(x, axis, 1e-7) for x, axis in pairs), strict=True))
        a, b = np.moveaxis(arrays[0], axes[0], -1), np.moveaxis(arrays[1], axes[1], 1)
        moved = a.shape, b.shape
        batch, size = len(a), a.shape[-1]
        # (batch, all of a's other axes, size) @ (batch, size, all of b's)
        a, b = a.reshape(batch, math.prod(a.shape[1:-1]), size), b.reshape(batch, size, math.prod(b.shape[2:]))

        def backward(d: np.ndarray) -> Any:
            d = d.reshape(batch, a.shape[1], b.shape[2])
            da = np.moveaxis((d @ b.swapaxes(1, 2)).reshape(moved[0]), -1, axes[0])
            db = np.moveaxis((a.swapaxes(1, 2) @ d).reshape(moved[1]), 1, axes[1])
            return [ways[0](da), ways[1](db)], ()

        return (a @ b).reshape(shape), backward

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        values = values_in(args[0], 2, 3) if len(args) == 1 and not kwargs else None
        if values is None or len(values) != 2 or self.normalize:
            return None
        a, b = values
        first, second = self._axes([a.shape, b.shape])
        number = a.number if first == a.rank - 1 else graph.add(ops.PermuteOp(), a.number)
        product = graph.add(ops.ProductOp(second == b.rank - 1), number, b.number)
        # Two axes of each leave three, and one of each one, beside the batch.
        return [graph.add(ops.ReshapeOp(3, (-1,)), product) if a.rank != b.rank else product]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        if len(input_shape) != 2 or not isinstance(input_shape[0], (tuple, list)):
            raise ValueError(
                f"A `Dot` layer should be called on a list of 2 inputs. Received: input_shape={quoted(input_shape)}"
            )
        a, b = (list(shape) for shape in input_shape)
        if min(len(a), len(b)) < 2:
            raise ValueError(
                f"Cannot do batch_dot on inputs with rank < 2. Received inputs with shapes {tuple(a)} and {tuple(b)}."
            )
        first, second = self._axes(input_shape)
        if None not in (a[first], b[second]) and a[first] != b[second]:
            raise ValueError(
                f"Incompatible input shapes: axis values {a[first]} (at axis {first}) != {b[second]} "
                f"(at axis {second}). Full input shapes: {tuple(a)}, {tuple(b)}"
            )
        if None not in (a[0], b[0]) and a[0] != b[0]:
            raise ValueError(
                "Cannot do batch_dot on inputs with different batch sizes. "
                f"Received inputs with shapes {tuple(a)} and {tuple(b)}."
            )
        del a[first], b[second]
        shape = (a[0] if b[0] is None else b[0], *a[1:], *b[1:])
        return shape if len(shape) > 1 else (*shape, 1)

    def _axes(self, shapes: Sequence[Shape]) -> tuple[int, int]:
        """Return the two axes, not negative.

        Raises:
            ValueError: When one is the batch, or none of the input's.
        """
        given = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        for axis, shape in zip(given, shapes, strict=True):
            if not -len(shape) <= axis < len(shape):
                raise ValueError(f"`Dot` with axes={self.axes} cannot be called on inputs of shapes {list(shapes)}.")
        first, second = (axis % len(shape) for axis, shape in zip(given, shapes, strict=True))
        if 0 in (first, second):
            raise ValueError(
                "Cannot perform batch_dot over axis 0. If your inputs are not batched, add a dummy batch dimension to "
                "your inputs using keras.ops.expand_dims(x, 0)"
            )
        return first, second

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """Return `Dot(axes, **kwargs)(inputs)`."""
    return Dot(axes=axes, **kwargs)(inputs)
