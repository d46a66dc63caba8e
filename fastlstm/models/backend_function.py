"""`keras.backend.function` of Keras 1 and 2: tensors of a graph as a function of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.layers.base.structure import flatten
from fastlstm.models.model import Model


def function(inputs: Any, outputs: Any, updates: Any = None, name: str | None = None) -> Callable[..., Any]:
    """Return a function that computes symbolic tensors from others.

    Args:
        inputs: KerasTensor or list of them.
        outputs: KerasTensor or list of them, which depend on the inputs alone.
        updates: Not supported: None or an empty list.
        name: As in Keras, not read.

    Returns:
        A function of a list of arrays, which returns a list of them, or one for `outputs` that are none.

    Raises:
        ValueError: When there are updates, or the outputs depend on something else.
    """
    if updates:
        raise ValueError("`updates` are not supported: assign to the variables after the call.")
    model: Model = Model(inputs, outputs)

    def call(values: Any) -> Any:
        given = values if isinstance(values, (list, tuple, dict)) else [values]
        made = model(given[0] if len(given) == 1 and not isinstance(given, dict) else given)
        arrays = [each.numpy() for each in flatten(made)]
        return arrays if isinstance(outputs, (list, tuple)) else arrays[0]

    return call
