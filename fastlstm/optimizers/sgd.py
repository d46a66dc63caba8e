"""Gradient descent, plain and with momentum; and steps of a fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.optimizers.optimizer import Optimizer
from fastlstm.printable import quoted


class SGD(Optimizer):
    """`value -= learning_rate * gradient`, or with momentum `m = momentum * m - learning_rate * gradient; value += m`.

    Args:
        learning_rate: As for `Optimizer`.
        momentum: Float from 0 to 1.
        nesterov: Boolean, whether to look one step ahead (Nesterov, 1983).
        *common, **further: As for `Optimizer`, after `learning_rate`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, *common: Any, **further: Any
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        if not isinstance(momentum, float) or momentum < 0 or momentum > 1:
            raise ValueError("`momentum` must be a float between [0, 1].")
        check_numbers(momentum=momentum)
        self.momentum = momentum
        self.nesterov = nesterov

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("momentum",)] if self.momentum else []

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        change = np.multiply(gradient, self._rate, out=scratch[0])
        if not slots:
            value -= change
            return
        (m,) = slots
        m *= np.float32(self.momentum)
        m -= change
        if self.nesterov:
            ahead = np.multiply(m, np.float32(self.momentum), out=scratch[1])
            ahead -= change
            value += ahead
        else:
            value += m

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


class Lion(Optimizer):
    """`value -= learning_rate * sign(beta_1 * m + (1 - beta_1) * gradient); m = beta_2 * m + (1 - beta_2) * gradient`
    (Chen et al., 2023).

    Args:
        learning_rate: As for `Optimizer`.
        beta_1: Float above 0, at most 1.
        beta_2: Float.
        *common, **further: As for `Optimizer`, after `learning_rate`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, *common: Any, **further: Any
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        if beta_1 <= 0 or beta_1 > 1:
            raise ValueError(
                "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to SignSGD. "
                f"Received: beta_1={quoted(beta_1)}."
            )
        check_numbers(beta_1=beta_1, beta_2=beta_2)
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("momentum",)]

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        (m,) = slots
        direction = np.multiply(m, np.float32(self.beta_1), out=scratch[0])
        direction += np.multiply(gradient, np.float32(1.0 - self.beta_1), out=scratch[1])
        np.sign(direction, out=direction)
        direction *= self._rate
        value -= direction
        m *= np.float32(self.beta_2)
        m += np.multiply(gradient, np.float32(1.0 - self.beta_2), out=scratch[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
