"""Arguments that several layers share: sizes along time, the order of the axes, the name of a padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastlstm import config
from fastlstm.printable import quoted

standardize_data_format: Callable[[str | None], str] = config.standardize_data_format


def standardize_tuple(value: Any, n: int, name: str, allow_zero: bool = False) -> tuple[int, ...]:
    """Return sizes as a tuple of `n` integers.

    Args:
        value: An integer for all of them, or a sequence.
        n: Their number.
        name: The argument's name, for the errors.
        allow_zero: Whether 0 is a valid size.

    Raises:
        ValueError: With Keras' text, when there are others than `n`, or one is not a valid integer.
    """
    problem = f"The `{name}` argument must be a tuple of {n} integers. Received {name}={quoted(value)}"
    if isinstance(value, int):
        sizes = (value,) * n
    else:
        if not hasattr(value, "__iter__"):
            raise ValueError(problem)
        sizes = tuple(value)
        if len(sizes) != n:
            raise ValueError(problem)
        for size in sizes:
            if isinstance(size, str) or not hasattr(size, "__index__"):
                raise ValueError(f"{problem} including element {size} of type {type(size)}")
    refused = {size for size in sizes if size < 0 or (size == 0 and not allow_zero)}
    if refused:
        bound = ">= 0" if allow_zero else "> 0"
        raise ValueError(f"{problem}, including values {refused} that do not satisfy `value {bound}`")
    return sizes


def standardize_padding(padding: Any, allowed: Sequence[str]) -> str:
    """Return the name of a padding in lower case.

    Args:
        padding: String.
        allowed: The valid names.

    Raises:
        ValueError: For another value.
    """
    lower = padding.lower() if isinstance(padding, str) else padding
    if lower not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        raise ValueError(f"The `padding` argument must be one of {{{names}}}. Received: {quoted(padding)}")
    return lower


def check_axes(axis: int | Sequence[int], input_shape: Sequence[int | None]) -> None:
    """Raise Keras' ValueError if an axis is not one of `input_shape`."""
    for one in (axis,) if isinstance(axis, int) else axis:
        if not -len(input_shape) <= one < len(input_shape):
            raise ValueError(
                f"Axis {one} is out of bounds for input shape {tuple(input_shape)}. Received: axis={quoted(axis)}"
            )
