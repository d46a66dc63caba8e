"""Chains: consecutive layers that the engine runs in one call."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.engine import Program, run_pair
from fastlstm.engine.ops import LINEAR, Op, works_in_steps
from fastlstm.layers.base.variable import CHANGES, Watch
from fastlstm.records import replaced

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer
    from fastlstm.layers.base.recurrent import Recurrent

States = list[list[np.ndarray]]
# Of a layer, as the engine takes them: a list per op, None for zeros.
Given = list[list[np.ndarray] | None]


class LayerRow:
    """Native layers in a row: the states from which a call of all of them starts, and those that it leaves.

    Args:
        layers: The layers.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers: tuple[Layer, ...] = tuple(layers)
        self.recurrent: tuple[Recurrent, ...] = cast(
            "tuple[Recurrent, ...]", tuple(layer for layer in layers if layer.recurrent)
        )
        self._takes_ids = self.layers[0].takes_ids
        last = self.layers[-1]
        self._returning = cast("Recurrent", last) if last.recurrent and cast("Recurrent", last).return_state else None
        # Whether a call begins from states that are not zeros, or gives some.
        begins = any(layer.stateful or not layer.begins_from_zeros for layer in self.recurrent)
        self.carries_states: bool = self._returning is not None or begins

    def starting_states(self, batch: int, initial_state: Any) -> list[Given]:
        """Return, for every layer, a list of its recurrent ops' states; the first layer's as given, if they are."""
        given = [initial_state, *[None] * (len(self.layers) - 1)]
        return [
            cast("Recurrent", layer).starting_states(batch, state)
            if layer.recurrent
            else [None] * layer.inner_recurrent
            for layer, state in zip(self.layers, given, strict=True)
        ]

    def finished(self, output: np.ndarray, states: States, initial: list[Given]) -> Any:
        """Return what the layers return, and let them keep what they keep, of what the Program returned.

        Args:
            output, states: What it returned.
            initial: What `starting_states` returned.
        """
        remaining, last_states = iter(states), list[list[np.ndarray]]()
        for layer, of_layer in zip(self.layers, initial, strict=True):
            last_states = [next(remaining) for _ in of_layer]
            if layer.recurrent and cast("Recurrent", layer).stateful:
                cast("Recurrent", layer).keep_states(last_states)
        return output if self._returning is None else (output, *self._returning.returned_states(last_states))


