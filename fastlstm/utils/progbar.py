"""Keras' progress bar."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastlstm.config import print_message

_STYLES = re.compile(r"\x1b\[\d+m")
_BOLD, _GREEN, _WHITE, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"


class Progbar:
    """A bar of the steps that are done, the time, and averages of values.

    Args:
        target: Number of steps, None if it is not known.
        width: Characters of the bar.
        verbose: 0 is silent, 1 a bar, 2 one line at the end.
        interval: Seconds from one update of the bar to the next, at least.
        stateful_metrics: Names of values that are averages already; the others are averaged over the steps.
        stateless_metrics: Names of the values to average over the steps, in place of `stateful_metrics`.
        unit_name: What a step is called.

    Raises:
        ValueError: When both lists of names are given.

    Differs from Keras: on standard output that is neither a terminal nor a notebook, the bar is written once, at the
    end, and plain; on a terminal it is never longer than a line.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of `stateful_metrics` or `stateless_metrics` can be provided. `stateful_metrics` is used to "
                "make metrics stateless by default (with an exclusion list), while `stateless_metrics` is used to make "
                "metrics stateful by default (with an exclusion list)."
            )
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics: set[str] | None = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics: set[str] | None = None if stateless_metrics is None else set(stateless_metrics)
        self._totals: dict[str, tuple[Any, int]] = {}
        self._seen = 0
        self._start = time.monotonic()
        self._after_first_step: float | None = None
        self._last_update = 0.0
        self._last_width = 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show how far the work is.

        Args:
            current: Number of steps done.
            values: Pairs of a name and a number.
            finalize: Boolean, whether this is the last update; None for when the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        self._add_up(current, values or (), finalize)
        now = time.monotonic()
        per_step = self._seconds_per_step(current, now)
        if self.verbose == 1 and (finalize or (_is_live() and now - self._last_update >= self.interval)):
            self._write_bar(current, now, per_step, finalize)
            self._last_update = now
        elif self.verbose == 2 and finalize and self.target:
            elapsed = f"{now - self._start:.0f}s -{self._per_unit(per_step)}"
            print_message(f"{self._count(current)} - {elapsed}{self._averages()}")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _add_up(self, current: int, values: Iterable[tuple[str, Any]], finalize: bool) -> None:
        steps = max(current - self._seen, 1)
        for name, value in values:
            averaged = (
                name in (self.stateless_metrics or ())
                if self.stateful_metrics is None
                else (name not in self.stateful_metrics)
            )
            # The last values are those of the whole epoch.
            if averaged and not finalize:
                total, count = self._totals.get(name, (0.0, 0))
                self._totals[name] = total + np.mean(value) * steps, count + steps
            else:
                self._totals[name] = np.mean(value), 1
        self._seen = current

    def _write_bar(self, current: int, now: float, per_step: float, finalize: bool) -> None:
        if self.target:
            done = int(self.width * current / self.target)
            rest = self.width - done
            bar = f"{_BOLD}{self._count(current)}{_PLAIN} {_GREEN}{'━' * done}{_PLAIN}{_WHITE}{'━' * rest}{_PLAIN}"
        else:
            bar = f"{current:7d}/Unknown"
        remaining = per_step * (self.target - current) if self.target and not finalize else None
        elapsed = f"{now - self._start:.0f}s" if remaining is None else _as_time(remaining)
        line = f"{bar} {_BOLD}{elapsed}{_PLAIN}{self._per_unit(per_step)}{self._averages()}"
        if not _is_live():
            print_message(_STYLES.sub("", line))
            return
        line = _cropped(line)
        width = len(_STYLES.sub("", line))
        padding = " " * (self._last_width - width)
        self._last_width = width
        print_message(f"\r{line}{padding}", line_break=finalize)

    def _count(self, current: int) -> str:
        return f"{current:{len(str(self.target))}d}/{self.target}"

    def _averages(self) -> str:
        return "".join(f" - {name}: {_as_number(total / count)}" for name, (total, count) in self._totals.items())

    def _per_unit(self, seconds: float) -> str:
        if seconds >= 1 or seconds == 0:
            return f" {seconds:.0f}s/{self.unit_name}"
        milliseconds = seconds * 1e3
        amount = f"{milliseconds:.0f}ms" if milliseconds >= 1 else f"{milliseconds * 1e3:.0f}us"
        return f" {amount}/{self.unit_name}"

    def _seconds_per_step(self, current: int, now: float) -> float:
        """The first step, which may take far longer than the others, does not count once there are more."""
        if not current:
            return 0.0
        if self._after_first_step is not None and current > 1:
            return (now - self._after_first_step) / (current - 1)
        if current == 1:
            self._after_first_step = now
        return (now - self._start) / current


def _is_live() -> bool:
    """Return whether what is written can be written over."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ


def _cropped(line: str) -> str:
    """Cut what would not fit into a line of the terminal: there is no way back over a line's end."""
    excess = len(_STYLES.sub("", line)) - shutil.get_terminal_size().columns + 1
    return line[:-excess] if excess > 0 and sys.stdout.isatty() else line


def _as_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if minutes else f"{rest}s"


def _as_number(value: Any) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"
