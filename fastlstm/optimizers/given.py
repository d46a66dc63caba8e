"""What a caller gives an optimizer: gradients and learning rates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import array, check_numbers
from fastlstm.optimizers.state import path_of


def with_gradients(grads: Sequence[Any], variables: Sequence[Any]) -> list[int]:
    """Return the places of the gradients that are there, and warn of the others."""
    kept = [i for i, gradient in enumerate(grads) if gradient is not None]
    if not kept:
        raise ValueError("No gradients provided for any variable.")
    if len(kept) < len(grads):
        missing = [path_of(variable) for i, variable in enumerate(variables) if grads[i] is None]
        warnings.warn(
            f"Gradients do not exist for variables {missing} when minimizing the loss. If using `model.compile()`, did "
            "you forget to provide a `loss` argument?",
            stacklevel=3,
        )
    return kept


def as_gradient(gradient: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient as a C-contiguous float32 array of its variable's shape.

    Raises:
        ValueError: It is none.
    """
    return np.ascontiguousarray(array(gradient, np.float32, "A gradient")).reshape(shape)


def as_rate(learning_rate: Any) -> np.ndarray:
    """Return a learning rate as a float32 array.

    Raises:
        ValueError: It is no number that float32 has.
    """
    check_numbers(learning_rate=learning_rate)
    return np.asarray(learning_rate, np.float32)
