"""Models for many callers: `Batcher` joins them, `make_app` is a web service of several models.

`Batcher` needs NumPy alone; the service needs what `pip install "fastlstm[serve]"` installs, and is imported when it is
first asked for.
"""

from fastlstm.serving.batcher import Batcher, QueueFull

__all__ = ["Batcher", "QueueFull"]
