"""Activation functions, under Keras' names, signatures and defaults.

Every function takes an array-like of numbers and returns a new float32 array of its shape (`glu`: half of one axis).
The numbers come from the engine, so a function called alone gives the same bits as inside a model.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike

from fastlstm.arguments import explained
from fastlstm.engine import activate
from fastlstm.engine.ops import Activation
from fastlstm.identifiers import Registry
from fastlstm.printable import quoted

_Parameters = ParamSpec("_Parameters")
# The operations that are not called as the function is.
_OPERATIONS = {"relu": "ReLU", "exponential": "Exp"}


def _recordable(function: Callable[_Parameters, np.ndarray]) -> Callable[_Parameters, np.ndarray]:
    """Let a function of arrays record the operation that it is, where it is called on a symbolic tensor."""
    name = function.__name__
    operation = _OPERATIONS.get(name) or "".join(word.capitalize() for word in name.split("_"))

    @explained
    @functools.wraps(function)
    def called(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> np.ndarray:
        if args and hasattr(args[0], "record_operation"):
            return _recorded(function, operation, args, kwargs)
        return function(*args, **kwargs)

    return called


def _recorded(function: Callable[..., np.ndarray], operation: str, args: tuple[Any, ...], kwargs: Any) -> Any:
    from fastlstm import ops

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    x, *_ = args
    definition = ops.find(operation)
    if definition is None:
        if function.__name__ == "linear":
            return x
        raise NotImplementedError(f"`{function.__name__}` has no operation that a graph could have.")
    return x.record_operation(definition, (x,), {name: bound.arguments[name] for name in list(bound.arguments)[1:]})


@_recordable
def linear(x: ArrayLike) -> np.ndarray:
    """`x`."""
    return _run(x, "linear")


@_recordable
def relu(
    x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> np.ndarray:
    """`x` above the threshold, at most `max_value`; `negative_slope * (x - threshold)` elsewhere.

    Args:
        x: Array-like.
        negative_slope: Float.
        max_value: Float, or None for no limit.
        threshold: Float.
    """
    return _run(x, "relu", negative_slope, math.inf if max_value is None else max_value, threshold)


@_recordable
def relu6(x: ArrayLike) -> np.ndarray:
    """`min(max(x, 0), 6)`."""
    return relu(x, max_value=6.0)


@_recordable
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> np.ndarray:
    """`x` where it is positive, `negative_slope * x` elsewhere."""
    return relu(x, negative_slope)


@_recordable
def elu(x: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """`x` where it is positive, `alpha * (exp(x) - 1)` elsewhere (Clevert et al., 2016)."""
    return _run(x, "elu", alpha)


@_recordable
def selu(x: ArrayLike) -> np.ndarray:
    """`1.0507009873554805 * elu(x, 1.6732632423543772)` (Klambauer et al., 2017)."""
    return _run(x, "selu")


@_recordable
def celu(x: ArrayLike, alpha: float = 1.0) -> np.ndarray:
    """`max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)` (Barron, 2017)."""
    return _run(x, "celu", alpha)


@_recordable
def gelu(x: ArrayLike, approximate: bool = False) -> np.ndarray:
    """`x / 2 * (1 + erf(x / sqrt(2)))`, or its tanh form if `approximate` (Hendrycks and Gimpel, 2016)."""
    return _run(x, "gelu_tanh" if approximate else "gelu")


@_recordable
def silu(x: ArrayLike) -> np.ndarray:
    """`x * sigmoid(x)`; also named swish (Ramachandran et al., 2017)."""
    return _run(x, "silu")


@_recordable
def hard_silu(x: ArrayLike) -> np.ndarray:
    """`x * hard_sigmoid(x)`; also named hard_swish (Howard et al., 2019)."""
    return _run(x, "hard_silu")


@_recordable
def mish(x: ArrayLike) -> np.ndarray:
    """`x * tanh(softplus(x))` (Misra, 2019)."""
    return _run(x, "mish")


@_recordable
def softplus(x: ArrayLike) -> np.ndarray:
    """`log(1 + exp(x))`."""
    return _run(x, "softplus")


@_recordable
def softsign(x: ArrayLike) -> np.ndarray:
    """`x / (1 + |x|)`."""
    return _run(x, "softsign")


@_recordable
def softmax(x: ArrayLike, axis: int | Sequence[int] | None = -1) -> np.ndarray:
    """`exp(x) / sum(exp(x))`, the sum over `axis`: an integer, several, or None for all."""
    return _run_over(axis, x, "softmax")


@_recordable
def log_softmax(x: ArrayLike, axis: int | Sequence[int] | None = -1) -> np.ndarray:
    """`x - log(sum(exp(x)))`, the sum over `axis`: an integer, several, or None for all."""
    return _run_over(axis, x, "log_softmax")


@_recordable
def sparsemax(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """`max(x - tau, 0)` over `axis`, after Martins and Astudillo (2016) with the tau of Keras 3.

    Keras' tau sums the cumulative sums of the support, where the paper takes the last of them: the result is the
    projection on the simplex only where one element stays. fastlstm gives Keras' numbers.
    """
    x = _numbers(x)
    descending = -np.sort(-x, axis=axis)
    total = np.cumsum(descending, axis=axis)
    ranks = np.arange(1, x.shape[axis] + 1, dtype=np.float32)
    ranks = np.moveaxis(ranks.reshape(-1, *[1] * (x.ndim - 1)), 0, axis)
    support = descending - (total - 1) / ranks > 0
    tau = (np.where(support, total, 0).sum(axis=axis, keepdims=True) - 1) / support.sum(axis=axis, keepdims=True)
    return np.maximum(x - tau.astype(np.float32), 0)


@_recordable
def sigmoid(x: ArrayLike) -> np.ndarray:
    """`1 / (1 + exp(-x))`."""
    return _run(x, "sigmoid")


@_recordable
def hard_sigmoid(x: ArrayLike) -> np.ndarray:
    """`relu6(x + 3) / 6`. Files written before Keras 3 mean `hard_sigmoid_keras2`."""
    return _run(x, "hard_sigmoid")


@_recordable
def hard_sigmoid_keras2(x: ArrayLike) -> np.ndarray:
    """`clip(0.2 * x + 0.5, 0, 1)`: what Keras 1 and 2 called hard_sigmoid.

    Differs from Keras: Keras 3 lacks it; the name of its own keeps saving from turning it into the new one.
    """
    return _run(x, "hard_sigmoid_keras2")


@_recordable
def sparse_sigmoid(x: ArrayLike) -> np.ndarray:
    """`clip((x + 1) / 2, 0, 1)`."""
    return _run(x, "sparse_sigmoid")


@_recordable
def log_sigmoid(x: ArrayLike) -> np.ndarray:
    """`log(sigmoid(x))`."""
    return _run(x, "log_sigmoid")


@_recordable
def tanh(x: ArrayLike) -> np.ndarray:
    """`tanh(x)`."""
    return _run(x, "tanh")


@_recordable
def hard_tanh(x: ArrayLike) -> np.ndarray:
    """`clip(x, -1, 1)`."""
    return _run(x, "hard_tanh")


@_recordable
def tanh_shrink(x: ArrayLike) -> np.ndarray:
    """`x - tanh(x)`."""
    return _run(x, "tanh_shrink")


@_recordable
def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> np.ndarray:
    """`x` where `|x| > threshold`, 0 elsewhere."""
    return _run(x, "hard_shrink", threshold)


@_recordable
def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> np.ndarray:
    """`sign(x) * max(|x| - threshold, 0)`."""
    return _run(x, "soft_shrink", threshold)


@_recordable
def squareplus(x: ArrayLike, b: float = 4) -> np.ndarray:
    """`(x + sqrt(x**2 + b)) / 2` (Barron, 2021)."""
    return _run(x, "squareplus", b)


@_recordable
def sparse_plus(x: ArrayLike) -> np.ndarray:
    """0 up to -1, `(x + 1)**2 / 4` up to 1, `x` from there."""
    return _run(x, "sparse_plus")


@_recordable
def exponential(x: ArrayLike) -> np.ndarray:
    """`exp(x)`."""
    return _run(x, "exponential")


@_recordable
def glu(x: ArrayLike, axis: int = -1) -> np.ndarray:
    """`a * sigmoid(b)` of the halves a and b of the axis (Dauphin et al., 2017).

    Raises:
        ValueError: When the axis has an odd size.
    """
    x = _numbers(x)
    if x.shape[axis] % 2:
        raise ValueError(f"axis size must be divisible by 2. Received: x.shape={x.shape} with axis={quoted(axis)}")
    a, b = np.split(x, 2, axis)
    return a * sigmoid(b)


@_recordable
def threshold(x: ArrayLike, threshold: float, default_value: float) -> np.ndarray:
    """`x` where `x > threshold`, `default_value` elsewhere."""
    x = _numbers(x)
    return np.where(x > threshold, x, np.float32(default_value))


def _numbers(x: ArrayLike) -> np.ndarray:
    x = np.asarray(x)
    if not np.can_cast(x.dtype, np.float32, "same_kind"):
        raise TypeError(f"An activation takes real numbers. Received: an array of dtype {x.dtype}")
    return x.astype(np.float32, copy=False)


def _run(x: ArrayLike, name: str, *parameters: float) -> np.ndarray:
    x = _numbers(x)
    if x.size == 0:
        return np.empty(x.shape, np.float32)
    # A scalar is a row of one for the engine.
    return activate(np.ascontiguousarray(x), Activation(name, tuple(map(float, parameters)))).reshape(x.shape)


def _run_over(axis: int | Sequence[int] | None, x: ArrayLike, name: str) -> np.ndarray:
    """Move the axes to the end, where the engine's row functions act, and back."""
    x = _numbers(x)
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis))
    last = range(-len(axes), 0)
    moved = np.moveaxis(x, axes, last)
    kept = x.ndim - len(axes)
    rows = moved.reshape(*moved.shape[:kept], math.prod(moved.shape[kept:]))
    return np.ascontiguousarray(np.moveaxis(_run(rows, name).reshape(moved.shape), last, axes))


