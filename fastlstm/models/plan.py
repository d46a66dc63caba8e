"""The plan of a model: its calls in parts, each run by the engine or in NumPy, over whole sequences or step by step."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.engine import ArrayForm, Program, ops
from fastlstm.layers.base.added_losses import ADDING
from fastlstm.layers.base.arrays import as_mask
from fastlstm.layers.base.chain import BoundChain, Chain
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.base.variable import CHANGES, Variable, Watch
from fastlstm.layers.base.weight_owner import WeightOwner
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.symbolic.calling import FixedTraining
from fastlstm.models.calls import Call, Calls, Slot
from fastlstm.models.joining import joined_parts
from fastlstm.models.parts import ChainPart, GraphPart, LayerPart, Part
from fastlstm.models.step_plan import StepPlan, stepped

# What a plan runs.
Run = Part | GraphPart
Chains = dict[tuple[Layer, ...], Chain]


class Plan:
    """How a model runs: its calls in parts, with the engine's weights of one moment. It is made anew after a change.

    At inference a run sees the weights of one moment, whatever other threads set meanwhile.

    Args:
        calls: The calls, of built layers.
        watch: Counts the changes of the model.
        training: False for inference, but for the calls whose own `training` is fixed. True runs every layer by itself,
            as in training, e.g. with dropout; None too, but only the calls that say so themselves train.
        before: The plan before the change; what has not changed is taken from it.
        forms: Of arrays that the model takes as they are, one per input; none where there are no such.
        bare: Whether the model gives its output as it is.
        penalizes: Whether penalties of outputs are added to the loss.
    """

    def __init__(
        self,
        calls: Calls,
        watch: Watch,
        training: bool | None = False,
        before: Plan | None = None,
        forms: Sequence[ArrayForm] = (),
        bare: bool = False,
        penalizes: bool = False,
    ) -> None:
        self._forms = forms
        self._form = forms[0] if len(forms) == 1 else None
        self._watch, self._count = watch, watch.count
        self._calls = calls
        self._outputs = [slot.index for slot in calls.outputs]
        self.chains: Chains = {}
        alone = (LayerPart(call, training) for call in calls.calls)
        known = {} if before is None else before.chains
        heads = _unpenalized_heads if penalizes else heads_chain
        self.parts: tuple[Part, ...] = tuple(_parts(calls, heads, known, self.chains) if training is False else alone)
        # What is run of whole sequences.
        joined = training is False and not penalizes
        self._runs: tuple[Run, ...] = tuple(joined_parts(calls, self.parts)) if joined else self.parts
        self._unneeded = unneeded_after(self._runs, set(self._outputs))
        # What the engine gives is nobody else's; what a layer in NumPy gives may be a part of its input.
        made = {index for part in self._runs if not isinstance(part, LayerPart) for index in part.writes}
        self._gives_new_arrays = len(made.intersection(self._outputs)) == len(self._outputs)
        self.whole: BoundChain | None = self._whole_chain()
        self._graph, self._order = self._whole_graph()
        self._makes_masks = self.whole is None or self.whole.layers[0].makes_masks
        recorded = [call.kwargs.get("training") for call in calls.calls]
        self.trains: bool = any(each and not isinstance(each, FixedTraining) for each in recorded)
        self._infers = training is False and not any(recorded)
        self._keepers = tuple(_keepers(calls.layers))
        self._in_steps: StepPlan | None = None
        # Whether a layer may add to the loss.
        self._adds = any(layer.traces or layer.penalized for layer in calls.layers)
        self._penalizing: Plan | None = None
        # Whether a call may be one of the Program alone, and that Program, once it is made.
        self._direct = bare and self._form is not None and not (self._makes_masks or self.trains or self._adds)
        self._program: Program | None = None

    def _whole_chain(self) -> BoundChain | None:
        """The chain that is the whole plan, from its one input to its outputs, if it is one."""
        if len(self.parts) != 1 or len(self._calls.inputs) != 1 or not isinstance(self.parts[0], ChainPart):
            return None
        part = self.parts[0]
        plain = part.initial_state is None and part.mask is None
        return part.bound if plain and part.writes == self._outputs else None

    def _whole_graph(self) -> tuple[GraphPart | None, list[int]]:
        """The graph that is the whole plan, if it is one, and the numbers of the model's inputs in its order."""
        part = self._runs[0] if len(self._runs) == 1 else None
        if not isinstance(part, GraphPart) or part.writes != self._outputs:
            return None, []
        return part, part.reads

    @property
    def takes_ids(self) -> bool:
        """Whether the first layer takes ids."""
        return bool(self.parts) and self.parts[0].layers[0].takes_ids

    @property
    def is_current(self) -> bool:
        """Whether nothing of the model has changed since the plan was made."""
        return self._count == self._watch.count

    def taken(self, x: Any) -> Any:
        """Return the inputs as `run` takes them where they are such arrays, alone or in a list; else None.

        Most calls of a service need no more than this.
        """
        if self._form is not None:
            return x if self._form.fits(x) else None
        if not self._forms or type(x) not in (list, tuple) or len(x) != len(self._forms):
            return None
        fits = all(form.fits(array) for form, array in zip(self._forms, x, strict=True))
        return tuple(x) if fits and len({len(array) for array in x}) == 1 else None

    def direct(self, x: Any) -> np.ndarray | None:
        """Return the output for an array, where that is one call of the engine and the plan is current; else None."""
        program = self._program
        if program is None or self._count != self._watch.count:
            return None
        return program.run_fitting(x, cast("ArrayForm", self._form))

    def describe(self) -> list[str]:
        """Return what runs, a line per op of the engine or layer in NumPy."""
        return [line for part in self._runs for line in part.describe()]

    # Evaluation

    @property
    def penalizing(self) -> Plan:
        """The plan that adds penalties of outputs to the loss: layers that have some run by themselves in it."""
        if self._penalizing is None:
            has_some = any(layer.penalized for layer in self._calls.layers)
            self._penalizing = Plan(self._calls, self._watch, before=self, penalizes=True) if has_some else self
        return self._penalizing

    def run_adding(self, model: Layer, x: Any, mask: Any) -> tuple[Any, list[Any]]:
        """Do as `run_with_masks`; what layers add to the loss is for whoever asks for it, or for their `losses`."""
        if not self._adds:
            return self.run_with_masks(x, mask)
        with ADDING.call_of(model):
            return (self.penalizing if self._infers else self).run_with_masks(x, mask)

    def last_activation(self, number: int) -> ops.Activation | None:
        """Return the activation that gives an output, if the engine ends with it, and nobody else reads the output."""
        part = part_giving(self.parts, self._outputs, number)
        last = part.bound.ops[-1] if isinstance(part, ChainPart) and part.bound.ops else None
        return last.activation if isinstance(last, (ops.DenseOp, ops.ActivationOp)) else None

    def giving_logits(self, numbers: Sequence[int]) -> Plan:
        """Return a plan that gives what `last_activation` is applied to, in place of some outputs."""
        plan, parts = copy.copy(self), list(self.parts)
        for number in numbers:
            part = part_giving(self.parts, self._outputs, number)
            logits = copy.copy(part)
            logits.bound = part.bound.ending_linear()
            parts[parts.index(part)] = logits
        plan.parts, plan._runs = tuple(parts), tuple(parts)
        plan._unneeded = unneeded_after(plan._runs, set(self._outputs))
        plan.whole, plan._graph, plan._program = plan._whole_chain(), None, None
        return plan

    # Whole sequences

    def run(self, x: Any, mask: Any = None) -> Any:
        """Run all calls.

        Args:
            x: float32 array, C-contiguous, of a shape that the first layer accepts; a tuple of them for several inputs.
            mask: Mask of the input, or None; for several inputs a list of such, or None.

        Returns:
            A new array, or a tuple of them if there are several outputs.
        """
        if self.whole is not None:
            # Where nothing reads the mask it may be of any shape.
            mask = as_mask(mask, x.shape) if mask is not None and self.whole.takes_masks else None
            outputs = self.whole.run(x, mask)
            if self._direct and self._program is None:
                self._program = self.whole.alone
            return outputs
        if self._graph is not None and mask is None:
            outputs = self._graph.outputs(tuple([x[i] for i in self._order]) if type(x) is tuple else (x,))
            if outputs is not None:
                return outputs[0] if len(outputs) == 1 else tuple(outputs)
        return self.run_with_masks(x, mask)[0]

    def run_with_masks(self, x: Any, mask: Any = None) -> tuple[Any, list[Any]]:
        """Run all calls as `run` does, and return `(outputs, masks)`, one mask or None per output, or none at all."""
        if mask is None and self.whole is not None and not self._makes_masks:
            return self.run(x), []
        if self.whole is not None or not self._infers:
            return self._run_parts(x, mask)
        kept = self._kept_states()
        outputs = self._run_parts(x, mask)
        if self.is_current:
            return outputs
        # Weights of these layers were set meanwhile: once more, and this time whoever sets some waits.
        with CHANGES.lock:
            for state, value in kept:
                state.adopt(value)
            return Plan(self._calls, self._watch, before=self)._run_parts(x, mask)

    def _kept_states(self) -> list[tuple[Variable, np.ndarray]]:
        """The states that stateful layers keep from call to call, each with its present value."""
        stateful = (layer for layer in self._keepers if layer.stateful)
        return [(state, state.value) for layer in stateful for state in flatten(layer.states or ())]

    def _run_parts(self, x: Any, mask: Any) -> tuple[Any, list[Any]]:
        given = x if isinstance(x, tuple) else (x,)
        values = [*given, *[None] * (self._calls.slots - len(given))]
        masks: list[Any] = [None] * self._calls.slots
        if mask is not None:
            leaves = flatten(mask)
            if len(leaves) != len(given):
                raise ValueError(f"`mask` should be one for each of {len(given)} inputs. Received: {len(leaves)}")
            masks[: len(given)] = leaves
        for part, unneeded in zip(self._runs, self._unneeded, strict=True):
            part.run(values, masks)
            for index in unneeded:
                values[index] = masks[index] = None
        outputs = [values[index] for index in self._outputs]
        if not self._gives_new_arrays:
            outputs = _own_arrays(outputs, given)
        return outputs[0] if len(outputs) == 1 else tuple(outputs), [masks[index] for index in self._outputs]

    # Step by step

    def in_steps(self) -> StepPlan:
        """Return how the model runs step by step, with the weights that it has now; each time the same plan.

        Raises:
            ValueError: When it cannot, naming the layer and the reason.
        """
        if self._in_steps is None:
            with CHANGES.lock:
                self._check_path()
                self._in_steps = stepped(self._calls, self.parts)
        return self._in_steps

    def _check_path(self) -> None:
        """Raise ValueError unless each call takes what the one before gives and nothing else."""
        calls = self._calls
        if len(calls.inputs) != 1 or len(calls.outputs) != 1:
            raise ValueError(
                f"Only a model of one input and one output runs step by step. Model '{calls.name}' has "
                f"{len(calls.inputs)} and {len(calls.outputs)}."
            )
        slot = calls.inputs[0]
        for call in calls.calls:
            plain = len(call.args) == 1 and isinstance(call.args[0], Slot) and not call.kwargs
            if not plain or call.args[0] != slot:
                raise ValueError(
                    f"Layer '{call.layer.name}' (of type {type(call.layer).__name__}) cannot run step by step: it does "
                    "not take the output of the layer before it alone, and only models of one path can."
                )
            slot = call.outputs[0]
        if slot != calls.outputs[0]:
            raise ValueError(f"The output of model '{calls.name}' is not that of its last layer.")


