"""Models for many callers: `Batcher` joins them, `make_app` is a web service of several models.

`Batcher` needs NumPy alone; the service needs what `pip install "fastlstm[serve]"` installs, and is imported when it is
first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlstm.serving.batcher import Batcher, QueueFull

if TYPE_CHECKING:
    from fastlstm.serving.app import make_app

__all__ = ["Batcher", "QueueFull", "make_app"]


def __getattr__(name: str) -> Any:
    if name != "make_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fastlstm.serving.app import make_app

    return make_app
