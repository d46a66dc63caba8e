"""Operations that put values elsewhere: other shapes and orders, tensors joined and cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fastlstm.arguments import place, places, whole, wholes
from fastlstm.ops import dtypes, shapes
from fastlstm.ops.definition import CORE, operation
from fastlstm.ops.shapes import Shape, axes
from fastlstm.printable import quoted, shown

# --- shapes ---------------------------------------------------------------------------------------------------------


def _new_shape(newshape: Any) -> tuple[int, ...]:
    """The shape with -1 in place of what is not known, as Keras takes it."""
    given = newshape if isinstance(newshape, (list, tuple)) else list(np.atleast_1d(newshape))
    sizes = tuple(-1 if size is None else whole(size, "newshape", -1) for size in given)
    if sizes.count(-1) > 1:
        raise ValueError(
            f"There must be at most one unknown dimension (-1) in newshape. Received: newshape={quoted(newshape)}"
        )
    return sizes


def _reshaped(shape: Shape, newshape: Any) -> Shape:
    sizes = _new_shape(newshape)
    total, known = shapes.size_of(shape), math.prod(size for size in sizes if size != -1)
    if total is None:
        return tuple(None if size == -1 else size for size in sizes)
    if total != known if -1 not in sizes else known == 0 or total % known:
        raise ValueError(
            f"The total size of the tensor must be unchanged. Received: input_shape={shape}, newshape={tuple(newshape)}"
        )
    return tuple(total // known if size == -1 else size for size in sizes)


@operation("reshape", shape=_reshaped, dtype=dtypes.kept)
def _reshape(x: np.ndarray, newshape: Any) -> Any:
    """Return the values in another shape, in which one size may be -1."""
    return np.reshape(x, _new_shape(newshape))


@operation("ravel", shape=lambda shape: (shapes.size_of(shape),), dtype=dtypes.kept)
def _ravel(x: np.ndarray) -> Any:
    """Return the values in one row."""
    return np.ravel(x)


def _expanded(shape: Shape, axis: int | Sequence[int]) -> Shape:
    new = [axis] if isinstance(axis, int) else list(axis)
    ndim = len(shape) + len(new)
    ones, rest = places(new, ndim), iter(shape)
    return tuple(1 if at in ones else next(rest) for at in range(ndim))


@operation("expand_dims", shape=_expanded, dtype=dtypes.kept)
def _expand_dims(x: np.ndarray, axis: Any) -> Any:
    """Return the values with new axes of size 1, at these places in the result."""
    return np.expand_dims(x, axes(axis))


def _squeezed(shape: Shape, axis: shapes.Axis = None) -> Shape:
    gone = [at for at, size in enumerate(shape) if size == 1] if axis is None else places(axis, len(shape))
    for at in gone:
        if shape[at] not in (1, None):
            raise ValueError(f"Cannot squeeze axis={quoted(axis)}, because the dimension is not 1.")
    return tuple(size for at, size in enumerate(shape) if at not in gone)


@operation("squeeze", shape=_squeezed, dtype=dtypes.kept)
def _squeeze(x: np.ndarray, axis: Any = None) -> Any:
    """Return the values without axes of size 1: these, or all for None."""
    return np.squeeze(x, axes(axis))


def _broadcast_shape(shape: Shape, target: Any) -> Shape:
    sizes = wholes(target, "shape")
    if shapes.broadcast(shape, sizes) != sizes and None not in shape:
        raise ValueError(f"Cannot broadcast a tensor of shape {shape} to {sizes}.")
    return sizes


@operation("broadcast_to", shape=lambda x, shape: _broadcast_shape(x, shape), dtype=dtypes.kept)
def _broadcast_to(x: np.ndarray, shape: Any) -> Any:
    """Return the values repeated along axes of size 1, and along new first ones."""
    return np.broadcast_to(x, wholes(shape, "shape"))


# --- orders ---------------------------------------------------------------------------------------------------------


def _transposed(shape: Shape, axes: Sequence[int] | None = None) -> Shape:
    order = range(len(shape))[::-1] if axes is None else places(axes, len(shape))
    if len(order) != len(shape):
        raise ValueError(f"axis must be a list of the same length as the input shape, but received {axes}.")
    return tuple(shape[at] for at in order)


@operation("transpose", shape=_transposed, dtype=dtypes.kept)
def _transpose(x: np.ndarray, axes: Any = None) -> Any:
    """Return the values with the axes in this order; in reverse for None."""
    return np.transpose(x, axes)


def _moved(shape: Shape, source: Any, destination: Any) -> Shape:
    sources, destinations = places(source, len(shape)), places(destination, len(shape))
    if len(sources) != len(destinations):
        raise ValueError(f"`source` and `destination` should be as many. Received: {quoted(source)} and {destination}")
    order = [at for at in range(len(shape)) if at not in sources]
    for to, at in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, at)
    return tuple(shape[at] for at in order)


@operation("moveaxis", shape=_moved, dtype=dtypes.kept)
def _moveaxis(x: np.ndarray, source: Any, destination: Any) -> Any:
    """Return the values with axes moved to other places."""
    return np.moveaxis(x, source, destination)


def _swapped(shape: Shape, axis1: int, axis2: int) -> Shape:
    order = list(shape)
    one, other = place(axis1, len(shape)), place(axis2, len(shape))
    order[one], order[other] = order[other], order[one]
    return tuple(order)


@operation("swapaxes", shape=_swapped, dtype=dtypes.kept)
def _swapaxes(x: np.ndarray, axis1: Any, axis2: Any) -> Any:
    """Return the values with two axes in each other's place."""
    return np.swapaxes(x, axis1, axis2)


