"""Operations of `keras.ops` in a graph that give a tensor another shape, join tensors, or take parts of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.onnx.writing.builder import INT, Builder, Shape, Value
from fastlstm.ops.indexing import key_items as indices_of

# b, operands, parameters, shape of the result → the result
Write = Callable[[Builder, Sequence[Any], Any, Any], Any]


def axes_of(parameters: Any, x: Value, key: str = "axis") -> list[int]:
    axis = parameters.get(key)
    return list(range(x.ndim)) if axis is None else [axis] if isinstance(axis, int) else list(axis)


def _reshape(b: Builder, values: Sequence[Any], parameters: Any, shape: Shape) -> Value:
    (x,) = values
    target = parameters.get("newshape")
    target = [target] if isinstance(target, int) else target
    if target is not None and all(isinstance(size, int) and size for size in target):
        return b.reshape(x, target, shape)
    return _to_shape(b, x, shape)


def _to_shape(b: Builder, x: Value, shape: Shape) -> Value:
    """`x` in a shape of which sizes that are not known are those at the same place, or one of them what remains."""
    unknown = [axis for axis, size in enumerate(shape) if size is None]
    same = [axis for axis in unknown if axis < x.ndim and x.shape[axis] is None and shape[:axis] == x.shape[:axis]]
    rest = [axis for axis in unknown if axis not in same]
    if len(rest) > 1:
        raise NotImplementedError(f"A reshape from {x.shape} to {shape} cannot be written as ONNX.")
    return b.reshape(x, [0 if at in same else -1 if at in rest else size for at, size in enumerate(shape)], shape)


def _expand_dims(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axis = parameters["axis"]
    return b.expand_dims(values[0], *([axis] if isinstance(axis, int) else axis))


def _squeeze(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    axis = parameters.get("axis")
    axes = [at for at, size in enumerate(x.shape) if size == 1] if axis is None else np.atleast_1d(axis).tolist()
    return b.squeeze(x, *axes)


def _transpose(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axes = parameters.get("axes")
    return b.transpose(values[0], range(values[0].ndim)[::-1] if axes is None else axes)


def _swapaxes(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axes = list(range(values[0].ndim))
    first, second = parameters["axis1"], parameters["axis2"]
    axes[first], axes[second] = axes[second], axes[first]
    return b.transpose(values[0], axes)


def _moveaxis(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    source, target = parameters["source"], parameters["destination"]
    places, goals = ([at % values[0].ndim for at in np.atleast_1d(each).tolist()] for each in (source, target))
    rest = [axis for axis in range(values[0].ndim) if axis not in places]
    for goal, place in sorted(zip(goals, places, strict=True)):
        rest.insert(goal, place)
    return b.transpose(values[0], rest)


def _flip(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return functools.reduce(b.backwards, axes_of(parameters, values[0]), values[0])


def _concatenate(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return b.concat(values[0], parameters.get("axis", 0))


def _stack(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axis = parameters.get("axis", 0)
    return b.concat([b.expand_dims(one, axis) for one in values[0]], axis)


def _split(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> list[Value]:
    (x,) = values
    axis = parameters.get("axis", 0) % x.ndim
    sizes = [of[axis] for of in shape]
    if None in sizes:
        raise NotImplementedError("A split of an axis of unknown size cannot be written as ONNX.")
    return b.nodes_of("Split", [x, b.ints(*sizes)], shape, x.dtype, axis=axis)


def _repeat(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    axis, times = parameters.get("axis"), parameters["repeats"]
    if axis is None or not isinstance(times, int):
        raise NotImplementedError("A repeat without an axis, or by several numbers, cannot be written as ONNX.")
    axis %= x.ndim
    scales = np.ones(x.ndim, np.float32)
    scales[axis] = times
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return b.op("Resize", x, None, b.constant(scales), shape=shape, **how)


def _tile(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    times = np.atleast_1d(parameters["repeats"]).tolist()
    times = [1] * (x.ndim - len(times)) + times
    x = b.expand_dims(x, *range(len(times) - x.ndim)) if len(times) > x.ndim else x
    return b.op("Tile", x, b.ints(*times), shape=shape)


def _pad(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    x = values[0]
    constant = values[1] if len(values) > 1 and values[1] is not None else 0
    widths = np.broadcast_to(np.asarray(parameters["pad_width"]), (x.ndim, 2))
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge"}.get(parameters["mode"])
    if mode is None:
        raise NotImplementedError(f"A pad with mode={parameters['mode']!r} cannot be written as ONNX.")
    pads = b.ints(*widths[:, 0].tolist(), *widths[:, 1].tolist())
    constant = constant if isinstance(constant, Value) else b.constant(np.asarray(constant, x.dtype))
    return b.op("Pad", x, pads, constant if mode == "constant" else None, shape=shape, mode=mode)


def _get_item(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    x, key = values
    given: Any = indices_of(key)
    items: list[Any] = list(given) if isinstance(given, tuple) else [given]
    used = sum(item is not None and item is not Ellipsis for item in items)
    for at, item in enumerate(items):
        if item is Ellipsis:
            items[at : at + 1] = [slice(None)] * (x.ndim - used)
            break
    axis, y = 0, x
    for item in items:
        if item is None:
            y, axis = b.expand_dims(y, axis), axis + 1
        elif isinstance(item, slice):
            if item != slice(None):
                step = 1 if item.step is None else item.step
                start = (0 if step > 0 else -1) if item.start is None else item.start
                y = b.slice(y, axis, start, item.stop, step)
            axis += 1
        else:
            y = b.at(y, axis, int(item))
    return y


def _slice(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    y = values[0]
    for axis, (start, size) in enumerate(zip(values[1], parameters["shape"], strict=True)):
        if start or size != y.shape[axis]:
            y = b.slice(y, axis, int(start), None if size < 0 else int(start) + int(size))
    return y


def _take(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    x, indices = values
    axis = parameters.get("axis")
    if axis is None:
        x, axis = b.reshape(x, (-1,), (None,)), 0
    return b.op("Gather", x, b.cast(indices, INT), shape=shape, axis=axis % x.ndim)


def _one_hot(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    ids = b.cast(values[0], INT)
    ranks = b.expand_dims(b.constant(np.arange(parameters["num_classes"])), *range(ids.ndim))
    made = b.cast(b.compare("Equal", b.expand_dims(ids, -1), ranks), "float32")
    return b.moved(made, -1, parameters.get("axis", -1))


def _filled(number: float) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        x = values[0]
        return b.expand(b.constant(np.asarray(number, x.dtype)), b.sizes(x), x.shape)

    return write


def _broadcast_to(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    sizes = [1 if size is None else size for size in shape]
    return b.expand(x, b.ints(*sizes), shape)


REARRANGING: dict[str, Write] = {
    "Reshape": _reshape,
    "Ravel": lambda b, values, parameters, shape: b.reshape(values[0], (-1,), shape),
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Swapaxes": _swapaxes,
    "Moveaxis": _moveaxis,
    "Flip": _flip,
    "Concatenate": _concatenate,
    "Stack": _stack,
    "Split": _split,
    "Repeat": _repeat,
    "Tile": _tile,
    "Pad": _pad,
    "GetItem": _get_item,
    "Slice": _slice,
    "Take": _take,
    "OneHot": _one_hot,
    "ZerosLike": _filled(0),
    "OnesLike": _filled(1),
    "BroadcastTo": _broadcast_to,
}
