"""Adam and its kin: steps by a mean of gradients and a mean of their squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.engine._trained_weights import adam_step
from fastlstm.engine.program import default_isa
from fastlstm.optimizers.optimizer import Optimizer

_ONE = np.float32(1)


def power(base: float, exponent: int) -> np.float32:
    """Return the float32 that is nearest to a power of a float32."""
    return np.float32(float(np.float32(base)) ** exponent)


def towards(mean: np.ndarray, new: np.ndarray, part: np.float32, scratch: np.ndarray) -> None:
    """Move a mean by a part of the way to what is new: `mean += (new - mean) * part`."""
    np.subtract(new, mean, out=scratch)
    scratch *= part
    mean += scratch


class _Adaptive(Optimizer):
    """What Adam, Adamax, Nadam and Lamb have in common: their arguments."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        check_numbers(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("momentum", "velocity")]

    def next_iteration(self) -> int:
        """Return the number of the step, from 1."""
        return int(np.asarray(self.iterations)) + 1

    def update_means(self, gradient: np.ndarray, m: np.ndarray, v: np.ndarray, scratch: Sequence[np.ndarray]) -> None:
        """Move the mean of gradients and the mean of their squares."""
        towards(m, gradient, self.part_coming(self.beta_1), scratch[0])
        squares = np.multiply(gradient, gradient, out=scratch[1])
        towards(v, squares, self.part_coming(self.beta_2), scratch[0])

    def part_coming(self, beta: float) -> np.float32:
        """Return the part of a mean that is new, `1 - beta`."""
        return np.float32(1 - beta)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


class Adam(_Adaptive):
    """`value -= alpha * m / (sqrt(v) + epsilon)`, where `m` and `v` are running means of the gradient and of its
    square, and `alpha` makes up for their beginning at 0 (Kingma and Ba, 2014).

    Args:
        learning_rate: As for `Optimizer`.
        beta_1: Float, the part of `m` that stays at each step.
        beta_2: Float, the part of `v` that stays.
        epsilon: Float.
        amsgrad: Boolean, whether to take the largest `v` so far (Reddi et al., 2018).
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, *common, **further)
        self.amsgrad = amsgrad

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("momentum", "velocity"), *([("velocity_hat",)] if self.amsgrad else [])]

    def begin_step(self, learning_rate: np.float32) -> None:
        n = self.next_iteration()
        self._alpha = learning_rate * np.sqrt(_ONE - power(self.beta_2, n)) / (_ONE - power(self.beta_1, n))

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        m, v, *largest = slots
        parts = self.part_coming(self.beta_1), self.part_coming(self.beta_2)
        most = largest[0] if largest else None
        adam_step(default_isa(), value, m, v, most, gradient, *parts, self._alpha, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amsgrad": self.amsgrad}


class AdamW(Adam):
    """Adam with weight decay (Loshchilov and Hutter, 2017).

    Args:
        learning_rate: As for `Optimizer`.
        weight_decay: Float, by how much of itself a variable shrinks at each step, times the learning rate.
        beta_1, beta_2, epsilon, amsgrad: As for `Adam`.
        *common, **further: As for `Optimizer`, after `weight_decay`.

    Raises:
        ValueError: When `weight_decay` is None.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *common, **further)
        if weight_decay is None:
            raise ValueError("Argument `weight_decay` must be a float. Received: weight_decay=None")


class Adamax(_Adaptive):
    """Adam with the largest recent gradient in place of the mean of squares (Kingma and Ba, 2014, section 7).

    Args:
        learning_rate: As for `Optimizer`.
        beta_1, beta_2, epsilon: As for `Adam`.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    def slot_names(self) -> Sequence[Sequence[str]]:
        return [("momentum", "norm")]

    def begin_step(self, learning_rate: np.float32) -> None:
        self._rate = learning_rate
        self._unbiased = _ONE - power(self.beta_1, self.next_iteration())

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        m, u = slots
        towards(m, gradient, np.float32(1 - self.beta_1), scratch[0])
        u *= np.float32(self.beta_2)
        np.maximum(u, np.abs(gradient, out=scratch[0]), out=u)
        divisor = np.add(u, np.float32(self.epsilon), out=scratch[1])
        divisor *= self._unbiased
        change = np.multiply(m, self._rate, out=scratch[0])
        change /= divisor
        value -= change


class Nadam(_Adaptive):
    """Adam with Nesterov's momentum (Dozat, 2015).

    Args:
        learning_rate: As for `Optimizer`.
        beta_1, beta_2, epsilon: As for `Adam`.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        # Keras gives it no name.
        self._u_product = self.add_state("variable", np.ones((), np.float32))

    def begin_step(self, learning_rate: np.float32) -> None:
        n = self.next_iteration()
        beta_1 = np.float32(self.beta_1)
        half = np.float32(0.5)
        u, u_next = (beta_1 * (_ONE - half * power(0.96, k)) for k in (n, n + 1))
        self._u_product.value[...] = self._u_product.value * beta_1 * (_ONE - half * power(0.96, n))
        product = np.float32(self._u_product.value)
        self._rate = learning_rate
        self._of_mean = u_next, _ONE - product * u_next
        self._of_gradient = _ONE - u, _ONE - product
        self._of_squares = _ONE - power(self.beta_2, n)

    def part_coming(self, beta: float) -> np.float32:
        # As Keras rounds it here, unlike in Adam.
        return _ONE - np.float32(beta)

    def step(
        self, value: np.ndarray, gradient: np.ndarray, slots: Sequence[np.ndarray], scratch: Sequence[np.ndarray]
    ) -> None:
        m, v = slots
        self.update_means(gradient, m, v, scratch)
        change = np.multiply(m, self._of_mean[0], out=scratch[0])
        change /= self._of_mean[1]
        ahead = np.multiply(gradient, self._of_gradient[0], out=scratch[1])
        ahead /= self._of_gradient[1]
        change += ahead
        change *= self._rate
        root = np.divide(v, self._of_squares, out=scratch[1])
        np.sqrt(root, out=root)
        root += np.float32(self.epsilon)
        change /= root
        value -= change


class Lamb(_Adaptive):
    """Adam whose step of each variable is as long as the variable is (You et al., 2019).

    Args:
        learning_rate: As for `Optimizer`.
        beta_1, beta_2, epsilon: As for `Adam`.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    elementwise = False

    def begin_step(self, learning_rate: np.float32) -> None:
        n = self.next_iteration()
        self._rate = learning_rate
        self._unbiased = _ONE - power(self.beta_1, n), _ONE - power(self.beta_2, n)

    def update_variable(self, value: np.ndarray, gradient: np.ndarray, place: int) -> None:
        m, v = self.slots_of(place)
        self.update_means(gradient, m, v, (np.empty_like(value), np.empty_like(value)))
        update = m / self._unbiased[0] / (np.sqrt(v / self._unbiased[1]) + np.float32(self.epsilon))
        length, step = np.sqrt(np.sum(value * value)), np.sqrt(np.sum(update * update))
        ratio = length / step if length > 0 and step > 0 else _ONE
        value -= ratio * self._rate * update
