"""The parts of a model in training: calls that are run together, with the way back through them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.layers.base.arrays import as_float32, as_mask
from fastlstm.layers.base.gradient import Backward, Gradients, TrainingChain
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_structure, packed
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.symbolic.calling import (
    INPUT_MASK,
    FixedTraining,
    call_parameters,
    carrying,
    masks_of,
    output_masks,
    with_mask,
)
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.calls import Call, Slot
from fastlstm.models.parts import Values, argument_masks, filled
from fastlstm.regularizers import penalty_gradient

# Adds up gradients by slots, then by weights.
Sums = dict[Any, np.ndarray]
PullBack = Callable[[Sums, Sums], None]


def add(sums: Sums, key: Any, gradient: np.ndarray | None) -> None:
    """Add a gradient to those that came before it, in their order."""
    if gradient is not None:
        sums[key] = sums[key] + gradient if key in sums else gradient


class Recorded:
    """A run of a `TrainingPlan`.

    Args:
        slots: Numbers of the slots of the outputs.
        outputs, masks: What was in them.
        penalties: Of the outputs of layers with activity regularizers; gets what is added to the loss.
        ways: Back through the parts that were run, in their order.
        weights: Those that were inputs, by the numbers of their slots.
        added: How many of the outputs, the last ones, are no outputs of the model, but are added to the loss.
    """

    def __init__(
        self,
        slots: Sequence[int],
        outputs: list[np.ndarray],
        masks: list[Any],
        penalties: list[np.float32],
        ways: list[PullBack],
        weights: Mapping[int, Variable],
        added: int = 0,
    ) -> None:
        count = len(outputs) - added
        self.outputs: list[np.ndarray] = outputs[:count]
        self.masks: list[Any] = masks[:count]
        self._added = outputs[count:]
        penalties += [np.sum(loss, dtype=np.float32) for loss in self._added]
        self.penalties = penalties
        self._slots = slots
        self._ways = ways
        self._weights = weights

    def gradients(self, d_outputs: Sequence[np.ndarray | None], variables: Sequence[Variable]) -> list[Any]:
        """Return the gradients by variables, None for one that played no part; may be called once.

        Args:
            d_outputs: By the outputs; None where there is none.
            variables: Trainable weights of the model.
        """
        by_weight = self.walk_back(d_outputs)[1]
        return [by_weight.get(id(variable)) for variable in variables]

    def walk_back(self, d_outputs: Sequence[np.ndarray | None]) -> tuple[Sums, Sums]:
        """Return the gradients by the slots of the inputs, and by the weights' ids; may be called once.

        Args:
            d_outputs: As for `gradients`.
        """
        by_slot: Sums = {}
        by_weight: Sums = {}
        d_added = [np.ones_like(loss) if loss.dtype.kind == "f" else None for loss in self._added]
        for slot, d_output in zip(self._slots, [*d_outputs, *d_added], strict=True):
            add(by_slot, slot, d_output)
        while self._ways:
            self._ways.pop()(by_slot, by_weight)
        for index, weight in self._weights.items():
            if index in by_slot:
                add(by_weight, id(weight), as_float32(by_slot.pop(index)))
        return by_slot, by_weight


class Part:
    """Calls that are run together.

    Args:
        calls: The calls, each of which takes what the one before gives.
        training: Passed to the first layer if it takes it, unless the call was made with one of its own.
    """

    def __init__(self, calls: Sequence[Call], training: bool = True) -> None:
        head, last = calls[0], calls[-1]
        self._trained = True
        self.layers: tuple[Layer, ...] = tuple(call.layer for call in calls)
        self.reads: list[int] = [slot.index for slot in head.inputs]
        self.writes: list[int] = [slot.index for slot in last.outputs]
        self._args, self._kwargs = head.args, dict(head.kwargs)
        own = self._kwargs.pop("training", None)
        if isinstance(own, FixedTraining):
            self._kwargs["training"] = own.value
        elif "training" in call_parameters(type(head.layer)):
            self._kwargs["training"] = training

    def run(self, values: Values, masks: Values, penalties: list[np.float32]) -> list[PullBack]:
        """Take the inputs from their slots and put the outputs, with their masks, into theirs; return the ways back."""
        raise NotImplementedError

    def chains(self) -> Iterator[TrainingChain]:
        """Yield what of the engine follows the weights."""
        yield from ()

    def _put(self, values: Values, masks: Values, outputs: Any, new_masks: Sequence[Any]) -> list[np.ndarray]:
        leaves = [as_float32(output) for output in flatten(outputs)]
        for index, value, mask in zip(self.writes, leaves, new_masks, strict=True):
            values[index], masks[index] = value, mask
        return leaves

    def _penalty(self, leaves: Sequence[np.ndarray], penalties: list[np.float32]) -> list[PullBack]:
        """The penalties of the last layer's outputs, and the way by which they go back."""
        regularizer = self.layers[-1].activity_regularizer
        if regularizer is None:
            return []
        for leaf in leaves:
            penalties.append(np.float32(regularizer(leaf)) / np.float32(len(leaf)))
        if not self._trained:
            return []

        def pull(by_slot: Sums, by_weight: Sums) -> None:
            for index, leaf in zip(self.writes, leaves, strict=True):
                add(by_slot, index, penalty_gradient(regularizer, leaf) / np.float32(len(leaf)))

        return [pull]

    def _way(self, outputs: Any, leaves: Sequence[np.ndarray], backward: Backward, adds: bool = False) -> PullBack:
        """The way back through the part, also where nothing comes from its outputs if it `adds` to the loss."""

        def pull(by_slot: Sums, by_weight: Sums) -> None:
            found = [by_slot.pop(index, None) for index in self.writes]
            if not adds and all(d_leaf is None for d_leaf in found):
                return
            d_leaves = [
                np.zeros_like(leaf) if d_leaf is None else d_leaf for d_leaf, leaf in zip(found, leaves, strict=True)
            ]
            gradients = Gradients(*backward(packed(outputs, d_leaves)))
            for weight, gradient in zip(self.weights, gradients.weights, strict=True):
                add(by_weight, id(weight), gradient)
            for key, gradient in gradients.others.items():
                add(by_weight, key, gradient)
            self._pass_on(gradients, by_slot)

        return pull

    @property
    def weights(self) -> Sequence[Variable]:
        """The weights that the gradients are by, in their order."""
        return self.layers[0].trainable_weights

    def _pass_on(self, gradients: Gradients, by_slot: Sums) -> None:
        self._pass(self._args[0], gradients.inputs, by_slot)
        for name, nested in gradients.keywords.items():
            self._pass(self._kwargs[name], nested, by_slot)

    def _pass(self, given: Any, gradients: Any, by_slot: Sums) -> None:
        for leaf, gradient in zip(flatten(given), flatten(gradients), strict=True):
            if isinstance(leaf, Slot):
                add(by_slot, leaf.index, gradient)