# --- from calls to parts --------------------------------------------------------------------------------------------


def heads_chain(call: Call) -> bool:
    """Return whether a chain can begin with the call: of a native layer, on one array and at most a mask and states."""
    if not call.layer.native or len(call.args) != 1 or not isinstance(call.args[0], Slot):
        return False
    return not call.kwargs or (call.layer.recurrent and set(call.kwargs) <= {"initial_state", "mask"})


def grouped(calls: Calls, heads: Callable[[Call], bool] = heads_chain) -> list[list[Call]]:
    """Return the calls in their order, in groups that each are one part; a chain's members head it or join it.

    Args:
        calls: The calls.
        heads: Whether a chain can begin with a call.
    """
    uses = Counter(slot for call in calls.calls for slot in call.inputs) + Counter(calls.outputs)
    groups: list[list[Call]] = []
    ending_at: dict[Slot, list[Call]] = {}
    for call in calls.calls:
        # One that alone takes the output of a chain joins it where the chain is.
        group = ending_at.pop(call.args[0], None) if isinstance(call.args[0], Slot) else None
        if group is None or not _may_join(group, call, uses, heads):
            group = []
            groups.append(group)
        group.append(call)
        ending_at[call.outputs[0]] = group
    return groups


def _unpenalized_heads(call: Call) -> bool:
    """As `heads_chain`, where nobody looks at the output within the chain."""
    return heads_chain(call) and not call.layer.penalized


