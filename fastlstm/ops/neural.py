"""Operations of networks: activations, which run in the engine, normalization, attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import activations, config
from fastlstm.arguments import place, places
from fastlstm.ops import dtypes, shapes
from fastlstm.ops.definition import MATH, NN, NUMPY, alias, operation
from fastlstm.ops.shapes import Axis, Shape, axes
from fastlstm.printable import quoted

_ACTIVATIONS = "keras.src.activations.activations"

# --- activations ----------------------------------------------------------------------------------------------------

_OF_ONE_TENSOR: tuple[str, ...] = ("celu", "elu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh")
_OF_ONE_TENSOR += ("leaky_relu", "log_sigmoid", "log_softmax", "relu6", "selu", "sigmoid", "silu", "soft_shrink")
_OF_ONE_TENSOR += ("softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus")
_OF_ONE_TENSOR += ("tanh_shrink", "threshold")
for _name in _OF_ONE_TENSOR:
    operation(_name, shape=shapes.same, dtype=dtypes.kept, module=NN)(getattr(activations, _name))
operation("tanh", shape=shapes.same, dtype=dtypes.floating, module=NUMPY)(activations.tanh)
# The function of this name among the activations has arguments, that among the operations has none.
operation(None, class_name="ReLU", shape=shapes.same, dtype=dtypes.kept, module=_ACTIVATIONS)(activations.relu)
operation(None, class_name="Mish", shape=shapes.same, dtype=dtypes.kept, module=_ACTIVATIONS)(activations.mish)
alias("swish", "silu")
alias("hard_swish", "hard_silu")


@operation("relu", shape=shapes.same, dtype=dtypes.kept, module=NN)
def _relu(x: np.ndarray) -> Any:
    """Return `max(x, 0)`."""
    return np.maximum(x, 0)


@operation("gelu", shape=shapes.same, dtype=dtypes.kept, module=NN)
def _gelu(x: np.ndarray, approximate: bool = True) -> Any:
    """Return `x / 2 * (1 + erf(x / sqrt(2)))`, or its tanh form if `approximate`."""
    return activations.gelu(x, approximate)


def _halved(shape: Shape, axis: int = -1) -> Shape:
    size = shape[place(axis, len(shape))]
    return shapes.with_size(shape, axis, None if size is None else size // 2)


operation("glu", shape=_halved, dtype=dtypes.kept, module=NN)(activations.glu)

# --- normalization --------------------------------------------------------------------------------------------------


@operation("normalize", shape=lambda shape, **_: shape or (1,), dtype=dtypes.floating, module=NN)
def _normalize(x: np.ndarray, axis: Any = -1, order: Any = 2, epsilon: float | None = None) -> Any:
    """Return `x / max(norm(x), epsilon)` along the axes."""
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"Argument `order` must be an int >= 1. Received: order={quoted(order)}")
    x, axis = np.atleast_1d(x), axes(axis)
    least = x.dtype.type(config.epsilon() if epsilon is None else epsilon)
    if order == 2:
        return x * np.minimum(1 / np.sqrt(np.square(x).sum(axis=axis, keepdims=True)), 1 / least)
    return x / np.maximum(np.linalg.norm(x, order, axis, keepdims=True), least)


@operation("rms_normalization", "x scale", class_name="RMSNorm", module=NN, dtype=dtypes.averaged,
           shape=lambda shape, *_, **__: shape or (1,))  # fmt: skip
def _rms_normalization(x: np.ndarray, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """Return `x / sqrt(mean(x ** 2) + epsilon) * scale` along the axes."""
    x = np.atleast_1d(x)
    mean = np.square(x).mean(axis=axes(axis), keepdims=True)
    made = x / np.sqrt(mean + x.dtype.type(config.epsilon() if epsilon is None else epsilon))
    return made if scale is None else made * scale


def weights_along(weights: Any, axis: Axis, shape: Sequence[int]) -> Any:
    """Weights of the sizes of some axes, to be multiplied with a tensor of the shape."""
    if weights is None or weights.ndim == len(shape):
        return weights
    kept = places(axis, len(shape))
    return weights.reshape([size if at in kept else 1 for at, size in enumerate(shape)])


@operation("layer_normalization", "x gamma beta", class_name="LayerNorm", module=NN, shape=shapes.same,
           dtype=dtypes.averaged)  # fmt: skip
def _layer_normalization(
    x: np.ndarray,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Any:
    """Return `(x - mean) / sqrt(variance + epsilon) * gamma + beta` along the axes."""
    along = tuple(places(axis, x.ndim))
    factor = 1 / np.sqrt(
        x.var(axis=along, keepdims=True) + x.dtype.type(config.epsilon() if epsilon is None else epsilon)
    )
    gamma, beta = weights_along(gamma, axis, x.shape), weights_along(beta, axis, x.shape)
    if gamma is not None:
        factor = factor * gamma
    # With the deprecated `rms_scaling`, Keras divides by the variance all the same, and leaves out the mean and beta.
    if rms_scaling:
        return x * factor
    made = (x - x.mean(axis=along, keepdims=True)) * factor
    return made if beta is None else made + beta


@operation("batch_normalization", "x mean variance offset scale", class_name="BatchNorm", module=NN,
           shape=shapes.same, dtype=dtypes.kept)  # fmt: skip
def _batch_normalization(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    axis: Any,
    offset: Any = None,
    scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:
    """Return `(x - mean) / sqrt(variance + epsilon) * scale + offset`, with weights of one axis."""
    mean, variance, offset, scale = (weights_along(each, axis, x.shape) for each in (mean, variance, offset, scale))
    factor = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    made = (x - mean) * (factor if scale is None else factor * scale)
    return made if offset is None else made + offset


# --- attention ------------------------------------------------------------------------------------------------------


def _attention_shape(query: Shape, key: Shape, value: Shape, *others: Shape, **parameters: Any) -> Shape:
    if not len(query) == len(key) == len(value) == 4:
        raise ValueError(
            "`dot_product_attention` only supports 4D inputs. "
            f"Received: query.shape={query}, key.shape={key}, value.shape={value}."
        )
    return query


def _attention_dtype(*named: str, **parameters: Any) -> dtypes.Rule:
    return None, dtypes.result_type(*named[:3])


@operation("dot_product_attention", "query key value bias mask scale", module=NN, shape=_attention_shape,
           dtype=_attention_dtype)  # fmt: skip
def _dot_product_attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, bias: Any = None, mask: Any = None,
    scale: float | None = None, is_causal: bool = False, flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> np.ndarray:  # fmt: skip
    """Return the means of the values, weighted by the softmax of the products of queries and keys.

    Tensors are `(batch, steps, heads, features)`; bias and mask are broadcast to `(batch, heads, queries, keys)`.
    """
    if flash_attention or attn_logits_soft_cap is not None:
        raise ValueError("`flash_attention` and `attn_logits_soft_cap` are not supported, as in Keras on TensorFlow.")
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = np.repeat(key, groups, axis=2), np.repeat(value, groups, axis=2)
    factor = 1 / np.sqrt(np.float32(key.shape[-1])) if scale is None else scale
    scores = query.transpose(0, 2, 1, 3) @ key.transpose(0, 2, 3, 1) * factor
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = np.where(mask, scores, _least(scores))
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, _least(scores))
    return (activations.softmax(scores) @ value.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)


def _least(scores: np.ndarray) -> Any:
    return scores.dtype.type(-0.7 * np.finfo(scores.dtype).max)


# --- distances ------------------------------------------------------------------------------------------------------


@operation("cdist", "x y", class_name="CDist", module=MATH, dtype=dtypes.floating,
           shape=lambda a, b: (*shapes.broadcast(a[:-2], b[:-2]), a[-2], b[-2]))  # fmt: skip
def _cdist(x: np.ndarray, y: np.ndarray) -> Any:
    """Return the distances of all rows of one tensor from those of the other."""
    return np.sqrt(np.square(x[..., :, np.newaxis, :] - y[..., np.newaxis, :, :]).sum(axis=-1))