class ChainPart(Part):
    """Calls of native layers.

    Args:
        calls: The calls.
        input_gradient: Whether somebody asks for the gradient by the input.
    """

    def __init__(self, calls: Sequence[Call], input_gradient: bool) -> None:
        super().__init__(calls)
        self.input_gradient = input_gradient
        self.chain: TrainingChain = TrainingChain(self.layers, input_gradient)
        self._mask = self._kwargs.get("mask")
        self._sees_mask = self._mask is not None or self._kwargs.get("initial_state") is None

    @property
    def weights(self) -> Sequence[Variable]:
        return self.chain.weights

    def chains(self) -> Iterator[TrainingChain]:
        yield self.chain

    def run(self, values: Values, masks: Values, penalties: list[np.float32]) -> list[PullBack]:
        source = self._args[0].index
        x, mask = as_float32(values[source]), masks[source]
        if self._mask is not None and self._mask is not INPUT_MASK:
            mask = filled(self._mask, values)
        sees_mask = mask is not None and self._sees_mask and self.chain.recurrent
        states = self._kwargs.get("initial_state")
        initial_state = None if states is None else filled(states, values)
        outputs, backward = self.chain.run(x, as_mask(mask, x.shape) if sees_mask else None, initial_state)
        for layer in self.layers[:-1]:
            mask = output_masks(layer, x, mask, 1)[0]
        leaves = self._put(values, masks, outputs, output_masks(self.layers[-1], x, mask, len(self.writes)))
        return [self._way(outputs, leaves, backward), *self._penalty(leaves, penalties)]


