"""The plan of a model in training: its calls in parts, run forwards with a way back for each, and walked back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastlstm.engine.ops import Activation
from fastlstm.layers.base.arrays import as_tensors, carried_mask
from fastlstm.layers.base.gradient import Backward, Gradients, TrainingChain
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.base.variable import CHANGES, Variable
from fastlstm.layers.base.weight_owner import WeightOwner
from fastlstm.layers.symbolic.calling import call_parameters, named_arguments
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.layers.symbolic.tracing import Trace
from fastlstm.models.calls import Call, Calls, Slot
from fastlstm.models.parts import Values
from fastlstm.models.plan import grouped, heads_chain, part_giving, unneeded_after
from fastlstm.models.training_parts import ChainPart, LayerPart, OperationPart, Part, PullBack, Recorded


class TrainingPlan:
    """How a model is trained: a run gives its outputs, and the way from gradients by them to those by the weights.

    Args:
        calls: The calls, of built layers.
        weights: What the last inputs of the calls are.
        asked: The inputs by which gradients are asked for, besides the weights among them that training changes.
        added: How many of the outputs, the last ones, are added to the loss.

    Raises:
        ValueError: When weights that training would change are quantized, naming the layer.
        NotImplementedError: When training cannot go through a layer that it would have to go through, naming it.
    """

    def __init__(
        self, calls: Calls, weights: Sequence[Variable] = (), asked: Sequence[Slot] = (), added: int = 0
    ) -> None:
        self._calls = calls
        self._weights = dict(zip(range(len(calls.inputs) - len(weights), len(calls.inputs)), weights, strict=True))
        for layer in calls.layers:
            _check_trainable(layer)
        self._outputs = [slot.index for slot in calls.outputs]
        self._added = added
        self.parts: tuple[Part, ...] = tuple(_parts(calls, {slot.index for slot in asked}))
        self._unneeded = unneeded_after(self.parts, set(self._outputs))

    def last_activation(self, number: int) -> Activation | None:
        """Return the activation that gives an output, if the engine ends with it, and nobody else reads the output."""
        part = part_giving(self.parts, self._outputs, number)
        return part.chain.last_activation if isinstance(part, ChainPart) else None

    def giving_logits(self, numbers: Sequence[int]) -> TrainingPlan:
        """Return this plan, which gives from now on what `last_activation` is applied to, in place of some outputs."""
        for number in numbers:
            part = part_giving(self.parts, self._outputs, number)
            part.chain = TrainingChain(part.layers, part.input_gradient, logits=True)
        return self

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Let nothing but the training weights change meanwhile; what of the engine follows them takes them then."""
        with _following(self.chains):
            yield

    def chains(self) -> Iterator[TrainingChain]:
        """Yield what of the engine follows the weights."""
        for part in self.parts:
            yield from part.chains()

    def run(self, x: tuple[np.ndarray, ...], mask: Any = None) -> Recorded:
        """Run all calls as in training.

        Args:
            x: float32, C-contiguous, an array for each input that is no weight.
            mask: None, or a list with a mask or None for each input.
        """
        given = [*x, *(weight.value for weight in self._weights.values())]
        values: Values = [*given, *[None] * (self._calls.slots - len(given))]
        masks: Values = [None] * self._calls.slots
        if mask is not None:
            masks[: len(x)] = flatten(mask)
        penalties: list[np.float32] = []
        ways: list[PullBack] = []
        for part, unneeded in zip(self.parts, self._unneeded, strict=True):
            ways += part.run(values, masks, penalties)
            for index in unneeded:
                values[index] = masks[index] = None
        outputs = [values[index] for index in self._outputs]
        masks = [masks[index] for index in self._outputs]
        return Recorded(self._outputs, outputs, masks, penalties, ways, self._weights, self._added)


