"""Activations as nodes: the operator that ONNX has, or the formula of operators that it has."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm import activations
from fastlstm.engine import ops
from fastlstm.layers.activations.activation import lower_activation
from fastlstm.layers.base.layer import Layer
from fastlstm.onnx.writing.builder import Builder, Value

Write = Callable[..., Value]


def activated(b: Builder, activation: Any, x: Value, layer: Layer) -> Value:
    """Return an activation of a value.

    Args:
        b: The graph.
        activation: A layer's attribute: a function, a layer, or None.
        x: The value.
        layer: Whose activation it is, for the error.

    Raises:
        NotImplementedError: When it is a function that nobody can read.
    """
    plain = {activations.sparsemax: sparsemax, activations.glu: glu}
    if not isinstance(activation, Layer) and activation in plain:
        return plain[activation](b, x)
    lowered = lower_activation(activation, x.shape[-1])
    if lowered.function is not None:
        raise NotImplementedError(
            f"Layer '{layer.name}' ({type(layer).__name__}) has a Python function as activation, {activation!r}, which "
            "has no operator in ONNX."
        )
    return written(b, lowered, x)


def written(b: Builder, activation: ops.Activation, x: Value) -> Value:
    """Return an activation, as the engine knows it, of a value."""
    return _WRITERS[activation.name](b, x, *activation.parameters)


# --- formulas -------------------------------------------------------------------------------------------------------


def _operator(op: str, **attributes: Any) -> Write:
    return lambda b, x: b.op(op, x, **attributes)


def sigmoid(b: Builder, x: Value) -> Value:
    """Return the logistic function."""
    return b.op("Sigmoid", x)


def _relu(b: Builder, x: Value, slope: float, limit: float, threshold: float) -> Value:
    if threshold == 0.0:
        if slope:
            y = b.op("LeakyRelu", x, alpha=slope)
        elif math.isinf(limit):
            return b.op("Relu", x)
        else:
            return b.clip(x, 0.0, limit)
    else:
        below = b.mul(b.sub(x, b.number(threshold)), b.number(slope))
        y = b.where(b.compare("GreaterOrEqual", x, b.number(threshold)), x, below)
    return y if math.isinf(limit) else b.elementwise("Min", y, b.number(limit))


def _selu(b: Builder, x: Value) -> Value:
    return b.op("Selu", x, alpha=1.6732632423543772, gamma=1.0507009873554805)


def _gelu(b: Builder, x: Value) -> Value:
    inner = b.add(b.op("Erf", b.mul(x, b.number(math.sqrt(0.5)))), b.number(1))
    return b.mul(x, b.number(0.5), inner)


def _silu(b: Builder, x: Value) -> Value:
    return b.mul(x, sigmoid(b, x))


def _line(b: Builder, x: Value, slope: float, offset: float) -> Value:
    """A line, clipped to 0 … 1."""
    return b.op("HardSigmoid", x, alpha=slope, beta=offset)


def _hard_silu(b: Builder, x: Value) -> Value:
    return b.mul(x, _line(b, x, 1 / 6, 0.5))


def _mish(b: Builder, x: Value) -> Value:
    return b.mul(x, b.op("Tanh", b.op("Softplus", x)))


def _log_sigmoid(b: Builder, x: Value) -> Value:
    return b.op("Neg", b.op("Softplus", b.op("Neg", x)))


def _tanh_shrink(b: Builder, x: Value) -> Value:
    return b.sub(x, b.op("Tanh", x))


def _hard_shrink(b: Builder, x: Value, threshold: float) -> Value:
    return b.op("Shrink", x, lambd=threshold, bias=0.0)


def _soft_shrink(b: Builder, x: Value, threshold: float) -> Value:
    return b.op("Shrink", x, lambd=threshold, bias=threshold)


def _squareplus(b: Builder, x: Value, parameter: float) -> Value:
    root = b.op("Sqrt", b.add(b.mul(x, x), b.number(parameter)))
    return b.mul(b.add(x, root), b.number(0.5))


def _sparse_plus(b: Builder, x: Value) -> Value:
    up = b.clip(b.add(x, b.number(1)), 0.0, np.inf)
    square = b.mul(up, up, b.number(0.25))
    return b.where(b.compare("GreaterOrEqual", x, b.number(1)), x, square)


def sparsemax(b: Builder, x: Value, axis: int = -1) -> Value:
    """Return Keras' sparsemax over an axis; see `activations.sparsemax`."""
    axis %= x.ndim
    length = b.size(x, axis)
    descending = b.nodes_of("TopK", [x, length], [x.shape, x.shape], ["float32", "int64"], axis=axis)[0]
    total = b.op("CumSum", descending, b.constant(np.int64(axis)))
    ranks = b.cast(b.arange(length, x.shape[axis]), "float32")
    ranks = b.add(ranks, b.number(1))
    after = range(1, x.ndim - axis)
    ranks = b.expand_dims(ranks, *after) if len(after) else ranks
    support = b.compare("Greater", b.sub(descending, b.div(b.sub(total, b.number(1)), ranks)), b.number(0))
    sums = b.reduce("Sum", b.where(support, total, b.number(0)), [axis], keepdims=True)
    count = b.reduce("Sum", b.cast(support, "float32"), [axis], keepdims=True)
    return b.op("Relu", b.sub(x, b.div(b.sub(sums, b.number(1)), count)))


