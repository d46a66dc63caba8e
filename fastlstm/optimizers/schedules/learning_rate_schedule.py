"""Schedules: functions of the number of steps so far, in float32 as Keras has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers, explained
from fastlstm.printable import quoted, shown

_ONE = np.float32(1)


class LearningRateSchedule:
    """Base class of all schedules. A subclass defines `__call__(step)` and `get_config()`."""

    def __call__(self, step: Any) -> Any:
        """Return the learning rate.

        Args:
            step: Number of steps so far.
        """
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `get_config()` in order to be serializable."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)


def _as_float(step: Any) -> np.float32:
    return np.float32(np.asarray(step))


def _rounded(function: Any, *arguments: np.float32) -> np.float32:
    """Return a function's value, rounded to float32 once."""
    return np.float32(function(*map(float, arguments)))


def _check_positive(name: str, steps: Any) -> None:
    if steps <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={quoted(steps)}")


class ExponentialDecay(LearningRateSchedule):
    """`initial_learning_rate * decay_rate**(step / decay_steps)`.

    Args:
        initial_learning_rate: Float.
        decay_steps: Positive integer.
        decay_rate: Float.
        staircase: Boolean, whether to round `step / decay_steps` down.
        name: String, kept.

    Raises:
        ValueError: When `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        check_numbers(initial_learning_rate=initial_learning_rate, decay_steps=decay_steps, decay_rate=decay_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name
        _check_positive("decay_steps", decay_steps)

    def _part(self, step: Any) -> np.float32:
        part = _as_float(step) / np.float32(self.decay_steps)
        return np.floor(part) if self.staircase else part

    @explained
    def __call__(self, step: Any) -> np.float32:
        return np.float32(self.initial_learning_rate) * _rounded(pow, np.float32(self.decay_rate), self._part(step))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class InverseTimeDecay(ExponentialDecay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: Float.
        decay_steps: Positive integer.
        decay_rate: Float.
        staircase: Boolean, whether to round `step / decay_steps` down.
        name: String, kept.

    Raises:
        ValueError: When `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    @explained
    def __call__(self, step: Any) -> np.float32:
        return np.float32(self.initial_learning_rate) / (_ONE + np.float32(self.decay_rate) * self._part(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[i]` up to the step `boundaries[i]`, the last value after the last boundary.

    Args:
        boundaries: Increasing numbers of steps.
        values: One float more.
        name: String, kept.

    Raises:
        ValueError: When their numbers do not fit.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        check_numbers(boundaries=boundaries, values=values)
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. "
                f"Received: boundaries={shown(boundaries)} of length {len(boundaries)}, and values={shown(values)} "
                f"of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    @explained
    def __call__(self, step: Any) -> np.float32:
        step = np.asarray(step)
        # As in Keras, boundaries are cut to the type of the step.
        boundaries = np.asarray(self.boundaries).astype(step.dtype)
        return np.float32(self.values[int(np.sum(step > boundaries))])

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps`, as `(1 - step / decay_steps)**power`.

    Args:
        initial_learning_rate: Float.
        decay_steps: Positive integer.
        end_learning_rate: Float.
        power: Float.
        cycle: Boolean, whether to begin again, with as many steps more, each time the end is reached.
        name: String, kept.

    Raises:
        ValueError: When `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        check_numbers(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            end_learning_rate=end_learning_rate,
            power=power,
        )
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name
        _check_positive("decay_steps", decay_steps)

    @explained
    def __call__(self, step: Any) -> np.float32:
        first, last = np.float32(self.initial_learning_rate), np.float32(self.end_learning_rate)
        step, steps = _as_float(step), np.float32(self.decay_steps)
        if self.cycle:
            steps *= _ONE if step == 0 else np.ceil(step / steps)
        else:
            step = np.minimum(step, steps)
        return (first - last) * _rounded(pow, _ONE - step / steps, np.float32(self.power)) + last

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """Half a period of a cosine in `decay_steps`, from `initial_learning_rate` to `alpha` times that; or, before that,
    in a line up to `warmup_target` in `warmup_steps` (Loshchilov and Hutter, 2016).

    Args:
        initial_learning_rate: Float.
        decay_steps: Positive integer.
        alpha: Float.
        name: String, kept.
        warmup_target: Float, None for no warm-up.
        warmup_steps: Integer.

    Raises:
        ValueError: When `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        check_numbers(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            alpha=alpha,
            warmup_target=warmup_target,
            warmup_steps=warmup_steps,
        )
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        _check_positive("decay_steps", decay_steps)

    @explained
    def __call__(self, step: Any) -> np.float32:
        first, steps = np.float32(self.initial_learning_rate), np.float32(self.decay_steps)
        if self.warmup_target is None:
            return self._decayed(np.minimum(_as_float(step), steps) / steps, first)
        target, warmup = np.float32(self.warmup_target), np.float32(self.warmup_steps)
        step = np.minimum(_as_float(step), steps + warmup)
        if step < warmup:
            return (target - first) * (step / warmup) + first
        return self._decayed((step - warmup) / steps, target)

    def _decayed(self, part: np.float32, rate: np.float32) -> np.float32:
        cosine = np.float32(0.5) * (_ONE + _rounded(math.cos, np.float32(math.pi) * part))
        return rate * (np.float32(1 - self.alpha) * cosine + np.float32(self.alpha))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """`CosineDecay` that begins again and again, each time `t_mul` times as long and from a rate `m_mul` times as large
    (Loshchilov and Hutter, 2016).

    Args:
        initial_learning_rate: Float.
        first_decay_steps: Positive integer.
        t_mul: Float.
        m_mul: Float.
        alpha: Float.
        name: String, kept.

    Raises:
        ValueError: When `first_decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        check_numbers(
            initial_learning_rate=initial_learning_rate,
            first_decay_steps=first_decay_steps,
            t_mul=t_mul,
            m_mul=m_mul,
            alpha=alpha,
        )
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name
        _check_positive("first_decay_steps", first_decay_steps)

    @explained
    def __call__(self, step: Any) -> np.float32:
        t_mul, alpha = np.float32(self.t_mul), np.float32(self.alpha)
        part = _as_float(step) / np.float32(self.first_decay_steps)
        if t_mul == 1:
            restart = np.floor(part)
            part -= restart
        else:
            restart = np.floor(_rounded(math.log, _ONE - part * (_ONE - t_mul)) / _rounded(math.log, t_mul))
            length = _rounded(pow, t_mul, restart)
            part = (part - (_ONE - length) / (_ONE - t_mul)) / length
        factor = np.float32(0.5) * _rounded(pow, np.float32(self.m_mul), restart)
        cosine = factor * (_ONE + _rounded(math.cos, np.float32(math.pi) * part))
        return np.float32(self.initial_learning_rate) * ((_ONE - alpha) * cosine + alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }
