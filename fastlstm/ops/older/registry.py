"""The functions of an older `keras.backend`, by the names that they have there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastlstm.arguments import explained

Function = TypeVar("Function", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def defined(function: Function) -> Function:
    """Enter a function under its name; an underscore behind it keeps Python's own names free."""
    function.__name__ = function.__qualname__ = function.__name__.rstrip("_")
    made = FUNCTIONS[function.__name__] = explained(function)
    return made
