"""Follow the regularized leader: weights that stay exactly 0 (McMahan et al., 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.initializers import Constant
from fastlstm.optimizers.optimizer import Optimizer
from fastlstm.printable import quoted


class Ftrl(Optimizer):
    """A variable is at each step what is best for all gradients so far, but for penalties.

    Args:
        learning_rate: As for `Optimizer`.
        learning_rate_power: Float, not positive.
        initial_accumulator_value: Float, not negative, at which the sum of squared gradients begins.
        l1_regularization_strength, l2_regularization_strength, l2_shrinkage_regularization_strength: Floats, not
            negative.
        beta: Float.
        *common, **further: As for `Optimizer`, after `learning_rate`.

    Raises:
        ValueError: When an argument is out of range.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        if learning_rate_power > 0.0:
            raise ValueError(
                "`learning_rate_power` needs to be negative or zero. "
                f"Received: learning_rate_power={quoted(learning_rate_power)}."
            )
        check_numbers(
            learning_rate_power=learning_rate_power,
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            beta=beta,
        )
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for name in ("initial_accumulator_value", *_STRENGTHS):
            if getattr(self, name) < 0.0:
                raise ValueError(
                    f"`{name}` needs to be positive or zero. Received: {name}={quoted(getattr(self, name))}."
                )

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("accumulator", "linear")]

    def slot_initializer(self, name: str) -> Any:
        return Constant(self.initial_accumulator_value) if name == "accumulator" else "zeros"

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate
        self._l2 = np.float32(self.l2_regularization_strength) + np.float32(self.beta) / (np.float32(2) * learning_rate)

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        accumulator, linear = slots
        new, root, other = scratch
        np.add(accumulator, np.multiply(gradient, gradient, out=new), out=new)
        self._power(new, root)
        np.subtract(root, self._power(accumulator, other), out=other)
        other /= self._rate
        other *= value
        shrunk = np.multiply(value, np.float32(2 * self.l2_shrinkage_regularization_strength), out=accumulator)
        shrunk += gradient
        shrunk -= other
        linear += shrunk
        accumulator[...] = new
        l1 = np.float32(self.l1_regularization_strength)
        np.subtract(np.clip(linear, -l1, l1, out=other), linear, out=other)
        root /= self._rate
        root += np.float32(2) * self._l2
        np.divide(other, root, out=value)

    def _power(self, x: np.ndarray, out: np.ndarray) -> np.ndarray:
        if self.learning_rate_power == -0.5:
            return np.sqrt(x, out=out)
        return np.power(x, np.float32(-self.learning_rate_power), out=out)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }


_STRENGTHS = ("l1_regularization_strength", "l2_regularization_strength", "l2_shrinkage_regularization_strength")
