"""The parts of a plan: layers in a row that the engine runs, or one layer in NumPy.

A part can run whole sequences, from slots to slots, or be stepped: then it is frozen first, with the weights that it
has; see frozen.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlstm.engine import Program, ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.added_losses import ADDING
from fastlstm.layers.base.arrays import as_float32, as_mask, as_raw, carried_mask
from fastlstm.layers.base.chain import BoundChain, Chain
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.symbolic.calling import (
    INPUT_MASK,
    FixedTraining,
    call_parameters,
    call_with_masks,
    output_masks,
    shape_arguments,
    warn_of_destroyed_mask,
    with_argument_masks,
)
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.calls import Call, Slot
from fastlstm.models.frozen import FrozenPart, frozen_layer, frozen_row

Values = list[Any]


class ChainPart:
    """Calls in a row that the engine runs as one.

    Args:
        calls: The calls, which may join each other.
        chain: Of their layers.
    """

    def __init__(self, calls: Sequence[Call], chain: Chain) -> None:
        head = calls[0]
        self.calls: tuple[Call, ...] = tuple(calls)
        self.bound: BoundChain = chain.bound
        self.layers: tuple[Layer, ...] = chain.layers
        self.initial_state: Any = head.kwargs.get("initial_state")
        self.mask: Any = head.kwargs.get("mask")
        # With an initial state, Keras 3 does not show the layer the mask that its inputs carry.
        self._sees_mask = self.mask is not None or self.initial_state is None
        self._source = head.args[0].index
        self.reads: list[int] = [slot.index for slot in head.inputs]
        self.writes: list[int] = [slot.index for slot in calls[-1].outputs]

    def describe(self) -> list[str]:
        """Return what runs, a line per op."""
        return [f"engine, {line}" for line in self.bound.describe()]

    def run(self, values: Values, masks: Values) -> None:
        """Take the inputs from their slots and put the outputs, with their masks, into theirs."""
        x, mask = as_float32(values[self._source]), masks[self._source]
        if self.mask is not None and self.mask is not INPUT_MASK:
            mask = filled(self.mask, values)
        sees_mask = mask is not None and self._sees_mask and self.bound.takes_masks
        initial_state = None if self.initial_state is None else filled(self.initial_state, values)
        output = self.bound.run(x, as_mask(mask, x.shape) if sees_mask else None, initial_state)
        outputs = [output] if type(output) is np.ndarray else flatten(output)
        if mask is None and not self.layers[0].makes_masks:
            for index, value in zip(self.writes, outputs, strict=True):
                values[index] = value
            return
        *before, last = self.layers
        for layer in before:
            mask = output_masks(layer, x, mask, 1)[0]
        for index, value, kept in zip(self.writes, outputs, output_masks(last, x, mask, len(outputs)), strict=True):
            values[index], masks[index] = value, kept

    def frozen(self, masked: bool, first: bool, in_time: bool) -> Iterator[FrozenPart]:
        """Yield the part as it is stepped, which later changes of the layers do not reach.

        An Embedding that makes masks, or that is not the first layer, is a part of its own then, since the engine's
        steps are told which rows are masked, and take ids at their beginning alone; and so is what reads several steps.

        Args:
            masked: Whether the steps may be masked.
            first: Whether this is the plan's first part.
            in_time: Whether a step is one of a sequence; not so after a recurrent layer without `return_sequences`.
        """
        bound, row = self.bound, list[tuple[Layer, list[ops.Op]]]()
        for layer, lowered in zip(self.layers, bound.of_layers, strict=True):
            ids = layer.takes_ids and (layer.makes_masks or not first)
            if ids or not all(map(ops.works_in_steps, lowered)):
                yield from frozen_row(row, masked, None)
                yield frozen_layer(layer, in_time)
                masked, row = (masked and layer.supports_masking) or layer.makes_masks, []
            else:
                row.append((layer, lowered))
                if masked and not layer.supports_masking:
                    yield from frozen_row(row, masked, None)
                    masked, row = False, []
            in_time = in_time and not (isinstance(layer, RNN) and not layer.return_sequences)
        yield from frozen_row(row, masked, bound.program if len(row) == len(self.layers) else None)


class LayerPart:
    """One call.

    Args:
        call: The call.
        training: Passed to the layer if it takes it; None leaves it to the call.
    """

    def __init__(self, call: Call, training: bool | None = False) -> None:
        self.layer: Layer = call.layer
        self.calls: tuple[Call] = (call,)
        self.layers: tuple[Layer] = (call.layer,)
        self._args = call.args
        self._kwargs = dict(call.kwargs)
        own = self._kwargs.get("training")
        if isinstance(own, FixedTraining):
            self._kwargs["training"] = own.value
        elif training is not None:
            self._kwargs.pop("training", None)
            if training and "training" in call_parameters(type(call.layer)):
                self._kwargs["training"] = True
        self.reads: list[int] = [slot.index for slot in call.inputs]
        self.writes: list[int] = [slot.index for slot in call.outputs]
        self._argument_masks = argument_masks(call)
        plain = not self._kwargs and len(self._args) == 1 and isinstance(self._args[0], Slot)
        as_it_is = self.layer.takes_raw or isinstance(self.layer, Operation)
        self._is_plain = plain and len(self.writes) == 1 and not as_it_is
        # Operations have dtypes, and so have strings and what is found for them.
        self._cast = as_raw if self.layer.takes_raw else as_float32

    def describe(self) -> list[str]:
        """Return what runs."""
        return [f"NumPy: {type(self.layer).__name__} '{self.layer.name}'"]

    def run(self, values: Values, masks: Values) -> None:
        """As `ChainPart.run`."""
        try:
            self._run(values, masks)
        except (LookupError, AttributeError, OverflowError) as error:
            # What NumPy says of arguments that fit no array. Whoever wrote a layer wants to see it as it is.
            if not type(self.layer).__module__.startswith("fastlstm."):
                raise
            raise ValueError(f"Layer '{self.layer.name}' ({type(self.layer).__name__}) cannot run: {error}") from error
        if ADDING.asked:
            self.layer.add_penalties([values[index] for index in self.writes])

    def _run(self, values: Values, masks: Values) -> None:
        if self._is_plain and masks[self.reads[0]] is None:
            x = as_float32(values[self.reads[0]])
            output = self.layer.call(x)
            values[self.writes[0]] = as_float32(output)
            mask = carried_mask(output) if self.layer.traces else None
            if mask is None:
                mask = self.layer.compute_mask(x, None) if self.layer.supports_masking else None
            masks[self.writes[0]] = None if mask is None else np.asarray(mask)
            return
        first, *others = filled(self._args, values)
        kwargs = filled(self._kwargs, values)
        if isinstance(self.layer, Operation):
            for index, value in zip(self.writes, flatten(self.layer.call(first, *others, **kwargs)), strict=True):
                values[index] = value
            return
        carried = map_structure(lambda leaf: masks[leaf.index] if isinstance(leaf, Slot) else None, self._args[0])
        if self._argument_masks:
            kwargs = {**kwargs, **{name: masks[index] for name, index in self._argument_masks.items()}}
        inputs = map_structure(self._cast, first)
        outputs, new_masks = call_with_masks(self.layer, inputs, tuple(others), kwargs, carried)
        for index, value, mask in zip(self.writes, flatten(outputs), new_masks, strict=True):
            values[index], masks[index] = self._cast(value), mask

    def frozen(self, masked: bool, first: bool, in_time: bool) -> Iterator[FrozenPart]:
        """Yield the part as it is stepped; see `ChainPart.frozen`."""
        yield frozen_layer(self.layer, in_time)


def argument_masks(call: Call) -> dict[str, int]:
    """Return where the masks are that a layer with several tensors as arguments is given, by the arguments' names."""
    if isinstance(call.layer, Operation) or not shape_arguments(type(call.layer)):
        return {}
    first, *others = call.args
    kwargs = with_argument_masks(
        call.layer, first, tuple(others), call.kwargs, lambda leaf: leaf if isinstance(leaf, Slot) else None
    )
    return {name: slot.index for name, slot in kwargs.items() if call.kwargs.get(name) is None}


