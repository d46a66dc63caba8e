"""How many threads a call may run on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fastlstm.engine import _engine


def usable_cpus() -> int:
    """CPUs that this process may use: its affinity mask, and on Linux the quota of its control group (version 2)."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, int(quota) // int(period)))


def set_num_threads(number: int) -> None:
    """Set the number of threads that one call may run on, the caller's included.

    The others are shared by all calls of the process: one that finds them busy, or the processors taken by other calls,
    runs on its caller's thread alone. The default is the environment's `FASTLSTM_NUM_THREADS`, else the CPUs that this
    process may use.

    Args:
        number: Positive integer.

    Raises:
        ValueError: When it is not.
    """
    if isinstance(number, bool) or not hasattr(number, "__index__") or not 1 <= number < 2**31:
        raise ValueError(f"`number` must be a positive integer below 2**31. Received: {number!r}")
    _engine.set_num_threads(int(number))


get_num_threads: Callable[[], int] = _engine.get_num_threads


def set_default() -> None:
    """Take the default from the environment.

    Raises:
        ValueError: When `FASTLSTM_NUM_THREADS` is not a positive integer.
    """
    number = os.environ.get("FASTLSTM_NUM_THREADS") or str(usable_cpus())
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"FASTLSTM_NUM_THREADS must be a positive integer. Received: {number!r}")
    set_num_threads(int(number))
