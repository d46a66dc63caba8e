"""Products and windows: `Dense`, convolutions, pooling and normalisations of a graph as the layers of these names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.reading.graph import Node, Reader, constant, place, reads, tensor
from fastlstm.onnx.reading.limits import take_broadcast
from fastlstm.onnx.reading.values import Size, Tensor, Unfit, Value


def _dense(x: Tensor, kernel: np.ndarray, bias: np.ndarray | None) -> Tensor:
    """A `Dense` over the last axis that the graph sees."""
    if x.order[-1] != x.rank - 1:
        x = x.natural()
    if x.order[-1] != x.rank - 1:
        raise Unfit("its product is over the batch")
    layer = layers.Dense(kernel.shape[1], use_bias=bias is not None)
    made = layer(x.tensor)
    layer.set_weights([np.asarray(one, np.float32) for one in (kernel, bias) if one is not None])
    return Tensor(made, x.order, [*x.sizes[:-1], kernel.shape[1]])


@reads("Gemm")
def read_gemm(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it a `Dense`."""
    x, kernel, *rest = inputs
    kernel = constant(kernel, "B")
    kernel = kernel.T if node.attribute("transB", 0) else kernel
    kernel = kernel * np.float32(node.attribute("alpha", 1.0))
    bias = None if not rest or rest[0] is None else constant(rest[0], "C")
    if bias is not None:
        bias = np.broadcast_to(bias, (1, kernel.shape[1])) if bias.ndim < 2 or bias.shape[0] == 1 else bias
        if bias.shape[0] != 1:
            raise Unfit("its C has another row for each one of a batch")
        bias = bias[0] * np.float32(node.attribute("beta", 1.0))
    x = tensor(x)
    x = x.transposed((1, 0)) if node.attribute("transA", 0) else x
    return [_dense(x, kernel, bias)]


