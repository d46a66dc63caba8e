"""Classes and functions of a caller's own, by the names under which files know them."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from fastlstm.printable import shown

_Registered = TypeVar("_Registered", bound=Callable[..., Any])

_objects: dict[str, Any] = {}
_names: dict[Any, str] = {}
_scopes = threading.local()


def get_custom_objects() -> dict[str, Any]:
    """Return the table of all registered objects by name; what is put there is found by every later load."""
    return _objects


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[_Registered], _Registered]:
    """Return a decorator that makes a class or function known to loading, as `package>name`.

    Args:
        package: String.
        name: String; None for the object's own name.

    Raises:
        ValueError: From the decorator, when a class has no `get_config`.
    """

    def decorator(obj: _Registered) -> _Registered:
        registered = f"{package}>{name if name is not None else obj.__name__}"
        if inspect.isclass(obj) and not hasattr(obj, "get_config"):
            raise ValueError(
                "Cannot register a class that does not have a get_config() method. "
                f"Received class: {obj.__name__} for registered name: {registered}."
            )
        _objects[registered] = obj
        _names[obj] = registered
        return obj

    return decorator


def get_registered_name(obj: Any) -> str:
    """Return the name under which an object was registered, else its own."""
    name = _names.get(obj) if _is_hashable(obj) else None
    name = getattr(obj, "__name__", None) if name is None else name
    if name is None:
        raise ValueError(f"Classes and functions have a name. Received: {shown(obj)}")
    return name


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the object of a name, None if there is none.

    Args:
        name: As it was registered, or as the caller called it.
        custom_objects: Looked up after the present scopes and what was registered.
        module_objects: Looked up last.
    """
    for table in (*reversed(open_scopes()), _objects, custom_objects or {}, module_objects or {}):
        if name in table:
            return table[name]
    return None


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Let loading find some classes and functions by name, inside the `with` block and on this thread.

    Args:
        custom_objects: Dict of objects by name; None for none.

    Raises:
        TypeError: When it is no dict.
    """
    if custom_objects is not None and not isinstance(custom_objects, Mapping):
        raise TypeError(f"`custom_objects` should be a dict of objects by name. Received: {custom_objects!r}")
    scopes = open_scopes()
    scopes.append(dict(custom_objects or {}))
    try:
        yield
    finally:
        scopes.pop()


CustomObjectScope = custom_object_scope


def open_scopes() -> list[dict[str, Any]]:
    """Return the tables of the scopes that are open on this thread, the innermost last."""
    if not hasattr(_scopes, "open"):
        _scopes.open = []
    return _scopes.open


def _is_hashable(obj: Any) -> bool:
    return getattr(type(obj), "__hash__", None) is not None
