"""The gradients of operations: from the gradient by the result to those by the tensors that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Parameters = Mapping[str, Any]
# d, y, operands, parameters → a gradient for each operand; None for one that has none
Rule = Callable[[np.ndarray, np.ndarray, Sequence[Any], Parameters], Sequence[Any]]


def summed_to(gradient: np.ndarray, operand: Any) -> np.ndarray:
    """Return a gradient summed over the axes along which NumPy repeated an operand."""
    shape = np.shape(operand)
    new = tuple(range(gradient.ndim - len(shape)))
    repeated = tuple(axis + len(new) for axis, size in enumerate(shape) if size == 1 < gradient.shape[axis + len(new)])
    return gradient.sum(axis=(*new, *repeated), keepdims=True).reshape(shape) if new or repeated else gradient


def _of_one(slope: Callable[[np.ndarray, np.ndarray], Any]) -> Rule:
    """The rule of a function of each value alone, by its slope, a function of (x, y)."""
    return lambda d, y, operands, parameters: [d * slope(operands[0], y)]


def _of_two(slopes: Callable[[Any, Any, np.ndarray], tuple[Any, Any]]) -> Rule:
    """The rule of a function of two values, by its slopes, a function of (a, b, y)."""

    def rule(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
        slopes_of = slopes(operands[0], operands[1], y)
        return [summed_to(d * slope, operand) for slope, operand in zip(slopes_of, operands, strict=True)]

    return rule


def _power_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    positive = np.where(np.asarray(a) > 0, a, 1)
    return b * np.power(a, np.asarray(b, np.float32) - 1), np.where(np.asarray(a) > 0, y * np.log(positive), 0)


def _spread(d: np.ndarray, operand: np.ndarray, parameters: Parameters) -> np.ndarray:
    """A gradient by a reduction, along the axes that it has lost."""
    axis = parameters.get("axis")
    if not parameters.get("keepdims") and axis is not None:
        d = np.expand_dims(d, tuple(np.atleast_1d(axis)))
    return np.broadcast_to(d, operand.shape)


def _mean(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,) = operands
    return [_spread(d, x, parameters) * np.float32(max(y.size, 1) / max(x.size, 1))]


def _extreme(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    """Values that are equally great, or small, share the gradient."""
    (x,) = operands
    taken = (x == _spread(y, x, parameters)).astype(np.float32)
    axis = parameters.get("axis")
    counts = taken.sum(axis=None if axis is None else tuple(np.atleast_1d(axis)), keepdims=True)
    return [_spread(d, x, parameters) * taken / counts]


def _get_item(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, key = operands
    dx = np.zeros(np.shape(x), np.float32)
    dx[tuple(key) if isinstance(key, (list, tuple)) else key] = d
    return [dx, None]


def _reshaped(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [d.reshape(np.shape(operands[0]))]


def _transposed(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    axes = parameters.get("axes")
    return [d.transpose() if axes is None else d.transpose(np.argsort(axes))]


def _concatenated(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    axis = parameters.get("axis", 0)
    ends = np.cumsum([np.shape(x)[axis] for x in operands[0]])[:-1]
    return [np.split(d, ends, axis=axis)]


def _stacked(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [list(np.moveaxis(d, parameters.get("axis", 0), 0))]


def _matmul(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    a, b = operands
    if min(np.ndim(a), np.ndim(b)) < 2:
        raise NotImplementedError("Training cannot go through a product with a vector; give it another axis.")
    return [summed_to(d @ np.swapaxes(b, -1, -2), a), summed_to(np.swapaxes(a, -1, -2) @ d, b)]


# By the name of Keras' class.
RULES: dict[str, Rule] = {
    "Absolute": _of_one(lambda x, y: np.sign(x)),
    "Add": _of_two(lambda a, b, y: (1, 1)),
    "Concatenate": _concatenated,
    "Cos": _of_one(lambda x, y: -np.sin(x)),
    "Divide": _of_two(lambda a, b, y: (1 / np.asarray(b, np.float32), -y / np.asarray(b, np.float32))),
    "Exp": _of_one(lambda x, y: y),
    "ExpandDims": _reshaped,
    "GetItem": _get_item,
    "Log": _of_one(lambda x, y: 1 / x),
    "Matmul": _matmul,
    "Max": _extreme,
    "Maximum": _of_two(lambda a, b, y: (np.greater_equal(a, b), np.less(a, b))),
    "Mean": _mean,
    "Min": _extreme,
    "Minimum": _of_two(lambda a, b, y: (np.less_equal(a, b), np.greater(a, b))),
    "Multiply": _of_two(lambda a, b, y: (b, a)),
    "Negative": _of_one(lambda x, y: np.float32(-1)),
    "Power": _of_two(_power_slopes),
    "Relu": _of_one(lambda x, y: np.asarray(x) > 0),
    "Reshape": _reshaped,
    "Sigmoid": _of_one(lambda x, y: y * (1 - y)),
    "Sin": _of_one(lambda x, y: np.cos(x)),
    "Sqrt": _of_one(lambda x, y: np.float32(0.5) / y),
    "Square": _of_one(lambda x, y: 2 * x),
    "Squeeze": _reshaped,
    "Stack": _stacked,
    "Subtract": _of_two(lambda a, b, y: (1, -1)),
    "Sum": lambda d, y, operands, parameters: [_spread(d, operands[0], parameters)],
    "Tanh": _of_one(lambda x, y: 1 - y * y),
    "Transpose": _transposed,
    "TrueDivide": _of_two(lambda a, b, y: (1 / np.asarray(b, np.float32), -y / np.asarray(b, np.float32))),
}
