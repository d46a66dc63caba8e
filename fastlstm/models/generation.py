"""Closed loops: what a model gives is what it gets next."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.engine import Sampler, Stepper
from fastlstm.layers.base.arrays import as_float32
from fastlstm.memory import require_array
from fastlstm.models.plan import Plan
from fastlstm.models.step_plan import StepPlan
from fastlstm.models.stepping import PartStepper
from fastlstm.printable import quoted

Feedback = Callable[[np.ndarray], Any]


class ClosedLoop:
    """How an output becomes the next input.

    Args:
        plan: How the model runs.
        batch: Number of rows.
        temperature, top_k, seed, feedback: As for `Stream.generate`.

    Raises:
        ValueError: When the output does not fit the input, or an argument has no use.
    """

    def __init__(
        self,
        plan: StepPlan,
        batch: int,
        temperature: float,
        top_k: int | None,
        seed: int | None,
        feedback: Feedback | None,
    ) -> None:
        self._plan = plan
        self._feedback = feedback
        samples = feedback is None and _gives_ids(plan)
        check_numbers(temperature=temperature)
        if temperature is None or np.ndim(temperature) > 0:
            raise ValueError(f"`temperature` should be one number. Received: temperature={quoted(temperature)}")
        if not temperature >= 0:
            raise ValueError(f"`temperature` should not be negative. Received: temperature={quoted(temperature)}")
        if temperature > 0 and not samples:
            raise ValueError("`temperature` is for models that end in softmax over the ids that they take.")
        if temperature == 0 and (top_k is not None or seed is not None):
            raise ValueError(
                "`top_k` and `seed` are for drawing ids, which needs a `temperature` above 0 (1 draws as the model "
                f"says). Received: top_k={quoted(top_k)}, seed={quoted(seed)}"
            )
        if top_k is not None and (not hasattr(top_k, "__index__") or top_k < 1):
            raise ValueError(f"`top_k` should be a positive integer. Received: top_k={quoted(top_k)}")
        if seed is not None and not hasattr(seed, "__index__"):
            raise ValueError(f"`seed` should be an integer. Received: seed={quoted(seed)}")
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        logits = plan.output_kind == "logits"
        self.sampler: Sampler | None = (
            Sampler(batch, plan.output_shape[0], temperature, min(top_k or 0, sys.maxsize), seed, logits)
            if samples
            else None
        )

    def chosen(self, y: np.ndarray) -> np.ndarray:
        """Return what of an output is the caller's: ids, or the output."""
        return y if self.sampler is None else self.sampler(y).astype(np.int64)

    def next_input(self, chosen: np.ndarray) -> np.ndarray:
        """Return the input after what was chosen."""
        if self._feedback is not None:
            x = as_float32(self._feedback(chosen.copy()))
            return x[np.newaxis] if x.ndim == len(self._plan.step_shape) else x
        if self.sampler is None or self._plan.vocabulary:
            return as_float32(chosen)
        return np.eye(self._plan.step_shape[0], dtype=np.float32)[chosen]

    def run(self, stepper: Stepper | PartStepper, x: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what is chosen in each of several steps, the first one on `x`, and the input after them."""
        if self._feedback is None and isinstance(stepper, Stepper):
            generated = stepper.generate(x, steps, self.sampler)
            return generated, self.next_input(generated[:, -1])
        out: list[np.ndarray] = []
        for _ in range(steps):
            out.append(self.chosen(stepper.step(x)))
            x = self.next_input(out[-1])
        return np.stack(out, axis=1), x


def _gives_ids(plan: StepPlan) -> bool:
    """Whether the next input is chosen from the outputs, rather than being the outputs.

    Raises:
        ValueError: When the outputs fit the inputs in neither way.
    """
    if plan.vocabulary:
        fits = plan.output_shape == (plan.vocabulary,) and plan.output_kind in ("probabilities", "logits")
        expected = f"softmax over the {plan.vocabulary} ids that it takes"
    else:
        fits = plan.output_shape == plan.step_shape
        expected = f"the shape of its input, {plan.step_shape}"
    if not fits:
        raise ValueError(
            f"The model's output of shape {plan.output_shape} does not fit its input: expected {expected}. Give "
            "`feedback`, a function from output to input."
        )
    return bool(plan.vocabulary) or plan.output_kind == "probabilities"


def checked_steps(steps: Any) -> int:
    """Return the number of steps.

    Raises:
        ValueError: When it is no positive integer.
    """
    if not hasattr(steps, "__index__") or not 1 <= steps <= sys.maxsize:
        raise ValueError(f"`steps` should be a positive integer. Received: steps={quoted(steps)}")
    return int(steps)


def forecast(plan: Plan, x: np.ndarray, steps: int) -> np.ndarray:
    """Return what a model of windows gives for as many steps after the window; see `Model.forecast`.

    Args:
        plan: How the model runs.
        x: The window `(batch, timesteps, features)`, float32.
        steps: Positive.

    Raises:
        ValueError: When the output is no step of the input.
    """
    batch, timesteps, features = x.shape
    require_array((batch, timesteps + steps, features), "The series")
    series = np.empty((batch, timesteps + steps, features), np.float32)
    series[:, :timesteps] = x
    for t in range(steps):
        y = plan.run(np.ascontiguousarray(series[:, t : t + timesteps]))
        shape = None if isinstance(y, tuple) else y.shape
        if shape not in ((batch, features), (batch, timesteps, features)):
            raise ValueError(
                f"The model's output of shape {shape} does not fit its input of {features} features: it cannot be the "
                "next step."
            )
        series[:, timesteps + t] = y if y.ndim == 2 else y[:, -1]
    return series[:, timesteps:].copy()
