"""Ops → how values go from one to the next: stages over slots.

Inside a stage every op works on the same chunk of time steps before the next chunk is read, so that what passes between
layers stays in cache. A new stage begins where an op needs the whole sequence before its first step (`go_backwards`, a
convolution), where the sequence has ended (a recurrent op without `return_sequences`), or where values part or meet.
What passes between stages lies in slots, those of the inputs first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastlstm.engine.graph import Graph, Wire
from fastlstm.engine.ops import (
    AliasOp,
    FoldOp,
    GlobalPoolOp,
    HeadsOp,
    MovingOp,
    Op,
    PairsOp,
    ProductOp,
    RecurrentOp,
    ReshapeOp,
    StateInOp,
    StateOutOp,
    StepsOp,
    UnfoldOp,
    WholeOp,
    WindowOp,
)
from fastlstm.records import Record, replaced


class Stage(Record):
    """`Stage` of _structs.pxd: ops first … end - 1."""

    first: int
    end: int
    inputs: tuple[int, ...]
    output: int
    masked: bool
    in_rows: bool
    beside: bool
    alias: bool
    mask: int


class Wiring(Record):
    """`Wiring` of _structs.pxd.

    Args:
        stages: In the order in which they run.
        buffers: For every slot the buffer that it lies in; -1: in the caller's array, or where the value lies of which
            it is an alias.
        outputs: The slots of the outputs; the first slots are the inputs'.
        axes, out_axes: Of every input and output: 2, 3 with time, more, 0 for any.
    """

    stages: list[Stage]
    buffers: list[int]
    outputs: list[int]
    axes: list[int]
    out_axes: list[int]


def wiring_of(graph: Graph) -> Wiring:
    """Return the stages of a graph.

    Raises:
        ValueError: An op is given another number of axes than it reads.
    """
    found, n_inputs, kept = graph.wires, graph.inputs, set(graph.outputs)
    axes = _axes_of(graph)
    groups: list[list[int]] = []
    uses = Counter(value for wire in found for value in wire.inputs)
    for number, wire in enumerate(found):
        follows = number > 0 and wire.inputs == (number - 1,)
        if not follows or uses[number - 1] > 1 or number - 1 in kept or _parts(found[number - 1], wire):
            groups.append([])
        groups[-1].append(number)
    slots = {~slot: slot for slot in range(n_inputs)}
    slots |= {group[-1]: slot for slot, group in enumerate(groups, n_inputs)}
    read_whole = {value for wire in found if isinstance(wire.op, WholeOp) for value in wire.inputs}
    stages = []
    for group in groups:
        first, last = found[group[0]], group[-1]
        in_rows = last in kept or last in read_whole or isinstance(first.op, WholeOp)
        inputs = tuple(slots[value] for value in first.inputs)
        alias = isinstance(first.op, AliasOp) and last not in kept
        mask = -1 if first.mask is None else slots[first.mask]
        stages.append(Stage(group[0], last + 1, inputs, slots[last], first.masked, in_rows, False, alias, mask))
    chunked = [not isinstance(found[stage.first].op, WholeOp) for stage in stages]
    for i in range(len(stages) - 1):
        # Two alone, not a row of three.
        apart = stages[i].output not in stages[i + 1].inputs and not (i and stages[i - 1].beside)
        stages[i] = replaced(stages[i], beside=chunked[i] and chunked[i + 1] and apart)
    outputs = [slots[value] for value in graph.outputs]
    out_axes = [axes[value] for value in graph.outputs]
    buffers = _buffers(stages, n_inputs, outputs)
    in_axes = [max(axes[~slot], given) for slot, given in enumerate(graph.axes)]
    return Wiring(stages, buffers, outputs, in_axes, out_axes)


def _parts(before: Wire, wire: Wire) -> bool:
    """Whether an op cannot work on the chunks of the one before it, whose output it reads."""
    ended = isinstance(before.op, RecurrentOp) and not before.op.return_sequences
    backwards = isinstance(wire.op, RecurrentOp) and wire.op.go_backwards
    whole = isinstance(before.op, WholeOp) or isinstance(wire.op, WholeOp)
    return ended or backwards or whole or before[2:] != wire[2:]


def _buffers(stages: Sequence[Stage], n_inputs: int, outputs: Sequence[int]) -> list[int]:
    """A buffer for every slot, so that those of one buffer are never needed at once."""
    last_use = {slot: i for i, stage in enumerate(stages) for slot in (*stage.inputs, stage.output)}
    for stage in reversed(stages):
        if stage.alias:
            last_use[stage.inputs[0]] = max(last_use[stage.inputs[0]], last_use[stage.output])
    buffers, free_from = [-1] * n_inputs, list[int]()
    for i, stage in enumerate(stages):
        if stage.output in outputs or stage.alias:
            buffers.append(-1)
            continue
        # The next stage may run at the same time.
        needed = i - stages[i - 1].beside if i else i
        free = next((number for number, end in enumerate(free_from) if end < needed), None)
        if free is None:
            free = len(free_from)
            free_from.append(0)
        free_from[free] = last_use[stage.output]
        buffers.append(free)
    return buffers


def _axes_of(graph: Graph) -> dict[int, int]:
    """How many axes every value has, by its number: 2, 3 with time, 0 for any."""
    given = {~number: min(axes, 3) for number, axes in enumerate(graph.axes)}
    for number, wire in enumerate(graph.wires):
        needed = _axes_read(wire.op)
        before = max((given[value] for value in wire.inputs), default=0)
        if needed and before and before != needed:
            name = type(wire.op).__name__
            if isinstance(wire.op, RecurrentOp):
                raise ValueError(f"{name} needs a sequence, but an op before it does not return sequences.")
            raise ValueError(f"{name} reads {needed} axes, but an op before it gives {before}.")
        if not before and needed:
            # What is known now of what this op reads is known of the graph's only input.
            given[~0] = given[~0] or needed
        given[number] = _axes_given(wire.op, before or needed)
    return given


def _axes_read(op: Op) -> int:
    if isinstance(op, StepsOp):
        return 2 if op.from_row else 3
    if isinstance(op, ReshapeOp):
        return op.axes
    if isinstance(op, StateInOp):
        return 2
    if isinstance(op, (FoldOp, UnfoldOp, HeadsOp, ProductOp, PairsOp)):
        return 0
    return 3 if isinstance(op, (RecurrentOp, WindowOp, MovingOp)) else 0


def _axes_given(op: Op, axes: int) -> int:
    if isinstance(op, RecurrentOp):
        return 3 if op.return_sequences else 2
    if isinstance(op, GlobalPoolOp):
        return 3 if op.keeps_axis else 2
    if isinstance(op, ReshapeOp):
        return 1 + len(op.shape)
    if isinstance(op, StateOutOp):
        return 2
    return 3 if isinstance(op, (StepsOp, FoldOp, UnfoldOp, HeadsOp, PairsOp)) else axes