def _parts(calls: Calls, heads: Callable[[Call], bool], known: Chains, chains: Chains) -> Iterator[Part]:
    """The parts of a plan for inference.

    Args:
        calls: The calls.
        heads: Whether a chain can begin with a call.
        known: Chains that there were before.
        chains: Gets the chains of the parts. Layers that are called more than once have one Program.
    """
    for group in grouped(calls, heads):
        head = group[0]
        if heads(head):
            layers = tuple(call.layer for call in group)
            if layers not in chains:
                chains[layers] = head.layer.chain if len(group) == 1 else known.get(layers) or Chain(layers)
            yield ChainPart(group, chains[layers])
        else:
            yield LayerPart(head)


def _may_join(group: Sequence[Call], call: Call, uses: Counter[Slot], heads: Callable[[Call], bool]) -> bool:
    """Whether the engine can go on with `call` after a group, all of whose outputs but the first are unused."""
    head, last = group[0], group[-1]
    if not heads(head) or not heads(call) or call.layer.takes_ids:
        return False
    if not (_passes_mask(last.layer) or last.layer.takes_ids or ends_mask(last.layer)):
        return False
    if uses[last.outputs[0]] != 1 or any(uses[slot] for slot in last.outputs[1:]):
        return False
    # The chain shows its mask to all of its layers or to none.
    mask = head.kwargs.get("mask")
    if call.kwargs:
        own = call.kwargs.get("mask")
        passed = not any(ends_mask(one.layer) for one in group)
        return passed and len(call.kwargs) == 1 and isinstance(own, Slot) and isinstance(mask, Slot) and own == mask
    return not call.layer.reads_masks or mask is not None or "initial_state" not in head.kwargs


