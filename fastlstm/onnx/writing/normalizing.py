"""Normalisations, by operators where ONNX has them over these axes, else by their formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers
from fastlstm.onnx.writing.builder import Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, writes


@writes(layers.BatchNormalization)
def write_batch_normalization(call: Call) -> Outputs:
    """Write `x * factor + offset`, with what was learned in two constants."""
    b, layer, x = call.b, call.layer, call.inputs
    factor = 1 / np.sqrt(layer.moving_variance.value + np.float32(layer.epsilon))
    factor = factor * layer.gamma.value if layer.scale else factor
    offset = -layer.moving_mean.value * factor
    offset = offset + layer.beta.value if layer.center else offset
    shape = [1] * x.ndim
    shape[layer.axis] = -1
    factor, offset = (b.constant(array.reshape(shape), "float32") for array in (factor, offset))
    return b.add(b.mul(x, factor), offset)


def _standardized(b: Builder, x: Value, axes: Sequence[int], epsilon: float) -> Value:
    """`(x - mean) / sqrt(variance + epsilon)` over axes."""
    centered = b.sub(x, b.reduce("Mean", x, axes, keepdims=True))
    variance = b.reduce("Mean", b.mul(centered, centered), axes, keepdims=True)
    return b.div(centered, b.op("Sqrt", b.add(variance, b.number(epsilon))))


def _scaled_and_shifted(b: Builder, layer: Any, y: Value, axes: Sequence[int]) -> Value:
    """`y * gamma + beta`, both along axes."""
    shape = [y.shape[axis] if axis in [one % y.ndim for one in axes] else 1 for axis in range(y.ndim)]
    if layer.scale:
        y = b.mul(y, b.constant(layer.gamma.value.reshape(shape), name=layer.gamma.path))
    return b.add(y, b.constant(layer.beta.value.reshape(shape), name=layer.beta.path)) if layer.center else y


@writes(layers.LayerNormalization)
def write_layer_normalization(call: Call) -> Outputs:
    """Write a `LayerNormalization` over the last axis, the formula over others."""
    b, layer, x = call.b, call.layer, call.inputs
    axes = [axis % x.ndim for axis in layer.axis]
    if axes == [x.ndim - 1] and layer.scale:
        beta = b.weight(layer.beta) if layer.center else None
        inputs = [x, b.weight(layer.gamma), *([beta] if beta is not None else [])]
        return b.op("LayerNormalization", *inputs, axis=-1, epsilon=float(layer.epsilon))
    return _scaled_and_shifted(b, layer, _standardized(b, x, axes, layer.epsilon), axes)


@writes(layers.GroupNormalization)
def write_group_normalization(call: Call) -> Outputs:
    """Write the formula over an axis cut into groups."""
    b, layer, x = call.b, call.layer, call.inputs
    axis = layer.axis % x.ndim
    size = x.shape[axis]
    cut = (*x.shape[:axis], layer.groups, size // layer.groups, *x.shape[axis + 1 :])
    parts = [b.sizes(x, 0, axis), b.ints(layer.groups, size // layer.groups)]
    parts += [b.sizes(x, axis + 1)] if axis + 1 < x.ndim else []
    grouped = b.reshaped(x, b.concat(parts, 0), cut)
    y = _standardized(b, grouped, [one for one in range(1, len(cut)) if one != axis], layer.epsilon)
    return _scaled_and_shifted(b, layer, b.reshaped(y, b.sizes(x), x.shape), [axis])


@writes(layers.RMSNormalization)
def write_rms_normalization(call: Call) -> Outputs:
    """Write `x / sqrt(mean(x * x) + epsilon) * scale`."""
    b, layer, x = call.b, call.layer, call.inputs
    axes = [axis % x.ndim for axis in layer.axis]
    mean = b.reduce("Mean", b.mul(x, x), axes, keepdims=True)
    y = b.div(x, b.op("Sqrt", b.add(mean, b.number(layer.epsilon))))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    return b.mul(y, b.constant(layer.scale.value.reshape(shape), name=layer.scale.path))


def unit_length(b: Builder, x: Value, axes: Sequence[int], epsilon: float) -> Value:
    """Return `x` divided by its length over axes, which counts as at least `epsilon`."""
    length = b.reduce("L2", x, axes, keepdims=True)
    return b.div(x, b.elementwise("Max", length, b.number(epsilon)))


@writes(layers.UnitNormalization)
def write_unit_normalization(call: Call) -> Outputs:
    """Write `x / |x|`."""
    axis = call.layer.axis
    return unit_length(call.b, call.inputs, [axis] if isinstance(axis, int) else list(axis), 1e-12)
