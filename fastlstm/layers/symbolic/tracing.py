"""A layer's `call`, traced: run once on symbolic tensors, which leaves its calls of layers and operations.

Weights of the layer's own become tensors, too: what is traced is a function of the inputs and of these weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlstm import random
from fastlstm.layers.base.arrays import carried_mask
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.own_config import is_own
from fastlstm.layers.base.structure import map_structure
from fastlstm.layers.base.tracing import TRACING
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.symbolic.calling import FixedTraining
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.node import Node, record_call


class Trace:
    """What a call of a layer does.

    Args:
        layer: The built layer.
        inputs: Its first argument: an array, or a structure of arrays, which may carry masks.
        kwargs: The others by name, with arrays anywhere among them.
        training: Whether it is called in training.

    Raises:
        NotImplementedError: When the call cannot be traced, naming the layer.
    """

    def __init__(self, layer: Layer, inputs: Any, kwargs: Mapping[str, Any], training: bool = True) -> None:
        # The calls that it makes, in their order.
        self.nodes: list[Node] = []
        # What stands for the arrays it was given, and for the weights that it uses.
        self.inputs: list[KerasTensor] = []
        self.variables: list[Variable] = []
        self.weights: list[KerasTensor] = []
        self._tensors: dict[int, KerasTensor] = {}
        # What it adds to the loss: tensors, and arrays that are constants.
        self.losses: list[Any] = []
        # Random numbers that were drawn on the way without being a part of the call.
        self.ignored_draws = 0
        given, named = map_structure(self._symbol, (inputs, dict(kwargs)))
        before = random.draws_made()
        try:
            with TRACING.by(self):
                self.outputs: Any = self.symbolic(self._called(layer, given, named))
        except Exception as error:
            # If arrays do no better it is the call that is wrong.
            layer.call(inputs, **kwargs)
            raise NotImplementedError(_untraceable(layer, error)) from error
        for node in self.nodes:
            node.kwargs = _with_training(node.kwargs, training and kwargs.get("training") is not False)
        # Numbers that were drawn are constants of the trace.
        self.draws: bool = random.draws_made() - before > self.ignored_draws

    def _called(self, layer: Layer, inputs: Any, kwargs: dict[str, Any]) -> Any:
        if not layer.expands:
            return _with_recorded_base(layer).call(inputs, **kwargs)
        # A model's layers are known.
        return record_call(layer, inputs, (), kwargs)

    def _symbol(self, leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        tensor = KerasTensor(leaf.shape, leaf.dtype.name, "", masked=carried_mask(leaf) is not None)
        self.inputs.append(tensor)
        return tensor

    def tensor_of(self, variable: Variable) -> KerasTensor:
        """Return what stands for a weight."""
        tensor = self._tensors.get(id(variable))
        if tensor is None:
            tensor = self._tensors[id(variable)] = KerasTensor(variable.shape, variable.dtype, variable.path)
            self.variables.append(variable)
            self.weights.append(tensor)
        return tensor

    def adds(self, loss: Any) -> bool:
        """Take note of what is added to the loss; returns whether it is a tensor."""
        loss = self.symbolic(loss)
        if not isinstance(loss, (KerasTensor, np.ndarray, np.generic)):
            return False
        self.losses.append(loss)
        return True

    def symbolic(self, nested: Any) -> Any:
        """Return a structure with tensors in place of weights."""
        return map_structure(lambda leaf: self.tensor_of(leaf) if isinstance(leaf, Variable) else leaf, nested)


def _with_recorded_base(layer: Layer) -> Any:
    """A layer of a class that extends one of this package, of which `super().call` is recorded: as a layer of the base.

    It has the attributes of the layer: not copies, the same ones.
    """
    cls: Any = type(layer)
    base: Any = next(one for one in cls.__mro__ if not is_own(one))
    if base in (Layer, cls) or base.subclassed:
        return layer
    as_base = _of_class(base if layer.activity_regularizer is None else _unpenalized(base), layer)

    def call(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return record_call(as_base, *TRACING.trace.symbolic((inputs, args, kwargs)))

    # In the order of resolution, this comes between the user's class and the base.
    recording = type(base.__name__, (base,), {"call": call})
    return _of_class(type(cls.__name__, (cls, recording), {}), layer)


def _unpenalized(cls: Any) -> Any:
    """A class of layers whose outputs have no penalties: those are of what the user's class makes of them."""
    return type(cls.__name__, (cls,), {"activity_regularizer": property(lambda self: None)})


def _of_class(cls: Any, layer: Layer) -> Any:
    """The layer as one of another class."""
    made = object.__new__(cls)
    made.__dict__ = layer.__dict__
    return made


def _with_training(kwargs: dict[str, Any], context: bool) -> dict[str, Any]:
    """The arguments of a call: that it trains is said only where it is otherwise around it, and then it holds."""
    training = kwargs.get("training")
    if training is None:
        return kwargs
    others = {name: value for name, value in kwargs.items() if name != "training"}
    return others if bool(training) == context else {**others, "training": FixedTraining(bool(training))}


def _untraceable(layer: Layer, error: Exception) -> str:
    name = type(layer).__name__
    return (
        f"Training cannot go through layer '{layer.name}' (of type {name}): its `call` cannot be run on symbolic "
        f"tensors. {type(error).__name__}: {error}\nWrite `{name}.call` with layers, operators and functions of "
        "`fastlstm.ops`, without NumPy and without conditions on values; or give the class a method "
        "`call_with_gradient`; or freeze the layer and those before it (`trainable = False`)."
    )