def glu(b: Builder, x: Value, axis: int = -1) -> Value:
    """Return the first half of an axis times the sigmoid of the second."""
    half = x.shape[axis] // 2  # type: ignore[operator]
    first, second = b.slice(x, axis, 0, half), b.slice(x, axis, half, 2 * half)
    return b.mul(first, sigmoid(b, second))


def over_axes(b: Builder, op: str, x: Value, axes: int | Sequence[int] | None) -> Value:
    """Return `Softmax` or `LogSoftmax` over one axis or several."""
    places = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else list(axes)
    places = sorted({axis % x.ndim for axis in places})
    if len(places) == 1:
        return b.op(op, x, axis=places[0])
    shifted = b.sub(x, b.reduce("Max", x, places, keepdims=True))
    powers = b.op("Exp", shifted)
    total = b.reduce("Sum", powers, places, keepdims=True)
    return b.div(powers, total) if op == "Softmax" else b.sub(shifted, b.op("Log", total))


_WRITERS: dict[str, Write] = {
    "linear": lambda b, x: x,
    "relu": _relu,
    "elu": lambda b, x, alpha: b.op("Elu", x, alpha=alpha),
    "selu": _selu,
    "celu": lambda b, x, alpha: b.op("Celu", x, alpha=alpha),
    "gelu": _gelu,
    "silu": _silu,
    "hard_silu": _hard_silu,
    "mish": _mish,
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "softmax": _operator("Softmax", axis=-1),
    "log_softmax": _operator("LogSoftmax", axis=-1),
    "sigmoid": sigmoid,
    "hard_sigmoid": functools.partial(_line, slope=1 / 6, offset=0.5),
    "hard_sigmoid_keras2": functools.partial(_line, slope=0.2, offset=0.5),
    "sparse_sigmoid": functools.partial(_line, slope=0.5, offset=0.5),
    "log_sigmoid": _log_sigmoid,
    "tanh": _operator("Tanh"),
    "hard_tanh": lambda b, x: b.clip(x, -1.0, 1.0),
    "tanh_shrink": _tanh_shrink,
    "hard_shrink": _hard_shrink,
    "soft_shrink": _soft_shrink,
    "squareplus": _squareplus,
    "sparse_plus": _sparse_plus,
    "exponential": _operator("Exp"),
}


def inside_recurrent(activation: ops.Activation) -> tuple[str, float | None, float | None] | None:
    """Return an activation as ONNX's recurrent operators name it, with its alpha and beta; None if they have it not."""
    name, parameters = activation.name, activation.parameters
    if name == "relu":
        slope, limit, threshold = parameters
        if not math.isinf(limit) or threshold:
            return None
        return ("LeakyRelu", slope, None) if slope else ("Relu", None, None)
    known: dict[str, tuple[str, float | None, float | None]] = {
        "linear": ("Affine", 1.0, 0.0),
        "tanh": ("Tanh", None, None),
        "sigmoid": ("Sigmoid", None, None),
        "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
        "hard_sigmoid_keras2": ("HardSigmoid", 0.2, 0.5),
        "sparse_sigmoid": ("HardSigmoid", 0.5, 0.5),
        "softsign": ("Softsign", None, None),
        "softplus": ("Softplus", None, None),
    }
    return ("Elu", parameters[0], None) if name == "elu" else known.get(name)
