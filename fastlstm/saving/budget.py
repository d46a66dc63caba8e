"""What one load may take, asked before the work is done: no small file costs much.

Every count here is far beyond honest models, and still little work. Bytes are those that are read and unpacked in all:
of the members of a zip, of chunks, and of the arrays made from them. Deflate makes 1,032 bytes out of one; a file whose
weights are all alike may be packed so once in the zip and is counted a second time as arrays, which is where
`EXPANSION` comes from. What is packed again inside what is packed, or one stored array under many names, is beyond it.

`FASTLSTM_LOAD_LIMITS=10` in the environment allows ten times as much of everything.
"""

from __future__ import annotations

import os
from collections import Counter

from fastlstm import memory
from fastlstm.saving.errors import SavedModelError

EXPANSION = 2200  # bytes for each byte of the file on the disk,
FLOOR = 2**27  # or as many in all, where that is more
DEPTH = 80  # of JSON; a model nested ten deep has about 60. Nobody allows more: Python's stack is what it is.
LIMITS = {
    "bytes of JSON": 24 * 2**20,
    "objects and lists in JSON": 1_000_000,
    "layers": 20_000,
    "calls of layers": 100_000,
    "characters in a name": 1000,
    "names": 100_000,
    "groups and arrays": 200_000,
    "fields": 1_000_000,
    "chunks": 100_000,
    "shards": 500,
}
_VARIABLE = "FASTLSTM_LOAD_LIMITS"


class Budget:
    """What is left to one load.

    Args:
        size: Bytes of the file on the disk.
        expansion: Bytes that may be made of each of them, where that is more than `FLOOR`.

    Raises:
        ValueError: The environment variable is no positive number.
    """

    def __init__(self, size: int, expansion: int = EXPANSION) -> None:
        self._size = size
        self._expansion = expansion
        self._factor = _factor()
        self._taken: Counter[str] = Counter()
        self._files: dict[tuple[int, int], str] = {}

    def add_file(self, identity: tuple[int, int], size: int, path: str) -> None:
        """Count another file on the disk.

        Args:
            identity: Its device and its number there.
            size: Its bytes.
            path: Its path; the same one is counted once.

        Raises:
            ValueError: It was counted under another path.
        """
        known = self._files.get(identity)
        if known is None:
            self._files[identity] = path
            self._size += size
        elif known != path:
            raise SavedModelError(f"{path} is the same file as {known}, under another name.")

    def take(self, kind: str, amount: int, where: str) -> None:
        """Take some of one kind.

        Args:
            kind: One of `LIMITS`.
            amount: How many.
            where: What they are for, for the error.

        Raises:
            ValueError: More than a load may take.
        """
        self._taken[kind] += amount
        self.check(kind, self._taken[kind], where)

    def check(self, kind: str, amount: int, where: str) -> None:
        """Raise if one thing alone has more of a kind than a load may take; the arguments are those of `take`."""
        if amount > LIMITS[kind] * self._factor:
            raise _exceeded(f"{where}: more than {LIMITS[kind] * self._factor:,.0f} {kind}.")

    def take_bytes(self, amount: int, where: str) -> None:
        """Take memory, before it is filled.

        Args:
            amount: How many bytes.
            where: What they are for, for the error.

        Raises:
            ValueError: More than a load of such a file may take.
            MemoryError: More than there is.
        """
        self._taken["bytes"] += amount
        limit = max(FLOOR, self._expansion * self._size) * self._factor
        if self._taken["bytes"] > limit:
            raise _exceeded(
                f"{where} would bring what is unpacked to {memory.in_words(self._taken['bytes'])}, more than a file of "
                f"{memory.in_words(self._size)} may take."
            )
        memory.require(amount, where)


def _exceeded(text: str) -> SavedModelError:
    return SavedModelError(f"{text} If you trust the file, {_VARIABLE}=10 in the environment allows ten times as much.")


def _factor() -> float:
    text = os.environ.get(_VARIABLE) or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise ValueError(f"{_VARIABLE} should be a positive number. Received: {text!r}")
    return factor
