"""`StackedRNNCells`: cells one after the other as one cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, register, serialize
from fastlstm.layers.base.structure import flatten, packed
from fastlstm.layers.rnn.states import zero_states
from fastlstm.layers.symbolic.calling import call_parameters

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


def step(cell: Any, inputs: np.ndarray, states: Any, training: bool) -> tuple[Any, Any]:
    """Return what a cell's `call` gives, telling it of `training` if it takes that."""
    return cell.call(inputs, states, **({"training": training} if "training" in call_parameters(type(cell)) else {}))


def step_with_gradient(cell: Any, inputs: np.ndarray, states: Any, training: bool) -> tuple[tuple[Any, Any], Backward]:
    """Return what `step` does, and the way back; see `Layer.call_with_gradient`."""
    given = {"training": training} if "training" in call_parameters(type(cell)) else {}
    return cell.call_with_gradient(inputs, states, **given)


def initial_state(cell: Any, batch_size: int) -> Any:
    """Return the states that a cell starts from: its own choice, or zeros of its `state_size`."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch_size)
    return zero_states(cell.state_size, batch_size)


def check_cell_gradient(cell: Any) -> None:
    """Raise NotImplementedError if training cannot go through a cell."""
    if isinstance(cell, Layer):
        cell.check_gradient()
    elif not hasattr(cell, "call_with_gradient"):
        raise NotImplementedError(
            f"Training cannot go through the cell {cell!r}, which does not say its gradient: give its class a method "
            "`call_with_gradient`, and let it be a `Layer` if it has weights."
        )


def output_size(cell: Any) -> int:
    """Return the size of a cell's output: its `output_size`, or that of its first state.

    Raises:
        ValueError: When it is no integer.
    """
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
    if not isinstance(size, int):
        raise ValueError("output_size must be an integer.")
    return size


@register
class StackedRNNCells(Layer):
    """Cells that each read the output of the one before, as one cell.

    Args:
        cells: List of cells, of this package or with `call(inputs, states)` and `state_size`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When something in `cells` is no cell.
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            if not hasattr(cell, "call"):
                raise ValueError(f"All cells must have a `call` method. Received cell without a `call` method: {cell}")
            if not hasattr(cell, "state_size"):
                raise ValueError(
                    f"All cells must have a `state_size` attribute. Received cell without a `state_size`: {cell}"
                )
        self.cells: list[Any] = list(cells)

    def named_children(self) -> tuple[tuple[str, tuple[Layer, ...]], ...]:
        return (("cells", tuple(cell for cell in self.cells if isinstance(cell, Layer))),)

    @property
    def state_size(self) -> list[Any]:
        """The `state_size` of every cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """Size of the last cell's output."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Return the states that every cell starts from."""
        return [initial_state(cell, batch_size) for cell in self.cells]

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer):
                self.build_child(cell, input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def call(self, inputs: np.ndarray, states: Sequence[Any], training: bool = False) -> tuple[np.ndarray, list[Any]]:
        """Return `(output, new_states)`.

        Args:
            inputs: `(batch, features)`.
            states: The states of each cell: a list, or an array if the cell has one state.
            training: Boolean.
        """
        new_states = []
        for cell, before in zip(self.cells, states, strict=True):
            listed = isinstance(before, (list, tuple))
            inputs, after = step(cell, as_float32(inputs), list(before) if listed else [before], training)
            if not isinstance(after, (list, tuple)):
                after = [after]
            new_states.append(list(after) if listed or len(after) > 1 else after[0])
        return inputs, new_states

    def call_with_gradient(
        self, inputs: np.ndarray, states: Sequence[Any], training: bool = False
    ) -> tuple[tuple[np.ndarray, list[Any]], Backward]:
        new_states, ways = [], []
        for cell, before in zip(self.cells, states, strict=True):
            listed = isinstance(before, (list, tuple))
            given = list(before) if listed else [before]
            (inputs, after), way = step_with_gradient(cell, as_float32(inputs), given, training)
            after = list(after) if isinstance(after, (list, tuple)) else [after]
            new_states.append(after if listed or len(after) > 1 else after[0])
            ways.append((way, after))

        def backward(d: Any) -> Any:
            d_output, d_states = d
            d_before: list[Any] = []
            of_weights: list[np.ndarray | None] = []
            for (way, after), d_after in zip(reversed(ways), reversed(d_states), strict=True):
                d_output, d_weights, *rest = way((d_output, packed(after, flatten(d_after))))
                d_given = rest[0]["states"]
                d_before.insert(0, d_given if isinstance(d_after, (list, tuple)) else flatten(d_given)[0])
                of_weights = [*d_weights, *of_weights]
            return d_output, of_weights, {"states": d_before}

        return (inputs, new_states), backward

    def check_gradient(self) -> None:
        super().check_gradient()
        for cell in self.cells:
            check_cell_gradient(cell)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": [serialize(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StackedRNNCells:
        cells = [deserialize({**cell, "build_config": None}) for cell in config["cells"]]
        return cls(cells, **{name: value for name, value in config.items() if name != "cells"})