@operation("flip", shape=shapes.same, dtype=dtypes.kept)
def _flip(x: np.ndarray, axis: Any = None) -> Any:
    """Return the values in reverse along the axes."""
    return np.flip(x, axes(axis))


@operation("roll", shape=shapes.same, dtype=dtypes.kept)
def _roll(x: np.ndarray, shift: Any, axis: Any = None) -> Any:
    """Return the values moved on along the axes, those that fall off at the end first."""
    return np.roll(x, axes(shift), axes(axis))


# --- repeated -------------------------------------------------------------------------------------------------------


def _repeated(shape: Shape, repeats: Any, axis: int | None = None) -> Shape:
    counts = wholes(repeats, "repeats")
    size = shapes.size_of(shape) if axis is None else shape[place(axis, len(shape))]
    if len(counts) > 1 and size not in (None, len(counts)):
        raise ValueError(f"Size of `repeats` and of the axis should be the same. Received: {len(counts)} and {size}")
    made = sum(counts) if len(counts) > 1 else shapes.scaled(size, counts[0])
    return (made,) if axis is None else shapes.with_size(shape, axis, made)


@operation("repeat", shape=_repeated, dtype=dtypes.kept)
def _repeat(x: np.ndarray, repeats: Any, axis: Any = None) -> Any:
    """Return every value so many times in a row along an axis."""
    return np.repeat(x, np.asarray(wholes(repeats, "repeats")), axis)


def _tiled(shape: Shape, repeats: Any) -> Shape:
    counts = wholes(repeats, "repeats")
    counts = (1,) * (len(shape) - len(counts)) + counts
    aligned = (1,) * (len(counts) - len(shape)) + tuple(shape)
    return tuple(shapes.scaled(size, count) for size, count in zip(aligned, counts, strict=True))


@operation("tile", shape=_tiled, dtype=dtypes.kept)
def _tile(x: np.ndarray, repeats: Any) -> Any:
    """Return the tensor so many times along each axis."""
    return np.tile(x, wholes(repeats, "repeats"))


def pad_widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, int):
        pad_width = [pad_width]
    if not 0 < len(pad_width) <= max(2, ndim):
        raise ValueError(f"`pad_width` should be a pair for each of {ndim} axes. Received: {shown(pad_width)}")
    pairs = [wholes(pair, "pad_width") for pair in pad_width]
    if all(not isinstance(pair, (list, tuple)) for pair in pad_width):
        pairs = [tuple(size for pair in pairs for size in pair)]
    if any(len(pair) not in (1, 2) for pair in pairs) or len(pairs) not in (1, ndim):
        raise ValueError(
            f"`pad_width` must have the same length as `x.shape`. "
            f"Received: pad_width={quoted(pad_width)} and {ndim} axes"
        )
    return [(pair[0], pair[-1]) for pair in (pairs if len(pairs) > 1 else pairs * ndim)]


