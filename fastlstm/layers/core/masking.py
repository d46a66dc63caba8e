"""`Masking`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.joining import GraphValues, one_value
from fastlstm.layers.base.same_shape import SameShape
from fastlstm.layers.base.serialization import register

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class Masking(SameShape):
    """Masks the steps whose features all equal a value, and sets them to 0.

    Args:
        mask_value: Number, or one per feature. NaN equals nothing.
        **kwargs: As for `Layer`.
    """

    makes_masks = True

    def __init__(self, mask_value: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(mask_value=mask_value)
        self.mask_value: Any = mask_value.tolist() if isinstance(mask_value, np.ndarray) else mask_value

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return np.where(self.compute_mask(inputs)[..., np.newaxis], inputs, np.float32(0))

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x, value = one_value(args, kwargs, 3), np.asarray(self.mask_value, np.float32)
        if x is None or value.ndim > 1 or not value.size:
            return None
        return [graph.add(ops.MaskingOp(value.reshape(-1)), x.number)]

    def lower_mask(self, graph: Graph, inputs: int, outputs: int) -> int | None:
        return outputs

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        valid = self.compute_mask(inputs)[..., np.newaxis]
        zero = np.float32(0)
        return np.where(valid, inputs, zero), lambda d: (np.where(valid, d, zero), ())

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return None

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> np.ndarray:
        return (np.asarray(inputs) != np.float32(self.mask_value)).any(axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
