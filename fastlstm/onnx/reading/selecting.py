"""Nodes that join values, or take parts of them: Concat, Split, Slice, Gather, and those that fill and repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.reading.counting import realised, repeated
from fastlstm.onnx.reading.graph import Node, Reader, constant, place, reads, same, tensor
from fastlstm.onnx.reading.limits import require_axes, take_joined, take_layers
from fastlstm.onnx.reading.shaping import dropped, whole, wished
from fastlstm.onnx.reading.values import Filled, Size, Sizes, Stack, Tensor, Unfit, Value, identity


@reads("Concat")
def read_concat(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Join values, or stacks along the axis that they are stacked along."""
    axis = node.attribute("axis", 1)
    if all(isinstance(value, np.ndarray) for value in inputs):
        take_joined(r.budget, inputs)
        return [np.concatenate(inputs, axis)]
    if all(isinstance(value, (np.ndarray, Sizes)) for value in inputs):
        items = [value if isinstance(value, np.ndarray) else value.items for value in inputs]
        take_joined(r.budget, items)
        return [Sizes(np.concatenate([whole(value) for value in inputs], axis))]
    axis = place(axis, len(inputs[0].shape))
    if all(isinstance(value, Filled) and value.number == inputs[0].number for value in inputs):
        return [_joined_filled(inputs, axis)]
    if all(isinstance(value, Stack) and value.axis == axis for value in inputs):
        take_layers(r.budget, sum(len(value.items) for value in inputs))
        return [Stack([item for value in inputs for item in value.items], axis)]
    made = _halves_of_one(r, inputs, axis)
    if made is not None:
        return [made]
    values = [realised(r, value) if isinstance(value, Filled) else tensor(value) for value in inputs]
    ours = values[0].order[axis]
    values = [value.in_order(values[0].order) for value in values]
    if ours == 0:
        raise Unfit("it joins tensors along the batch")
    sizes = list(values[0].sizes)
    each = [value.sizes[ours] for value in values]
    sizes[ours] = Size("a size") if any(isinstance(size, Size) for size in each) else sum(each)
    joined = layers.Concatenate(axis=ours)([value.tensor for value in values])
    return [Tensor(joined, values[0].order, sizes)]


def _joined_filled(values: Sequence[Filled], axis: int) -> Filled:
    """One number everywhere in all of them, such as the zeros that two directions begin from."""
    sizes = list(values[0].sizes)
    each = [value.sizes[axis] for value in values]
    sizes[axis] = Size("a size") if any(isinstance(size, Size) for size in each) else sum(map(int, each))
    return Filled(values[0].number, tuple(sizes))


def _halves_of_one(r: Reader, inputs: list[Value], axis: int) -> Tensor | None:
    """What a layer gave as one, where it is put together again."""
    whole = r.halves.get(identity(inputs)) if all(isinstance(value, Tensor) for value in inputs) else None
    return whole if whole is not None and whole.order[axis] == whole.rank - 1 else None