@contextmanager
def _following(chains: Callable[[], Iterator[TrainingChain]]) -> Iterator[None]:
    """Let nothing but the training weights change meanwhile; the chains that follow them take them then."""
    with CHANGES.lock:
        current = [chain for chain in chains() if chain.is_current]
        yield
        for chain in current:
            chain.take_weights()


def _check_trainable(layer: WeightOwner) -> None:
    if any(weight.integers is not None for weight in layer.trainable_weights):
        raise ValueError(
            f"Layer '{layer.name}' (of type {type(layer).__name__}) is quantized to {layer.quantized_to}, and integers "
            "cannot be trained. Train the float32 model and quantize that."
        )


# --- calls that are traced ------------------------------------------------------------------------------------------


class TracedCall:
    """A layer's `call`, traced for arguments of one form: a plan of what it does.

    Args:
        layer: The layer.
        inputs, kwargs: Its arguments; see `Trace`.
        asked: Whether gradients by the arrays among them are asked for, for all of them or for each.
        training: Whether it is called in training.

    Raises:
        NotImplementedError: When it cannot be traced, or training cannot go through something that it calls.
    """

    def __init__(
        self, layer: Layer, inputs: Any, kwargs: Mapping[str, Any], asked: bool | Sequence[bool], training: bool = True
    ) -> None:
        trace = Trace(layer, inputs, kwargs, training)
        self.draws: bool = trace.draws
        # In their structure; some may be constants.
        self.outputs: Any = trace.outputs
        tensors = [*trace.inputs, *trace.weights]
        calls = Calls(layer.name, [tensor.shape for tensor in tensors])
        if not training or kwargs.get("training") is False:
            calls.fix_training(False)
        slots = {id(tensor): slot for tensor, slot in zip(tensors, calls.inputs, strict=True)}
        outputs = [leaf for leaf in flatten(trace.outputs) if isinstance(leaf, KerasTensor)]
        losses = [loss for loss in trace.losses if isinstance(loss, KerasTensor)]
        self._constants = [np.sum(loss, dtype=np.float32) for loss in trace.losses if not isinstance(loss, KerasTensor)]
        calls.outputs = tuple(calls.add_nodes(trace.nodes, [*outputs, *losses], slots))
        learning = {id(weight) for weight in layer.trainable_weights}
        frozen = {id(weight) for weight in layer.weights} - learning
        each = [asked] * len(trace.inputs) if isinstance(asked, bool) else asked
        by = [one and tensor.dtype.startswith("float") for one, tensor in zip(each, trace.inputs, strict=True)]
        by += [weight.trainable and id(weight) not in frozen for weight in trace.variables]
        of_inputs = [slot for slot, one in zip(calls.inputs, by, strict=True) if one]
        self.plan: TrainingPlan = TrainingPlan(calls, trace.variables, of_inputs, len(losses))

    def run(self, arrays: Sequence[np.ndarray]) -> tuple[Any, Recorded]:
        """Return the outputs in their structure, and the run.

        Args:
            arrays: Those among the arguments, which may carry masks.
        """
        recorded = self.plan.run(tuple(arrays), [carried_mask(array) for array in arrays])
        recorded.penalties += self._constants
        made = iter(zip(recorded.outputs, recorded.masks, strict=True))

        def taken(leaf: Any) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            output, mask = next(made)
            return output if mask is None else as_tensors(output, [mask])

        return map_structure(taken, self.outputs), recorded

    def d_tensors(self, d_outputs: Any) -> list[np.ndarray]:
        """Return the gradients by the outputs that are no constants, of those by all."""
        pairs = zip(flatten(d_outputs), flatten(self.outputs), strict=True)
        return [d for d, leaf in pairs if isinstance(leaf, KerasTensor)]


