"""Parts of a plan joined: whatever the engine can run of a graph of calls becomes one Program.

Calls have levels: what the engine runs of level 0 needs the model's inputs alone, what runs in NumPy at a level needs
what the engine gives at that level, and what the engine runs at the next level needs some of that. So there is one
Program a level, and a model without layers in NumPy is one Program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.joining import GraphValue, GraphValues
from fastlstm.layers.base.structure import map_shapes, map_structure
from fastlstm.layers.symbolic.calling import INPUT_MASK
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.calls import Call, Calls, Slot
from fastlstm.models.parts import ChainPart, GraphPart, Part

# Inputs and outputs of a Program: `MOST_ENDS` of the engine.
_MOST_ENDS = 32


@dataclass
class _Level:
    """What runs at one level: a graph of ops first, then parts one by one."""

    graph: Graph = field(default_factory=Graph)
    joined: list[Part] = field(default_factory=list)
    alone: list[Part] = field(default_factory=list)
    values: dict[int, int | Callable[[], int]] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)


def joined_parts(calls: Calls, parts: Sequence[Part]) -> list[Part | GraphPart]:
    """Return what a plan runs, in order, in place of its parts.

    Args:
        calls: The calls.
        parts: The parts of all calls, in their order.
    """
    if len(parts) < 2 and all(map(_is_chain, parts)):
        return list(parts)
    return _Joiner(calls).run(parts)


def _is_chain(part: Part) -> bool:
    """Whether the part is a Program from one input to one output by itself."""
    return isinstance(part, ChainPart) and len(part.reads) == len(part.writes) == 1


class _Joiner:
    """Puts parts to levels, in their order."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._levels: list[_Level] = []
        # Of every slot: its level, and whether the graph of that level gives it; those that may have a mask.
        self._places = {slot.index: (0, True) for slot in calls.inputs}
        self._masked: set[int] = set()
        self._tensors = dict(calls.tensors)
        # The level of the last call of a layer that remembers.
        self._called: dict[int, int] = {}

    def run(self, parts: Sequence[Part]) -> list[Part | GraphPart]:
        for part in parts:
            self._place(part)
        found: list[Part | GraphPart] = []
        for number, level in enumerate(self._levels):
            if len(level.joined) == 1 and _is_chain(level.joined[0]):
                found.append(level.joined[0])
            elif level.joined:
                found += self._graph_part(number, level)
            found += level.alone
        return found

    def _place(self, part: Part) -> None:
        reads = [self._places[index] for index in part.reads]
        first = max((level + (not in_graph) for level, in_graph in reads), default=0)
        for call in part.calls:
            self._describe(call)
        masked = self._may_have_masks(part)
        if not masked and all(call.layer.joins for call in part.calls) and self._joins(part, first):
            self._places |= dict.fromkeys(part.writes, (first, True))
            return
        remembers = [id(layer) for layer in part.layers if layer.stateful or isinstance(layer, Operation)]
        number = max([level for level, _ in reads] + [self._called.get(key, 0) for key in remembers], default=0)
        self._called |= dict.fromkeys(remembers, number)
        self._level(number).alone.append(part)
        self._places |= dict.fromkeys(part.writes, (number, False))

    def _level(self, number: int) -> _Level:
        while len(self._levels) <= number:
            self._levels.append(_Level())
        return self._levels[number]

    def _may_have_masks(self, part: Part) -> bool:
        """Whether a call of the part may see or make a mask; notes which of its outputs may have one."""
        found = False
        for call in part.calls:
            given = call.kwargs.get("mask", INPUT_MASK) is not INPUT_MASK
            seen = given or any(slot.index in self._masked for slot in call.inputs)
            layer = call.layer
            found = found or seen or layer.makes_masks
            if layer.makes_masks or (seen and layer.supports_masking and not layer.ends_masks):
                self._masked |= {slot.index for slot in call.outputs}
        return found

    # Shapes

    def _describe(self, call: Call) -> None:
        """Find out the shapes and dtypes of what a call gives, as far as they are known."""
        missing = [slot for slot in call.outputs if slot.index not in self._tensors]
        known = all(slot.index in self._tensors for slot in call.inputs)
        first = call.args[0]
        if not missing or not known or not call.layer.says_output_shape or not isinstance(first, Slot):
            return
        shapes = list[Any]()
        map_shapes(shapes.append, call.layer.compute_output_shape(self._tensors[first.index].shape))
        if len(shapes) == len(call.outputs) and not isinstance(call.layer, Operation):
            pairs, dtype = zip(call.outputs, shapes, strict=True), call.layer.output_dtype
            self._tensors |= {slot.index: KerasTensor(tuple(shape), dtype, name="") for slot, shape in pairs}

    def _value(self, level: _Level, slot: Slot, ids: bool) -> GraphValue | None:
        """What is in a slot as a value of a level's graph."""
        tensor = self._tensors.get(slot.index)
        if tensor is None or tensor.dtype != "float32":
            return None
        if slot.index not in level.values:
            if len(tensor.shape) < 2:
                return None
            level.read.append(slot.index)
            level.values[slot.index] = level.graph.input(len(tensor.shape) + ids)
            level.ids |= {slot.index} if ids else set()
        if (slot.index in level.ids) != ids:
            return None
        return GraphValue(self._added(level, slot.index), tensor.shape)

    def _added(self, level: _Level, index: int) -> int:
        """The number of a value, which is added now if nobody has asked for it before."""
        number = level.values[index]
        if not isinstance(number, int):
            number = level.values[index] = number()
        return number

    # Graphs

    def _joins(self, part: Part, number: int) -> bool:
        """Add the calls of a part to the graph of a level; False, with the graph as before, if the engine cannot."""
        level = self._level(number)
        before = level.graph.mark(), dict(level.values), list(level.read), set(level.ids)
        for call in part.calls:
            outputs = self._lowered(level, call)
            if outputs is None:
                level.graph.reset(before[0])
                level.values, level.read, level.ids = before[1:]
                return False
            level.values |= {slot.index: number for slot, number in zip(call.outputs, outputs, strict=True)}
        level.joined.append(part)
        return True

    def _lowered(self, level: _Level, call: Call) -> GraphValues | None:
        fits = True

        def value(leaf: Any) -> Any:
            nonlocal fits
            found = self._value(level, leaf, call.layer.takes_ids) if isinstance(leaf, Slot) else leaf
            fits = (fits and found is not None) or leaf is None
            return found

        kwargs = {name: given for name, given in call.kwargs.items() if name != "mask"}
        tensors = [self._tensors.get(slot.index) for slot in call.outputs]
        if kwargs.pop("training", None) or any(one is None or one.dtype != "float32" for one in tensors):
            return None
        args, kwargs = map_structure(value, call.args), map_structure(value, kwargs)
        return call.layer.lower_call(level.graph, args, kwargs) if fits else None

    def _graph_part(self, number: int, level: _Level) -> Sequence[Part | GraphPart]:
        """The joined parts of a level as one, unless they have too many inputs and outputs: what anybody else reads."""
        elsewhere = {slot.index for slot in self._calls.outputs}
        for other in self._levels[number:]:
            elsewhere |= {index for part in other.alone for index in part.reads}
            elsewhere |= set(other.read) if other is not level else set()
        written = [index for part in level.joined for index in part.writes if index in elsewhere]
        if len(level.read) + len(written) > _MOST_ENDS:
            return level.joined
        graph, outputs = level.graph, list[int]()
        for index in written:
            number = self._added(level, index)
            # An input, or what is an output already, has to be copied.
            taken = number < 0 or number in outputs
            outputs.append(graph.add(ops.MergeOp("add"), number) if taken else number)
        graph.outputs = outputs
        return [GraphPart(level.joined, graph, level.read, written, [self._tensors[index].shape for index in written])]
