"""Graphs of ops: which values each reads, by number.

What the op number j gives is value j, from 0; the input number k is value ~k: -1, -2, …
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastlstm.engine.ops import BranchesOp, Op, RecurrentOp, StateInOp, StateOutOp, WholeOp


class Wire(NamedTuple):
    """An op with the values that it reads.

    Args:
        op: No BranchesOp.
        inputs: The values; none for a StateOutOp.
        masked: Whether the mask of the graph's first input counts here.
        mask: The number of the MaskOp whose mask counts, or None.
    """

    op: Op
    inputs: tuple[int, ...]
    masked: bool
    mask: int | None


class Graph:
    """Ops with the values that they read, from some inputs to some outputs."""

    def __init__(self) -> None:
        self.axes: list[int] = []
        self.wires: list[Wire] = []
        self.outputs: list[int] = []
        self.recurrent: int = 0

    @property
    def inputs(self) -> int:
        """How many inputs there are."""
        return len(self.axes)

    def input(self, axes: int) -> int:
        """Add an input; returns the number of its value.

        Args:
            axes: How many it has, 2 or more; one less are ids then. 0 for any, of the only input.
        """
        self.axes.append(axes)
        return ~(len(self.axes) - 1)

    def add(self, op: Op, *values: int, masked: bool = False, mask: int | None = None) -> int:
        """Add an op that reads the values; returns the number of the value that it gives.

        Args:
            op: A BranchesOp becomes its rows, one after the other.
            *values: By number.
            masked: Whether the mask of the first input counts.
            mask: The number of the MaskOp whose mask counts, or None.
        """
        if isinstance(op, BranchesOp):
            ends = [self.add_row(row, values[0], len(row) if masked else 0, mask) for row in op.branches]
            return self.add(op.merge, *ends)
        self.recurrent += isinstance(op, RecurrentOp)
        self.wires.append(Wire(op, values, masked, mask))
        return len(self.wires) - 1

    def add_row(self, ops: Sequence[Op], value: int, masked: int = 0, mask: int | None = None) -> int:
        """Add ops in a row; returns the number of the value at the end.

        Args:
            ops: The ops.
            value: What the first one reads.
            masked: How many of them see the mask of the first input.
            mask: The number of the MaskOp whose mask they see, or None.
        """
        for number, op in enumerate(ops):
            value = self.add(op, value, masked=number < masked, mask=mask)
            if _ends(op):
                masked, mask = 0, None
        return value

    def mark(self) -> tuple[int, int, int]:
        """Return how far the graph has come, for `reset`."""
        return len(self.axes), len(self.wires), self.recurrent

    def reset(self, mark: tuple[int, int, int]) -> None:
        """Take back what was added after a mark."""
        inputs, wires, recurrent = mark
        self.recurrent = recurrent
        del self.axes[inputs:], self.wires[wires:]

    def begin_from(self, states: Sequence[int]) -> None:
        """Let the recurrent op that is added next begin from states, given as values."""
        for part, state in enumerate(states):
            self.add(StateInOp(self.recurrent, part), state)

    def state(self, number: int, part: int, units: int) -> int:
        """Add what the state of a recurrent op is at the end; returns the number of the value.

        Args:
            number: Of the recurrent op, as `recurrent` was before it was added.
            part: 0 for h, 1 for c.
            units: The op's.
        """
        return self.add(StateOutOp(number, part, units))


def chain(ops: Sequence[Op], masked: int) -> Graph:
    """Return ops in a row as a graph of one input and one output.

    Args:
        ops: The ops.
        masked: How many of them see the mask.
    """
    graph = Graph()
    graph.outputs.append(graph.add_row(ops, graph.input(0), masked))
    return graph


def _ends(op: Op) -> bool:
    """Whether there are no time steps any more for a mask to be of."""
    if isinstance(op, BranchesOp):
        return any(map(_ends, op.branches[0]))
    return isinstance(op, WholeOp) or (isinstance(op, RecurrentOp) and not op.return_sequences)
