"""Parts of a plan joined: whatever the engine can run of a graph of calls becomes one Program.

Calls have levels: what the engine runs of level 0 needs the model's inputs alone, what runs in NumPy at a level needs
what the engine gives at that level, and what the engine runs at the next level needs some of that. So there is one
Program a level, and a model without layers in NumPy is one Program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValue, GraphValues
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import map_shapes, map_structure
from fastlstm.layers.merging.merging import Merge
from fastlstm.layers.rnn.bidirectional import Bidirectional
from fastlstm.layers.symbolic.calling import INPUT_MASK
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.calls import Call, Calls, Slot
from fastlstm.models.parts import ChainPart, GraphPart, Part
from fastlstm.records import replaced

# Inputs and outputs of a Program: `MOST_ENDS` of the engine.
_MOST_ENDS = 32


class _Level:
    """What runs at one level: a graph of ops first, then parts one by one."""

    def __init__(self, graph: Graph | None = None) -> None:
        self.graph: Graph = Graph() if graph is None else graph
        self.joined: list[Part] = []
        self.alone: list[Part] = []
        self.values: dict[int, int | Callable[[], int]] = {}
        self.read: list[int] = []
        self.ids: set[int] = set()
        # The masks of values, by their slots: numbers of ops; and who makes each, from an input in which slot.
        self.masks: dict[int, int] = {}
        self.makers: dict[int, tuple[Layer, int]] = {}
        # Layers that are given masks and let them not pass.
        self.destroying: list[Layer] = []


def joined_parts(calls: Calls, parts: Sequence[Part]) -> list[Part | GraphPart]:
    """Return what a plan runs, in order, in place of its parts.

    Args:
        calls: The calls.
        parts: The parts of all calls, in their order.
    """
    if len(parts) < 2 and all(map(_is_chain, parts)):
        return list(parts)
    return _Joiner(calls).run(parts)


def lower_calls(calls: Calls, graph: Graph, values: Sequence[GraphValue]) -> GraphValues | None:
    """Add the calls of a model to a graph; returns the values of its outputs, None if the engine has no ops for a call.

    Args:
        calls: The calls.
        graph: The graph.
        values: The model's inputs, without masks.
    """
    joiner, level = _Joiner(calls), _Level(graph)
    for slot, value in zip(calls.inputs, values, strict=True):
        level.values[slot.index] = value.number
        joiner.tell(slot, value.shape)
    if not all(call.layer.joins and joiner.joins_call(level, call) for call in calls.calls):
        return None
    return [level.values[slot.index] for slot in calls.outputs]


def _is_chain(part: Part) -> bool:
    """Whether the part is a Program from one input to one output by itself."""
    return isinstance(part, ChainPart) and len(part.reads) == len(part.writes) == 1


def _remembers(layer: Layer) -> bool:
    """Whether a call of the layer depends on the calls before it."""
    return layer.stateful or any(map(_remembers, cast("list[Layer]", layer.children)))


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

    def tell(self, slot: Slot, shape: Shape) -> None:
        """Let the shape in a slot be known, rather than that of the model's input."""
        self._tensors[slot.index] = KerasTensor(shape, name="")

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
        if all(call.layer.joins for call in part.calls) and self._joins(part, first):
            self._masked |= {index for index in part.writes if index in self._level(first).masks}
            self._places |= dict.fromkeys(part.writes, (first, True))
            return
        self._note_masks(part)
        remembers = [id(layer) for layer in part.layers if _remembers(layer)]
        number = max([level for level, _ in reads] + [self._called.get(key, 0) for key in remembers], default=0)
        self._called |= dict.fromkeys(remembers, number)
        self._level(number).alone.append(part)
        self._places |= dict.fromkeys(part.writes, (number, False))

    def _level(self, number: int) -> _Level:
        while len(self._levels) <= number:
            self._levels.append(_Level())
        return self._levels[number]

    def _note_masks(self, part: Part) -> None:
        """Note which outputs of a part that runs by itself may have masks."""
        for call in part.calls:
            seen = "mask" in call.kwargs or any(slot.index in self._masked for slot in call.inputs)
            if call.layer.makes_masks or (seen and call.layer.supports_masking and not call.layer.ends_masks):
                self._masked |= {slot.index for slot in call.outputs}

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
            if len(tensor.shape) < 2 or slot.index in self._masked:
                return None
            level.read.append(slot.index)
            level.values[slot.index] = level.graph.input(len(tensor.shape) + ids)
            level.ids |= {slot.index} if ids else set()
        if (slot.index in level.ids) != ids:
            return None
        return GraphValue(self._added(level, slot.index), tensor.shape, level.masks.get(slot.index))

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
        before = level.graph.mark(), dict(level.values), list(level.read), set(level.ids), dict(level.masks)
        destroying = list(level.destroying)
        for call in part.calls:
            if not self.joins_call(level, call):
                level.graph.reset(before[0])
                level.values, level.read, level.ids, level.masks = before[1:]
                level.destroying = destroying
                return False
        level.joined.append(part)
        return True

    def joins_call(self, level: _Level, call: Call) -> bool:
        """Add a call to a graph, with the masks of what it gives; False if the engine cannot."""
        self._describe(call)
        outputs = self._lowered(level, call)
        if outputs is None:
            return False
        level.values |= {slot.index: number for slot, number in zip(call.outputs, outputs, strict=True)}
        layer, first = call.layer, call.outputs[0]
        seen = {level.masks[slot.index] for slot in call.inputs if slot.index in level.masks}
        if seen and not layer.supports_masking and not isinstance(layer, Operation):
            level.destroying.append(layer)
        if layer.makes_masks:
            source = self._added(level, call.inputs[0].index)
            mask = layer.lower_mask(level.graph, source, self._added(level, first.index))
            if mask is None or seen:
                return False
            level.masks[first.index] = mask
            level.makers[mask] = layer, level.read[~source] if source < 0 else -1
        elif seen and layer.supports_masking and not layer.ends_masks and not isinstance(layer, Operation):
            # Of several values all have the same mask: see Merge.lower_call.
            passes = layer.passes_masks or layer.reads_masks or isinstance(layer, Merge)
            if not passes or len(seen) > 1:
                return False
            whole = call.outputs if layer.passes_masks or isinstance(layer, Bidirectional) else [first]
            merged = [slot for slot in whole if len(self._tensors[slot.index].shape) > 2]
            level.masks |= dict.fromkeys((slot.index for slot in merged), seen.pop())
        return True

    def _lowered(self, level: _Level, call: Call) -> GraphValues | None:
        fits = True
        mask = call.kwargs.get("mask")
        if mask is not None and mask is not INPUT_MASK:
            return None
        # With an initial state, Keras 3 does not show the layer the mask that its inputs carry.
        sees_mask = mask is INPUT_MASK or "initial_state" not in call.kwargs

        def value(leaf: Any) -> Any:
            nonlocal fits
            found = self._value(level, leaf, call.layer.takes_ids) if isinstance(leaf, Slot) else leaf
            if isinstance(found, GraphValue) and not sees_mask:
                found = replaced(found, mask=None)
            fits = fits and (found is not None or leaf is None)
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
        found = {index for part in level.joined for index in part.writes if index in elsewhere}
        # In the order of the model's outputs, so that a model that is one graph gives them as they are.
        first = [slot.index for slot in self._calls.outputs if slot.index in found]
        written = list(dict.fromkeys([*first, *sorted(found)]))
        if len(level.read) + len(written) > _MOST_ENDS:
            return level.joined
        graph, outputs = level.graph, list[int]()
        for index in written:
            value = self._added(level, index)
            # An input, or what is an output already, has to be copied.
            taken = value < 0 or value in outputs
            outputs.append(graph.add(ops.MergeOp("add"), value) if taken else value)
        graph.outputs = outputs
        masks = {index: level.makers[level.masks[index]] for index in written if index in level.masks}
        if any(source not in level.read for _, source in masks.values()):
            return level.joined
        shapes = [self._tensors[index].shape for index in written]
        return [GraphPart(level.joined, graph, level.read, written, shapes, masks, level.destroying)]
