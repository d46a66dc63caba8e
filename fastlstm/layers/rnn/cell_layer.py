"""What `LSTM`, `GRU` and `SimpleRNN` share: a recurrent layer that makes its own cell and speaks for it."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from fastlstm import regularizers
from fastlstm.engine import ops
from fastlstm.identifiers import snake_case
from fastlstm.layers.rnn.cell import Cell
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.printable import quoted


def _mirrored(name: str) -> property:
    """Return a property of a layer that is an attribute of its cell."""

    def read(layer: RNN) -> Any:
        return getattr(layer.cell, name)

    def write(layer: RNN, value: Any) -> None:
        setattr(layer.cell, name, value)

    return property(read, write, doc=f"The cell's `{name}`.")


def _cell_arguments(cell_class: type[Cell]) -> tuple[str, ...]:
    named = inspect.signature(cell_class.__init__).parameters.values()
    return tuple(parameter.name for parameter in named if parameter.kind is parameter.POSITIONAL_OR_KEYWORD)[1:]


class CellLayer(RNN):
    """A recurrent layer whose arguments are those of its `cell_class` and of `RNN`; the cell's are attributes too.

    Args:
        arguments: The arguments of the class by name.
        **kwargs: As for `RNN`, and the cell's `keywords`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    cell_class: ClassVar[type[Cell]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "cell_class" in cls.__dict__:
            for name in (*_cell_arguments(cls.cell_class), *cls.cell_class.keywords):
                setattr(cls, name, _mirrored(name))

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        cell_class = self.cell_class
        of_cell = {name: arguments[name] for name in _cell_arguments(cell_class)}
        of_cell |= {name: kwargs.pop(name) for name in cell_class.keywords if name in kwargs}
        cell = cell_class(**of_cell, name=snake_case(cell_class.__name__))
        over_time = {name: value for name, value in arguments.items() if name not in of_cell}
        super().__init__(cell, **over_time, **kwargs)
        cell.trainable = self.trainable
        cell.dtype_policy = self.dtype_policy

    def cell_config(self) -> dict[str, Any]:
        return {
            **self.cell.arguments(),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
        }


class GatedLayer(CellLayer):
    """A `CellLayer` with gates, which also takes `use_cudnn`."""

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        use_cudnn = arguments["use_cudnn"]
        super().__init__({name: value for name, value in arguments.items() if name != "use_cudnn"}, **kwargs)
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                "Invalid valid received for argument `use_cudnn`. Expected one of {'auto', True, False}. "
                f"Received: use_cudnn={quoted(use_cudnn)}"
            )
        self.use_cudnn = use_cudnn

    def lower(self) -> list[ops.Op]:
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but cuDNN is not supported for this layer configuration with this "
                "backend. Pass use_cudnn='auto' to fallback to a non-cuDNN implementation."
            )
        return super().lower()
