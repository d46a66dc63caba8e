"""The progress of `predict`, on standard output."""

from __future__ import annotations

import sys
import time
from typing import Any

# Work that takes less than this shows no bar by itself.
PATIENCE_SECONDS = 1.0


class Progress:
    """Counts batches, and shows it when asked to.

    Args:
        verbose: 0 is silent, 1 a bar, 2 one line at the end; `"auto"` is a bar, on a terminal only, once the work has
            taken a second.
        total: Number of batches, None if it is not known.

    Raises:
        ValueError: When `verbose` is something else.
    """

    def __init__(self, verbose: Any, total: int | None) -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"`verbose` should be 'auto', 0, 1 or 2. Received: verbose={verbose}")
        auto = verbose == "auto"
        self._line = not auto and verbose == 2
        self._wants_bar = sys.stdout.isatty() if auto else verbose == 1
        self._patience = PATIENCE_SECONDS if auto else 0.0
        self._total = total
        self._done = 0
        self._bar: Any = None
        self._task: Any = None
        self._start = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def advance(self) -> None:
        """Count one batch."""
        self._done += 1
        if not self._wants_bar:
            return
        if self._bar is None:
            if time.monotonic() - self._start < self._patience:
                return
            self._open_bar()
        self._bar.update(self._task, completed=self._done)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._line and error[0] is None:
            seconds = time.monotonic() - self._start
            per_step = 1000 * seconds / max(self._done, 1)
            print(f"{self._done}/{self._done} - {seconds:.0f}s - {per_step:.0f}ms/step")

    def _open_bar(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._task = self._bar.add_task("", total=self._total)
        self._bar.start()
