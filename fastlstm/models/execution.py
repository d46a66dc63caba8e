"""The plan of a model: which of its calls run together in the engine, and which alone in NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlstm.engine import ArrayForm
from fastlstm.layers.base.arrays import as_float32, as_mask
from fastlstm.layers.base.chain import Chain, layer_versions
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.base.variable import CHANGES, Variable
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.symbolic.calling import call_parameters, call_with_masks, output_masks
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.calls import Call, Calls, Slot


class Plan:
    """Calls of built layers, those in a row that the engine can run joined into chains.

    At inference a run sees the weights of one moment, whatever other threads set meanwhile.

    Args:
        calls: The calls.
        training: False for inference. True runs every layer by itself, as in training, e.g. with dropout; None too,
            but only the calls that say so themselves train.
    """

    def __init__(self, calls: Calls, training: bool | None = False) -> None:
        self._layers = calls.layers
        self._native = _native(calls.layers)
        self._slots = calls.slots
        self._outputs = [slot.index for slot in calls.outputs]
        self._steps = tuple(_chained(calls) if training is False else _alone(calls.calls, training))
        self._unneeded = _unneeded(self._steps, set(self._outputs))
        self.chain = self._whole_chain(calls)
        self._makes_masks = self.chain is None or self.chain.layers[0].takes_ids
        self.trains = any(call.kwargs.get("training") for call in calls.calls)
        self.form: ArrayForm | None = None
        self._infers = training is False and not self.trains
        self._keepers = tuple(_keepers(calls.layers))
        # The last change in the process that the plan follows, and with it the versions of its layers then.
        self.changes = -1
        self._seen: tuple[int, tuple[int, ...]] = (-1, ())

    def _whole_chain(self, calls: Calls) -> Chain | None:
        """The chain that is the whole plan, from its one input to its outputs, if it is one."""
        if len(self._steps) != 1 or len(calls.inputs) != 1 or not isinstance(self._steps[0], _ChainStep):
            return None
        step = self._steps[0]
        plain = step.initial_state is None and step.mask is None
        return step.chain if plain and step.writes == self._outputs else None

    def holds_for(self, calls: Calls) -> bool:
        """Return whether a new plan for `calls` would be the same one."""
        return self._layers == calls.layers and self._native == _native(calls.layers)

    @property
    def parts(self) -> list[Chain | Layer]:
        """What runs: the chains, and the layers that run by themselves."""
        return [step.chain if isinstance(step, _ChainStep) else step.layer for step in self._steps]

    def follow_changes(self) -> None:
        """Take note that the plan holds for the layers as they are now, with the lock held."""
        self._seen = CHANGES.latest, self._versions()
        self.changes = CHANGES.latest

    def _versions(self) -> tuple[int, ...]:
        return tuple(layer_versions(self._layers))

    def describe(self) -> list[str]:
        """Return what runs, a line per op of the engine or layer in NumPy."""
        return [line for step in self._steps for line in step.describe()]

    def run(self, x: Any, mask: Any = None) -> Any:
        """Run all calls.

        Args:
            x: float32 array, C-contiguous, of a shape that the first layer accepts; a tuple of them for several inputs.
            mask: Mask of the input, or None; for several inputs a list of such, or None.

        Returns:
            A new array, or a tuple of them if there are several outputs.
        """
        if self.chain is not None:
            # Without a recurrent layer the mask may be of any shape, and changes nothing.
            return self.chain.run(x, as_mask(mask, x.shape) if mask is not None and self.chain.recurrent else None)
        return self.run_with_masks(x, mask)[0]

    def run_with_masks(self, x: Any, mask: Any = None) -> tuple[Any, list[Any]]:
        """Run all calls as `run` does, and return `(outputs, masks)`, one mask or None per output, or none at all."""
        if mask is None and not self._makes_masks:
            return self.chain.run(x), []
        if self.chain is not None or not self._infers:
            return self._run_steps(x, mask)
        seen, kept = self._seen, self._kept_states()
        outputs = self._run_steps(x, mask)
        if self._saw_one_moment(*seen):
            return outputs
        # Weights of these layers were set meanwhile: once more, and this time whoever sets some waits.
        with CHANGES.lock:
            for state, value in kept:
                state.adopt(value)
            return self._run_steps(x, mask)

    def _saw_one_moment(self, changes: int, versions: tuple[int, ...]) -> bool:
        """Whether the layers' weights are what they were, given the last change then and their versions."""
        if CHANGES.latest == changes:
            return True
        with CHANGES.lock:
            return self._versions() == versions

    def _kept_states(self) -> list[tuple[Variable, np.ndarray]]:
        """The states that stateful layers keep from call to call, each with its present value."""
        stateful = (layer for layer in self._keepers if layer.stateful)
        return [(state, state.value) for layer in stateful for state in flatten(layer.states or ())]

    def _run_steps(self, x: Any, mask: Any) -> tuple[Any, list[Any]]:
        given = x if isinstance(x, tuple) else (x,)
        values = [*given, *[None] * (self._slots - len(given))]
        masks: list[Any] = [None] * self._slots
        if mask is not None:
            masks[: len(given)] = flatten(mask)
        for step, unneeded in zip(self._steps, self._unneeded, strict=True):
            step.run(values, masks)
            for index in unneeded:
                values[index] = masks[index] = None
        outputs = _own_arrays([values[index] for index in self._outputs], given)
        return outputs[0] if len(outputs) == 1 else tuple(outputs), [masks[index] for index in self._outputs]


