"""Which Keras a file was written by, and which one ours are written for."""

from __future__ import annotations

import re

KERAS_VERSION = "3.15.1"


def parse_version(version: str | None) -> tuple[int, int, int] | None:
    """`(major, minor, patch)` of `"2.2.4-tf"` and its like, or None where there is no number."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None
