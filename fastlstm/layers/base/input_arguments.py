"""The arguments by which a model's first layer says what the input is, older than `Input`."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from fastlstm.layers.base.input_spec import Shape, standardize_shape

_warned = False


def take_input_batch_shape(kwargs: dict[str, Any]) -> Shape | None:
    """Take the model's input shape out of a layer's keyword arguments, with Keras' warning once a process.

    Args:
        kwargs: The arguments; `input_shape`, `input_dim` and `batch_input_shape` are removed, and `batch_size` beside
            one of the first two.

    Returns:
        Shape with the batch, or None.
    """
    shape = None
    if "input_dim" in kwargs:
        shape = (None, kwargs.pop("input_dim"))
    if "input_shape" in kwargs:
        argument = kwargs.pop("input_shape")
        shape = (None, *(argument if hasattr(argument, "__iter__") else (argument,)))
    if shape is not None and "batch_size" in kwargs:
        shape = (kwargs.pop("batch_size"), *shape[1:])
    if "batch_input_shape" in kwargs:
        shape = kwargs.pop("batch_input_shape")
    if shape is None:
        return None
    global _warned
    if not _warned:
        warnings.warn(
            "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, prefer using "
            "an `Input(shape)` object as the first layer in the model instead.",
            UserWarning,
            stacklevel=_caller_depth(),
        )
        _warned = True
    return standardize_shape(shape)


def _caller_depth() -> int:
    """Return the `stacklevel` for `warnings.warn` of the nearest caller outside this package's layers."""
    depth, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_back is not None and frame.f_globals["__name__"].startswith("fastlstm."):
        depth, frame = depth + 1, frame.f_back
    return depth
