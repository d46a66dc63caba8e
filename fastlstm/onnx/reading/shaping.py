"""Nodes that move values about: most only change how the graph sees a tensor, and become nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.library import onnx_library
from fastlstm.onnx.reading.graph import Node, Reader, constant, place, reads, same, tensor
from fastlstm.onnx.reading.values import Filled, Size, Sizes, Stack, Tensor, Unfit, Value


@reads("Identity", "Dropout")
def read_identity(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Nothing."""
    return [inputs[0], None]


@reads("Constant")
def read_constant(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make a constant."""
    proto = node.attribute("value")
    if proto is not None:
        return [r.array(proto)]
    for name, dtype in (("value_float", np.float32), ("value_int", np.int64), ("value_floats", np.float32),
                        ("value_ints", np.int64)):  # fmt: skip
        if node.attribute(name) is not None:
            return [np.asarray(node.attribute(name), dtype)]
    raise Unfit("its value is neither numbers nor a tensor of them")


@reads("Shape")
def read_shape(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Give the sizes, those of a batch and of time as such."""
    (x,) = inputs
    shape = x.sizes if isinstance(x, Filled) else x.shape
    shape = shape[node.attribute("start", 0) : node.attribute("end", len(shape))]
    items = np.empty(len(shape), object)
    items[:] = shape
    return [Sizes(items)]


def _whole(value: Value) -> np.ndarray:
    """The items of sizes, or of whole numbers that are constants."""
    if isinstance(value, Sizes):
        return value.items
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        return value.astype(object)
    raise Unfit("it mixes sizes with other values")


@reads("Cast", "CastLike")
def read_cast(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Cast; whole numbers of any width are alike here, and so are fractions."""
    x = inputs[0]
    to = node.attribute("to")
    dtype = inputs[1].dtype if to is None else onnx_library().helper.tensor_dtype_to_np_dtype(to)
    kind = np.dtype(dtype).kind
    if isinstance(x, np.ndarray):
        return [x.astype(np.float32 if kind == "f" else np.dtype(dtype))]
    if isinstance(x, Filled):
        return [Filled(x.number.astype(dtype), x.sizes)]
    if isinstance(x, Sizes):
        return [x]
    x = tensor(x)
    wanted = {"f": "float32", "i": "int32", "u": "int32", "b": "bool"}[kind]
    return [x if x.dtype == wanted else x.with_tensor(ops.cast(x.tensor, wanted))]


@reads("Transpose")
def read_transpose(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Change the order in which the graph sees the axes."""
    (x,) = inputs
    rank = x.ndim if isinstance(x, np.ndarray) else len(x.sizes) if isinstance(x, Filled) else x.rank
    perm = node.attribute("perm", list(range(rank))[::-1])
    if sorted(perm) != list(range(rank)):
        raise Unfit(f"its perm {perm} is not one of {rank} axes")
    if isinstance(x, np.ndarray):
        return [np.ascontiguousarray(x.transpose(perm))]
    if isinstance(x, Filled):
        return [Filled(x.number, tuple(x.sizes[axis] for axis in perm))]
    return [x.transposed(perm)]


@reads("Squeeze")
def read_squeeze(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Drop axes of size 1."""
    x = inputs[0]
    shape = x.sizes if isinstance(x, Filled) else x.shape
    axes = r.axes(node, inputs, 1, len(shape))
    axes = [axis for axis, size in enumerate(shape) if same(size, 1)] if axes is None else axes
    if isinstance(x, np.ndarray):
        return [x.squeeze(tuple(axes))]
    if isinstance(x, Sizes):
        return [Sizes(x.items.reshape(()))]
    if isinstance(x, Filled):
        return [Filled(x.number, tuple(size for axis, size in enumerate(shape) if axis not in axes))]
    for axis in sorted(axes, reverse=True):
        x = _without_axis(x, axis)
    return [x]


def _without_axis(x: Value, axis: int) -> Value:
    if isinstance(x, Stack):
        if axis == x.axis:
            if len(x.items) != 1:
                raise Unfit(f"the axis {axis} that it drops has {len(x.items)} positions")
            return x.items[0]
        items = [_without_axis(item, axis - (axis > x.axis)) for item in x.items]
        return Stack(items, x.axis - (axis < x.axis))
    ours = x.order[axis]
    if ours == 0 or x.sizes[ours] != 1:
        raise Unfit(f"the axis {axis} that it drops is not one of size 1")
    return _dropped(x, ours, ops.squeeze(x.tensor, axis=ours))


def _dropped(x: Tensor, ours: int, made: Any) -> Tensor:
    """A tensor that has lost an axis of ours."""
    order = [at - (at > ours) for at in x.order if at != ours]
    return Tensor(made, order, [size for at, size in enumerate(x.sizes) if at != ours])


@reads("Unsqueeze")
def read_unsqueeze(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Put in axes of size 1."""
    x = inputs[0]
    shape = x.sizes if isinstance(x, Filled) else x.shape
    given = node.attribute("axes")
    axes = constant(inputs[1], "axes").ravel().tolist() if given is None else given
    axes = sorted(place(axis, len(shape) + len(axes)) for axis in axes)
    if isinstance(x, np.ndarray):
        return [np.expand_dims(x, tuple(axes))]
    if isinstance(x, Sizes):
        return [Sizes(np.expand_dims(x.items, tuple(axes)))]
    if isinstance(x, Filled):
        sizes = list(x.sizes)
        for axis in axes:
            sizes.insert(axis, 1)
        return [Filled(x.number, tuple(sizes))]
    for axis in axes:
        x = Stack([tensor(x)], axis)
    return [x]


@reads("Flatten")
def read_flatten(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Flatten all axes after the batch."""
    x = tensor(inputs[0])
    if place(node.attribute("axis", 1), x.rank + 1) != 1 or x.batch_axis != 0:
        raise Unfit("it makes rows of other axes than the batch")
    x = x.natural()
    return [_with_shape(x, layers.Flatten()(x.tensor) if x.rank > 2 else x.tensor)]


def _with_shape(x: Tensor, made: Any) -> Tensor:
    """A tensor that was made of another one, in the graph's order, of the sizes that it says."""
    sizes = [Size("a size") if size is None else size for size in made.shape[1:]]
    return Tensor(made, range(len(made.shape)), [x.sizes[0], *sizes])


@reads("Reshape")
def read_reshape(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Reshape: what keeps the batch, and time where the size of it is not known."""
    x, target = inputs
    items = _whole(target).ravel().tolist()
    if isinstance(x, np.ndarray):
        return [x.reshape([int(item) for item in constant(target, "shape").ravel()])]
    if isinstance(x, Sizes):
        return [Sizes(x.items.reshape(constant(target, "shape").astype(int).tolist()))]
    if isinstance(x, Filled):
        return [Filled(x.number, tuple(_resolved(items, x.sizes)))]
    return [reshaped(x, _resolved(items, x.shape))]


def _resolved(items: Sequence[Any], shape: Sequence[Any]) -> list[Any]:
    """The sizes that a reshape asks for, none of them 0 or, where it can be told, -1."""
    sizes = [shape[at] if same(item, 0) and not isinstance(item, Size) else item for at, item in enumerate(items)]
    if not any(not isinstance(size, Size) and size == -1 for size in sizes):
        return sizes
    at = next(number for number, size in enumerate(sizes) if not isinstance(size, Size) and size == -1)
    mine, theirs = list(shape), [size for number, size in enumerate(sizes) if number != at]
    for size in list(theirs):
        match = next((one for one in mine if isinstance(one, Size) and same(one, size)), None)
        if match is not None:
            mine.remove(match)
            theirs.remove(size)
    unknown = [size for size in mine if isinstance(size, Size)]
    known = int(np.prod([size for size in mine if not isinstance(size, Size)], dtype=object)) if mine else 1
    if any(isinstance(size, Size) for size in theirs):
        return sizes
    rest = int(np.prod(theirs, dtype=object)) if theirs else 1
    if len(unknown) == 1 and known == rest:
        sizes[at] = unknown[0]
    elif not unknown and rest and known % rest == 0:
        sizes[at] = known // rest
    return sizes


def reshaped(x: Value, sizes: Sequence[Any]) -> Value:
    """Return a tensor or a stack in another shape."""
    shape = x.shape
    if len(sizes) == len(shape) and all(same(a, b) for a, b in zip(shape, sizes, strict=True)):
        return x
    if isinstance(x, Stack):
        if len(x.items) == 1:
            return reshaped(x.items[0], sizes)
        if x.axis == x.rank - 2:
            joined = side_by_side(x)
            if joined is not None and len(sizes) == joined.rank:
                return reshaped(joined, sizes)
        x = x.as_tensor()
        shape = x.shape
    x = x.natural()
    kept = 0
    while kept < min(len(shape), len(sizes)) and same(shape[kept], sizes[kept]):
        kept += 1
    if x.batch_axis >= kept:
        raise Unfit(f"it reshapes {list(shape)} to {list(sizes)}, which does not keep the batch")
    # The batch is first here, then the axes before and behind it.
    target = [size for at, size in enumerate(sizes) if at != x.batch_axis]
    unknown = [size for size in target if isinstance(size, Size) or size == -1]
    if len(unknown) > 1:
        raise Unfit(f"it reshapes {list(shape)} to {list(sizes)}, of which more than one size is not known")
    made = layers.Reshape([-1 if isinstance(size, Size) else int(size) for size in target])(x.tensor)
    ours = [
        (size if isinstance(size, Size) else Size("a size") if given is None else given)
        for size, given in zip(target, made.shape[1:], strict=True)
    ]
    order = [0 if at == x.batch_axis else at + (at < x.batch_axis) for at in range(len(sizes))]
    return Tensor(made, order, [x.sizes[0], *ours])


def side_by_side(x: Stack) -> Tensor | None:
    """Return the tensors of a stack along their last axis, None where the graph has another one last."""
    if x.joined is not None and x.joined.order[-1] == x.joined.rank - 1:
        return x.joined
    first = x.items[0]
    last = first.order[-1]
    if last == 0:
        return None
    items = [item.in_order(first.order) for item in x.items]
    sizes = list(first.sizes)
    if any(isinstance(item.sizes[last], Size) for item in items):
        return None
    sizes[last] = sum(item.sizes[last] for item in items)
    return Tensor(layers.Concatenate(axis=last)([item.tensor for item in items]), first.order, sizes)


@reads("Concat")
def read_concat(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Join values, or stacks along the axis that they are stacked along."""
    axis = node.attribute("axis", 1)
    if all(isinstance(value, np.ndarray) for value in inputs):
        return [np.concatenate(inputs, axis)]
    if all(isinstance(value, (np.ndarray, Sizes)) for value in inputs):
        return [Sizes(np.concatenate([_whole(value) for value in inputs], axis))]
    rank = next(value.rank for value in inputs if isinstance(value, (Tensor, Stack)))
    axis = place(axis, rank)
    if all(isinstance(value, Stack) and value.axis == axis for value in inputs):
        return [Stack([item for value in inputs for item in value.items], axis)]
    made = _halves_of_one(r, inputs, axis)
    if made is not None:
        return [made]
    values = [tensor(value) for value in inputs]
    ours = values[0].order[axis]
    values = [value.in_order(values[0].order) for value in values]
    if ours == 0:
        raise Unfit("it joins tensors along the batch")
    sizes = list(values[0].sizes)
    each = [value.sizes[ours] for value in values]
    sizes[ours] = Size("a size") if any(isinstance(size, Size) for size in each) else sum(each)
    joined = layers.Concatenate(axis=ours)([value.tensor for value in values])
    return [Tensor(joined, values[0].order, sizes)]


def _halves_of_one(r: Reader, inputs: list[Value], axis: int) -> Tensor | None:
    """What a layer gave as one, where it is put together again."""
    whole = next((whole for whole, items in r.halves if _are(inputs, items)), None)
    return whole if whole is not None and whole.order[axis] == whole.rank - 1 else None


def _are(inputs: Sequence[Value], items: Sequence[Value]) -> bool:
    return len(inputs) == len(items) and all(
        isinstance(a, Tensor) and a.tensor is b.tensor and a.order == b.order
        for a, b in zip(inputs, items, strict=True)
    )


@reads("Split")
def read_split(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Cut a value into parts."""
    x = inputs[0]
    count = len(node.outputs)
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
        ends = [item if isinstance(item, Size) else int(item) for item in _whole(ends).ravel()]
        axes = None if axes is None else constant(axes, "axes").ravel().tolist()
        steps = None if steps is None else constant(steps, "steps").ravel().tolist()
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
    made = x.tensor[(slice(None),) * ours + (part,)]
    size = made.shape[ours]
    sizes = list(x.sizes)
    if part not in (slice(0, None, 1), slice(None)):
        sizes[ours] = Size("a size") if size is None else size
    return Tensor(made, x.order, sizes)


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
    return _dropped(x, ours, x.tensor[(slice(None),) * ours + (number,)])


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
    return [_filled(r, np.asarray(number), _whole(inputs[0]).ravel().tolist())]


def _filled(r: Reader, number: np.ndarray, sizes: Sequence[Any]) -> Value:
    if any(isinstance(size, Size) for size in sizes):
        return Filled(number, tuple(sizes))
    return r.filled(sizes, number)


@reads("Expand")
def read_expand(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Repeat values along axes: constants alone, whose rows stay one where the batch has many."""
    x, target = inputs
    sizes = _whole(target).ravel().tolist()
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
    if isinstance(x, (Tensor, Stack)):
        shape = x.shape
        wide_sizes = [1] * (len(shape) - len(sizes)) + sizes
        if all(same(size, own) or same(size, 1) for size, own in zip(wide_sizes, shape, strict=True)):
            return [x]
    raise Unfit("it repeats a tensor along an axis")
