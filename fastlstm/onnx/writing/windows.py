"""Layers over windows of positions: convolutions and pooling, and those that change the number of positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.convolutional import convolution, depthwise, transpose
from fastlstm.layers.pooling import global_pooling, pooling
from fastlstm.layers.reshaping import interpolation
from fastlstm.layers.reshaping.padding import Cropping, ZeroPadding
from fastlstm.layers.reshaping.upsampling import UpSampling
from fastlstm.onnx.writing.activations import activated
from fastlstm.onnx.writing.builder import BOOL, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, refusal, writes


def _channels_first(b: Builder, layer: Any, x: Value) -> Value:
    return b.moved(x, -1, 1) if layer.data_format == "channels_last" else x


def _back(b: Builder, layer: Any, y: Value) -> Value:
    return b.moved(y, 1, -1) if layer.data_format == "channels_last" else y


def _counted(layer: Any, x: Value, channels: int | None) -> tuple[int | None, ...]:
    """The shape of an output with the channels first."""
    shape = layer.compute_output_shape(x.shape)
    lengths = shape[1:-1] if layer.data_format == "channels_last" else shape[2:]
    return (x.shape[0], channels, *lengths)


def _padding(layer: Any, sizes: Sequence[int]) -> dict[str, Any]:
    """The attributes that say how the positions are padded."""
    if layer.padding == "valid":
        return {}
    spans = [
        (size - 1) * rate + 1 for size, rate in zip(sizes, getattr(layer, "dilation_rate", (1,) * 3), strict=False)
    ]
    if layer.padding == "causal":
        return {"pads": [spans[0] - 1, 0]}
    if max(layer.strides) > 1:
        return {"auto_pad": "SAME_UPPER"}
    before = [(span - 1) // 2 for span in spans]
    return {"pads": [*before, *(span - 1 - first for span, first in zip(spans, before, strict=True))]}


# --- convolutions ---------------------------------------------------------------------------------------------------


def _bias(b: Builder, layer: Any) -> list[Value]:
    return [b.weight(layer.bias)] if layer.use_bias else []


def _kernel(array: np.ndarray) -> np.ndarray:
    """A kernel `(*sizes, inputs, outputs)` as `(outputs, inputs, *sizes)`."""
    rank = array.ndim - 2
    return np.ascontiguousarray(array.transpose(rank + 1, rank, *range(rank)))


@writes(convolution._Conv)
def write_convolution(call: Call) -> Outputs:
    """Write a `Conv`."""
    b, layer, x = call.b, call.layer, call.inputs
    kernel = b.constant(_kernel(layer.kernel.value), name=layer.kernel.path)
    y = b.op(
        "Conv",
        _channels_first(b, layer, x),
        kernel,
        *_bias(b, layer),
        shape=_counted(layer, x, layer.filters),
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=layer.groups,
        **_padding(layer, layer.kernel_size),
    )
    return activated(b, layer.activation, _back(b, layer, y), layer)


def _each_channel(b: Builder, layer: Any, x: Value, kernel: np.ndarray, bias: Sequence[Value]) -> Value:
    """A `Conv` of each channel by itself; the kernel is `(*sizes, channels, multiplier)`."""
    *sizes, channels, multiplier = kernel.shape
    rows = np.moveaxis(kernel.reshape(*sizes, channels * multiplier), -1, 0)[:, np.newaxis]
    return b.op(
        "Conv",
        _channels_first(b, layer, x),
        b.constant(rows),
        *bias,
        shape=_counted(layer, x, channels * multiplier),
        strides=layer.strides,
        dilations=layer.dilation_rate,
        group=channels,
        **_padding(layer, layer.kernel_size),
    )


@writes(depthwise._DepthwiseConv)
def write_depthwise(call: Call) -> Outputs:
    """Write a `Conv` with a group for each channel."""
    b, layer = call.b, call.layer
    y = _each_channel(b, layer, call.inputs, layer.kernel.value, _bias(b, layer))
    return activated(b, layer.activation, _back(b, layer, y), layer)


@writes(depthwise._SeparableConv)
def write_separable(call: Call) -> Outputs:
    """Write a `Conv` of each channel, and one of all channels at each position."""
    b, layer = call.b, call.layer
    y = _each_channel(b, layer, call.inputs, layer.depthwise_kernel.value, [])
    kernel = b.constant(_kernel(layer.pointwise_kernel.value), name=layer.pointwise_kernel.path)
    y = b.op("Conv", y, kernel, *_bias(b, layer), shape=(y.shape[0], layer.filters, *y.shape[2:]))
    return activated(b, layer.activation, _back(b, layer, y), layer)


@writes(transpose._ConvTranspose)
def write_transposed(call: Call) -> Outputs:
    """Write a `ConvTranspose`, of which padding cuts off what Keras does."""
    b, layer, x = call.b, call.layer, call.inputs
    kernel = layer.kernel.value
    rank = kernel.ndim - 2
    rows = np.ascontiguousarray(kernel.transpose(rank + 1, rank, *range(rank)))
    before, after, more = [], [], []
    extras = layer.output_padding or (None,) * rank
    sizes = zip(layer.kernel_size, layer.strides, layer.dilation_rate, extras, strict=True)
    for size, stride, rate, extra in sizes:
        span = (size - 1) * rate + 1
        if layer.padding == "valid":
            cut = -(max(stride - span, 0) if extra is None else extra)
        else:
            cut = span - stride if extra is None else span - span % 2 - extra
        before.append(max(cut, 0) // 2)
        after.append(max(cut, 0) - before[-1])
        more.append(max(-cut, 0))
    y = b.op(
        "ConvTranspose",
        _channels_first(b, layer, x),
        b.constant(rows, name=layer.kernel.path),
        *_bias(b, layer),
        shape=_counted(layer, x, layer.filters),
        strides=layer.strides,
        dilations=layer.dilation_rate,
        pads=[*before, *after],
        output_padding=more,
    )
    return activated(b, layer.activation, _back(b, layer, y), layer)


# --- pooling --------------------------------------------------------------------------------------------------------


@writes(pooling._MaxPooling, pooling._AveragePooling)
def write_pooling(call: Call) -> Outputs:
    """Write a `MaxPool` or an `AveragePool`."""
    b, layer, x = call.b, call.layer, call.inputs
    channels = x.shape[-1] if layer.data_format == "channels_last" else x.shape[1]
    y = b.op(
        "MaxPool" if isinstance(layer, pooling._MaxPooling) else "AveragePool",
        _channels_first(b, layer, x),
        shape=_counted(layer, x, channels),
        kernel_shape=layer.pool_size,
        strides=layer.strides,
        **_padding(layer, layer.pool_size),
    )
    return _back(b, layer, y)


@writes(global_pooling._GlobalMaxPooling)
def write_global_max(call: Call) -> Outputs:
    """Write a `ReduceMax` over all positions."""
    return call.b.reduce("Max", call.inputs, call.layer._axes, keepdims=call.layer.keepdims)


@writes(global_pooling._GlobalAveragePooling)
def write_global_average(call: Call) -> Outputs:
    """Write a `ReduceMean` over all positions, or over those that a mask leaves."""
    b, layer, x, mask = call.b, call.layer, call.inputs, call.kwargs.get("mask")
    if mask is None:
        return b.reduce("Mean", x, layer._axes, keepdims=layer.keepdims)
    (axis,) = layer._axes
    valid = b.expand_dims(b.cast(mask, BOOL), 3 - axis)
    count = b.reduce("Sum", b.cast(valid, "float32"), [axis], keepdims=layer.keepdims)
    return b.div(b.reduce("Sum", b.where(valid, x, b.number(0)), [axis], keepdims=layer.keepdims), count)


# --- more and fewer positions ---------------------------------------------------------------------------------------


@writes(ZeroPadding)
def write_zero_padding(call: Call) -> Outputs:
    """Write a `Pad`."""
    b, layer, x = call.b, call.layer, call.inputs
    widths = [(0, 0)] * x.ndim
    widths[layer._first_axis : layer._first_axis + len(layer._widths)] = layer._widths
    pads = b.ints(*(before for before, _ in widths), *(after for _, after in widths))
    return b.op("Pad", x, pads, b.number(0), shape=layer.compute_output_shape(x.shape))


@writes(Cropping)
def write_cropping(call: Call) -> Outputs:
    """Write slices."""
    b, layer, y = call.b, call.layer, call.inputs
    for axis, (before, after) in enumerate(layer._widths, layer._first_axis):
        if before or after:
            y = b.slice(y, axis, before, -after if after else None)
    return y


@writes(UpSampling)
def write_up_sampling(call: Call) -> Outputs:
    """Write a `Resize` that repeats, or for other interpolations the products that they are."""
    b, layer, x = call.b, call.layer, call.inputs
    if getattr(layer, "_repeats", True):
        scales = np.ones(x.ndim, np.float32)
        scales[layer._first_axis : layer._first_axis + len(layer._factors)] = layer._factors
        shape = layer.compute_output_shape(x.shape)
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return b.op("Resize", x, None, b.constant(scales), shape=shape, **how)
    for axis, factor in enumerate(layer.size, layer._first_axis):
        length = x.shape[axis]
        if length is None:
            raise refusal(layer, f"interpolates ({layer.interpolation}) over an axis of unknown length")
        matrix = interpolation.interpolated(np.eye(length, dtype=np.float32), 0, length * factor, layer.interpolation)
        moved = b.moved(x, axis, -1)
        x = b.moved(b.matmul(moved, b.constant(np.ascontiguousarray(matrix.T))), -1, axis)
    return x
