"""Nested structures: lists, tuples and dicts of leaves, which layers and models take and give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_ENDLESS = "Lists, tuples or dicts are nested too deep, or one holds itself."


def flatten(nested: Any) -> list[Any]:
    """Return the leaves, those of a dict in the order of its sorted keys.

    Args:
        nested: A leaf, or a list, tuple or dict of nested structures.

    Raises:
        ValueError: It is nested deeper than Python's stack is, or holds itself.
    """
    if not isinstance(nested, (list, tuple, dict)):
        return [nested]
    if isinstance(nested, dict):
        nested = [nested[key] for key in sorted(nested)]
    leaves: list[Any] = []
    for item in nested:
        if isinstance(item, (list, tuple, dict)):
            try:
                leaves += flatten(item)
            except RecursionError:
                raise ValueError(_ENDLESS) from None
        else:
            leaves.append(item)
    return leaves


def map_structure(function: Callable[[Any], Any], nested: Any) -> Any:
    """Return the structure with `function(leaf)` in place of every leaf, called in the order of `flatten`."""
    if not isinstance(nested, (list, tuple, dict)):
        return function(nested)
    try:
        if isinstance(nested, (list, tuple)):
            return type(nested)([map_structure(function, item) for item in nested])
        mapped = {key: map_structure(function, nested[key]) for key in sorted(nested)}
        return {key: mapped[key] for key in nested}
    except RecursionError:
        raise ValueError(_ENDLESS) from None


def packed(structure: Any, leaves: Iterable[Any]) -> Any:
    """Return a structure of the same form with other leaves, in the order of `flatten`."""
    remaining = iter(leaves)
    return map_structure(lambda _: next(remaining), structure)


def is_shape(nested: Any) -> bool:
    """Return whether this is one shape, rather than a structure of shapes."""
    if not isinstance(nested, (list, tuple)):
        return False
    return all(not isinstance(item, (list, tuple, dict)) for item in nested)


def map_shapes(function: Callable[[Any], Any], nested: Any) -> Any:
    """Return a structure of shapes with `function(shape)` in place of every shape."""
    if is_shape(nested):
        return function(nested)
    if isinstance(nested, dict):
        return {key: map_shapes(function, shape) for key, shape in nested.items()}
    if isinstance(nested, (list, tuple)):
        return type(nested)([map_shapes(function, shape) for shape in nested])
    return function(nested)
