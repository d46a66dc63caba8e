"""Ops → how values go from one to the next: stages over slots.

Inside a stage every op works on the same chunk of time steps before the next chunk is read, so that what passes between
layers stays in cache. A new stage begins where an op needs the whole sequence before its first step (`go_backwards`, a
convolution), where the sequence has ended (a recurrent op without `return_sequences`), or where values part or meet.
What passes between stages lies in slots: 0 has the input, the last one the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastlstm.engine.ops import (
    BranchesOp,
    ConvolutionOp,
    GlobalPoolOp,
    Op,
    PermuteOp,
    PoolOp,
    RecurrentOp,
    ReshapeOp,
    StepsOp,
    WholeOp,
)


class Wire(NamedTuple):
    """An op with the values that it reads and gives, by number.

    Args:
        op: No BranchesOp.
        inputs: 0 for the program's input, else the number of an op, from 1.
        masked: Whether the mask of the program's input counts here.
    """

    op: Op
    inputs: tuple[int, ...]
    masked: bool


class Stage(NamedTuple):
    """`Stage` of _structs.pxd: ops first … end - 1."""

    first: int
    end: int
    inputs: tuple[int, ...]
    output: int
    masked: bool
    in_rows: bool
    beside: bool


class Wiring(NamedTuple):
    """`Wiring` of _structs.pxd.

    Args:
        stages: In the order in which they run.
        buffers: For every slot the buffer that it lies in; -1: in the caller's array.
        axes, out_axes: Of the input and of the output: 2, 3 with time, 0 for any.
    """

    stages: list[Stage]
    buffers: list[int]
    axes: int
    out_axes: int


def wires(ops: Sequence[Op], masked: int) -> list[Wire]:
    """Return the ops in a row, those of branches one after the other.

    Args:
        ops: A chain.
        masked: How many of them see the mask.
    """
    found: list[Wire] = []
    _append(found, ops, 0, masked)
    return found


def _append(found: list[Wire], ops: Sequence[Op], value: int, masked: int) -> int:
    """Append a chain that reads a value; returns the number of the value that it gives."""
    for number, op in enumerate(ops):
        sees = number < masked
        if isinstance(op, BranchesOp):
            ends = tuple(_append(found, row, value, len(row) if sees else 0) for row in op.branches)
            found.append(Wire(op.merge, ends, False))
        else:
            found.append(Wire(op, (value,), sees))
        value = len(found)
        if _ends(op):
            masked = 0
    return value


def _ends(op: Op) -> bool:
    """Whether there are no time steps any more for a mask to be of."""
    if isinstance(op, BranchesOp):
        return any(map(_ends, op.branches[0]))
    return isinstance(op, WholeOp) or (isinstance(op, RecurrentOp) and not op.return_sequences)


def wiring_of(found: Sequence[Wire], axes: int, out_axes: int) -> Wiring:
    """Return the stages.

    Args:
        found: What `wires` returned.
        axes, out_axes: As for `Wiring`.
    """
    groups: list[list[int]] = []
    uses = [value for wire in found for value in wire.inputs]
    for number, wire in enumerate(found, 1):
        before = found[number - 2] if number > 1 else None
        if before is None or wire.inputs != (number - 1,) or uses.count(number - 1) > 1 or _parts(before, wire):
            groups.append([])
        groups[-1].append(number)
    slots = {0: 0} | {group[-1]: slot for slot, group in enumerate(groups, 1)}
    read_whole = {value for wire in found if isinstance(wire.op, WholeOp) for value in wire.inputs}
    stages = []
    for group in groups:
        first, last = found[group[0] - 1], group[-1]
        in_rows = last == len(found) or last in read_whole or isinstance(first.op, WholeOp)
        inputs = tuple(slots[value] for value in first.inputs)
        stages.append(Stage(group[0] - 1, last, inputs, slots[last], first.masked, in_rows, False))
    chunked = [not isinstance(found[stage.first].op, WholeOp) for stage in stages]
    for i in range(len(stages) - 1):
        # Two alone, not a row of three.
        apart = stages[i].output not in stages[i + 1].inputs and not (i and stages[i - 1].beside)
        stages[i] = stages[i]._replace(beside=chunked[i] and chunked[i + 1] and apart)
    return Wiring(stages, _buffers(stages), axes, out_axes)


def _parts(before: Wire, wire: Wire) -> bool:
    """Whether an op cannot work on the chunks of the one before it, whose output it reads."""
    ended = isinstance(before.op, RecurrentOp) and not before.op.return_sequences
    backwards = isinstance(wire.op, RecurrentOp) and wire.op.go_backwards
    whole = isinstance(before.op, WholeOp) or isinstance(wire.op, WholeOp)
    return ended or backwards or whole or before.masked != wire.masked


def _buffers(stages: Sequence[Stage]) -> list[int]:
    """A buffer for every slot, so that those of one buffer are never needed at once."""
    last_use = {slot: i for i, stage in enumerate(stages) for slot in (*stage.inputs, stage.output)}
    buffers, free_from = [-1], list[int]()
    for i, stage in enumerate(stages):
        if i == len(stages) - 1:
            buffers.append(-1)
            break
        # The next stage may run at the same time.
        needed = i - stages[i - 1].beside if i else i
        free = next((number for number, end in enumerate(free_from) if end < needed), None)
        if free is None:
            free = len(free_from)
            free_from.append(0)
        free_from[free] = last_use[stage.output]
        buffers.append(free)
    return buffers


def axes_of(found: Sequence[Wire]) -> tuple[int, int]:
    """Return how many axes input and output have: 2, 3 with time, 0 for any.

    Raises:
        ValueError: An op is given another number of axes than it reads.
    """
    given = [0]
    first = 0
    for wire in found:
        before, needed = given[wire.inputs[0]], _axes_read(wire.op)
        if needed and before and before != needed:
            name = type(wire.op).__name__
            if isinstance(wire.op, RecurrentOp):
                raise ValueError(f"{name} needs a sequence, but an op before it does not return sequences.")
            raise ValueError(f"{name} reads {needed} axes, but an op before it gives {before}.")
        if not before and needed:
            first = first or needed
        given.append(_axes_given(wire.op, before or needed))
    return first, given[-1]


def _axes_read(op: Op) -> int:
    if isinstance(op, StepsOp):
        return 2 if op.from_row else 3
    if isinstance(op, ReshapeOp):
        return op.axes
    return 3 if isinstance(op, (RecurrentOp, ConvolutionOp, PoolOp, GlobalPoolOp, PermuteOp)) else 0


def _axes_given(op: Op, axes: int) -> int:
    if isinstance(op, RecurrentOp):
        return 3 if op.return_sequences else 2
    if isinstance(op, GlobalPoolOp):
        return 3 if op.keeps_axis else 2
    if isinstance(op, ReshapeOp):
        return 1 + len(op.shape)
    return 3 if isinstance(op, StepsOp) else axes