class _ChainStep:
    """Calls in a row, as one chain.

    Args:
        calls: The calls, which may join each other.
        chain: Of their layers.
    """

    def __init__(self, calls: Sequence[Call], chain: Chain) -> None:
        head = calls[0]
        self.chain = chain
        self.initial_state = head.kwargs.get("initial_state")
        self.mask = head.kwargs.get("mask")
        # With an initial state, Keras 3 does not show the layer the mask that its inputs carry.
        self._sees_mask = self.mask is not None or self.initial_state is None
        self.source = head.args[0].index
        self.reads = [slot.index for slot in head.inputs]
        self.writes = [slot.index for slot in calls[-1].outputs]

    def describe(self) -> list[str]:
        return [f"engine, {line}" for line in self.chain.describe()]

    def run(self, values: list[Any], masks: list[Any]) -> None:
        x, mask = as_float32(values[self.source]), masks[self.source]
        if isinstance(self.mask, Slot):
            mask = values[self.mask.index]
        sees_mask = mask is not None and self._sees_mask and self.chain.recurrent
        initial_state = None if self.initial_state is None else _filled(self.initial_state, values)
        outputs = flatten(self.chain.run(x, as_mask(mask, x.shape) if sees_mask else None, initial_state))
        *before, last = self.chain.layers
        for layer in before:
            mask = output_masks(layer, x, mask, 1)[0]
        for index, value, kept in zip(self.writes, outputs, output_masks(last, x, mask, len(outputs)), strict=True):
            values[index], masks[index] = value, kept


class _LayerStep:
    """One call.

    Args:
        call: The call.
        training: Passed to the layer if it takes it; None leaves it to the call.
    """

    def __init__(self, call: Call, training: bool | None) -> None:
        self.layer = call.layer
        self._args = call.args
        self._kwargs = dict(call.kwargs)
        if training is not None:
            self._kwargs.pop("training", None)
            if training and "training" in call_parameters(type(call.layer)):
                self._kwargs["training"] = True
        self.reads = [slot.index for slot in call.inputs]
        self.writes = [slot.index for slot in call.outputs]

    def describe(self) -> list[str]:
        return [f"NumPy: {type(self.layer).__name__} '{self.layer.name}'"]

    def run(self, values: list[Any], masks: list[Any]) -> None:
        first, *others = _filled(self._args, values)
        if isinstance(self.layer, Operation):
            values[self.writes[0]] = self.layer.call(first, *others)
            return
        carried = _filled(self._args[0], masks)
        inputs = map_structure(as_float32, first)
        kwargs = _filled(self._kwargs, values)
        outputs, new_masks = call_with_masks(self.layer, inputs, tuple(others), kwargs, carried)
        for index, value, mask in zip(self.writes, flatten(outputs), new_masks, strict=True):
            values[index], masks[index] = as_float32(value), mask


