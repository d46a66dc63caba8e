"""What callers give: numbers, axes and sizes that fit, and words where they do not."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from fastlstm.printable import shown

Function = TypeVar("Function", bound=Callable[..., Any])

# What Python and NumPy raise inside of a computation, in their words, where an argument does not fit it.
UNFIT = (ArithmeticError, AttributeError, LookupError, RuntimeError, UnicodeError)
MOST_AXES = 64  # of NumPy's arrays


def explained(function: Function) -> Function:
    """Return a function of which the errors say what could not be computed.

    Args:
        function: One of this package, that calls nothing of somebody else's.

    Returns:
        The function; what it raises of `UNFIT` is a ValueError, and a MemoryError has a text.
    """

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NotImplementedError:  # a RuntimeError to Python
            raise
        except UNFIT as error:
            raise unfit(called.__qualname__, error) from error
        except MemoryError as error:
            raise error if str(error) else no_memory(called.__qualname__) from error

    return called  # type: ignore[return-value]


def unfit(name: str, error: BaseException) -> ValueError:
    """Return the error of a computation that does not fit what it was given.

    Args:
        name: Of the computation.
        error: What it raised.
    """
    return ValueError(f"{name} cannot be computed of what it was given: {error}")


def no_memory(name: str) -> MemoryError:
    """Return the error of a computation that has no memory for what it was given."""
    return MemoryError(f"There is no memory for what {name} was given.")


def check_numbers(**values: Any) -> None:
    """Raise unless arguments are numbers that float32 has, or arrays of numbers.

    Args:
        **values: What was given for them, by their names; None is left out.

    Raises:
        ValueError: One is something else.
    """
    for name, value in values.items():
        try:
            if isinstance(value, (str, bytes)):
                raise TypeError
            with np.errstate(over="ignore"):
                np.asarray(0 if value is None else value, np.float32)
        except (TypeError, ValueError, OverflowError, MemoryError, RecursionError):
            raise ValueError(
                f"`{name}` should be a number or an array of numbers. Received: {name}={shown(value)}"
            ) from None


def check_name(name: Any) -> None:
    """Raise unless a name is a string.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(name, str):
        raise ValueError(f"A name should be a string. Received: name={shown(name)}")


def check_config(config: Any) -> None:
    """Raise unless a config is a dict.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(config, dict):
        raise ValueError(f"A config should be a dict. Received: config={shown(config)}")


def array(value: Any, dtype: Any = None, what: str = "The value") -> np.ndarray:
    """Return what a caller gives as an array.

    Args:
        value: An array, or what NumPy makes one of.
        dtype: The array's; None for that which NumPy finds.
        what: Whose it is, for the error: the beginning of a sentence.

    Raises:
        ValueError, TypeError: It is none.
        MemoryError: There is no memory for it.
    """
    try:
        return np.asarray(value, dtype)
    except UNFIT as error:
        raise ValueError(f"{what} should be an array of numbers: {error}. Received: {shown(value)}") from error
    except MemoryError as error:
        raise error if str(error) else MemoryError(f"There is no memory for an array of {shown(value)}.") from error


def whole(value: Any, what: str, least: int = 0) -> int:
    """Return an integer argument.

    Raises:
        ValueError: When it is none, or too small.
    """
    number = _index(value)
    if number is None or number < least:
        raise ValueError(f"`{what}` should be an integer of at least {least}. Received: {what}={shown(value)}")
    return number


def wholes(values: Any, what: str, least: int = 0) -> tuple[int, ...]:
    """Return integer arguments, one alone as a tuple of it.

    Raises:
        ValueError: When there is another one among them.
    """
    if getattr(values, "ndim", 1) == 1 and (isinstance(values, (list, tuple)) or hasattr(values, "shape")):
        return tuple(whole(value, what, least) for value in values)
    return (whole(values, what, least),)


def sizes(shape: Any) -> tuple[int, ...]:
    """Return the sizes of an array, one alone as a tuple of it.

    Raises:
        ValueError: When one is not an integer of at least 0, or there are more than an array has.
    """
    if hasattr(shape, "__len__") and len(shape) > MOST_AXES:
        raise ValueError(f"An array has at most {MOST_AXES} axes. Received: shape={shown(shape)}")
    return wholes(shape, "shape")


def place(axis: Any, ndim: int) -> int:
    """Return the axis counted from the first one.

    Raises:
        ValueError: When there is no such axis.
    """
    at = _index(axis)
    if at is None:
        raise ValueError(f"An axis should be an integer. Received: axis={shown(axis)}")
    if not -ndim <= at < ndim:
        raise ValueError(f"Axis {shown(at)} is out of range for a tensor of {ndim} dimensions.")
    return at % ndim


def places(axis: int | Sequence[int] | None, ndim: int) -> list[int]:
    """Return several axes, all of them for None, counted from the first one.

    Raises:
        ValueError: When there is no such axis, or one is named twice.
    """
    if axis is None:
        return list(range(ndim))
    each = axis if isinstance(axis, (list, tuple)) else [axis]
    found = [place(one, ndim) for one in each[: ndim + 1]]
    if len(set(found)) < len(found):
        raise ValueError(f"Duplicate value in 'axis': {shown(axis)}")
    return found


def _index(value: Any) -> int | None:
    """An integer of Python's or NumPy's, None for everything else."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
