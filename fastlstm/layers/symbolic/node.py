"""Nodes: calls of layers on symbolic tensors, from which functional models are made."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from fastlstm.layers.base.arrays import as_float32, is_array, too_many_inputs
from fastlstm.layers.base.structure import flatten, map_shapes, map_structure
from fastlstm.layers.base.tracing import TRACING
from fastlstm.layers.symbolic.calling import call_shapes, named_arguments
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_symbolic
from fastlstm.layers.symbolic.shape_inference import inferred_output_shape

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer

_numbers = itertools.count()


class Node:
    """One call of a layer.

    Args:
        layer: The layer.
        args, kwargs: What it was called with, KerasTensors anywhere among it.
        output: What it gave: a structure of new KerasTensors.
    """

    def __init__(self, layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        self.layer = layer
        self.args = args
        self.kwargs = kwargs
        leaves = flatten((*args, kwargs) if kwargs else args)
        self.inputs: list[KerasTensor] = [leaf for leaf in leaves if isinstance(leaf, KerasTensor)]
        self.output = output
        self.outputs: list[KerasTensor] = flatten(output)
        # The calls of one layer are counted in the order in which they were made.
        self.number: int = next(_numbers)
        for index, tensor in enumerate(self.outputs):
            tensor.node, tensor.index = self, index
        (layer.nodes if TRACING.trace is None else TRACING.trace.nodes).append(self)


class Called:
    """What a layer knows of its calls on KerasTensors."""

    name: str
    _nodes: list[Node]

    @property
    def nodes(self) -> list[Node]:
        """The calls on KerasTensors, in the order in which they were made."""
        return self._nodes

    @property
    def input(self) -> Any:
        """What the layer was first called on, once it is in a model whose input is known: a KerasTensor or several."""
        node = self._first_node("input")
        return node.args[0] if node.args else node.output

    @property
    def output(self) -> Any:
        """What that call gave: a KerasTensor, or a list of them."""
        output = self._first_node("output").output
        return list(output) if isinstance(output, tuple) else output

    @property
    def input_shape(self) -> Any:
        """Shape of `input`, or a list of shapes, as Keras 2 had it."""
        return _one_or_all(self.input)

    @property
    def output_shape(self) -> Any:
        """Shape of `output`, or a list of shapes, as Keras 2 had it."""
        return _one_or_all(self.output)

    def _first_node(self, what: str) -> Node:
        if not self._nodes:
            raise AttributeError(f"The layer {self.name} has never been called and thus has no defined {what}.")
        return self._nodes[0]


def record_call(layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Record a call of a layer on KerasTensors, building the layer if need be, and return the symbolic outputs.

    Args:
        layer: The layer.
        inputs: Its first argument: a KerasTensor, or a structure of KerasTensors and constant arrays.
        args, kwargs: The others.

    Raises:
        TypeError: When the layer does not take one of the arguments.
        ValueError: When the shapes do not fit.
    """
    named_arguments(layer, inputs, args, kwargs)
    inputs = symbolic_inputs(inputs, layer)
    if TRACING.trace is None:
        output = _symbolic_outputs(layer, inputs, args, kwargs)
    else:
        # To build a layer or to find out a shape by a trial is no part of the call.
        with TRACING.by(None):
            output = _symbolic_outputs(layer, inputs, args, kwargs)
    Node(layer, (inputs, *args), kwargs, output)
    return output


def _symbolic_outputs(layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call gives, of a layer that is built if need be."""
    shapes = call_shapes(layer, inputs, args, kwargs)
    layer.check_input_shape(shapes[0])
    if not layer.built:
        layer.build(*shapes)
    passes = layer.supports_masking and not layer.ends_masks and any(map(_is_masked, flatten(inputs)))
    masked = passes or layer.makes_masks
    shapes = output_shapes(layer, inputs, args, kwargs, shapes)
    dtype = layer.output_dtype
    return map_shapes(lambda shape: KerasTensor(shape, dtype, masked=masked), shapes)


def repeat_call(layer: Layer, inputs: KerasTensor, like: KerasTensor) -> KerasTensor:
    """Record a call of a layer on a KerasTensor alone that has the shape and mask of one that it was called on.

    Args:
        layer: The layer.
        inputs: The KerasTensor.
        like: What the earlier call gave.
    """
    output = KerasTensor(like.shape, like.dtype, masked=like.masked)
    Node(layer, (inputs,), {}, output)
    return output


def output_shapes(layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any], shapes: list[Any]) -> Any:
    """Return the shapes of the outputs of a call; found out by a trial where the layer does not say, or is not built.

    Args:
        layer, inputs, args, kwargs: As for `record_call`.
        shapes: What `call_shapes` says of it.
    """
    says_nothing = not layer.says_output_shape
    if says_nothing or not (layer.nodes or all(child.built for child in layer.children)):
        found = inferred_output_shape(layer, inputs, args, kwargs)
        if says_nothing:
            return found
    arguments = named_arguments(layer, inputs, args, kwargs)
    return layer.output_shapes(shapes, arguments)


def symbolic_inputs(inputs: Any, layer: Layer) -> Any:
    """Return the first argument of a call, if it is as much as the layer takes; constant arrays become float32.

    Raises:
        ValueError: With Keras' text, when it is not.
    """
    if isinstance(inputs, KerasTensor):
        return inputs
    tensors = flatten(inputs)
    for tensor in tensors:
        if tensor is None:
            raise ValueError(f"Layer '{layer.name}' was called on None and on KerasTensors at once: {inputs}")
        if not is_array(tensor):
            raise ValueError(
                "Only input tensors may be passed as positional arguments. The following argument value should be "
                f"passed as a keyword argument: {tensor} (of type {type(tensor)})"
            )
    inputs = map_structure(lambda tensor: tensor if is_symbolic(tensor) else as_float32(tensor), inputs)
    tensors = flatten(inputs)
    if layer.takes_structures:
        return list(inputs) if isinstance(inputs, tuple) else inputs
    if len(tensors) != 1:
        raise too_many_inputs(layer.name, len(tensors), ", ".join(map(repr, tensors)))
    return tensors[0]


def _is_masked(tensor: Any) -> bool:
    return isinstance(tensor, KerasTensor) and tensor.masked


def _one_or_all(tensors: Any) -> Any:
    """The shape of a tensor, or those of several."""
    return [one.shape for one in flatten(tensors)] if isinstance(tensors, (list, tuple, dict)) else tensors.shape
