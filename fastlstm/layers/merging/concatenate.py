"""Several inputs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValues, values_of_one_mask
from fastlstm.layers.base.serialization import register
from fastlstm.layers.merging.merging import Masks, Merge, check_masks, with_features
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class Concatenate(Merge):
    """The inputs one after the other along an axis.

    Args:
        axis: Integer.
        **kwargs: As for `Layer`.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        values = values_of_one_mask(args[0], 2, 3) if len(args) == 1 and not kwargs else None
        if values is None:
            return None
        rank = values[0].rank
        axis = range(rank)[self.axis]
        kind = "concatenate" if axis == rank - 1 else "concatenate_steps"
        if not axis or (kind == "concatenate_steps" and values[0].mask is not None):
            return None
        return [graph.add(ops.MergeOp(kind), *(x.number for x in values))]

    def call(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> np.ndarray:
        return np.concatenate(inputs, axis=self.axis)

    def call_with_gradient(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> tuple[np.ndarray, Backward]:
        ends = np.cumsum([x.shape[self.axis] for x in inputs])[:-1]
        return self.call(inputs), lambda d: (np.split(d, ends, axis=self.axis), ())

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        if not input_shape or not isinstance(input_shape[0], (tuple, list)):
            raise ValueError(
                "A `Concatenate` layer should be called on a list of at least 1 input. "
                f"Received: input_shape={quoted(input_shape)}"
            )
        shapes = [tuple(shape) for shape in input_shape]
        sizes = list(zip(*shapes, strict=False))
        axis = range(len(shapes[0]))[self.axis]
        known = [set(at_axis) - {None} for at_axis in sizes]
        if len(set(map(len, shapes))) > 1 or any(len(one) > 1 for i, one in enumerate(known) if i != axis):
            raise ValueError(
                "A `Concatenate` layer requires inputs with matching shapes except for the concatenation axis. "
                f"Received: input_shape={shapes}"
            )
        shape = [min(one, default=None) for one in known]
        shape[axis] = None if None in sizes[axis] else sum(sizes[axis])
        return tuple(shape)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> np.ndarray | None:
        """Return where any feature of the output is valid; an input without a mask is valid everywhere.

        Raises:
            ValueError: When the masks are not one for each input.
        """
        if previous_mask is None:
            return None
        check_masks(inputs, previous_mask)
        if all(mask is None for mask in previous_mask):
            return None
        masks = [
            np.ones(x.shape, bool) if mask is None else np.broadcast_to(with_features(mask, x), x.shape)
            for x, mask in zip(inputs, previous_mask, strict=True)
        ]
        over_features = np.concatenate(masks, axis=self.axis)
        return np.all(over_features, axis=-1) if self.keras2_masks else np.any(over_features, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """Return `Concatenate(axis, **kwargs)(inputs)`."""
    return Concatenate(axis=axis, **kwargs)(inputs)
