"""Steps by the sum, or a running mean, of squared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.initializers import Constant
from fastlstm.optimizers.optimizer import Optimizer


class RMSprop(Optimizer):
    """`value -= learning_rate * gradient / sqrt(v + epsilon)`, where `v` is a running mean of squared gradients
    (Hinton, 2012).

    Args:
        learning_rate: As for `Optimizer`.
        rho: Float, the part of `v` that stays at each step.
        momentum: Float.
        epsilon: Float.
        centered: Boolean, whether to take the variance of gradients in place of their mean square.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        check_numbers(rho=rho, momentum=momentum, epsilon=epsilon)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def slot_names(self) -> Sequence[Sequence[str]]:
        names = [("velocity",)]
        if self.momentum > 0:
            names.append(("momentum",))
        if self.centered:
            names.append(("average_gradient",))
        return names

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        v, *others = slots
        stays, comes = np.float32(self.rho), np.float32(1 - self.rho)
        v *= stays
        v += np.multiply(np.multiply(gradient, gradient, out=scratch[0]), comes, out=scratch[0])
        root = scratch[1]
        if self.centered:
            mean = others[-1]
            mean *= stays
            mean += np.multiply(gradient, comes, out=scratch[0])
            np.subtract(v, np.multiply(mean, mean, out=scratch[0]), out=root)
            root += np.float32(self.epsilon)
        else:
            np.add(v, np.float32(self.epsilon), out=root)
        np.sqrt(root, out=root)
        change = np.multiply(gradient, self._rate, out=scratch[0])
        change /= root
        if self.momentum > 0:
            m = others[0]
            m *= np.float32(self.momentum)
            m += change
            value -= m
        else:
            value -= change

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


class Adagrad(Optimizer):
    """`value -= learning_rate * gradient / sqrt(a + epsilon)`, where `a` is the sum of squared gradients (Duchi et al.,
    2011).

    Args:
        learning_rate: As for `Optimizer`.
        initial_accumulator_value: Float, at which `a` begins.
        epsilon: Float.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        check_numbers(initial_accumulator_value=initial_accumulator_value, epsilon=epsilon)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("accumulator",)]

    def slot_initializer(self, name: str) -> Any:
        return Constant(self.initial_accumulator_value) if name == "accumulator" else "zeros"

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        (a,) = slots
        a += np.multiply(gradient, gradient, out=scratch[0])
        root = np.add(a, np.float32(self.epsilon), out=scratch[1])
        np.sqrt(root, out=root)
        change = np.multiply(gradient, self._rate, out=scratch[0])
        change /= root
        value -= change

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """Steps as long as recent ones, by recent gradients: `change = -sqrt(d + epsilon) / sqrt(a + epsilon) * gradient`,
    where `a` and `d` are running means of squared gradients and changes (Zeiler, 2012).

    Args:
        learning_rate: As for `Optimizer`.
        rho: Float, the part of the means that stays at each step.
        epsilon: Float.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, *common: Any, **further: Any
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        check_numbers(rho=rho, epsilon=epsilon)
        self.rho = rho
        self.epsilon = epsilon

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("accumulated_grad", "accumulated_delta_var")]

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        a, d = slots
        stays, comes, epsilon = np.float32(self.rho), np.float32(1 - self.rho), np.float32(self.epsilon)
        change, other = scratch[0], scratch[1]
        a *= stays
        a += np.multiply(np.multiply(gradient, gradient, out=other), comes, out=other)
        np.sqrt(np.add(d, epsilon, out=change), out=change)
        change *= gradient
        np.sqrt(np.add(a, epsilon, out=other), out=other)
        change /= other
        d *= stays
        d += np.multiply(np.multiply(change, change, out=other), comes, out=other)
        change *= self._rate
        value -= change

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
