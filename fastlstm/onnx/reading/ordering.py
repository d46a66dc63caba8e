"""Nodes that act along an axis: running sums, orders, places of the greatest, values at places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm import layers, ops
from fastlstm.onnx.reading.graph import Node, Reader, constant, place, reads, same, tensor
from fastlstm.onnx.reading.shaping import whole
from fastlstm.onnx.reading.values import Size, Tensor, Unfit, Value


def _axis(x: Tensor, axis: int) -> int:
    """An axis of the graph as one of ours, other than the batch."""
    ours = x.order[place(axis, x.rank)]
    if ours == 0:
        raise Unfit("it is along the batch")
    return ours


@reads("CumSum")
def read_running_sum(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Sum along an axis, up to each place."""
    x = tensor(inputs[0])
    axis = _axis(x, int(constant(inputs[1], "axis").reshape(())))
    backwards = bool(node.attribute("reverse", 0))
    given = ops.flip(x.tensor, axis) if backwards else x.tensor
    made = ops.cumsum(given, axis=axis)
    if node.attribute("exclusive", 0):
        made = made - given
    return [x.with_tensor(ops.flip(made, axis) if backwards else made)]


@reads("TopK")
def read_order(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Put the greatest or least values of an axis first; equal ones keep their order."""
    x = tensor(inputs[0])
    axis = _axis(x, node.attribute("axis", -1))
    (count,) = (
        [node.attribute("k")] if node.attribute("k") is not None else whole(inputs[1]).ravel().tolist()
    )  # an attribute before version 10
    order = ops.argsort(-x.tensor if node.attribute("largest", 1) else x.tensor, axis=axis)
    sizes = list(x.sizes)
    if not same(count, sizes[axis]):
        if isinstance(count, Size):
            raise Unfit("it takes as many as another tensor has")
        order = order[(slice(None),) * axis + (slice(0, int(count)),)]
        sizes[axis] = int(count)
    values = ops.take_along_axis(x.tensor, order, axis=axis)
    return [Tensor(made, x.order, sizes) for made in (values, order)]


@reads("ArgMax", "ArgMin")
def read_place(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Say where the greatest or least value of an axis is."""
    x = tensor(inputs[0])
    axis, keep = _axis(x, node.attribute("axis", 0)), bool(node.attribute("keepdims", 1))
    if node.attribute("select_last_index", 0):
        raise Unfit("it takes the last of equal values")
    made = (ops.argmax if node.operator == "ArgMax" else ops.argmin)(x.tensor, axis=axis, keepdims=keep)
    if keep:
        return [Tensor(made, x.order, [1 if at == axis else size for at, size in enumerate(x.sizes)])]
    order = [at - (at > axis) for at in x.order if at != axis]
    return [Tensor(made, order, [size for at, size in enumerate(x.sizes) if at != axis])]


@reads("GatherElements")
def read_values_at(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Take the values at places that differ from row to row."""
    x, places = tensor(inputs[0]), tensor(inputs[1])
    x = x.in_order(places.order)
    axis = _axis(x, node.attribute("axis", 0))
    return [places.with_tensor(ops.take_along_axis(x.tensor, places.tensor, axis=axis))]


# --- repeating ------------------------------------------------------------------------------------------------------


@reads("Tile")
def read_tile(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Repeat a tensor along axes, as a whole."""
    x, times = tensor(inputs[0]), constant(inputs[1], "repeats").ravel().tolist()
    ours = [0] * x.rank
    for axis, count in zip(x.order, times, strict=True):
        ours[axis] = int(count)
    if ours[0] != 1:
        raise Unfit("it repeats the batch")
    return [_enlarged(x, ours, ops.tile(x.tensor, ours))]


@reads("Resize", "Upsample")
def read_resize(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Repeat each place of an axis."""
    x = tensor(inputs[0])
    given = node.attribute("scales")
    if given is None:
        scales = inputs[2] if node.operator == "Resize" and len(inputs) > 2 else inputs[1]
        if scales is None or (len(inputs) > 3 and inputs[3] is not None):
            raise Unfit("it says sizes in place of scales")
        given = constant(scales, "scales").ravel().tolist()
    where = (node.attribute("coordinate_transformation_mode", "half_pixel"), node.attribute("nearest_mode"))
    plain = node.operator == "Upsample" or (where[0] == "asymmetric" and where[1] == "floor")
    if node.attribute("mode", "nearest") != "nearest" or not plain or any(scale < 1 or scale % 1 for scale in given):
        raise Unfit(f"its mode or its scales {given} are not supported")
    ours = [0] * x.rank
    for axis, scale in zip(x.order, given, strict=True):
        ours[axis] = int(scale)
    if ours[0] != 1:
        raise Unfit("it repeats the batch")
    if x.rank == 3 and ours[2] == 1:
        return [_enlarged(x, ours, layers.UpSampling1D(ours[1])(x.tensor))]
    made = x.tensor
    for axis, count in enumerate(ours):
        made = ops.repeat(made, count, axis=axis) if count > 1 else made
    return [_enlarged(x, ours, made)]


def _enlarged(x: Tensor, times: Sequence[int], made: Any) -> Tensor:
    sizes = [
        size if count == 1 else Size("a size") if isinstance(size, Size) else size * count
        for size, count in zip(x.sizes, times, strict=True)
    ]
    return Tensor(made, x.order, sizes)


@reads("HardSwish")
def read_hard_swish(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make it an activation, which the engine runs."""
    x = tensor(inputs[0])
    return [x.with_tensor(layers.Activation("hard_silu")(x.tensor))]
