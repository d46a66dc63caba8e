"""Models as lists of calls, those of nested models in place of the models: what plans are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.symbolic.calling import FixedTraining, call_parameters
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.node import Node
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.records import Record

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

# Nested models that call each other often enough describe more calls than there are atoms.
MAX_CALLS = 100_000


@dataclass(frozen=True)
class Slot:
    """The place of one tensor of a model, for as long as it is needed.

    Args:
        index: Its number; the model's inputs come first.
    """

    index: int


class Call(Record):
    """One call of a layer that is no model.

    Args:
        layer: The layer.
        args: Its positional arguments, with slots for tensors anywhere in them.
        kwargs: The others; None among them is left out.
        outputs: Where its outputs go.
    """

    layer: Layer
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Slot, ...]

    @property
    def inputs(self) -> list[Slot]:
        """The slots that the call reads."""
        return [leaf for leaf in flatten([self.args, self.kwargs]) if isinstance(leaf, Slot)]


class _Masked(Layer):
    """The identity, with another mask."""

    supports_masking = True

    def call(self, inputs: np.ndarray, mask: Any = None) -> np.ndarray:
        return inputs

    def call_with_gradient(self, inputs: np.ndarray, mask: Any = None) -> tuple[np.ndarray, Backward]:
        return inputs, lambda d: (d, ())


class _Unmasked(Layer):
    """The identity, without a mask."""

    supports_masking = True

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return inputs

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        return inputs, lambda d: (d, ())

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        return None


_MASKED, _UNMASKED = _Masked(name="masked"), _Unmasked(name="unmasked")


class Calls:
    """The calls of a model, each after those whose outputs it takes.

    Args:
        name: The model's, for errors.
        input_shapes: Those of its inputs, with the batch, None where unknown.
    """

    def __init__(self, name: str, input_shapes: Sequence[Shape]) -> None:
        self.name = name
        self.input_shapes: tuple[Shape, ...] = tuple(input_shapes)
        self.slots: int = len(self.input_shapes)
        self.inputs: tuple[Slot, ...] = tuple(Slot(index) for index in range(self.slots))
        self.outputs: tuple[Slot, ...] = ()
        self.calls: list[Call] = []
        # What is known of the tensors in some of the slots, by their indexes.
        self.tensors: dict[int, KerasTensor] = {
            index: KerasTensor(shape, name="") for index, shape in enumerate(self.input_shapes)
        }
        self._training: FixedTraining | None = None

    def add(self, layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: int) -> Sequence[Slot]:
        """Add a call; that of a model becomes the calls in it.

        Args:
            layer: The layer or model.
            args, kwargs: Its arguments, with slots in place of tensors.
            outputs: Number of its outputs.

        Returns:
            The slots of the outputs.

        Raises:
            ValueError: When there are too many calls.
        """
        # What Keras 3 records as `training=False` is the default, and no more than that.
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        training = kwargs.get("training")
        if training is False:
            training = kwargs.pop("training")
        if self._training is not None and not isinstance(training, FixedTraining):
            training = self._training
            if "training" in call_parameters(type(layer)):
                kwargs["training"] = training
        if layer.expands and (not training or isinstance(training, FixedTraining)):
            return self._expanded(layer, self._masked(flatten(args), kwargs.get("mask")), training)
        if len(self.calls) == MAX_CALLS:
            raise ValueError(f"The model consists of more than {MAX_CALLS} calls of layers.")
        slots = tuple(Slot(self.slots + index) for index in range(outputs))
        self.slots += outputs
        self.calls.append(Call(layer, args, kwargs, slots))
        return slots

    def add_nodes(
        self,
        nodes: Iterable[Node],
        outputs: Iterable[KerasTensor],
        slots: dict[int, Slot],
        source: Callable[[KerasTensor], KerasTensor] = lambda tensor: tensor,
        typed: Mapping[int, Slot] = MappingProxyType({}),
        nested: bool = False,
    ) -> Sequence[Slot]:
        """Add the calls that nodes are, each after those whose outputs it takes.

        Args:
            nodes: The nodes.
            outputs: Tensors that they give.
            slots: Those of the tensors that they begin with, by ids; gets those of the others.
            source: Returns what stands for a tensor.
            typed: The slots in which operations find some of the tensors that the nodes begin with.
            nested: Whether those tensors may carry masks that they do not know of.

        Returns:
            The slots of the outputs.
        """
        # The tensors whose masks a layer has taken away, for those that are called after it.
        erased: set[int] = set()

        def slot_of(leaf: Any) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            key = id(source(leaf))
            if key in erased:
                erased.remove(key)
                slots[key] = self.unmasked(slots[key])
            return slots[key]

        def typed_slot_of(leaf: Any) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            return typed.get(id(source(leaf))) or slots[id(source(leaf))]

        for node in nodes:
            of = typed_slot_of if isinstance(node.layer, Operation) else slot_of
            args = tuple(map_structure(of, arg) for arg in node.args)
            given = self.add(node.layer, args, map_structure(of, node.kwargs), len(node.outputs))
            slots |= {id(tensor): slot for tensor, slot in zip(node.outputs, given, strict=True)}
            for tensor, slot in zip(node.outputs, given, strict=True):
                self.tensors.setdefault(slot.index, tensor)
            if node.layer.erases_masks:
                erased |= {id(source(tensor)) for tensor in node.inputs if tensor.masked or nested}
        return [slot_of(tensor) for tensor in outputs]

    def _expanded(self, model: Layer, slots: Sequence[Slot], training: Any) -> Sequence[Slot]:
        """Add the calls in a model, to which a fixed `training` of its call applies too."""
        around = self._training
        self._training = training if isinstance(training, FixedTraining) else around
        try:
            return cast(Any, model).expand(self, slots)
        finally:
            self._training = around

    def _masked(self, slots: Sequence[Slot], mask: Any) -> Sequence[Slot]:
        """The inputs of a model with the masks that it is called with."""
        if mask is None:
            return slots
        pairs = zip(slots, flatten(mask), strict=True)
        return [slot if own is None else self.add(_MASKED, (slot,), {"mask": own}, 1)[0] for slot, own in pairs]

    def fix_training(self, training: bool) -> None:
        """Let a boolean be the `training` of all calls that are added from here on."""
        self._training = FixedTraining(training)

    @property
    def trains(self) -> bool:
        """Whether the calls, where they do not say so themselves, are ones of training."""
        return self._training is None or bool(self._training)

    def unmasked(self, slot: Slot) -> Slot:
        """Return a slot with what is in another, without the mask."""
        return self.add(_UNMASKED, (slot,), {}, 1)[0]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer of every call."""
        return tuple(call.layer for call in self.calls)