def ends_mask(layer: Layer) -> bool:
    """Return whether no mask leaves the layer."""
    return layer.ends_masks or not (layer.supports_masking or layer.makes_masks)


def _passes_mask(layer: Layer) -> bool:
    """Return whether a mask that comes to the layer leaves it unchanged, if it leaves it."""
    return layer.passes_masks or (layer.reads_masks and layer.supports_masking)


def _keepers(layers: Sequence[WeightOwner]) -> Iterator[RNN]:
    """The layers, those inside others too, that can keep states."""
    for layer in layers:
        if isinstance(layer, RNN):
            yield layer
        yield from _keepers(layer.children)


def part_giving(parts: Sequence[Any], outputs: Sequence[int], number: int) -> Any:
    """Return the part whose only output is an output of the model that nobody else reads; None if there is none.

    Args:
        parts: The parts.
        outputs: The slots of the outputs.
        number: Of the output.
    """
    slot = outputs[number]
    if outputs.count(slot) > 1 or any(slot in part.reads for part in parts):
        return None
    return next((part for part in parts if part.writes == [slot]), None)


def unneeded_after(parts: Sequence[Any], outputs: set[int]) -> tuple[list[int], ...]:
    """Return, for every part, the slots that nobody reads after it.

    Args:
        parts: Parts, which say the slots that each `reads` and `writes`.
        outputs: The slots that are needed to the end.
    """
    last_use = {index: number for number, part in enumerate(parts) for index in (*part.reads, *part.writes)}
    lists: tuple[list[int], ...] = tuple([] for _ in parts)
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
