"""Arithmetic and activations of an older `keras.backend`, where its arguments are not those of `keras.ops`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm import ops
from fastlstm.config import standardize_data_format
from fastlstm.ops.older.registry import defined
from fastlstm.printable import quoted


@defined
def pow_(x: Any, a: Any) -> Any:
    """Return `x` to the power `a`."""
    return ops.power(x, a)


@defined
def sqrt(x: Any) -> Any:
    """Return the square root, 0 of what is below 0."""
    return ops.sqrt(ops.maximum(x, 0.0))


@defined
def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Return a tensor within bounds, of which None is none."""
    if isinstance(min_value, (int, float)) and isinstance(max_value, (int, float)):
        max_value = max(min_value, max_value)
    return ops.minimum(
        ops.maximum(x, -np.inf if min_value is None else min_value), np.inf if max_value is None else max_value
    )


@defined
def cumsum(x: Any, axis: int = 0) -> Any:
    """Return the sums of the values up to each along an axis."""
    return ops.cumsum(x, axis)


@defined
def cumprod(x: Any, axis: int = 0) -> Any:
    """Return the products of the values up to each along an axis."""
    return ops.cumprod(x, axis)


@defined
def argmax(x: Any, axis: int = -1) -> Any:
    """Return the places of the largest values along an axis."""
    return ops.argmax(x, axis)


@defined
def argmin(x: Any, axis: int = -1) -> Any:
    """Return the places of the least values along an axis."""
    return ops.argmin(x, axis)


@defined
def l2_normalize(x: Any, axis: Any = None) -> Any:
    """Return a tensor divided by its norm along the axes."""
    squares = ops.sum(ops.square(x), axis, keepdims=True)
    return x / ops.sqrt(ops.maximum(squares, 1e-12))


@defined
def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """Return `(x - mean) / sqrt(var + epsilon) * gamma + beta`, with weights that fit `x`; None is none.

    Args:
        axis: As in Keras, which does not read it.
    """
    factor = 1.0 / ops.sqrt(var + epsilon)
    made = (x - mean) * (factor if gamma is None else factor * gamma)
    return made if beta is None else made + beta


@defined
def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Return `x + bias`, with a bias of the channels alone or of all axes but the batch.

    Raises:
        ValueError: When the bias has another number of axes.
    """
    data_format = standardize_data_format(data_format)
    rank, shape = len(x.shape), tuple(bias.shape)
    if len(shape) not in (1, rank - 1):
        raise ValueError(f"Unexpected bias dimensions {len(shape)}. Expected it to be 1 or {rank - 1} dimensions")
    if data_format == "channels_last" or rank == 2:
        return x + (bias if len(shape) == 1 else ops.expand_dims(bias, 0))
    if len(shape) == 1:
        return x + ops.reshape(bias, (1, -1) + (1,) * (rank - 2))
    return x + ops.reshape(bias, (1, shape[-1], *shape[:-1]))


@defined
def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Return `x` above the threshold, up to the largest value, and `alpha * (x - threshold)` below it."""
    over = ops.where(ops.greater(x, threshold), x, 0.0)
    if max_value is not None:
        over = ops.minimum(over, max_value)
    return over if alpha == 0.0 else over - alpha * ops.relu(threshold - x)


@defined
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` above 0, and `alpha * (exp(x) - 1)` below it."""
    return ops.elu(x, alpha)


@defined
def hard_sigmoid(x: Any) -> Any:
    """Return `0.2 * x + 0.5` between 0 and 1, as in Keras 1 and 2."""
    return clip(x * 0.2 + 0.5, 0.0, 1.0)


@defined
def softmax(x: Any, axis: Any = -1) -> Any:
    """Return exponentials that sum to 1 along an axis.

    Raises:
        ValueError: When the tensor has no batch.
    """
    if len(x.shape) <= 1:
        raise ValueError(f"Cannot apply softmax to a tensor that is 1D. Received input: {quoted(x)}")
    return ops.softmax(x, axis)
