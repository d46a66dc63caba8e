"""Whether there is memory for an array, asked before the array is made; and when it is looked for what is left."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import cast

if sys.platform != "win32":
    import resource

_ENOUGH = 2**26  # bytes that there always are: nobody is asked about less
_UNLIMITED = 2**62
_CGROUPS = Path("/sys/fs/cgroup")
_take: ContextVar[Callable[[int, str], None] | None] = ContextVar("take", default=None)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Put Python's search for unreachable objects off while many are made that stay.

    It would go through all of them again and again: a third of the time of loading a graph of 100,000 calls.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def give_back() -> None:
    """Give memory that is free back to the system where the C library, as glibc, would keep it among what is in use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def require_array(shape: Sequence[int | None], what: str) -> None:
    """Raise unless there is memory for a float32 array.

    Args:
        shape: Its shape.
        what: Who needs it, for the error: the beginning of a sentence.

    Raises:
        MemoryError: It is larger than the memory that is free.
    """
    nbytes, take = 4 * math.prod(cast("Sequence[int]", shape)), _take.get()
    if take is not None:
        take(nbytes, f"{what} needs an array of shape {tuple(shape)}, which")
    elif nbytes > _ENOUGH:
        require(nbytes, f"{what} needs an array of shape {tuple(shape)}, which")


@contextlib.contextmanager
def asking(take: Callable[[int, str], None]) -> Iterator[None]:
    """Have `require_array` ask somebody else, however small the array: whoever reads a file and says what it may take.

    Args:
        take: Gets the bytes and who needs them; raises where they are too many.
    """
    before = _take.set(take)
    try:
        yield
    finally:
        _take.reset(before)


def require(nbytes: int, what: str) -> None:
    """Raise unless there is memory.

    Args:
        nbytes: How much is needed.
        what: Who needs it, for the error: the subject of the sentence.

    Raises:
        MemoryError: It is more than the memory that is free.
    """
    if nbytes <= _ENOUGH:
        return
    free = available()
    if nbytes > free:
        raise MemoryError(f"{what} takes {in_words(nbytes)}, and {in_words(free)} of memory are free.")


def in_words(nbytes: int) -> str:
    """Return a size as people read it."""
    size, unit = float(min(nbytes, 10**300)), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.4g} {unit}" if size < 1e6 else f"{size:.1e} {unit}"


def available() -> int:
    """Return how many more bytes this process may take: of the machine, its control group and its own limits."""
    return max(0, min(_of_the_machine(), _of_the_group(), _of_the_process()))


def _of_the_machine() -> int:
    free = _fields(Path("/proc/meminfo")).get("MemAvailable")
    if free is not None:
        return 1024 * free
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return _UNLIMITED


def _of_the_group() -> int:
    """Of the control group of a container or a service, and of those above it (version 2)."""
    free = _UNLIMITED
    for group in _groups():
        limit, used = _number(group / "memory.max"), _number(group / "memory.current")
        if limit is not None and used is not None:
            # The cache of files gives way to whoever needs memory.
            free = min(free, limit - used + _fields(group / "memory.stat").get("inactive_file", 0))
    return free


def _groups() -> Iterator[Path]:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        hierarchy, _, path = line.partition("::")
        if hierarchy == "0":
            group = _CGROUPS / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(_CGROUPS))


def _of_the_process() -> int:
    if sys.platform == "win32":
        return _UNLIMITED
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return _UNLIMITED
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return limit
    return limit - pages * resource.getpagesize()


def _number(file: Path) -> int | None:
    """The number in a file of the kernel's, None where there is none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _fields(file: Path) -> dict[str, int]:
    """The numbers in a file of the kernel's by their names: `name: 1 kB` or `name 1` on every line."""
    try:
        lines = [line.replace(":", " ").split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}
