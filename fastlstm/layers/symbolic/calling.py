"""Calls with masks: which mask a layer is given, and which masks its outputs carry (Keras 3's rules)."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fastlstm.layers.base.added_losses import ADDING
from fastlstm.layers.base.arrays import as_tensors, carried_mask, is_array
from fastlstm.layers.base.structure import flatten, map_structure

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer

_T = TypeVar("_T")


class _InputMask:
    """As the argument `mask` of a call: the mask that the inputs carry.

    Keras 3 gives a layer that mask unasked only where the inputs are the call's one tensor; called with an
    `initial_state`, a recurrent layer does not see it. In Keras 1 and 2 it did.
    """

    def __repr__(self) -> str:
        return "INPUT_MASK"

    def __reduce__(self) -> str:
        return "INPUT_MASK"


def _per_class(function: Callable[[type[Layer]], _T]) -> Callable[[type[Layer]], _T]:
    """`functools.cache` for functions of a class, which type checkers take for something that has no hash."""
    cached: Callable[..., _T] = functools.cache(function)
    return cached


INPUT_MASK = _InputMask()
# As the first argument of a call: it comes by its name.
NOT_GIVEN = object()


class FixedTraining:
    """As the argument `training` of a call in a graph: a boolean that holds however the graph is run.

    In Keras 1 and 2 a recorded `training` counts before what the model is called with, in `predict` too; in Keras 3 it
    is the other way round, so that `predict` never trains.

    Args:
        value: The boolean.
    """

    def __init__(self, value: bool) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"FixedTraining({self.value})"

    def __bool__(self) -> bool:
        return self.value


def call_with_masks(
    layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any], carried: Any
) -> tuple[Any, list[Any]]:
    """Call a built layer.

    Args:
        layer: The layer.
        inputs: Its first argument: an array, or a structure of arrays.
        args, kwargs: The others.
        carried: The masks that the inputs carry, in the same structure; None where there is none.

    Returns:
        `(outputs, masks)`, one mask or None per output.
    """
    kwargs, mask = with_mask(layer, args, kwargs, carried)
    outputs = layer.call(carrying(layer, inputs, carried), *args, **kwargs)
    return outputs, masks_of(layer, inputs, mask, outputs)


def call_adding(
    layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any], carried: Any
) -> tuple[Any, list[Any]]:
    """Do as `call_with_masks`; what the layer adds to the loss is for whoever asks for it, or for its `losses`."""
    if not (layer.penalized or layer.traces):
        return call_with_masks(layer, inputs, args, kwargs, carried)
    with ADDING.call_of(layer):
        outputs, masks = call_with_masks(layer, inputs, args, kwargs, carried)
        layer.add_penalties(outputs)
    return outputs, masks


def carrying(layer: Layer, inputs: Any, carried: Any) -> Any:
    """Return the inputs of a call as tensors that carry their masks, if the layers that it calls look for them there.

    Args:
        layer, inputs, carried: As for `call_with_masks`.
    """
    if not layer.traces or all(leaf is None for leaf in flatten(carried)):
        return inputs
    return as_tensors(inputs, flatten(carried))


def masks_of(layer: Layer, inputs: Any, mask: Any, outputs: Any) -> list[Any]:
    """Return the masks of a call's outputs: those that the layers inside a user's layer gave them come first.

    Args:
        layer, inputs, mask: As for `output_masks`.
        outputs: What the call gave.
    """
    leaves = flatten(outputs)
    own = [carried_mask(leaf) for leaf in leaves] if layer.traces else []
    if own and all(one is not None for one in own):
        return own
    found = output_masks(layer, inputs, mask, len(leaves))
    return [one if inside is None else inside for one, inside in zip(found, own, strict=True)] if own else found


def with_mask(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], carried: Any) -> tuple[dict[str, Any], Any]:
    """Return the keyword arguments that a layer is called with, and the mask or masks of its inputs, None for none.

    Args:
        layer, args, kwargs, carried: As for `call_with_masks`.
    """
    mask = kwargs.get("mask")
    carried = carried if any(leaf is not None for leaf in flatten(carried)) else None
    if mask is INPUT_MASK or (mask is None and _is_given_masks(layer, args, kwargs)):
        mask = carried
    if mask is not None or "mask" in kwargs:
        kwargs = {**kwargs, "mask": mask}
    return kwargs, carried if mask is None else mask


def output_masks(layer: Layer, inputs: Any, mask: Any, count: int) -> list[Any]:
    """Return the masks of a call's outputs, with Keras' warning where the layer destroys that of its inputs.

    Args:
        layer: The layer.
        inputs: What it was called with.
        mask: The mask or masks of the inputs, None if there is none.
        count: Number of outputs.
    """
    if not layer.supports_masking:
        if mask is not None:
            warn_of_destroyed_mask(layer)
        return [None] * count
    masks = flatten(layer.compute_mask(inputs, mask))
    return [None if mask is None else np.asarray(mask) for mask in masks[:count]] + [None] * (count - len(masks))


def warn_of_destroyed_mask(layer: Layer) -> None:
    """Give Keras' warning that a layer lets the mask of its inputs not pass."""
    warnings.warn(
        f"Layer '{layer.name}' (of type {type(layer).__name__}) was passed an input with a mask attached to "
        "it. However, this layer does not support masking and will therefore destroy the mask information. "
        "Downstream layers will not see the mask.",
        stacklevel=3,
    )


