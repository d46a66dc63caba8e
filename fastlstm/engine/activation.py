"""Activations as the engine runs them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlstm.records import Record


class Activation(Record):
    """An activation as the engine runs it.

    Args:
        name: A name of `ACTIVATIONS`, or `python` for `function`.
        parameters: The native function's parameters, all given (see `ACTIVATIONS`).
        function: Only for `python`: takes a float32 array `(rows, units)`, returns one of the same shape.
    """

    name: str
    parameters: tuple[float, ...] = ()
    function: Callable[[np.ndarray], np.ndarray] | None = None


LINEAR = Activation("linear")


# Those that a layer's units cannot be taken apart for: over a row, or in Python.
ROW_ACTIVATIONS = {"softmax", "log_softmax", "python"}

# Every native activation with the names of its parameters. The order of the rows is the order of `fl_activation` in
# csrc/fastlstm.h.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "relu": ("negative_slope", "max_value", "threshold"),
    "elu": ("alpha",),
    "selu": (),
    "celu": ("alpha",),
    "gelu": (),
    "gelu_tanh": (),
    "silu": (),
    "hard_silu": (),
    "mish": (),
    "softplus": (),
    "softsign": (),
    "sigmoid": (),
    "hard_sigmoid": (),
    "hard_sigmoid_keras2": (),
    "sparse_sigmoid": (),
    "log_sigmoid": (),
    "tanh": (),
    "hard_tanh": (),
    "tanh_shrink": (),
    "hard_shrink": ("threshold",),
    "soft_shrink": ("threshold",),
    "squareplus": ("b",),
    "sparse_plus": (),
    "exponential": (),
    "softmax": (),
    "log_softmax": (),
}
