"""Whether the `call` of a layer is being traced on this thread, and what records it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastlstm import random


class _Tracing(threading.local):
    """The trace that is under way on a thread; see `layers/symbolic/tracing.py`."""

    trace: Any = None

    @contextmanager
    def by(self, trace: Any) -> Iterator[None]:
        """Let a trace record what is called meanwhile; None records nothing, and weights are arrays again."""
        before, drawn = self.trace, random.draws_made()
        self.trace = trace
        UNDER_WAY.append(self)
        try:
            yield
        finally:
            UNDER_WAY.pop()
            self.trace = before
            if trace is None and before is not None:
                before.ignored_draws += random.draws_made() - drawn


TRACING = _Tracing()
# As many as there are traces on all threads: where it is empty, as nearly always, a call need not ask for its own.
UNDER_WAY: list[Any] = []