Part = ChainPart | LayerPart


class GraphPart:
    """Parts that the engine runs as one where there are no masks.

    Args:
        parts: The parts, in their order.
        graph: What they do.
        reads, writes: The slots of the graph's inputs and outputs.
        shapes: Of what is written, with the batch.
        masks: Of what is written with a mask: the layer that makes it, and the slot of what it makes it of.
        destroying: The layers that are given masks and let them not pass.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        graph: Graph,
        reads: list[int],
        writes: list[int],
        shapes: Sequence[Shape],
        masks: dict[int, tuple[Layer, int]],
        destroying: Sequence[Layer],
    ) -> None:
        self.parts: tuple[Part, ...] = tuple(parts)
        self.layers: tuple[Layer, ...] = tuple(layer for part in parts for layer in part.layers)
        self.reads: list[int] = reads
        self.writes: list[int] = writes
        self.program: Program = Program(graph)
        self._masks, self._destroying = masks, destroying
        self._inner = [shape[2:] if len(shape) > 3 else None for shape in shapes]

    def describe(self) -> list[str]:
        """Return what runs, a line per op."""
        return [f"engine, {line}" for line in self.program.describe()]

    def outputs(self, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray] | None:
        """Return what is written for what is read, both float32; None if only the parts can say why they cannot."""
        for layer in self._destroying:
            warn_of_destroyed_mask(layer)
        outputs = self.program.run_graph(inputs)
        if outputs is None or not any(self._inner):
            return outputs
        pairs = zip(outputs, self._inner, strict=True)
        return [array if inner is None else array.reshape(*array.shape[:2], *inner) for array, inner in pairs]

    def run(self, values: Values, masks: Values) -> None:
        """As `ChainPart.run`."""
        outputs = None
        if all(masks[index] is None for index in self.reads):
            outputs = self.outputs(tuple([as_float32(values[index]) for index in self.reads]))
        if outputs is None:
            for part in self.parts:
                part.run(values, masks)
            return
        for index, value in zip(self.writes, outputs, strict=True):
            values[index] = value
        for index, (layer, source) in self._masks.items():
            masks[index] = layer.compute_mask(as_float32(values[source]), None)


def filled(nested: Any, values: Sequence[Any]) -> Any:
    """Return the structure with values in place of slots."""
    return map_structure(lambda leaf: values[leaf.index] if isinstance(leaf, Slot) else leaf, nested)
