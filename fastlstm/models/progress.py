"""The progress of `predict`, on standard output."""

from __future__ import annotations

import sys
import time
from typing import Any

from fastlstm.printable import quoted

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
            raise ValueError(f"`verbose` should be 'auto', 0, 1 or 2. Received: verbose={quoted(verbose)}")
        auto = verbose == "auto"
        self._patience = PATIENCE_SECONDS if auto else 0.0
        self._bar: Any = None
        self._done = 0
        self._start = time.monotonic()
        if sys.stdout.isatty() if auto else verbose:
            from fastlstm.utils.progbar import Progbar

            self._bar = Progbar(total, verbose=1 if auto else int(verbose))

    def __enter__(self) -> Progress:
        return self

    def advance(self) -> None:
        """Count one batch."""
        self._done += 1
        if self._bar is not None and time.monotonic() - self._start >= self._patience:
            self._bar.update(self._done, finalize=False)

    def __exit__(self, *error: object) -> None:
        if self._bar is not None and error[0] is None and time.monotonic() - self._start >= self._patience:
            self._bar.target = self._done
            self._bar.update(self._done, finalize=True)