@reads("Split")
def read_split(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Cut a value into parts."""
    x = inputs[0]
    count = len(node.outputs)
    take_layers(r.budget, count)
    given = constant(inputs[1], "split") if len(inputs) > 1 and inputs[1] is not None else node.attribute("split")
    axis = place(node.attribute("axis", 0), x.rank if isinstance(x, (Tensor, Stack)) else x.ndim)
    length = x.shape[axis]
    if isinstance(length, Size):
        raise Unfit("it cuts an axis of unknown size")
    parts = [-(-length // count)] * count if given is None else [int(size) for size in given]
    ends = np.cumsum(parts)
    slices = [slice(int(end - size), int(min(end, length))) for end, size in zip(ends, parts, strict=True)]
    return [sliced(x, axis, part) for part in slices]


@reads("Slice")
def read_slice(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Take parts of axes."""
    x = inputs[0]
    rank = x.rank if isinstance(x, (Tensor, Stack)) else len(x.shape)
    if node.attribute("starts") is not None:
        starts, ends = node.attribute("starts"), node.attribute("ends")
        axes, steps = node.attribute("axes"), None
    else:
        starts, ends, axes, steps = ([*inputs[1:], None, None])[:4]
        starts = constant(starts, "starts").ravel().tolist()
        ends = [item if isinstance(item, Size) else int(item) for item in whole(ends).ravel()]
        axes = None if axes is None else constant(axes, "axes").ravel().tolist()
        steps = None if steps is None else constant(steps, "steps").ravel().tolist()
    require_axes(len(starts))
    axes = range(len(starts)) if axes is None else axes
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        axis = place(axis, rank)
        if isinstance(end, Size):
            if not same(end, x.shape[axis]):
                raise Unfit("it ends at a size of another tensor")
            end = None
        elif abs(end) >= 2**31 - 1:
            end = None
        x = sliced(x, axis, slice(start, end, step))
    return [x]


def sliced(x: Value, axis: int, part: slice) -> Value:
    """Return a part of an axis."""
    if isinstance(x, np.ndarray):
        return x[(slice(None),) * axis + (part,)]
    if isinstance(x, Sizes):
        return Sizes(x.items[part])
    if isinstance(x, Stack) and axis == x.axis:
        return Stack(x.items[part], x.axis)
    if isinstance(x, Filled):
        return _part_of_filled(x, axis, part)
    x = tensor(x)
    ours = x.order[axis]
    if ours == 0:
        if part in (slice(0, None, 1), slice(None)):
            return x
        raise Unfit("it takes a part of the batch")
    if isinstance(x.sizes[ours], Size) and (number := _one_place(part)) is not None:
        return Stack([_at(x, axis, number)], axis)
    made = x.tensor[(slice(None),) * ours + (part,)]
    size = made.shape[ours]
    sizes = list(x.sizes)
    if part not in (slice(0, None, 1), slice(None), slice(-1, None, -1)):
        sizes[ours] = Size("a size") if size is None else size
    return Tensor(made, x.order, sizes)


def _one_place(part: slice) -> int | None:
    """The place that is all that a part has, None if there are more, or none."""
    if part.step not in (None, 1):
        return None
    start = part.start or 0
    return start if part.stop == (start + 1 or None) else None


def _part_of_filled(x: Filled, axis: int, part: slice) -> Filled:
    """A part of an axis of one number everywhere."""
    size = x.sizes[axis]
    if not isinstance(size, Size):
        size = len(range(int(size))[part])
    elif part not in (slice(0, None, 1), slice(None)):
        raise Unfit("it takes a part of an axis of unknown size")
    return Filled(x.number, (*x.sizes[:axis], size, *x.sizes[axis + 1 :]))


@reads("Gather")
def read_gather(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Look rows up in a table, or take positions of an axis."""
    x, indices = inputs
    axis = node.attribute("axis", 0)
    if isinstance(indices, (Tensor, Stack)):
        return [_looked_up(x, tensor(indices), axis)]
    at = constant(indices, "indices")
    if isinstance(x, np.ndarray):
        r.budget.take_bytes(8 * at.size * (x.size // max(x.shape[place(axis, x.ndim)], 1)), "A constant")
        return [np.take(x, at, axis)]
    if isinstance(x, Sizes):
        items = x.items[at.astype(int)]
        return [Sizes(items if isinstance(items, np.ndarray) else _scalar(items))]
    axis = place(axis, x.rank)
    if at.ndim == 0:
        return [_at(x, axis, int(at))]
    if at.ndim > 1:
        raise Unfit("its indices have more than one axis")
    if isinstance(x, Stack) and axis == x.axis:
        return [Stack([x.items[int(one)] for one in at], axis)]
    x = tensor(x)
    ours = x.order[axis]
    if ours == 0:
        raise Unfit("it takes rows of the batch")
    sizes = list(x.sizes)
    sizes[ours] = len(at)
    return [Tensor(ops.take(x.tensor, at.astype(np.int32), axis=ours), x.order, sizes)]


def _scalar(item: Any) -> np.ndarray:
    made = np.empty((), object)
    made[()] = item
    return made


def _at(x: Value, axis: int, number: int) -> Value:
    """What is at one place of an axis, without the axis."""
    if isinstance(x, Stack) and axis == x.axis:
        return x.items[number]
    if isinstance(x, Filled):
        return Filled(x.number, (*x.sizes[:axis], *x.sizes[axis + 1 :]))
    x = tensor(x)
    ours = x.order[axis]
    if ours == 0:
        raise Unfit("it takes one row of the batch")
    return dropped(x, ours, x.tensor[(slice(None),) * ours + (number,)])


def _looked_up(table: Value, ids: Tensor, axis: int) -> Tensor:
    table = constant(table, "table")
    if axis != 0 or table.ndim != 2:
        raise Unfit("it looks up something else than rows of a table")
    layer = layers.Embedding(*table.shape)
    made = layer(ids.tensor)
    layer.set_weights([np.asarray(table, np.float32)])
    return Tensor(made, [*ids.order, ids.rank], [*ids.sizes, table.shape[1]])


@reads("ConstantOfShape")
def read_filled(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make one number in a shape."""
    proto = node.attribute("value")
    number = np.float32(0) if proto is None else r.array(proto).reshape(())
    return [_filled(r, np.asarray(number), wished(inputs[0]))]


def _filled(r: Reader, number: np.ndarray, sizes: Sequence[Any]) -> Value:
    if any(isinstance(size, Size) for size in sizes):
        return Filled(number, tuple(sizes))
    return r.filled(sizes, number)


@reads("Expand")
def read_expand(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Repeat values along axes: constants alone, whose rows stay one where the batch has many."""
    x, target = inputs
    sizes = wished(target)
    if isinstance(x, np.ndarray):
        if not any(isinstance(size, Size) for size in sizes):
            shape = np.broadcast_shapes(x.shape, tuple(int(size) for size in sizes))
            return [r.filled(shape, 0) + x]
        if x.size and (x == x.ravel()[0]).all():
            return [Filled(x.ravel()[0], tuple(sizes))]
        wide = x.reshape((1,) * (len(sizes) - x.ndim) + x.shape)
        if all(isinstance(size, Size) or size in (1, own) for size, own in zip(sizes, wide.shape, strict=True)):
            return [wide]
    if isinstance(x, Filled):
        return [Filled(x.number, tuple(sizes))]
    if isinstance(x, (Tensor, Stack)) and len(sizes) <= x.rank:
        return [_expanded(r, x, [1] * (x.rank - len(sizes)) + sizes)]
    raise Unfit("it puts axes in front of a tensor")


def _expanded(r: Reader, x: Tensor | Stack, sizes: Sequence[Any]) -> Value:
    """A tensor with other sizes where it had 1."""
    if all(same(size, own) or same(size, 1) for size, own in zip(sizes, x.shape, strict=True)):
        return x
    x = tensor(x)
    made, ours = x.tensor, list(x.sizes)
    for at, size in zip(x.order, sizes, strict=True):
        if not same(size, ours[at]) and not same(size, 1):
            if at == 0 or isinstance(ours[at], Size) or ours[at] != 1:
                raise Unfit(f"it repeats a tensor of the shape {list(x.shape)} to {list(sizes)}")
            made, ours[at] = repeated(r, made, at, size), size
    return Tensor(made, x.order, ours)