class BoundChain(LayerRow):
    """Layers in a row with the Program of the weights that they had at one moment. It never changes.

    Many threads may call `run` at once, unless a layer is stateful.

    Args:
        layers: The layers.
        of_layers: What each lowers to; none leaves its inputs as they are.
    """

    def __init__(self, layers: Sequence[Layer], of_layers: Sequence[list[Op]]) -> None:
        super().__init__(layers)
        self.of_layers: list[list[Op]] = list(of_layers)
        self.ops: list[Op] = [op for lowered in of_layers for op in lowered]
        self._program: Program | None = None

    @property
    def program(self) -> Program | None:
        """The Program, made when it is first needed; None if there is nothing to do."""
        if self._program is None and self.ops:
            self._program = Program(self.ops, masked=self._masked())
        return self._program

    @property
    def alone(self) -> Program | None:
        """The Program, once it is made, if a call without a mask is nothing but its run; else None."""
        program = self._program
        if program is None or self.carries_states or (self._takes_ids and self.layers[0].makes_masks):
            return None
        return program

    @property
    def takes_masks(self) -> bool:
        """Whether a mask of the input changes anything."""
        return self.program is not None and self.program.takes_masks

    def _masked(self) -> int:
        """How many ops see the mask of the input, or of ids: those up to the layer that lets none pass."""
        if self._takes_ids and not self.layers[0].makes_masks:
            return len(self.ops)
        through = 0
        for layer, lowered in zip(self.layers, self.of_layers, strict=True):
            through += len(lowered)
            if not layer.supports_masking:
                break
        return through

    def run(self, x: np.ndarray, mask: np.ndarray | None = None, initial_state: Any = None) -> Any:
        """Run the layers; stateful ones start from their states and keep the new ones.

        Args:
            x: float32, C-contiguous, of a shape that the first layer accepts.
            mask: Booleans `(batch, timesteps)`, or None. Unless the chain `takes_masks` it changes nothing.
            initial_state: The states from which the first layer starts, which is recurrent then; or None.

        Returns:
            A new array; a tuple `(output, *states)` if the last layer returns its states.

        Raises:
            ValueError: When states do not fit, or there is no time step to read.
        """
        program = self.program
        if program is None:
            return x.copy()
        if not program.takes_masks:
            mask = None
        elif self._takes_ids:
            mask = self.layers[0].compute_mask(x, None)
        if not self.carries_states and initial_state is None:
            return program.run(x, mask)[0]
        initial = self.starting_states(len(x), initial_state)
        output, states = program.run(x, mask, list(chain(*initial)), True)
        return self.finished(output, states, initial)

    def ending_linear(self) -> BoundChain:
        """Return the chain without the activation of its last op."""
        of_layers = list(self.of_layers)
        number = max(number for number, lowered in enumerate(of_layers) if lowered)
        *before, last = of_layers[number]
        of_layers[number] = [*before, replaced(last, activation=LINEAR)]
        return BoundChain(self.layers, of_layers)

    def describe(self) -> list[str]:
        """Return what the engine runs, a line per op."""
        return [] if self.program is None else self.program.describe()

    @property
    def continues(self) -> bool:
        """Whether the outputs of a call may be had in pieces of time: all layers read forwards and keep no states."""
        if not self.recurrent or self.layers[0].makes_masks or not all(map(works_in_steps, self.ops)):
            return False
        return not any(layer.go_backwards or layer.stateful or not layer.begins_from_zeros for layer in self.recurrent)

    @property
    def returns_sequences(self) -> bool:
        """Whether there is an output for every step."""
        return all(layer.return_sequences for layer in self.recurrent)

    def advance(self, x: np.ndarray, states: States | None = None) -> tuple[tuple[np.ndarray, ...], States]:
        """Run the layers on the next piece of time.

        Args:
            x: float32, C-contiguous.
            states: What this returned for the piece before, for as many rows as `x` has; None at the start.

        Returns:
            `(outputs, states)`: the outputs as a tuple.
        """
        output, states = cast("Program", self.program).run(x, None, states, True)
        if self._returning is None:
            return (output,), states
        of_last = states[len(states) - len(self._returning.lower()) :]
        return (output, *self._returning.returned_states(of_last)), states


class Chain:
    """Native layers in a row, as one Program that follows their weights and attributes.

    Args:
        layers: Built layers, each of which takes what the one before gives.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers: tuple[Layer, ...] = tuple(layers)
        self._watch = Watch()
        self._made: tuple[int, BoundChain] | None = None

    @property
    def bound(self) -> BoundChain:
        """The chain with its present weights."""
        made = self._made
        return self._refreshed() if made is None or made[0] != self._watch.count else made[1]

    def _refreshed(self) -> BoundChain:
        with CHANGES.lock:
            for layer in self.layers:
                layer.watch(self._watch)
            count = self._watch.count
            bound = BoundChain(self.layers, [layer.lower() for layer in self.layers])
            self._made = count, bound
            return bound

    def run(self, x: np.ndarray, mask: np.ndarray | None = None, initial_state: Any = None) -> Any:
        """Run the layers with their present weights; see `BoundChain.run`."""
        return self.bound.run(x, mask, initial_state)


def run_beside(
    first: BoundChain,
    second: BoundChain,
    x: np.ndarray,
    mask: np.ndarray | None,
    first_state: Any = None,
    second_state: Any = None,
) -> tuple[Any, Any]:
    """Run two chains of one recurrent layer each on the same input, at the same time where that pays.

    Args:
        first, second: The chains.
        x, mask: As for `BoundChain.run`.
        first_state, second_state: The `initial_state` of each.

    Returns:
        What `BoundChain.run` returns, of both.

    Raises:
        ValueError: As `BoundChain.run`.
    """
    programs = cast("Program", first.program), cast("Program", second.program)
    if first_state is None and second_state is None and not (first.carries_states or second.carries_states):
        (one, _), (other, _) = run_pair(*programs, x, mask)
        return one, other
    firsts, seconds = first.starting_states(len(x), first_state), second.starting_states(len(x), second_state)
    given = list(chain(*firsts)), list(chain(*seconds))
    (one, ones), (other, others) = run_pair(*programs, x, mask, *given, True)
    return first.finished(one, ones, firsts), second.finished(other, others, seconds)
