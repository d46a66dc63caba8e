"""Parts of a plan as they are stepped: with the weights of one moment, and what their steps leave."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from fastlstm.engine import PoolStepper, Program, ops
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.symbolic.calling import (
    call_with_masks,
)

Mask = np.ndarray | None
States = list[list[np.ndarray]]


def frozen_row(row: list[tuple[Layer, list[ops.Op]]], masked: bool, program: Program | None) -> Iterator[FrozenChain]:
    """Yield layers, each with its ops, as one chain, if there is anything to do.

    Args:
        row: The layers.
        masked: Whether the steps may be masked.
        program: Made of the ops; None makes one.
    """
    lowered = [op for _, of_layer in row for op in of_layer]
    if lowered:
        yield FrozenChain(lowered, masked, all(layer.supports_masking for layer, _ in row), program)


def frozen_layer(layer: Layer, in_time: bool) -> FrozenLayer:
    """Return a layer as it is stepped by itself, which later changes do not reach.

    Args:
        layer: The layer.
        in_time: Whether a step is one of a sequence.
    """
    copied = copy.deepcopy(layer)
    # Weights are replaced and never written to, so that both may hold the same arrays, and what was packed of them.
    copied.share_weights(layer)
    if in_time and copied.step_span > 1:
        # The window has the zeros that stand for the steps before the first.
        copied.padding = "valid"
    return FrozenLayer(copied, in_time)


class FrozenChain:
    """Layers in a row that the engine steps, with their weights at one moment.

    Args:
        lowered: The layers as ops.
        masked: Whether the steps may be masked.
        passes_masks: Whether what follows sees the mask.
        program: Made of the ops; None makes one.
    """

    def __init__(self, lowered: list[ops.Op], masked: bool, passes_masks: bool, program: Program | None = None) -> None:
        self.ops = lowered
        self.masked = masked
        self.passes_masks = passes_masks
        self.program: Program = Program(lowered) if program is None else program
        self.recurrent: bool = any(isinstance(op, ops.RecurrentOp) for op in lowered)

    def start(self, capacity: int) -> ChainSteps | Stateless:
        """Return what steps it, for as many rows."""
        if not self.recurrent:
            return Stateless(lambda x, mask: (self.program.run(x)[0], mask if self.passes_masks else None))
        return ChainSteps(PoolStepper(self.program, capacity, self.masked), self.passes_masks)

    def __reduce__(self) -> Any:
        return FrozenChain, (self.ops, self.masked, self.passes_masks)


class FrozenLayer:
    """A layer that is stepped in NumPy.

    Args:
        layer: The layer, which nobody changes.
        in_time: Whether it takes a step as a sequence of one.
    """

    recurrent = False

    def __init__(self, layer: Layer, in_time: bool) -> None:
        self.layer = layer
        self.in_time = in_time

    def start(self, capacity: int) -> WindowSteps | Stateless:
        """Return what steps it, for as many rows."""
        span = self.layer.step_span
        return Stateless(self._run) if span == 1 or not self.in_time else WindowSteps(self.layer, span, capacity)

    def _run(self, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        if not self.layer.supports_masking:
            mask = None
        if not self.in_time:
            return as_float32(self.layer.call(x)), None
        carried = None if mask is None else mask[:, np.newaxis]
        y, masks = call_with_masks(self.layer, x[:, np.newaxis], (), {}, carried)
        return as_float32(y[:, 0]), None if masks[0] is None else np.ascontiguousarray(masks[0][:, 0], bool)


FrozenPart = FrozenChain | FrozenLayer


class Stateless:
    """Steps a part that remembers nothing.

    Args:
        function: Takes a step and its mask, and returns its output and that one's mask.
    """

    def __init__(self, function: Callable[[np.ndarray, Mask], tuple[np.ndarray, Mask]]) -> None:
        self._function = function

    def step(self, rows: np.ndarray, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        return self._function(x, mask)

    def grow(self, capacity: int) -> None:
        """Do nothing."""

    def states(self, rows: np.ndarray) -> States:
        return []

    def set_states(self, rows: np.ndarray, states: States | None) -> None:
        """Do nothing."""


class ChainSteps:
    """Steps a `FrozenChain` with recurrent ops.

    Args:
        stepper: Of its program.
        passes_masks: Whether what follows sees the mask.
    """

    def __init__(self, stepper: PoolStepper, passes_masks: bool) -> None:
        self.stepper = stepper
        self._passes_masks = passes_masks
        self.grow: Callable[[int], None] = stepper.grow
        self.states: Callable[[np.ndarray], States] = stepper.states
        self.set_states: Callable[[np.ndarray, States | None], None] = stepper.set_states

    def step(self, rows: np.ndarray, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        return self.stepper.step(rows, x, None, mask), mask if self._passes_masks else None


class WindowSteps:
    """Steps a causal convolution: the steps before the present one that it reads are its state.

    Args:
        layer: The convolution, without padding: the window has the zeros that stand for the steps before the first.
        span: Steps that one output reads.
        capacity: Number of rows.
    """

    def __init__(self, layer: Layer, span: int, capacity: int) -> None:
        self._layer = layer
        features = cast(int, cast("InputSpec", layer.input_spec).axes[-1])
        self._past = np.zeros((capacity, span - 1, features), np.float32)

    def step(self, rows: np.ndarray, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        window = np.concatenate([self._past[rows], x[:, np.newaxis]], axis=1)
        y = self._layer.call(window)[:, 0]
        self._past[rows] = window[:, 1:]
        return as_float32(y), None

    def grow(self, capacity: int) -> None:
        more = np.zeros((capacity - len(self._past), *self._past.shape[1:]), np.float32)
        self._past = np.concatenate([self._past, more])

    def states(self, rows: np.ndarray) -> States:
        return [[self._past[rows]]]

    def set_states(self, rows: np.ndarray, states: States | None) -> None:
        self._past[rows] = 0.0 if states is None else states[0][0]