class TracedCalls:
    """A layer that says no gradient, as its `call` is traced: once for arguments of the same shapes.

    Args:
        layer: The layer.
        asked, training: As for `TracedCall`.
    """

    _MOST = 16

    def __init__(self, layer: Layer, asked: bool | Sequence[bool] = True, training: bool = True) -> None:
        self._layer = layer
        self._asked = asked
        self._training = training
        self._logits: Sequence[int] = ()
        self._calls: dict[Any, TracedCall] = {}

    def chains(self) -> Iterator[TrainingChain]:
        """Yield what of the engine follows the weights."""
        for call in self._calls.values():
            yield from call.plan.chains()

    def call(self, inputs: Any, kwargs: Mapping[str, Any]) -> TracedCall:
        """Return the call, traced, for these arguments."""
        leaves = [_form(leaf) for leaf in flatten([inputs, dict(kwargs)])]
        key = (*sorted(kwargs), *leaves, *map(id, self._layer.trainable_weights))
        call = self._calls.pop(key, None)
        if call is None:
            call = TracedCall(self._layer, inputs, kwargs, self._asked, self._training)
            call.plan.giving_logits(self._logits)
        if not call.draws:
            # The one that was used last comes last.
            self._calls[key] = call
            if len(self._calls) > self._MOST:
                del self._calls[next(iter(self._calls))]
        return call

    def give_logits(self, numbers: Sequence[int]) -> None:
        """Give from now on what the last activation is applied to, in place of some outputs."""
        self._logits = numbers
        for call in self._calls.values():
            call.plan.giving_logits(numbers)

    def run(self, inputs: Any, kwargs: Mapping[str, Any]) -> tuple[Any, Backward, list[np.float32]]:
        """Return what the layer gives, the way back (see `Layer.call_with_gradient`), and what it adds to the loss.

        Args:
            inputs, kwargs: The arguments of its `call`.
        """
        call = self.call(inputs, kwargs)
        outputs, recorded = call.run(_arrays(inputs, kwargs))

        def backward(d_outputs: Any) -> Gradients:
            by_slot, by_weight = recorded.walk_back(call.d_tensors(d_outputs))
            slots = itertools.count()

            def gradient(leaf: Any) -> Any:
                return by_slot.get(next(slots)) if isinstance(leaf, np.ndarray) else None

            of_inputs = map_structure(gradient, inputs)
            found = {name: map_structure(gradient, kwargs[name]) for name in sorted(kwargs)}
            keywords = {name: one for name, one in found.items() if any(leaf is not None for leaf in flatten(one))}
            weights = [by_weight.get(id(weight)) for weight in self._layer.trainable_weights]
            own = {id(weight) for weight in self._layer.weights}
            others = {key: gradient for key, gradient in by_weight.items() if key not in own}
            return Gradients(of_inputs, weights, keywords, others)

        return outputs, backward, recorded.penalties

    def call_with_gradient(self, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Backward]:
        """Return what `Layer.call_with_gradient` does."""
        if args:
            named = named_arguments(self._layer, inputs, args, kwargs)
            kwargs = dict(list(named.items())[1:])
        outputs, backward, added = self.run(inputs, kwargs)
        for loss in added:
            self._layer.keep_loss(loss)
        return outputs, backward


def _arrays(inputs: Any, kwargs: Mapping[str, Any]) -> list[np.ndarray]:
    return [leaf for leaf in flatten([inputs, dict(kwargs)]) if isinstance(leaf, np.ndarray)]


def _form(leaf: Any) -> Any:
    """What a trace depends on of an argument."""
    if isinstance(leaf, np.ndarray):
        return leaf.shape, leaf.dtype.name, carried_mask(leaf) is None
    return leaf if leaf is None or isinstance(leaf, (bool, int, float, str)) else id(leaf)


