"""The gradients of operations along axes: sums, means, extremes, normalization."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm import config
from fastlstm.arguments import places
from fastlstm.layers.symbolic.product_gradients import summed_to
from fastlstm.ops.neural import weights_along
from fastlstm.ops.shapes import axes

Parameters = Mapping[str, Any]
Rule = Callable[[Any, Any, Sequence[Any], Parameters], Sequence[Any]]


def _spread(d: np.ndarray, operand: Any, parameters: Parameters) -> np.ndarray:
    """A gradient by a reduction, or its result, along the axes that it has lost."""
    gone = places(parameters.get("axis"), np.ndim(operand))
    return np.broadcast_to(d if parameters.get("keepdims") else np.expand_dims(d, tuple(gone)), np.shape(operand))


def _sum(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [_spread(d, operands[0], parameters)]


def _mean(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,) = operands
    return [_spread(d, x, parameters) * (max(y.size, 1) / max(x.size, 1))]


def _average(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, weights = operands
    if weights is not None:
        raise NotImplementedError("Training cannot go through `average` with weights: write it as sums of products.")
    return [*_mean(d, y, [x], parameters), None]


def _variance(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,) = operands
    axis = tuple(places(parameters["axis"], x.ndim))
    centred = x - x.mean(axis=axis, keepdims=True)
    return [_spread(d, x, parameters) * centred * (2 * max(y.size, 1) / max(x.size, 1))]


def _deviation(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return _variance(d / (2 * y), y, operands, parameters)


def _moments(d: Any, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    named = {"axis": parameters["axes"], "keepdims": parameters["keepdims"]}
    of_mean, of_variance = _mean(d[0], y[0], operands, named), _variance(d[1], y[1], operands, named)
    return [of_mean[0] + of_variance[0]]


def _extreme(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    """Values that are equally great, or small, share the gradient."""
    (x,) = operands
    taken = (x == _spread(y, x, parameters)).astype(d.dtype)
    counts = taken.sum(axis=tuple(places(parameters.get("axis"), x.ndim)), keepdims=True)
    return [_spread(d, x, parameters) * taken / counts]


def _product(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,) = operands
    axis = tuple(places(parameters["axis"], x.ndim))
    zeros = (x == 0).sum(axis=axis, keepdims=True)
    others = np.where(x == 0, 1, x).prod(axis=axis, keepdims=True)
    # Of a product with one 0, only that one's slope is none; with two, none is.
    slope = np.where(zeros == 0, others / np.where(x == 0, 1, x), np.where((zeros == 1) & (x == 0), others, 0))
    return [_spread(d, x, parameters) * slope.astype(d.dtype)]


def _logsumexp(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,) = operands
    return [_spread(d, x, parameters) * np.exp(x - _spread(y, x, parameters))]


def _norm(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,), order = operands, parameters["ord"]
    one = parameters["axis"] is not None and len(places(parameters["axis"], x.ndim)) == 1
    spread = _spread(d, x, parameters)
    if order in (None, "fro", "euclidean") or (order == 2 and one):
        norms = _spread(y, x, parameters)
        return [np.where(norms > 0, spread * x / np.where(norms > 0, norms, 1), 0)]
    if order == 1 and one:
        return [spread * np.sign(x)]
    raise NotImplementedError(f"Training cannot go through `norm` with ord={order!r}.")


# --- along an axis --------------------------------------------------------------------------------------------------


def _softmax(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    axis = tuple(places(parameters["axis"], y.ndim))
    return [y * (d - (d * y).sum(axis=axis, keepdims=True))]


def _log_softmax(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    axis = tuple(places(parameters["axis"], y.ndim))
    return [d - np.exp(y) * d.sum(axis=axis, keepdims=True)]


def _cumsum(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    axis = parameters["axis"]
    back = np.flip(np.cumsum(np.flip(d, axis or 0), axis or 0), axis or 0)
    return [back.reshape(np.shape(operands[0]))]


def _diff(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    axis = parameters["axis"]
    for _ in range(parameters["n"]):
        end = [(0, 0)] * d.ndim
        before, after = list(end), list(end)
        before[axis], after[axis] = (1, 0), (0, 1)
        d = np.pad(d, before) - np.pad(d, after)
    return [d]


def _sort(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,), axis = operands, parameters["axis"]
    dx = np.zeros_like(d)
    np.put_along_axis(dx, np.argsort(x, axis=axis, kind="stable"), d, axis)
    return [dx]


def _top_k(d: Any, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    dx = np.zeros(np.shape(operands[0]), d[0].dtype)
    np.put_along_axis(dx, y[1].astype(np.int64), d[0], -1)
    return [dx]


# --- normalization --------------------------------------------------------------------------------------------------


def _epsilon(parameters: Parameters) -> float:
    given = parameters["epsilon"]
    return config.epsilon() if given is None else given


def _normalize(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, axis, least = np.atleast_1d(operands[0]), axes(parameters["axis"]), _epsilon(parameters)
    if parameters["order"] != 2:
        raise NotImplementedError(f"Training cannot go through `normalize` with order={parameters['order']}.")
    norm = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    along = np.where(norm > least, (d * y).sum(axis=axis, keepdims=True), 0).astype(d.dtype)
    return [((d - y * along) / np.maximum(norm, least)).reshape(np.shape(operands[0]))]


def _layer_normalization(
    d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters
) -> Sequence[Any]:
    if parameters["rms_scaling"]:
        raise NotImplementedError("Training cannot go through `layer_normalization` with rms_scaling=True.")
    x, gamma, beta = operands
    axis = tuple(places(parameters["axis"], x.ndim))
    factor = 1 / np.sqrt(x.var(axis=axis, keepdims=True) + _epsilon(parameters))
    normalized = (x - x.mean(axis=axis, keepdims=True)) * factor
    scaled = d if gamma is None else d * weights_along(np.asarray(gamma), parameters["axis"], x.shape)
    along = scaled - scaled.mean(axis=axis, keepdims=True)
    dx = factor * (along - normalized * (scaled * normalized).mean(axis=axis, keepdims=True))
    return [dx.astype(d.dtype, copy=False), *_of_weights(d, normalized, (gamma, beta), parameters["axis"])]


def _rms_normalization(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, scale = np.atleast_1d(operands[0]), operands[1]
    axis = tuple(places(parameters["axis"], x.ndim))
    factor = 1 / np.sqrt(np.square(x).mean(axis=axis, keepdims=True) + _epsilon(parameters))
    normalized = x * factor
    scaled = d if scale is None else d * scale
    dx = factor * (scaled - normalized * (scaled * normalized).mean(axis=axis, keepdims=True))
    d_scale = None if scale is None else summed_to(d * normalized, scale)
    return [dx.astype(d.dtype, copy=False).reshape(np.shape(operands[0])), d_scale]


def _of_weights(d: np.ndarray, normalized: np.ndarray, weights: Sequence[Any], axis: Any) -> list[Any]:
    """The gradients by a factor and by an offset of some axes, None for one that there is not."""
    gamma, beta = weights
    found: list[Any] = []
    for weight, gradient in ((gamma, d * normalized), (beta, d)):
        if weight is None:
            found.append(None)
            continue
        spread = weights_along(np.asarray(weight), axis, d.shape)
        found.append(summed_to(gradient, spread).reshape(np.shape(weight)))
    return found


# By the name of Keras' class.
RULES: dict[str, Rule] = {
    "Amax": _extreme,
    "Amin": _extreme,
    "Average": _average,
    "Cumsum": _cumsum,
    "Diff": _diff,
    "LayerNorm": _layer_normalization,
    "LogSoftmax": _log_softmax,
    "Logsumexp": _logsumexp,
    "Max": _extreme,
    "Mean": _mean,
    "Min": _extreme,
    "Moments": _moments,
    "Norm": _norm,
    "Normalize": _normalize,
    "Prod": _product,
    "RMSNorm": _rms_normalization,
    "Softmax": _softmax,
    "Sort": _sort,
    "Std": _deviation,
    "Sum": _sum,
    "TopK": _top_k,
    "Var": _variance,
}
