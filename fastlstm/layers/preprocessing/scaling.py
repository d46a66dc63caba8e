"""`Rescaling` and `Identity`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.engine import ops
from fastlstm.layers.base.same_shape import MaskedSinceKeras3, values_problem
from fastlstm.layers.base.serialization import register
from fastlstm.memory import require_array

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class Identity(MaskedSinceKeras3):
    """Returns its inputs.

    Args:
        **kwargs: As for `Layer`.
    """

    def lower(self) -> list[ops.Op]:
        return []


@register
class Rescaling(MaskedSinceKeras3):
    """`inputs * scale + offset`.

    Args:
        scale: Number, or an array that fits the inputs' last axes.
        offset: As `scale`.
        **kwargs: As for `Layer`.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(scale=scale)
        check_numbers(offset=offset)
        self.scale: Any = scale.tolist() if isinstance(scale, np.ndarray) else scale
        self.offset: Any = offset.tolist() if isinstance(offset, np.ndarray) else offset

    @property
    def lowers(self) -> bool:
        features = self._build_shape[-1] if self._build_shape else None
        return features is not None and all(np.shape(value) in ((), (features,)) for value in (self.scale, self.offset))

    def lower(self) -> list[ops.Op]:
        features = self._build_shape[-1:]
        require_array((5, *features), f"Rescaling '{self.name}'")
        ones = np.ones(features, np.float32)
        scale, offset = ones * np.float32(self.scale), ones * np.float32(self.offset)
        return [ops.AffineOp(np.zeros_like(ones), scale, offset)]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return inputs * np.float32(self.scale) + np.float32(self.offset)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        return self.call(inputs), lambda d: (d * np.float32(self.scale), ())

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return values_problem(shape, self.scale, self.offset) if in_time else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