def call_shapes(layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Return the shapes that the layer is built for: that of the first argument, and those of others that it asks for.

    Args:
        layer: The layer.
        inputs: The first argument of a call: an array or KerasTensor, or a structure of them.
        args, kwargs: The others.
    """
    names = shape_arguments(type(layer))
    if not names:
        return [map_structure(_shape_of, inputs)]
    given = named_arguments(layer, inputs, args, kwargs)
    return [map_structure(_shape_of, given[name]) for name in names if given.get(name) is not None]


def _shape_of(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape)


def first_by_name(layer: Layer, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the first argument of a call, which came by its name, and the others.

    Raises:
        TypeError: When it did not come.
    """
    name = next(islice(_signature(type(layer).call)[0].parameters, 1, None), "inputs")
    if name not in kwargs:
        raise TypeError(f"{type(layer).__name__}.__call__() missing 1 required positional argument: '{name}'")
    return kwargs[name], {other: value for other, value in kwargs.items() if other != name}


def with_argument_masks(
    layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any], mask_of: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return the arguments by name of a call, with the masks that its tensors carry: that of `query` is `query_mask`.

    As in Keras 3, a mask that is given counts before the one that is carried.

    Args:
        layer: The layer.
        inputs, args, kwargs: The arguments.
        mask_of: `mask_of(tensor)`, the mask that a tensor carries, or None.
    """
    known = call_parameters(type(layer))
    for name, value in named_arguments(layer, inputs, args, kwargs).items():
        key = f"{name}_mask"
        if key in known and kwargs.get(key) is None and value is not None:
            mask = map_structure(mask_of, value)
            if mask is not None:
                kwargs = {**kwargs, key: mask}
    return kwargs


def named_arguments(layer: Layer, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of a layer by their names.

    Raises:
        TypeError: When the layer does not take them.
    """
    signature, only = _signature(type(layer).call)
    if only is not None and not args and not kwargs:
        return {only: inputs}
    arguments = signature.bind(layer, inputs, *args, **kwargs).arguments
    del arguments[next(iter(arguments))]  # the layer
    return arguments


@functools.cache
def _signature(call: Callable[..., Any]) -> tuple[inspect.Signature, str | None]:
    """Return the signature of a `call`, and the name of its first argument if it is happy with that one."""
    signature = inspect.signature(call)
    _, *parameters = signature.parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if not parameters or parameters[0].kind not in positional:
        return signature, None
    happy = all(other.default is not other.empty or other.kind in optional for other in parameters[1:])
    return signature, parameters[0].name if happy else None


@_per_class
def shape_arguments(cls: type[Layer]) -> tuple[str, ...]:
    """Return the names of the arguments of `call` whose shapes the class' `build` takes; none if it takes one shape."""
    names = [name for name in inspect.signature(cls.build).parameters if name.endswith("_shape")]
    return tuple(name.removesuffix("_shape") for name in names) if len(names) > 1 else ()


def parameters_of(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the arguments that a function takes."""
    return frozenset(inspect.signature(function).parameters)


@_per_class
def call_parameters(cls: type[Layer]) -> frozenset[str]:
    """Return the names of the arguments that the class's `call` takes."""
    return parameters_of(cls.call)


def _is_given_masks(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether Keras 3 gives the layer its inputs' masks: if it takes them, and has no other tensors to take."""
    others = [value for name, value in kwargs.items() if name != "mask"]
    return "mask" in call_parameters(type(layer)) and not any(is_array(leaf) for leaf in flatten([args, others]))
