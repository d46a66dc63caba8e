"""Chains: consecutive layers that the engine runs in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastlstm.engine import Program, run_pair
from fastlstm.engine.ops import Op
from fastlstm.layers.base.variable import CHANGES

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer


class _Built(NamedTuple):
    """A Program with what it was made from; read and replaced as one, so that a thread never sees half of it.

    One that is `plain` has recurrent layers, and nothing to do but to run them.
    """

    changes: int
    versions: tuple[int, ...]
    program: Program | None
    carries_states: bool
    plain: bool


class Chain:
    """Layers in a row whose `lower()` gives ops, as one Program that follows their weights and attributes.

    Args:
        layers: Built layers, each of which takes what the one before gives.

    Many threads may call `run` at once, unless a layer is stateful.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self.recurrent = tuple(layer for layer in self.layers if layer.recurrent)
        self._built: _Built | None = None

    def run(self, x: np.ndarray, mask: np.ndarray | None = None, initial_state: Any = None) -> Any:
        """Run the layers; stateful ones start from their states and keep the new ones.

        Args:
            x: float32, C-contiguous, of a shape that the first layer accepts.
            mask: Booleans `(batch, timesteps)`, or None. Without recurrent layers it changes nothing.
            initial_state: The states from which the first layer starts, which is recurrent then; or None.

        Returns:
            A new array; a tuple `(output, *states)` if the last layer returns its states.

        Raises:
            ValueError: When states do not fit, or there is no time step to read.
        """
        built = self._current()
        if built.plain and initial_state is None:
            return built.program.run(x, mask)[0]
        if built.program is None:
            return x.copy()
        if not self.recurrent:
            return built.program.run(x)[0]
        if self.layers[0].takes_ids:
            mask = self.layers[0].compute_mask(x)
        if built.carries_states or initial_state is not None:
            return self._run_with_states(built.program, x, mask, initial_state)
        return built.program.run(x, mask)[0]

    def describe(self) -> list[str]:
        """Return what the engine runs, a line per op."""
        program = self._current().program
        return [] if program is None else program.describe()

    def _run_with_states(self, program: Program, x: np.ndarray, mask: np.ndarray | None, initial_state: Any) -> Any:
        initial = self._starting_states(x.shape[0], initial_state)
        return self._finished(*program.run(x, mask, list(chain(*initial)), True), initial)

    def _starting_states(self, batch: int, initial_state: Any) -> list[list[Any]]:
        """For every recurrent layer a list of its ops' states; the first layer's as given, if they are."""
        given = [initial_state, *[None] * (len(self.recurrent) - 1)]
        return [layer.starting_states(batch, state) for layer, state in zip(self.recurrent, given, strict=True)]

    def _finished(self, output: np.ndarray, states: list[Any], initial: list[list[Any]]) -> Any:
        """What the layers return and keep, from what the Program returned."""
        remaining = iter(states)
        for layer, of_layer in zip(self.recurrent, initial, strict=True):
            last_states = [next(remaining) for _ in of_layer]
            if layer.stateful:
                layer.keep_states(last_states)
        last = self.layers[-1]
        return (output, *last.returned_states(last_states)) if last.recurrent and last.return_state else output

    def run_beside(
        self, other: Chain, x: np.ndarray, mask: np.ndarray | None, initial_state: Any, other_initial_state: Any
    ) -> tuple[Any, Any]:
        """Run this chain and another one on the same input, at the same time where that pays.

        Args:
            other: A chain that, as this one, is one recurrent layer.
            x, mask, initial_state: As for `run`.
            other_initial_state: That of the other chain.

        Returns:
            What `run` returns, of both.
        """
        mine, others = self._starting_states(len(x), initial_state), other._starting_states(len(x), other_initial_state)
        result, other_result = run_pair(
            self._current().program, other._current().program, x, mask, list(chain(*mine)), list(chain(*others)), True
        )
        return self._finished(*result, mine), other._finished(*other_result, others)

    @property
    def program(self) -> Program | None:
        """The Program of the present weights; None if the layers leave their inputs as they are."""
        return self._current().program

    def lower(self) -> list[Op]:
        """Return the layers as ops of the engine, with the present weights."""
        return [op for layer in self.layers for op in layer.lower()]

    @property
    def continues(self) -> bool:
        """Whether the outputs of a call may be had in pieces of time: all layers read forwards and keep no states."""
        return bool(self.recurrent) and not any(layer.go_backwards or layer.stateful for layer in self.recurrent)

    @property
    def returns_sequences(self) -> bool:
        """Whether there is an output for every step."""
        return all(layer.return_sequences for layer in self.recurrent)

    def advance(self, program: Program, x: np.ndarray, states: Any = None) -> tuple[tuple[np.ndarray, ...], Any]:
        """Run the layers on the next piece of time.

        Args:
            program: What `program` was at the first piece, so that all are read with the same weights.
            x: float32, C-contiguous.
            states: What this returned for the piece before, for as many rows as `x` has; None at the start.

        Returns:
            `(outputs, states)`: the outputs as a tuple.
        """
        output, states = program.run(x, None, states, True)
        last = self.layers[-1]
        if not (last.recurrent and last.return_state):
            return (output,), states
        of_last = states[len(states) - len(last.lower()) :]
        return (output, *last.returned_states(of_last)), states

    def _current(self) -> _Built:
        built = self._built
        return self._refresh() if built is None or built.changes != CHANGES.latest else built

    def _refresh(self) -> _Built:
        """Bring the Program up to date: changes elsewhere in the process cost a comparison, not a new one."""
        with CHANGES.lock:
            versions = tuple(layer_versions(self.layers))
            built = self._built
            if built is not None and built.versions == versions:
                program = built.program
            else:
                lowered = self.lower()
                program = Program(lowered) if lowered else None
            last = self.layers[-1]
            carries_states = any(layer.stateful for layer in self.recurrent) or (last.recurrent and last.return_state)
            plain = bool(self.recurrent) and not carries_states and not self.layers[0].takes_ids
            self._built = built = _Built(CHANGES.latest, versions, program, carries_states, plain)
            return built


def layer_versions(layers: Sequence[Layer]) -> Iterator[int]:
    """Yield numbers that are others after any change of the layers' weights and attributes."""
    for layer in layers:
        yield layer.version
        for variable in layer.own_variables:
            yield variable.version
        yield from layer_versions(layer.children)
