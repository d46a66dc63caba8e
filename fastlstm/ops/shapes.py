"""Rules of shapes: what an operation makes of the shapes of its tensors, None standing for sizes that are not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastlstm.arguments import MOST_AXES, place, places

Shape = tuple[int | None, ...]
Axis = int | Sequence[int] | None


def axes(axis: Axis) -> Any:
    """Return the argument `axis` as NumPy takes it; in files, several are a list.

    Raises:
        ValueError: When they are more than an array has.
    """
    if isinstance(axis, (list, tuple)) and len(axis) > MOST_AXES:
        raise ValueError(f"An array has at most {MOST_AXES} axes. Received: {len(axis)}")
    return tuple(axis) if isinstance(axis, list) else axis


def same(shape: Shape, *others: Shape, **parameters: Any) -> Shape:
    """That of the first tensor."""
    return shape


def scalar(*shapes: Shape, **parameters: Any) -> Shape:
    """None at all."""
    return ()


def broadcast(*shapes: Shape, **parameters: Any) -> Shape:
    """What NumPy broadcasts the shapes to.

    Raises:
        ValueError: When they do not fit.
    """
    ndim = max(map(len, shapes))
    aligned = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sizes in zip(*aligned, strict=True):
        known = {size for size in sizes if size not in (None, 1)}
        if len(known) > 1:
            raise ValueError(f"Cannot broadcast shapes together: {', '.join(map(str, shapes))}")
        result.append(known.pop() if known else None if None in sizes else 1)
    return tuple(result)


def reduced(shape: Shape, *others: Shape, axis: Axis = None, keepdims: bool = False, **parameters: Any) -> Shape:
    """Without some axes, or with size 1 at them."""
    gone = places(axis, len(shape))
    if keepdims:
        return tuple(1 if at in gone else size for at, size in enumerate(shape))
    return tuple(size for at, size in enumerate(shape) if at not in gone)


def along(shape: Shape, *others: Shape, axis: int | None = None, **parameters: Any) -> Shape:
    """That of the tensor, or one axis for None."""
    if axis is None:
        return (size_of(shape),)
    place(axis, len(shape))
    return shape


def size_of(shape: Sequence[int | None]) -> int | None:
    """Return the number of values, None where it is not known."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


def added(a: int | None, b: int | None) -> int | None:
    """Return the sum of two sizes."""
    return None if a is None or b is None else a + b


def scaled(size: int | None, factor: int) -> int | None:
    """Return a multiple of a size."""
    return None if size is None else size * factor


def with_size(shape: Shape, axis: int, size: int | None) -> Shape:
    """Return the shape with another size at one axis."""
    at = place(axis, len(shape))
    return (*shape[:at], size, *shape[at + 1 :])


def concatenated(shapes: Sequence[Shape], axis: int = 0, **parameters: Any) -> Shape:
    """Side by side along an axis.

    Raises:
        ValueError: When the other axes do not fit.
    """
    at = place(axis, len(shapes[0]))
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"Cannot concatenate tensors of shapes {shapes}.")
    rest = [agreed(sizes, shapes) for place, sizes in enumerate(zip(*shapes, strict=True)) if place != at]
    total: int | None = 0
    for shape in shapes:
        total = added(total, shape[at])
    return (*rest[:at], total, *rest[at:])


def agreed(sizes: Sequence[int | None], shapes: Any) -> int | None:
    """Return the one size that all have, as far as they are known.

    Raises:
        ValueError: When they differ.
    """
    known = {size for size in sizes if size is not None}
    if len(known) > 1:
        raise ValueError(f"Shapes do not fit together: {shapes}")
    return known.pop() if known else None