class TracedPlan:
    """How a model with a `call` of its own is trained: as `TrainingPlan`, for inputs of any shapes.

    Args:
        model: The model, all of which is built by this.
        x: The first batch.
        training: Whether it is trained; else it is tested.

    Raises:
        NotImplementedError: As `TracedCall`.
    """

    def __init__(self, model: Layer, x: Any, training: bool = True) -> None:
        self._calls = TracedCalls(model, False, training)
        self._kwargs = {"training": training} if "training" in call_parameters(type(model)) else {}
        self._first = self._calls.call(x, self._kwargs)
        # As tensors without values.
        self.outputs: Any = self._first.outputs

    def last_activation(self, number: int) -> Activation | None:
        """As `TrainingPlan.last_activation`."""
        return self._first.plan.last_activation(number)

    def giving_logits(self, numbers: Sequence[int]) -> TracedPlan:
        """As `TrainingPlan.giving_logits`."""
        self._calls.give_logits(numbers)
        return self

    @contextmanager
    def learning(self) -> Iterator[None]:
        """As `TrainingPlan.learning`."""
        with _following(self._calls.chains):
            yield

    def run(self, x: Any) -> Recorded:
        """Run the model; as `TrainingPlan.run`.

        Args:
            x: The inputs, in their structure.
        """
        return self._calls.call(x, self._kwargs).run(_arrays(x, self._kwargs))[1]


class TracedPart(LayerPart):
    """One call of a layer that says no gradient.

    Args:
        call: The call.
        asked: Whether gradients by its inputs are asked for.
        training: Whether it is called in training, where it does not say so itself.
    """

    def __init__(self, call: Call, asked: bool, training: bool) -> None:
        super().__init__(call, True)
        self._calls = TracedCalls(call.layer, asked, training)

    def chains(self) -> Iterator[TrainingChain]:
        yield from self._calls.chains()

    def _call_with_gradient(
        self, inputs: Any, kwargs: dict[str, Any], penalties: list[np.float32]
    ) -> tuple[Any, Backward]:
        outputs, backward, inside = self._calls.run(inputs, kwargs)
        penalties += inside
        return outputs, backward


# --- from calls to parts --------------------------------------------------------------------------------------------


def _parts(calls: Calls, asked: set[int]) -> Iterator[Part]:
    """The parts, with gradients by the values of these slots, and of all that follows from them."""
    for group in grouped(calls, _heads_chain):
        from_inputs = any(slot.index in asked for slot in group[0].inputs)
        while group and not (from_inputs or group[0].layer.trainable_weights or _uses_others(group[0], calls)):
            # Nothing before it learns, nor does it.
            yield _part(group.pop(0), False)
        if not group:
            continue
        asked |= {slot.index for slot in group[-1].outputs}
        if _heads_chain(group[0]):
            yield ChainPart(group, from_inputs)
        elif group[0].layer.trains_by_tracing:
            yield TracedPart(group[0], from_inputs, calls.trains)
        else:
            yield _part(group[0], True)


def _uses_others(call: Call, calls: Calls) -> bool:
    """Whether a call that is traced uses weights of other layers, which training changes."""
    layer = call.layer
    if not layer.trains_by_tracing or layer.expands:
        return False

    def zeros(leaf: Any) -> Any:
        if not isinstance(leaf, Slot):
            return leaf
        tensor = calls.tensors[leaf.index]
        return np.zeros([2 if size is None else size for size in tensor.shape], tensor.dtype)

    try:
        trace = Trace(layer, map_structure(zeros, call.args[0]), {})
    except Exception:
        # It takes something else, or cannot be traced: it runs as it is, and nothing before it learns.
        return False
    used = itertools.chain(trace.variables, *(node.layer.trainable_weights for node in trace.nodes))
    own = {id(weight) for weight in layer.weights}
    return any(weight.trainable and id(weight) not in own for weight in used)


def _part(call: Call, trained: bool) -> Part:
    return (OperationPart if isinstance(call.layer, Operation) else LayerPart)(call, trained)


def _heads_chain(call: Call) -> bool:
    """Whether a chain of training can begin with the call: it runs as at inference, and nobody looks at its output."""
    return heads_chain(call) and call.layer.native_in_training and not call.layer.penalized
