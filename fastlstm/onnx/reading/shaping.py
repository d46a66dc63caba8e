"""Nodes that move values about: most only change how the graph sees a tensor, and become nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.library import onnx_library
from fastlstm.onnx.reading.counting import unsqueezed
from fastlstm.onnx.reading.graph import Node, Reader, constant, place, reads, same, tensor
from fastlstm.onnx.reading.limits import require_axes
from fastlstm.onnx.reading.values import Filled, Ramp, Size, Sizes, Stack, Tensor, Unfit, Value


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
    if isinstance(x, Tensor):
        r.note_sizes(x.tensor, x.sizes)
    shape = shape[node.attribute("start", 0) : node.attribute("end", len(shape))]
    items = np.empty(len(shape), object)
    items[:] = shape
    return [Sizes(items)]


def whole(value: Value) -> np.ndarray:
    """The items of sizes, or of whole numbers that are constants."""
    if isinstance(value, Sizes):
        return value.items
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        return value.astype(object)
    raise Unfit("it mixes sizes with other values")


def wished(value: Value) -> list[Any]:
    """The shape that a constant or sizes ask for."""
    items = whole(value)
    require_axes(items.size)
    return items.ravel().tolist()


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
    wanted = {"f": "float32", "i": "int32", "u": "int32", "b": "bool"}[kind]
    if isinstance(x, Ramp):
        return [Ramp(x.size, wanted)]
    x = tensor(x)
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
    return dropped(x, ours, ops.squeeze(x.tensor, axis=ours))


def dropped(x: Tensor, ours: int, made: Any) -> Tensor:
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
    require_axes(len(shape) + len(axes))
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
    if isinstance(x, Ramp):
        return [unsqueezed(r, x, axes)]
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
    items = wished(target)
    if isinstance(x, np.ndarray):
        return [x.reshape([int(item) for item in constant(target, "shape").ravel()])]
    if isinstance(x, Sizes):
        return [Sizes(x.items.reshape(constant(target, "shape").astype(int).tolist()))]
    if isinstance(x, Filled):
        return [Filled(x.number, tuple(resolved(items, x.sizes)))]
    return [reshaped(x, resolved(items, x.shape))]


def resolved(items: Sequence[Any], shape: Sequence[Any]) -> list[Any]:
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


@reads("Pad")
def read_pad(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Put numbers before and behind what is there, steps of zeros for example."""
    x = tensor(inputs[0])
    pads, value = (*inputs[1:3], None, None)[:2]
    pads = node.attribute("pads", []) if pads is None else constant(pads, "pads").ravel().tolist()
    number = node.attribute("value", 0.0) if value is None else float(constant(value, "constant_value").reshape(()))
    axes = r.axes(node, inputs, 3, x.rank) or range(x.rank)
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        raise Unfit(f"its pads {list(pads)} are not two numbers from 0 on for each of {len(axes)} axes")
    widths = [(0, 0)] * x.rank
    for axis, width in zip(axes, zip(pads[: len(axes)], pads[len(axes) :], strict=True), strict=True):
        widths[x.order[axis]] = width
    if widths[0] != (0, 0):
        raise Unfit("it makes the batch larger")
    r.budget.take_bytes(8 * sum(pads), "What is put around a tensor")
    mode = node.attribute("mode", "constant")
    if mode not in ("constant", "reflect"):
        raise Unfit(f"its mode {mode!r} is not supported")
    if mode == "constant" and not number and x.rank == 3 and widths[2] == (0, 0):
        made = layers.ZeroPadding1D(widths[1])(x.tensor)
    else:
        made = ops.pad(x.tensor, widths, mode, number if mode == "constant" else None)
    sizes = [
        size if width == (0, 0) else Size("a size") if given is None else given
        for size, width, given in zip(x.sizes, widths, made.shape, strict=True)
    ]
    return [Tensor(made, x.order, sizes)]


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