def _padded(shape: Shape, *others: Shape, pad_width: Any, mode: str = "constant") -> Shape:
    widths = pad_widths(pad_width, len(shape))
    return tuple(shapes.added(size, sum(pair)) for size, pair in zip(shape, widths, strict=True))


@operation("pad", "x constant_values", raw="constant_values", shape=_padded, dtype=dtypes.kept)
def _pad(x: np.ndarray, pad_width: Any, mode: Any = "constant", constant_values: Any = None) -> Any:
    """Return the values with more of them before and after along each axis."""
    if constant_values is not None and mode != "constant":
        raise ValueError(
            f"Argument `constant_values` can only be provided when `mode == 'constant'`. Received: {quoted(mode)}"
        )
    constant = {} if constant_values is None else {"constant_values": constant_values}
    return np.pad(x, pad_widths(pad_width, x.ndim), mode, **constant)


# --- joined and cut -------------------------------------------------------------------------------------------------


@operation("concatenate", "xs", lists="xs", shape=shapes.concatenated, dtype=dtypes.promoted)
def _concatenate(xs: Any, axis: Any = 0) -> Any:
    """Return the tensors side by side along an axis."""
    return np.concatenate(xs, axis)


def _stacked(each: Sequence[Shape], axis: int = 0) -> Shape:
    if len({len(shape) for shape in each}) > 1:
        raise ValueError(f"Cannot stack tensors of shapes {each}.")
    sizes = [shapes.agreed(sizes, each) for sizes in zip(*each, strict=True)]
    sizes.insert(place(axis, len(sizes) + 1), len(each))
    return tuple(sizes)


@operation("stack", lists="x", shape=_stacked, dtype=dtypes.promoted)
def _stack(x: np.ndarray, axis: Any = 0) -> Any:
    """Return the tensors side by side along a new axis."""
    return np.stack(cast("Sequence[np.ndarray]", x), axis)


def _along_last(name: str, function: Any, axis_of: Any) -> None:
    @operation(name, "xs", lists="xs", dtype=dtypes.promoted,
               shape=lambda each: shapes.concatenated(*axis_of(each)))  # fmt: skip
    def joined(xs: Any) -> Any:
        """Return the tensors side by side, as NumPy's function of this name does."""
        return function(xs)


def _at_least(each: Sequence[Shape], ndim: int, after: int) -> list[Shape]:
    """The shapes with axes of size 1 where there are fewer than `ndim`, the last `after` of which go behind."""
    return [(1,) * max(0, ndim - after - len(shape)) + tuple(shape) + (1,) * min(after, max(0, ndim - len(shape)))
            for shape in each]  # fmt: skip


_along_last("hstack", np.hstack, lambda each: (_at_least(each, 1, 0), 0 if len(each[0]) < 2 else 1))
_along_last("vstack", np.vstack, lambda each: (_at_least(each, 2, 0), 0))
_along_last("dstack", np.dstack, lambda each: (_at_least(each, 3, 1), 2))


@operation("append", "x1 x2", dtype=dtypes.promoted,
           shape=lambda a, b, axis=None: (shapes.added(shapes.size_of(a), shapes.size_of(b)),) if axis is None
           else shapes.concatenated([a, b], axis))  # fmt: skip
def _append(x1: Any, x2: Any, axis: Any = None) -> Any:
    """Return the second tensor after the first along an axis, or all values in one row."""
    return np.append(x1, x2, axis)