# What the engine runs for a function that a layer uses, with its default parameters.
_NATIVE: dict[Callable[..., np.ndarray], Activation] = {
    linear: Activation("linear"),
    relu: Activation("relu", (0.0, math.inf, 0.0)),
    relu6: Activation("relu", (0.0, 6.0, 0.0)),
    leaky_relu: Activation("relu", (0.2, math.inf, 0.0)),
    elu: Activation("elu", (1.0,)),
    selu: Activation("selu"),
    celu: Activation("celu", (1.0,)),
    gelu: Activation("gelu"),
    silu: Activation("silu"),
    hard_silu: Activation("hard_silu"),
    mish: Activation("mish"),
    softplus: Activation("softplus"),
    softsign: Activation("softsign"),
    softmax: Activation("softmax"),
    log_softmax: Activation("log_softmax"),
    sigmoid: Activation("sigmoid"),
    hard_sigmoid: Activation("hard_sigmoid"),
    hard_sigmoid_keras2: Activation("hard_sigmoid_keras2"),
    sparse_sigmoid: Activation("sparse_sigmoid"),
    log_sigmoid: Activation("log_sigmoid"),
    tanh: Activation("tanh"),
    hard_tanh: Activation("hard_tanh"),
    tanh_shrink: Activation("tanh_shrink"),
    hard_shrink: Activation("hard_shrink", (0.5,)),
    soft_shrink: Activation("soft_shrink", (0.5,)),
    squareplus: Activation("squareplus", (4.0,)),
    sparse_plus: Activation("sparse_plus"),
    exponential: Activation("exponential"),
}

swish = silu
hard_swish = hard_silu

_REGISTRY = Registry(
    "activation function",
    {
        **{function.__name__: function for function in (*_NATIVE, sparsemax, glu, threshold)},
        "swish": silu,
        "hard_swish": hard_silu,
    },
)


def get(identifier: Any) -> Callable[..., Any]:
    """Return the function that the identifier names.

    Args:
        identifier: None (`linear`), a name, a function's serialized dict, or a callable (returned as it is).

    Raises:
        ValueError: When it is none of these, or names nothing known.
    """
    return linear if identifier is None else _REGISTRY.get(identifier)


def lower(activation: Callable[..., Any]) -> Activation:
    """Return what a layer hands to the engine for its activation.

    Args:
        activation: A function of this module (with its default parameters), or any callable that takes a float32 array
            `(rows, units)` and returns one of the same shape.
    """
    native = _NATIVE.get(activation) if isinstance(activation, FunctionType) else None
    return native or Activation("python", (), activation)


serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize
deserialize: Callable[..., Any] = _REGISTRY.deserialize
