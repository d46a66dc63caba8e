"""Layers of one operator or a few: dense ones, embeddings, activations, reshaping, scaling, what does nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm import layers
from fastlstm.layers.regularization.dropout import Dropout
from fastlstm.onnx.writing.activations import activated, over_axes, written
from fastlstm.onnx.writing.builder import BOOL, INT, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, writes
from fastlstm.onnx.writing.products import einsum

# What does nothing outside training.
_IDENTITIES = (
    *(layers.ActivityRegularization, layers.AlphaDropout, Dropout, layers.GaussianDropout, layers.GaussianNoise),
    *(layers.Identity, layers.InputLayer, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
)


@writes(*_IDENTITIES)
def write_identity(call: Call) -> Outputs:
    """Write nothing."""
    return call.inputs


@writes(layers.Dense)
def write_dense(call: Call) -> Outputs:
    """Write `activation(x @ kernel + bias)`: one `Gemm` for vectors, `MatMul` and `Add` for sequences of them."""
    b, layer, x = call.b, call.layer, call.inputs
    kernel = b.weight(layer.kernel)
    if x.ndim == 2 and layer.use_bias:
        y = b.op("Gemm", x, kernel, b.weight(layer.bias), shape=(x.shape[0], layer.units))
    else:
        y = b.matmul(x, kernel)
        y = b.add(y, b.weight(layer.bias)) if layer.use_bias else y
    return activated(b, layer.activation, y, layer)


@writes(layers.EinsumDense)
def write_einsum_dense(call: Call) -> Outputs:
    """Write the sum of products that the equation names."""
    b, layer, x = call.b, call.layer, call.inputs
    shape = layer.compute_output_shape(x.shape)
    y = einsum(b, layer.equation, [x, b.weight(layer.kernel)], shape)
    y = b.add(y, b.weight(layer.bias)) if layer.bias is not None else y
    return activated(b, layer.activation, y, layer)


@writes(layers.Embedding)
def write_embedding(call: Call) -> Outputs:
    """Write rows of a table."""
    b, layer, x = call.b, call.layer, call.inputs
    return b.op("Gather", b.weight(layer.embeddings), b.cast(x, INT), shape=(*x.shape, layer.output_dim))


def nonzero_ids(b: Builder, x: Value) -> Value:
    """Return the mask of an `Embedding`."""
    return b.op("Not", b.compare("Equal", b.cast(x, INT), 0), dtype=BOOL)


def kept_steps(b: Builder, layer: Any, x: Value) -> Value:
    """Return the mask of a `Masking`."""
    other = b.op("Not", b.compare("Equal", x, b.constant(np.float32(layer.mask_value))), dtype=BOOL)
    return b.cast(b.reduce("Max", b.cast(other, "int32"), [-1]), BOOL)


@writes(layers.Masking)
def write_masking(call: Call) -> Outputs:
    """Write zeros for the steps that are masked."""
    b, x = call.b, call.inputs
    return b.where(b.expand_dims(kept_steps(b, call.layer, x), -1), x, b.number(0))


# --- activations ----------------------------------------------------------------------------------------------------


@writes(layers.Activation)
def write_activation(call: Call) -> Outputs:
    """Write the activation."""
    return activated(call.b, call.layer.activation, call.inputs, call.layer)


@writes(layers.ReLU, layers.LeakyReLU, layers.ELU)
def write_activation_layer(call: Call) -> Outputs:
    """Write a layer that is an activation of the engine."""
    (op,) = call.layer.lower()
    return written(call.b, op.activation, call.inputs)


@writes(layers.PReLU)
def write_prelu(call: Call) -> Outputs:
    """Write a `PRelu`."""
    return call.b.op("PRelu", call.inputs, call.b.weight(call.layer.alpha))


@writes(layers.Softmax)
def write_softmax(call: Call) -> Outputs:
    """Write a softmax over one axis or several, and over what a mask leaves of them."""
    b, x, mask = call.b, call.inputs, call.kwargs.get("mask")
    if mask is None:
        return over_axes(b, "Softmax", x, call.layer.axis)
    y = over_axes(b, "Softmax", b.where(mask, x, b.number(-1e9)), call.layer.axis)
    return b.where(mask, y, b.number(0))


# --- shapes ---------------------------------------------------------------------------------------------------------


@writes(layers.Flatten)
def write_flatten(call: Call) -> Outputs:
    """Write a reshape to one axis after the batch."""
    b, x = call.b, call.inputs
    shape = call.layer.compute_output_shape(x.shape)
    if x.ndim == 1:
        return b.expand_dims(x, 1)
    if call.layer.data_format == "channels_first":
        x = b.moved(x, 1, -1)
    return b.reshape(x, (0, -1 if shape[1] is None else shape[1]), shape)


@writes(layers.Reshape)
def write_reshape(call: Call) -> Outputs:
    """Write a reshape of all axes but the batch."""
    b, x = call.b, call.inputs
    shape = call.layer.compute_output_shape(x.shape)
    return b.reshape(x, (0, *(-1 if size is None else size for size in shape[1:])), shape)


@writes(layers.Permute)
def write_permute(call: Call) -> Outputs:
    """Write a transpose."""
    return call.b.transpose(call.inputs, (0, *call.layer.dims))


@writes(layers.RepeatVector)
def write_repeat_vector(call: Call) -> Outputs:
    """Write a new axis, repeated."""
    b, x, n = call.b, call.inputs, call.layer.n
    sizes = b.concat([b.size(x, 0), b.ints(n), b.size(x, 1)], 0)
    return b.expand(b.expand_dims(x, 1), sizes, (x.shape[0], n, x.shape[1]))


# --- scaling --------------------------------------------------------------------------------------------------------


@writes(layers.Rescaling)
def write_rescaling(call: Call) -> Outputs:
    """Write `x * scale + offset`."""
    b, layer = call.b, call.layer
    scale, offset = (b.constant(np.float32(value)) for value in (layer.scale, layer.offset))
    return b.add(b.mul(call.inputs, scale), offset)


@writes(layers.Normalization)
def write_feature_normalization(call: Call) -> Outputs:
    """Write `(x - mean) / deviation`, or the inverse of it."""
    b, layer, x = call.b, call.layer, call.inputs
    mean, scale = (b.constant(array, "float32") for array in layer._mean_and_scale(x.ndim))
    return b.add(mean, b.mul(x, scale)) if layer.invert else b.div(b.sub(x, mean), scale)
