"""Rules of shapes: what an operation makes of the shapes of its tensors, None standing for sizes that are not known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Shape = tuple[int | None, ...]
Axis = int | Sequence[int] | None


def place(axis: Any, ndim: int) -> int:
    """Return the axis counted from the first one.

    Raises:
        ValueError: When there is no such axis.
    """
    if not hasattr(axis, "__index__") or isinstance(axis, bool):
        raise ValueError(f"An axis should be an integer. Received: axis={axis}")
    if not -ndim <= axis < ndim:
        raise ValueError(f"Axis {axis} is out of range for a tensor of {ndim} dimensions.")
    return int(axis) % ndim


def places(axis: Axis, ndim: int) -> list[int]:
    """Return several axes, all of them for None, counted from the first one.

    Raises:
        ValueError: When there is no such axis, or one is named twice.
    """
    if axis is None:
        return list(range(ndim))
    found = [place(each, ndim) for each in (axis if isinstance(axis, (list, tuple)) else [axis])]
    if len(set(found)) < len(found):
        raise ValueError(f"Duplicate value in 'axis': {axis}")
    return found


def axes(axis: Axis) -> Any:
    """Return the argument `axis` as NumPy takes it; in files, several are a list."""
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


def whole(value: Any, what: str, least: int = 0) -> int:
    """Return an integer argument.

    Raises:
        ValueError: When it is none, or too small.
    """
    if not hasattr(value, "__index__") or isinstance(value, bool) or value < least:
        raise ValueError(f"`{what}` should be an integer of at least {least}. Received: {what}={value!r:.100}")
    return int(value)


def wholes(values: Any, what: str, least: int = 0) -> tuple[int, ...]:
    """Return integer arguments, one alone as a tuple of it.

    Raises:
        ValueError: When there is another one among them.
    """
    each = values if isinstance(values, (list, tuple)) else list(values) if hasattr(values, "shape") else [values]
    return tuple(whole(value, what, least) for value in each)
