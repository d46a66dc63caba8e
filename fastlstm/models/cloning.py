"""`clone_model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.layers.input_layer import InputLayer
from fastlstm.layers.keras_tensor import KerasTensor
from fastlstm.layers.layer import Layer
from fastlstm.models.sequential import Sequential


def clone_model(
    model: Sequential,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Any = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Sequential:
    """Return a model of the same layers with new weights.

    Args:
        model: The model.
        input_tensors: An `Input` to build it for instead, alone or in a list.
        clone_function: Returns the layer to put in place of one; by default an equal one.
        call_function: Only None, as layers in a row are not called when the model is made.
        recursive: Boolean, whether `clone_function` is called for the layers of nested models, not for the models.

    Raises:
        ValueError: When an argument is not valid.
    """
    if kwargs:
        raise ValueError(f"Unexpected keyword argument(s): {tuple(kwargs)}")
    if not isinstance(model, Sequential):
        raise ValueError(f"Expected `model` argument to be a `Sequential` model. Received: model={model}")
    if call_function is not None:
        raise ValueError(
            "`call_function` argument is not supported with Sequential models.  In a Sequential model, layers aren't "
            "called at model-construction time (they're merely listed). Use `call_function` with Functional models "
            f"only. Received model of type '{type(model).__name__}', with call_function={call_function}"
        )
    if recursive and clone_function is None:
        raise ValueError("`recursive=True` needs a `clone_function`.")
    make = clone_function or _equal_layer

    def clone(layer: Layer) -> Layer:
        nested = recursive and isinstance(layer, Sequential)
        return clone_model(layer, clone_function=make, recursive=True) if nested else make(layer)

    layers: list[Any] = [clone(layer) for layer in model.layers]
    first = _first_layer(model, input_tensors)
    return Sequential([*first, *layers], trainable=model.trainable, name=model.name)


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
            f"Argument `input_tensors` must be a KerasTensor. Received invalid value: input_tensors={input_tensors}"
        )
    return [tensors[0]]
