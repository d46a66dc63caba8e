"""Steps of cells that drop values in training, with the way back: products by the engine, NumPy between them.

Masks are drawn once a call and shared by all of its steps, as in Keras (Gal and Ghahramani, 2016): of the inputs, and
of the states that go into the products, but not of those that are carried on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm import random
from fastlstm.engine import ops
from fastlstm.layers.activations.activation import lower_activation

if TYPE_CHECKING:
    from fastlstm.engine.training import TrainingProgram

# Those of the call over time that is under way on this thread.
_of_call: ContextVar[dict[int, DropoutSteps] | None] = ContextVar("_of_call", default=None)


@contextmanager
def one_call() -> Iterator[None]:
    """Let the steps inside share their masks."""
    token = _of_call.set({})
    try:
        yield
    finally:
        _of_call.reset(token)


def steps_of(cell: Any) -> DropoutSteps:
    """Return the steps of a cell in the call under way; a step that is in none has masks of its own."""
    known = _of_call.get()
    if known is None:
        return DropoutSteps(cell)
    if id(cell) not in known:
        known[id(cell)] = DropoutSteps(cell)
    return known[id(cell)]


def drawn_mask(cell: Any, shape: tuple[int, ...], rate: float) -> np.ndarray:
    """Return 0 with probability `rate`, and `1 / (1 - rate)` elsewhere.

    Args:
        cell: Whose seeds are used.
        shape: Of the mask.
        rate: Above 0 and below 1.
    """
    kept = random.uniform(shape, seed=cell.seed_generator) >= rate
    return np.where(kept, np.float32(1 / (1 - rate)), np.float32(0))


class DropoutSteps:
    """A cell's steps in one call: its masks, and its weights as they are then.

    Args:
        cell: The cell.
    """

    def __init__(self, cell: Any) -> None:
        self.cell = cell
        self._masks: dict[str, list[np.ndarray]] = {}
        self._programs: dict[Any, TrainingProgram] = {}

    def masks(self, kind: str, shape: tuple[int, ...], rate: float) -> list[np.ndarray] | None:
        """Return a mask for each block of columns, None if nothing is dropped.

        Args:
            kind: Of what they are.
            shape: Of each.
            rate: Part that is dropped.
        """
        if not 0 < rate < 1:
            return None
        if kind not in self._masks:
            own = self.cell.blocks if self.cell.has_mask_per_block else 1
            drawn = [drawn_mask(self.cell, shape, rate) for _ in range(own)]
            self._masks[kind] = drawn * (self.cell.blocks // own)
        return self._masks[kind]

    def program(self, key: Any, make: Callable[[], ops.Op]) -> TrainingProgram:
        """Return the program of an op, made once."""
        from fastlstm.engine.training import TrainingProgram

        if key not in self._programs:
            self._programs[key] = TrainingProgram([make()])
        return self._programs[key]

    def step(self, inputs: np.ndarray, states: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Callable[..., Any]]:
        """Return the states after a step, and the way back.

        Args:
            inputs: `(batch, features)`.
            states: Before it, each `(batch, units)`.

        Returns:
            `(states, backward)`: `backward(d_states)` returns the gradients by the inputs, by the states, and by the
            cell's `trainable_weights`.
        """
        step = DropoutStep(self, inputs, states[0])
        new_states, way = self.cell.dropped_step(step, *states)

        def backward(d_states: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
            d_before = way(*d_states)
            d_before[0] = d_before[0] + step.d_state
            by_name = {"kernel": step.d_kernel, "recurrent_kernel": step.d_recurrent_kernel, "bias": step.d_bias}
            return step.d_inputs, d_before, [by_name[weight.name] for weight in self.cell.trainable_weights]

        return list(new_states), backward


class DropoutStep:
    """One step: what a cell makes of it by `product` and `activated`, and gives back by `pull`.

    Args:
        steps: Those of the call.
        inputs: `(batch, features)`.
        state: The first state before the step, `(batch, units)`.
    """

    def __init__(self, steps: DropoutSteps, inputs: np.ndarray, state: np.ndarray) -> None:
        cell = steps.cell
        self._steps, self._inputs, self._state = steps, inputs, state
        self._of_inputs = steps.masks("inputs", inputs.shape, cell.dropout)
        self._of_state = steps.masks("state", state.shape, cell.recurrent_dropout)
        self._backs: dict[Any, Callable[[np.ndarray], np.ndarray | None]] = {}
        self.d_inputs: np.ndarray = np.zeros_like(inputs)
        self.d_state: np.ndarray = np.zeros_like(state)
        self.d_kernel: Any = np.zeros_like(cell.kernel.value)
        self.d_recurrent_kernel: Any = np.zeros_like(cell.recurrent_kernel.value)
        self.d_bias: Any = np.zeros_like(cell.bias.value) if cell.use_bias else None

    def product(
        self,
        block: int,
        with_inputs: bool = True,
        with_state: bool = True,
        biases: Sequence[int] = (0,),
        factor: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return `inputs @ kernel + state @ recurrent_kernel + bias` of a block of columns, of what is not dropped.

        Args:
            block: Its number.
            with_inputs, with_state: Booleans, which of the two terms there are.
            biases: Numbers of the rows of the bias that are added.
            factor: `(batch, units)`, by which the state is multiplied; None for 1.
        """
        cell, units = self._steps.cell, self._steps.cell.units
        columns = slice(block * units, (block + 1) * units)
        parts, factors = [], []
        if with_inputs:
            factors.append(None if self._of_inputs is None else self._of_inputs[block])
            parts.append(self._inputs if factors[-1] is None else self._inputs * factors[-1])
        if with_state:
            mask = None if self._of_state is None else self._of_state[block]
            factors.append(mask if factor is None else factor if mask is None else mask * factor)
            parts.append(self._state if factors[-1] is None else self._state * factors[-1])
        bias = None
        if cell.use_bias and biases:
            rows = cell.bias.value.reshape(-1, cell.blocks * units)
            bias = np.sum(rows[list(biases), columns], axis=0)
        kernels = [cell.kernel.value[:, columns]] * with_inputs + [cell.recurrent_kernel.value[:, columns]] * with_state
        key = block, with_inputs, with_state
        program = self._steps.program(key, lambda: ops.DenseOp(np.concatenate(kernels), bias))
        call = program.run(np.concatenate(parts, axis=1))

        def pull(dz: np.ndarray) -> np.ndarray | None:
            of_parts, _, (found,) = call.backward(np.ascontiguousarray(dz, np.float32))
            d_parts = cast(np.ndarray, of_parts)
            if bias is not None:
                self.d_bias.reshape(-1, cell.blocks * units)[list(biases), columns] += found["bias"]
            d_factor, d_kernel, features = None, found["kernel"], self._inputs.shape[1] if with_inputs else 0
            if with_inputs:
                self.d_kernel[:, columns] += d_kernel[:features]
                d = d_parts[:, :features]
                self.d_inputs += d if factors[0] is None else d * factors[0]
            if with_state:
                self.d_recurrent_kernel[:, columns] += d_kernel[features:]
                d = d_parts[:, features:]
                self.d_state += d if factors[-1] is None else d * factors[-1]
                if factor is not None:
                    d_factor = d * (self._state if mask is None else self._state * mask)
            return d_factor

        self._backs[key] = pull
        return call.output

    def pull(self, block: int, dz: np.ndarray, with_inputs: bool = True, with_state: bool = True) -> np.ndarray | None:
        """Take the gradient by a product; return that by its `factor`, if it has one."""
        return self._backs[block, with_inputs, with_state](dz)

    def activated(self, activation: Any, z: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Return `activation(z)`, and the way from the gradient by it to that by z."""
        lowered = lower_activation(activation, self._steps.cell.units)
        call = self._steps.program(lowered, lambda: ops.ActivationOp(lowered)).run(np.ascontiguousarray(z))
        return call.output, lambda d: cast(np.ndarray, call.backward(np.ascontiguousarray(d, np.float32))[0])
