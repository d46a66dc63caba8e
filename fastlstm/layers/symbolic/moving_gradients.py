"""The gradients of operations that put values elsewhere, or take some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import places, wholes
from fastlstm.layers.symbolic.product_gradients import summed_to
from fastlstm.ops.indexing import key_items
from fastlstm.ops.rearranging import pad_widths
from fastlstm.ops.shapes import axes

Parameters = Mapping[str, Any]
Rule = Callable[[Any, Any, Sequence[Any], Parameters], Sequence[Any]]


def _placed(d: np.ndarray, operand: Any, key: Any) -> np.ndarray:
    """A gradient where the values come from, 0 elsewhere."""
    dx = np.zeros(np.shape(operand), d.dtype)
    dx[key] = d
    return dx


def _get_item(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [_placed(d, operands[0], key_items(operands[1])), None]


def _slice(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    starts = wholes(operands[1], "start_indices")
    key = tuple(slice(start, start + size) for start, size in zip(starts, d.shape, strict=True))
    return [_placed(d, operands[0], key), None]


def _slice_update(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    starts, updates = wholes(operands[1], "start_indices"), operands[2]
    key = tuple(slice(start, start + size) for start, size in zip(starts, np.shape(updates), strict=True))
    kept = d.copy()
    kept[key] = 0
    return [kept, None, d[key]]


def _added_at(operand: Any, places_of: np.ndarray, d: np.ndarray, axis: int) -> np.ndarray:
    """The sum of gradients at the places, along an axis, that each comes from."""
    dx = np.zeros(np.shape(operand), d.dtype)
    rank = places_of.ndim
    moved = np.moveaxis(d, range(axis, axis + rank), range(rank))
    np.add.at(np.moveaxis(dx, axis, 0), places_of, moved)
    return dx


def _take(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, indices = np.asarray(operands[0]), np.asarray(operands[1]).astype(np.int64, copy=False)
    axis = parameters["axis"]
    if axis is None:
        return [_added_at(x.ravel(), indices, d, 0).reshape(x.shape), None]
    return [_added_at(x, indices, d, axis % x.ndim), None]


def _take_along_axis(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, indices = np.asarray(operands[0]), np.asarray(operands[1]).astype(np.int64, copy=False)
    axis = parameters["axis"]
    if axis is None:
        return [_added_at(x.ravel(), indices.ravel(), d, 0).reshape(x.shape), None]
    at = axis % x.ndim
    indices = np.broadcast_to(indices, d.shape)
    shape = [x.shape[at] if place == at else size for place, size in enumerate(d.shape)]
    dx, key = np.zeros(shape, d.dtype), list(np.ogrid[tuple(map(slice, d.shape))])
    key[at] = indices
    np.add.at(dx, tuple(key), d)
    return [summed_to(dx, x), None]


def _repeat(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    x, axis = np.asarray(operands[0]), parameters["axis"]
    given = x.ravel() if axis is None else x
    at = 0 if axis is None else axis % x.ndim
    sources = np.repeat(np.arange(given.shape[at]), np.asarray(wholes(parameters["repeats"], "repeats")))
    return [_added_at(given, sources, d, at).reshape(x.shape)]


def _tile(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    shape, counts = np.shape(operands[0]), wholes(parameters["repeats"], "repeats")
    counts = (1,) * (len(shape) - len(counts)) + counts
    sizes = (1,) * (len(counts) - len(shape)) + shape
    both = [size for pair in zip(counts, sizes, strict=True) for size in pair]
    return [d.reshape(both).sum(axis=tuple(range(0, len(both), 2))).reshape(shape)]


def _pad(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    if parameters["mode"] != "constant":
        raise NotImplementedError(f"Training cannot go through `pad` with mode={parameters['mode']!r}.")
    x = operands[0]
    pairs = zip(pad_widths(parameters["pad_width"], np.ndim(x)), np.shape(x), strict=True)
    return [d[tuple(slice(before, before + size) for (before, _), size in pairs)], None]


def _broadcast_to(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [summed_to(d, operands[0])]


def _reshaped(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [d.reshape(np.shape(operands[0]))]


def _transposed(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    order = parameters["axes"]
    return [d.transpose() if order is None else d.transpose(np.argsort(places(order, d.ndim)))]


def _moveaxis(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.moveaxis(d, parameters["destination"], parameters["source"])]


def _swapaxes(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.swapaxes(d, parameters["axis1"], parameters["axis2"])]


def _flip(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.flip(d, axes(parameters["axis"]))]


def _roll(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    shift = parameters["shift"]
    back = tuple(-one for one in shift) if isinstance(shift, (list, tuple)) else -shift
    return [np.roll(d, back, axes(parameters["axis"]))]


def _cut_along(d: np.ndarray, tensors: Sequence[Any], axis: int) -> list[np.ndarray]:
    ends = np.cumsum([np.shape(x)[axis] for x in tensors])[:-1]
    return list(np.split(d, ends, axis=axis))


def _concatenated(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [_cut_along(d, operands[0], parameters["axis"])]


def _append(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    if parameters["axis"] is not None:
        return _cut_along(d, operands, parameters["axis"])
    parts = _cut_along(d, list(map(np.ravel, operands)), 0)
    return [part.reshape(np.shape(x)) for part, x in zip(parts, operands, strict=True)]


def _stacked(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [list(np.moveaxis(d, parameters["axis"], 0))]


def _split(d: Sequence[np.ndarray], y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.concatenate(d, parameters["axis"])]


def _unstack(d: Sequence[np.ndarray], y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.stack(d, parameters["axis"])]


def _tril(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.tril(d, parameters["k"])]


def _triu(d: np.ndarray, y: Any, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.triu(d, parameters["k"])]


# By the name of Keras' class.
RULES: dict[str, Rule] = {
    "Append": _append,
    "ArraySplit": _split,
    "BroadcastTo": _broadcast_to,
    "Concatenate": _concatenated,
    "ExpandDims": _reshaped,
    "Flip": _flip,
    "GetItem": _get_item,
    "Moveaxis": _moveaxis,
    "Pad": _pad,
    "Ravel": _reshaped,
    "Repeat": _repeat,
    "Reshape": _reshaped,
    "Roll": _roll,
    "Slice": _slice,
    "SliceUpdate": _slice_update,
    "Split": _split,
    "Squeeze": _reshaped,
    "Stack": _stacked,
    "Swapaxes": _swapaxes,
    "Take": _take,
    "TakeAlongAxis": _take_along_axis,
    "Tile": _tile,
    "Transpose": _transposed,
    "Tril": _tril,
    "Triu": _triu,
    "Unstack": _unstack,
}