class LayerPart(Part):
    """One call of a layer.

    Args:
        call: The call.
        trained: Whether the gradients go through it.
        training: As for `Part`.
    """

    def __init__(self, call: Call, trained: bool, training: bool = True) -> None:
        super().__init__([call], training)
        self._trained = trained
        if trained and not isinstance(call.layer, Operation):
            call.layer.check_gradient()
        self._argument_masks = argument_masks(call)
        if len(self._args) > 1 and not isinstance(call.layer, Operation):
            # By their names, as their gradients come.
            names = list(inspect.signature(call.layer.call).parameters)
            self._kwargs |= dict(zip(names[1:], self._args[1:], strict=False))
            self._args = self._args[:1]

    def run(self, values: Values, masks: Values, penalties: list[np.float32]) -> list[PullBack]:
        layer = self.layers[0]
        inputs = map_structure(as_float32, filled(self._args[0], values))
        carried = map_structure(lambda leaf: masks[leaf.index] if isinstance(leaf, Slot) else None, self._args[0])
        given = filled(self._kwargs, values)
        if self._argument_masks:
            given = {**given, **{name: masks[index] for name, index in self._argument_masks.items()}}
        kwargs, mask = with_mask(layer, (), given, carried)
        backward, x, before = None, carrying(layer, inputs, carried), len(penalties)
        if self._trained:
            outputs, backward = self._call_with_gradient(x, kwargs, penalties)
        else:
            outputs = layer.call(x, **kwargs)
        leaves = self._put(values, masks, outputs, masks_of(layer, inputs, mask, outputs))
        adds = len(penalties) > before or layer.penalized
        ways = [] if backward is None else [self._way(outputs, leaves, backward, adds)]
        return ways + self._penalty(leaves, penalties)

    def _call_with_gradient(
        self, inputs: Any, kwargs: dict[str, Any], penalties: list[np.float32]
    ) -> tuple[Any, Backward]:
        """What the layer gives, and the way back; the penalties of layers inside it join the others."""
        return self.layers[0].call_with_gradient(inputs, **kwargs)


class OperationPart(LayerPart):
    """One call of an operation, which carries no masks."""

    def run(self, values: Values, masks: Values, penalties: list[np.float32]) -> list[PullBack]:
        operation = self.layers[0]
        args, kwargs = filled(self._args, values), filled(self._kwargs, values)
        backward = None
        if self._trained and operation.has_gradient:
            output, backward = operation.call_with_gradient(*args, **kwargs)
        else:
            output = operation.call(*args, **kwargs)
            if self._trained and any(value.dtype.kind == "f" for value in flatten(output)):
                operation.check_gradient()
        for index, value in zip(self.writes, flatten(output), strict=True):
            values[index] = value
        return [] if backward is None else [self._way(output, flatten(output), backward)]

    def _pass_on(self, gradients: Gradients, by_slot: Sums) -> None:
        operands = cast(Operation, self.layers[0]).definition.operands(self._args, self._kwargs)
        for given, gradient in zip(operands, gradients.inputs, strict=False):
            if gradient is not None:
                self._pass(given, gradient, by_slot)
