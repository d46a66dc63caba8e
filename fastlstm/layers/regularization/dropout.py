"""`Dropout`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm import random
from fastlstm.engine import ops
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.random import SeedGenerator


@register
class Dropout(Layer):
    """The identity; in training, zero with probability `rate`, and `inputs / (1 - rate)` elsewhere.

    Args:
        rate: Float from 0 to 1.
        noise_shape: Shape of the pattern of zeros, which is repeated to the inputs' shape; None at an axis, or None
            alone, takes the inputs' size.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    supports_masking = True

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(
                "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
                f"Received: rate={quoted(rate)}"
            )
        self.rate = rate
        self.noise_shape: tuple[int | None, ...] | None = _checked_noise_shape(noise_shape)
        self.seed = seed
        self.seed_generator: SeedGenerator = random.SeedGenerator(seed)

    def call(self, inputs: np.ndarray, training: bool = False) -> np.ndarray:
        return self._dropped(inputs, self._kept(inputs)) if training and self.rate else self.chain.run(inputs)

    def call_with_gradient(self, inputs: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        if not training or self.rate == 0:
            return inputs.copy(), lambda d: (d, ())
        kept = self._kept(inputs)
        return self._dropped(inputs, kept), lambda d: (self._dropped(d, kept), ())

    def _kept(self, inputs: np.ndarray) -> np.ndarray:
        """Draw which values are kept."""
        if self.rate == 1:
            return np.zeros(inputs.shape, bool)
        noise_shape = self.noise_shape or inputs.shape
        shape = [size if wish is None else wish for wish, size in zip(noise_shape, inputs.shape, strict=True)]
        return random.uniform(shape, seed=self.seed_generator) >= self.rate

    def _dropped(self, values: np.ndarray, kept: np.ndarray) -> np.ndarray:
        if self.rate == 1:
            return np.zeros_like(values)
        return np.where(kept, values * np.float32(1 / (1 - self.rate)), np.float32(0))

    def lower(self) -> list[ops.Op]:
        return []

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": self.noise_shape}


def _checked_noise_shape(noise_shape: Any) -> tuple[int | None, ...] | None:
    if noise_shape is None:
        return None
    problem = "Invalid value received for argument `noise_shape`."
    if not hasattr(noise_shape, "__iter__"):
        raise ValueError(
            f"{problem} Expected an iterable of integers (e.g., a tuple or list). "
            f"Received: noise_shape={quoted(noise_shape)}"
        )
    if not isinstance(noise_shape, (tuple, list)):
        raise ValueError(f"{problem} Expected a tuple or list of integers. Received: noise_shape={quoted(noise_shape)}")
    for index, size in enumerate(noise_shape):
        if size is not None and (not isinstance(size, int) or size <= 0):
            raise ValueError(
                f"{problem} Expected all dimensions to be positive integers or None. "
                f"Received negative or zero value at index {quoted(index)}: {size}"
            )
    return tuple(noise_shape)
