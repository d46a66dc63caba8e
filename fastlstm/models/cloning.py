"""`clone_model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.core.input_layer import InputLayer
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.functional import Functional
from fastlstm.models.model import Model
from fastlstm.models.sequential import Sequential
from fastlstm.models.wiring import connect, describe_calls, describe_tensors
from fastlstm.printable import quoted

_Clone = Callable[[Layer], Layer]


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: _Clone | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """Return a model of the same layers with new weights.

    Args:
        model: The model.
        input_tensors: An `Input` to build it for instead, or as many as the model has inputs.
        clone_function: Returns the layer to put in place of one; by default an equal one.
        call_function: `call_function(layer, *args, **kwargs)` calls a layer of a functional model; by default it is
            simply called.
        recursive: Boolean, whether `clone_function` is called for the layers of nested models, not for the models.

    Raises:
        ValueError: When an argument is not valid.
    """
    if kwargs:
        raise ValueError(f"Unexpected keyword argument(s): {tuple(kwargs)}")
    if not isinstance(model, (Sequential, Functional)):
        raise ValueError(
            f"Expected `model` argument to be a `Sequential` or a `Functional` model. Received: model={quoted(model)}"
        )
    if recursive and clone_function is None:
        raise ValueError("`recursive=True` needs a `clone_function`.")
    make = clone_function or _equal_layer

    def clone(layer: Layer) -> Layer:
        nested = recursive and isinstance(layer, (Sequential, Functional))
        return clone_model(cast(Model, layer), clone_function=make, recursive=True) if nested else make(layer)

    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, clone, call_function)
    if call_function is not None:
        raise ValueError(
            "`call_function` argument is not supported with Sequential models.  In a Sequential model, layers aren't "
            "called at model-construction time (they're merely listed). Use `call_function` with Functional models "
            f"only. Received model of type '{type(model).__name__}', with call_function={quoted(call_function)}"
        )
    layers: list[Any] = [clone(layer) for layer in model.layers]
    first = _first_layer(model, input_tensors)
    return Sequential([*first, *layers], trainable=model.trainable, name=model.name)


def _clone_functional(
    model: Functional, input_tensors: Any, clone: _Clone, call_function: Callable[..., Any] | None
) -> Functional:
    graph = model.graph
    given = _given_inputs(model, input_tensors)
    layers = {}
    for layer in graph.layers:
        if isinstance(layer, InputLayer):
            layers[layer.name] = given.get(layer.name) or _equal_layer(layer)
        else:
            layers[layer.name] = _equal_layer(layer) if isinstance(layer, Operation) else clone(layer)
    inputs, outputs = (describe_tensors(graph, structure) for structure in (model.input, model.output))
    inputs, outputs = connect(layers, describe_calls(graph), inputs, outputs, call_function)
    return Functional(inputs, outputs, name=model.name, trainable=model.trainable)


def _given_inputs(model: Functional, input_tensors: Any) -> dict[str, Layer]:
    """The layers of the given inputs, by the names of those that they replace."""
    if input_tensors is None:
        return {}
    tensors = flatten(input_tensors)
    if len(tensors) != len(model.inputs) or not all(_is_input(tensor) for tensor in tensors):
        raise ValueError(
            f"Argument `input_tensors` must contain as many `Input`s as the model has inputs, {len(model.inputs)}. "
            f"Received: input_tensors={quoted(input_tensors)}"
        )
    return {old.origin.name: new.origin for old, new in zip(model.inputs, tensors, strict=True)}


def _is_input(tensor: Any) -> bool:
    return isinstance(tensor, KerasTensor) and isinstance(tensor.origin, InputLayer)


def _equal_layer(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())


def _first_layer(model: Sequential, input_tensors: Any) -> list[Any]:
    """The input layer of the clone, if its input is known."""
    if input_tensors is None:
        tensor = model.symbolic_input
        return [] if tensor is None else [InputLayer.from_config(tensor.origin.get_config())]
    tensors = input_tensors if isinstance(input_tensors, (list, tuple)) else [input_tensors]
    if len(tensors) != 1 or not isinstance(tensors[0], KerasTensor):
        raise ValueError(
            f"Argument `input_tensors` must be a KerasTensor. "
            f"Received invalid value: input_tensors={quoted(input_tensors)}"
        )
    return [tensors[0]]