_Step = _ChainStep | _LayerStep


def _filled(nested: Any, values: Sequence[Any]) -> Any:
    """The structure with values in place of slots."""
    return map_structure(lambda leaf: values[leaf.index] if isinstance(leaf, Slot) else leaf, nested)


def _keepers(layers: Sequence[Layer]) -> Iterator[RNN]:
    """The layers, those inside others too, that can keep states."""
    for layer in layers:
        if isinstance(layer, RNN):
            yield layer
        yield from _keepers(layer.children)


def _native(layers: Sequence[Layer]) -> list[bool]:
    return [layer.lower() is not None for layer in layers]


def _alone(calls: Sequence[Call], training: bool | None) -> Iterator[_Step]:
    for call in calls:
        yield _LayerStep(call, training)


def _chained(calls: Calls) -> Iterator[_Step]:
    """The calls in their order; one that alone takes the output of a chain joins it where the chain is."""
    uses = Counter(slot for call in calls.calls for slot in call.inputs) + Counter(calls.outputs)
    groups: list[list[Call]] = []
    ending_at: dict[Slot, list[Call]] = {}
    for call in calls.calls:
        group = ending_at.pop(call.args[0], None) if isinstance(call.args[0], Slot) else None
        if group is None or not _may_join(group, call, uses):
            group = []
            groups.append(group)
        group.append(call)
        ending_at[call.outputs[0]] = group
    # Layers that are called more than once have one Program.
    chains: dict[tuple[Layer, ...], Chain] = {}
    for group in groups:
        if not _may_head(group[0]):
            yield _LayerStep(group[0], training=False)
            continue
        layers = tuple(call.layer for call in group)
        chain = chains.setdefault(layers, group[0].layer.chain if len(group) == 1 else Chain(layers))
        yield _ChainStep(group, chain)


def _may_head(call: Call) -> bool:
    """Whether the call can begin a chain: of a native layer, on one array, with at most a mask and initial states."""
    if call.layer.lower() is None or len(call.args) != 1 or not isinstance(call.args[0], Slot):
        return False
    return not call.kwargs or (call.layer.recurrent and set(call.kwargs) <= {"initial_state", "mask"})


def _may_join(group: Sequence[Call], call: Call, uses: Counter[Slot]) -> bool:
    """Whether the engine can go on with `call` after a group, all of whose outputs but the first are unused."""
    head, last = group[0], group[-1]
    if not _may_head(head) or not _may_head(call) or call.layer.takes_ids:
        return False
    if not (_passes_mask(last.layer) or last.layer.takes_ids):
        return False
    if uses[last.outputs[0]] != 1 or any(uses[slot] for slot in last.outputs[1:]):
        return False
    # The chain shows its mask to all of its layers or to none.
    mask = head.kwargs.get("mask")
    if call.kwargs:
        return call.kwargs == {"mask": mask} and isinstance(mask, Slot)
    return not call.layer.recurrent or mask is not None or "initial_state" not in head.kwargs


def _passes_mask(layer: Layer) -> bool:
    return layer.recurrent or (layer.supports_masking and type(layer).compute_mask is Layer.compute_mask)


def _unneeded(steps: Sequence[_Step], outputs: set[int]) -> tuple[list[int], ...]:
    """For every step, the slots that nobody reads after it."""
    last_use = {index: number for number, step in enumerate(steps) for index in (*step.reads, *step.writes)}
    lists: tuple[list[int], ...] = tuple([] for _ in steps)
    for index, number in last_use.items():
        if index not in outputs:
            lists[number].append(index)
    return lists


def _own_arrays(outputs: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs as C-contiguous arrays that share memory neither with the inputs nor with each other."""
    own: list[np.ndarray] = []
    for output in outputs:
        shared = any(np.may_share_memory(output, other) for other in (*given, *own))
        own.append(output.copy() if shared else np.ascontiguousarray(output))
    return own
