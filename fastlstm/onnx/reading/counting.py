"""What graphs make of sizes that are known when the model runs: 0, 1, … along an axis, numbers, one value everywhere.

Each becomes a tensor that has the batch, from a tensor that has the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import ops
from fastlstm.onnx.reading.graph import Reader
from fastlstm.onnx.reading.values import Filled, Ramp, Size, Sizes, Tensor, Unfit, Value


def steps(r: Reader, size: Size) -> Any:
    """Return 0, 1, … up to a size, `(batch, size)` of int32.

    Raises:
        Unfit: When it is the size of the batch, or of nothing that is known.
    """
    found = r.sources.get(size)
    if found is None:
        raise Unfit(f"it counts up to {size!r}, which is no size of an input")
    tensor, axis = found
    row = tensor[tuple(slice(None) if at in (0, axis) else 0 for at in range(len(tensor.shape)))]
    return ops.cumsum(ops.ones_like(row, dtype="int32"), axis=1) - 1


def unsqueezed(r: Reader, x: Ramp, axes: Sequence[int]) -> Tensor:
    """Return 0, 1, … along the one axis that is not new; the first new one is taken for that of the batch."""
    rank = 1 + len(axes)
    (place,) = set(range(rank)) - set(axes)
    made = ops.cast(steps(r, x.size), x.dtype)
    for _ in range(rank - 2):
        made = ops.expand_dims(made, -1)
    others = iter(range(2, rank))
    order = [0 if at == axes[0] else 1 if at == place else next(others) for at in range(rank)]
    return Tensor(made, order, [r.batch, x.size, *[1] * (rank - 2)])


def as_number(r: Reader, x: Sizes, like: Tensor) -> Value:
    """Return the one size that there is, to be calculated with a tensor."""
    if x.items.size != 1:
        raise Unfit("it calculates with several sizes and a tensor")
    (item,) = x.items.ravel().tolist()
    if not isinstance(item, Size):
        return np.asarray(item)
    made = ops.sum(ops.ones_like(steps(r, item)), axis=1)
    for _ in range(like.rank - 1):
        made = ops.expand_dims(made, -1)
    return Tensor(made, like.order, [r.batch, *[1] * (like.rank - 1)])


def realised(r: Reader, x: Filled) -> Tensor:
    """Return one number everywhere as a tensor.

    Raises:
        Unfit: When its shape has no batch.
    """
    places = [at for at, size in enumerate(x.sizes) if size is r.batch]
    if len(places) != 1:
        raise Unfit(f"its zeros of the shape {list(x.sizes)} have no batch")
    first = r.first_input
    made = ops.full_like(
        first[(slice(None), *[0] * (len(first.shape) - 1))], x.number.item(), dtype=x.number.dtype.name
    )
    order = [0 if at == places[0] else at + (at < places[0]) for at in range(x.rank)]
    sizes = [x.sizes[order.index(axis)] for axis in range(x.rank)]
    for axis in range(1, x.rank):
        made = repeated(r, ops.expand_dims(made, axis), axis, sizes[axis])
    return Tensor(made, order, sizes)


def repeated(r: Reader, made: Any, axis: int, size: Any) -> Any:
    """Return a symbolic tensor, of size 1 along an axis of ours, with another size there."""
    if not isinstance(size, Size):
        return made if size == 1 else ops.repeat(made, int(size), axis=axis)
    none = steps(r, size) * 0
    for at in range(1, len(made.shape)):
        if at != axis:
            none = ops.expand_dims(none, at)
    return ops.logical_or(made, none > 0) if made.dtype == "bool" else made + ops.cast(none, made.dtype)
