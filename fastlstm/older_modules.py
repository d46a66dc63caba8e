"""Modules and attributes that Keras 1 and 2 had.

What was in the modules is one module further up now, and found under both names; of the attributes an error says what
to do instead.
"""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any, NoReturn


def give_older_modules(module: ModuleType, names: str, under: str | None = None) -> None:
    """Have the contents of a module found in modules below it, too.

    Args:
        module: What `from … import` of the older modules gives names of.
        names: Theirs, with spaces between them. One that is a package here keeps what it has.
        under: Where they are; None: in `module`.
    """
    for name in names.split():
        path = f"{under or module.__name__}.{name}"
        present = sys.modules.setdefault(path, module)
        if present is not module:
            vars(present)["__getattr__"] = functools.partial(getattr, module)


class Gone:
    """An attribute that objects of a class do not have any more.

    Args:
        instead: What to do in place of using it.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> NoReturn:
        cls = owner if instance is None else type(instance)
        kind = "type object" if instance is None else ""
        named = f"'{getattr(cls, '__name__', '')}'"
        holder = f"{kind} {named}" if kind else f"{named} object"
        raise AttributeError(f"{holder} has no attribute '{self._name}': {self._instead}.")