@reads("MatMul")
def read_matmul(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make the product with a constant matrix a `Dense`, with the bias that is added to it alone."""
    x, other = inputs
    if isinstance(x, np.ndarray) and isinstance(other, np.ndarray):
        take_broadcast(r.budget, [x[..., :1], other[..., :1, :]] if min(x.ndim, other.ndim) > 1 else [x, other])
        return [x @ other]
    if isinstance(other, np.ndarray):
        if other.ndim != 2:
            raise Unfit("it multiplies by a constant that is no matrix")
        bias, name = _bias_after(r, node, other.shape[1])
        made = _dense(tensor(x), other, bias)
        if name is not None:
            r.ahead[name] = made
        return [made]
    a, b = tensor(x).natural(), tensor(other).natural()
    if a.batch_axis or b.batch_axis or a.rank != b.rank:
        raise Unfit("it multiplies tensors that have the batch at several places")
    made = ops.matmul(a.tensor, b.tensor)
    return [Tensor(made, range(a.rank), [*a.sizes[:-1], b.sizes[-1]])]


def _bias_after(r: Reader, node: Node, units: int) -> tuple[np.ndarray | None, str | None]:
    """The constant that is added to a product and nothing else, and the name of the sum."""
    after = r.only_consumer(node.output(0))
    if after is None or after.operator != "Add":
        return None, None
    others = [name for name in after.inputs if name != node.output(0)]
    bias = r.values.get(others[0]) if len(others) == 1 else None
    if not isinstance(bias, np.ndarray) or bias.size != units or bias.shape[-1:] != (units,) or bias.ndim > 2:
        return None, None
    return bias.reshape(units), after.output(0)


# --- normalisations -------------------------------------------------------------------------------------------------


@reads("LayerNormalization")
def read_layer_normalization(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it the layer."""
    x, scale, *rest = inputs
    x = tensor(x)
    axes = range(place(node.attribute("axis", -1), x.rank), x.rank)
    ours = [x.order[axis] for axis in axes]
    if 0 in ours or ours != sorted(ours):
        x = x.natural()
        ours = [x.order[axis] for axis in axes]
    bias = constant(rest[0], "B") if rest and rest[0] is not None else None
    layer = layers.LayerNormalization(ours, epsilon=node.attribute("epsilon", 1e-5), center=bias is not None)
    made = layer(x.tensor)
    shape = tuple(x.sizes[axis] for axis in ours)
    given = [one for one in (constant(scale, "scale"), bias) if one is not None]
    layer.set_weights([np.broadcast_to(one, shape).astype(np.float32) for one in given])
    return [x.with_tensor(made)]


@reads("BatchNormalization")
def read_batch_normalization(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it the layer, over the channels."""
    x, *weights = inputs
    x = tensor(x)
    if node.attribute("training_mode", 0):
        raise Unfit("it is in training")
    layer = layers.BatchNormalization(axis=x.order[1], epsilon=node.attribute("epsilon", 1e-5))
    made = layer(x.tensor)
    layer.set_weights([np.asarray(constant(one, "weight"), np.float32) for one in weights])
    return [x.with_tensor(made)]


# --- windows --------------------------------------------------------------------------------------------------------


def _channels_last(x: Tensor) -> Tensor:
    """A tensor `(batch, channels, *lengths)` of the graph with its channels last in ours."""
    if x.batch_axis != 0:
        raise Unfit("its first axis is not the batch")
    return x.in_order((0, x.rank - 1, *range(1, x.rank - 1)))


def _padded(node: Node, x: Tensor, rank: int, value: float) -> tuple[Tensor, str]:
    """The tensor with what pads it, and Keras' name for the rest."""
    auto = node.attribute("auto_pad", "NOTSET")
    pads = node.attribute("pads", [0] * 2 * rank)
    if auto == "SAME_UPPER":
        return x, "same"
    if auto not in ("NOTSET", "VALID", ""):
        raise Unfit(f"its auto_pad {auto} is not supported")
    if auto == "VALID" or not any(pads):
        return x, "valid"
    if min(pads) < 0 or max(pads) > 10_000:
        raise Unfit(f"its pads are {pads}")
    widths = [(0, 0), *zip(pads[:rank], pads[rank:], strict=True), (0, 0)]
    made = ops.pad(x.tensor, widths, constant_values=value)
    sizes = [size if isinstance(size, Size) else size + sum(width) for size, width in zip(x.sizes, widths, strict=True)]
    return Tensor(made, x.order, sizes), "valid"


def _counted(x: Tensor, made: Any) -> Tensor:
    sizes = [Size("a size") if size is None else size for size in made.shape[1:]]
    return Tensor(made, x.order, [x.sizes[0], *sizes])


def _kernel_and_bias(inputs: list[Value]) -> tuple[np.ndarray, np.ndarray | None]:
    """The constants that a convolution takes besides its input."""
    _, kernel, *rest = inputs
    return constant(kernel, "W"), constant(rest[0], "B") if rest and rest[0] is not None else None


@reads("Conv")
def read_convolution(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it a `Conv1D` or `Conv2D`."""
    kernel, bias = _kernel_and_bias(inputs)
    rank = kernel.ndim - 2
    if rank not in (1, 2, 3):
        raise Unfit(f"its kernel has the shape {kernel.shape}")
    x, padding = _padded(node, _channels_last(tensor(inputs[0])), rank, 0.0)
    layer = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[rank](
        len(kernel),
        kernel.shape[2:],
        strides=tuple(node.attribute("strides", [1] * rank)),
        dilation_rate=tuple(node.attribute("dilations", [1] * rank)),
        groups=node.attribute("group", 1),
        padding=padding,
        use_bias=bias is not None,
    )
    made = layer(x.tensor)
    ours = np.ascontiguousarray(kernel.transpose(*range(2, rank + 2), 1, 0))
    layer.set_weights([np.asarray(one, np.float32) for one in (ours, bias) if one is not None])
    return [_counted(x, made)]


@reads("MaxPool", "AveragePool")
def read_pooling(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it a pooling layer."""
    sizes = node.attribute("kernel_shape")
    rank = len(sizes)
    if rank not in (1, 2, 3) or node.attribute("ceil_mode", 0) or max(node.attribute("dilations", [1])) > 1:
        raise Unfit("its kernel_shape, ceil_mode or dilations are not supported")
    average = node.operator == "AveragePool"
    given = _channels_last(tensor(inputs[0]))
    x, padding = _padded(node, given, rank, 0.0 if average else -np.inf)
    name = f"{'Average' if average else 'Max'}Pooling{rank}D"
    strides = tuple(node.attribute("strides", [1] * rank))
    layer = getattr(layers, name)(tuple(sizes), strides=strides, padding=padding)
    made = layer(x.tensor)
    if average and x is not given and not node.attribute("count_include_pad", 0):
        # What pads counts for nothing in the means: they are of as many as there are in a window.
        ones, _ = _padded(node, given.with_tensor(ops.ones_like(given.tensor)), rank, 0.0)
        made = ops.divide(made, layer(ones.tensor))
    return [_counted(x, made)]


@reads("ConvTranspose")
def read_transposed_convolution(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it a `Conv1DTranspose` or `Conv2DTranspose` without padding, and cut off what the node's pads do."""
    kernel, bias = _kernel_and_bias(inputs)
    rank = kernel.ndim - 2
    if rank not in (1, 2, 3) or node.attribute("group", 1) != 1:
        raise Unfit("its rank or its group is not supported")
    if node.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID", "") or node.attribute("output_shape"):
        raise Unfit("its auto_pad or output_shape is not supported")
    x = _channels_last(tensor(inputs[0]))
    strides, rates = (tuple(node.attribute(name, [1] * rank)) for name in ("strides", "dilations"))
    layer = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}[rank](
        kernel.shape[1], kernel.shape[2:], strides=strides, dilation_rate=rates, use_bias=False
    )
    made = layer(x.tensor)
    layer.set_weights([np.ascontiguousarray(kernel.transpose(*range(2, rank + 2), 1, 0), np.float32)])
    pads, more = node.attribute("pads", [0] * 2 * rank), node.attribute("output_padding", [0] * rank)
    for number, (size, stride, rate) in enumerate(zip(kernel.shape[2:], strides, rates, strict=True)):
        # Keras' output is at least as long as the steps are, whatever a kernel reaches.
        beyond = max(stride - (size - 1) * rate - 1, 0)
        made = _cut(made, number + 1, pads[number], pads[rank + number] + beyond - more[number])
    return [_counted(x, made if bias is None else ops.add(made, np.asarray(bias, np.float32)))]


def _cut(made: Any, axis: int, before: int, after: int) -> Any:
    """A symbolic tensor without some places at the ends of an axis; with zeros behind it where `after` is negative."""
    if after < 0:
        made = ops.pad(made, [(0, -after if at == axis else 0) for at in range(len(made.shape))])
    return made[(slice(None),) * axis + (slice(before, -after if after > 0 else None),)]


@reads("GlobalAveragePool", "GlobalMaxPool")
def read_global_pooling(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it a pooling layer that keeps the axes."""
    x = _channels_last(tensor(inputs[0]))
    if x.rank not in (3, 4, 5):
        raise Unfit(f"it takes {x.rank} axes")
    name = f"Global{'Average' if node.operator == 'GlobalAveragePool' else 'Max'}Pooling{x.rank - 2}D"
    return [_counted(x, getattr(layers, name)(keepdims=True)(x.tensor))]