def _cuts(size: int | None, indices_or_sections: Any, equal: bool) -> list[int | None]:
    """The sizes of the parts."""
    if isinstance(indices_or_sections, (list, tuple)) or hasattr(indices_or_sections, "shape"):
        starts = [0, *(int(index) for index in indices_or_sections)]
        if size is None:
            return [None] * len(starts)
        bounds = [slice(start, end).indices(size) for start, end in zip(starts, [*starts[1:], None], strict=True)]
        return [max(0, end - start) for start, end, _ in bounds]
    count = whole(indices_or_sections, "indices_or_sections", 1)
    if count > MAX_PARTS:
        raise ValueError(f"A tensor is cut into at most {MAX_PARTS} parts. Received: {quoted(count)}")
    if size is None:
        return [None] * count
    if equal and size % count:
        raise ValueError(
            "`x` size on given `axis` must be divisible by `indices_or_sections` when `indices_or_sections` is an int. "
            f"But received {size} and {count}."
        )
    return [size // count + (part < size % count) for part in range(count)]


MAX_PARTS = 10_000


def _split_shapes(shape: Shape, indices_or_sections: Any, axis: int = 0) -> list[Shape]:
    sizes = _cuts(shape[place(axis, len(shape))], indices_or_sections, equal=True)
    return [shapes.with_size(shape, axis, size) for size in sizes]


@operation("split", shape=_split_shapes, dtype=dtypes.kept)
def _split(x: np.ndarray, indices_or_sections: Any, axis: Any = 0) -> Any:
    """Return so many equal parts of the tensor along an axis, or the parts between these places."""
    return np.split(x, indices_or_sections, axis)


def _array_split_shapes(shape: Shape, indices_or_sections: Any, axis: int = 0) -> list[Shape]:
    sizes = _cuts(shape[place(axis, len(shape))], indices_or_sections, equal=False)
    return [shapes.with_size(shape, axis, size) for size in sizes]


@operation("array_split", shape=_array_split_shapes, dtype=dtypes.kept)
def _array_split(x: np.ndarray, indices_or_sections: Any, axis: Any = 0) -> Any:
    """Return so many parts of the tensor along an axis, the first ones larger if need be."""
    return np.array_split(x, indices_or_sections, axis)


def _unstacked(shape: Shape, num: int | None = None, axis: int = 0) -> list[Shape]:
    at = place(axis, len(shape))
    count = shape[at] if num is None else whole(num, "num")
    if count is None:
        raise ValueError(
            f"Cannot infer argument `num` from shape {shape}. Either provide a tensor with a concrete shape in the "
            "`axis` dimension or explicitly pass the `num` argument."
        )
    if count > MAX_PARTS or shape[at] not in (None, count):
        raise ValueError(f"A tensor of shape {shape} cannot be cut into {count} parts along axis {axis}.")
    return [(*shape[:at], *shape[at + 1 :])] * count


@operation("unstack", shape=_unstacked, dtype=dtypes.kept, module=CORE)
def _unstack(x: np.ndarray, num: Any = None, axis: Any = 0) -> Any:
    """Return the parts of the tensor along an axis, without the axis."""
    if num not in (None, x.shape[axis]):
        raise ValueError(f"A tensor of shape {x.shape} cannot be cut into {num} parts along axis {axis}.")
    return list(np.moveaxis(x, axis, 0))


# --- triangles ------------------------------------------------------------------------------------------------------


@operation("tril", shape=shapes.same, dtype=dtypes.kept)
def _tril(x: np.ndarray, k: Any = 0) -> Any:
    """Return the values on and below a diagonal, and 0 elsewhere."""
    return np.tril(x, k)


@operation("triu", shape=shapes.same, dtype=dtypes.kept)
def _triu(x: np.ndarray, k: Any = 0) -> Any:
    """Return the values on and above a diagonal, and 0 elsewhere."""
    return np.triu(x, k)


def _diagonal_shape(shape: Shape, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Shape:
    one, other = place(axis1, len(shape)), place(axis2, len(shape))
    rest = [size for at, size in enumerate(shape) if at not in (one, other)]
    rows, columns = shape[one], shape[other]
    if rows is None or columns is None:
        return (*rest, None)
    return (*rest, max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)))


@operation("diagonal", shape=_diagonal_shape, dtype=dtypes.kept)
def _diagonal(x: np.ndarray, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Any:
    """Return a diagonal of two axes as the last axis."""
    return np.diagonal(x, offset, axis1, axis2)
