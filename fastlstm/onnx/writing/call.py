"""One call of a layer as it is written: what every family's writers are given, and where they are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastlstm.layers.base.layer import Layer
from fastlstm.onnx.writing.builder import Builder, Value

Outputs = Value | list[Value]


@dataclass(frozen=True)
class Call:
    """A call.

    Args:
        b: The graph.
        layer: The layer, which is built.
        inputs: Its first argument: a value, or a structure of values.
        args, kwargs: The others, as `Layer.call` takes them, masks among them.
        mask: The mask that the layer sees, or a list of them; None for none.
        states: Takes the states that stateful layers start from and end with.
    """

    b: Builder
    layer: Any
    inputs: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    mask: Any
    states: Any

    def inner(self, layer: Layer, inputs: Any, mask: Any = None) -> Value:
        """Return what another layer gives for values: one that is inside this one."""
        made = write_call(Call(self.b, layer, inputs, (), {}, mask, self.states))
        assert isinstance(made, Value)
        return made


Writer = Callable[[Call], Outputs]
WRITERS: dict[type, Writer] = {}


def writes(*classes: type) -> Callable[[Writer], Writer]:
    """Return a decorator that makes a function the writer of classes of layers and those derived from them."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(classes, writer))
        return writer

    return register


def write_call(call: Call) -> Outputs:
    """Write a call, and return its outputs.

    Raises:
        NotImplementedError: When ONNX has no operators for it; the text names the layer.
    """
    for base in type(call.layer).__mro__:
        if base in WRITERS:
            return WRITERS[base](call)
        if not base.__module__.startswith("fastlstm.") and {"call", "__call__"} & set(base.__dict__):
            raise refusal(call.layer, "has a `call` of its own")
    raise refusal(call.layer, "has no operators in ONNX")


def refusal(layer: Layer, reason: str) -> NotImplementedError:
    """Return the error for a layer that cannot be written."""
    return NotImplementedError(f"Layer '{layer.name}' ({type(layer).__name__}) {reason}: it cannot be written as ONNX.")
