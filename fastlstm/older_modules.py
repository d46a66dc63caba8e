"""Modules that Keras 1 and 2 had: what was in them is one module further up now, and found under both names."""

from __future__ import annotations

import functools
import sys
from types import ModuleType


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
