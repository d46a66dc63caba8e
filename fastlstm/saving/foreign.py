"""Files that are not Keras': what they are, and the way from there to one that opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_PICKLE = "It is a Python pickle, which is never read: what was pickled should write the model with `model.save`."
# What a file begins with (from which byte on), and what that means.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "It is a Git LFS pointer, not the file itself: run `git lfs pull`."),
    (0, b"<!DOCTYPE html", "It is an HTML page: the download went wrong."),
    (0, b"\x93FLSTM\r\n", "It is a packed model: open it with `fastlstm.load_packed`."),
    (0, b"\x93NUMPY", "It is a NumPy array: pass the arrays of a model to `model.set_weights`."),
    (0, b"\x1f\x8b", "It is compressed with gzip: unpack it first."),
    (4, b"TFL3", "It is a TensorFlow Lite model, which keeps no Keras model: pass the file it was converted from."),
    *((0, b"\x80" + bytes([protocol]), _PICKLE) for protocol in range(2, 6)),
)
# Members of archives that hold a model, or something like one.
_ENDINGS = (".keras", ".h5", ".hdf5", "keras_metadata.pb", "saved_model.pb", "model.json")


def hint(start: bytes) -> str:
    """What a file that begins like this is, in words; empty where nobody knows.

    Args:
        start: Some hundred bytes.
    """
    if not start:
        return "It is empty."
    return next((text for offset, sign, text in _SIGNATURES if start[offset:].startswith(sign)), "")


def zip_hint(names: Sequence[str]) -> str:
    """What to do with a zip that is no `.keras` file.

    Args:
        names: Its members.
    """
    if any(name.endswith("data.pkl") for name in names):
        return "It is a PyTorch file, whose pickles are never read."
    inside = [name for name in names if name.endswith(_ENDINGS)]
    return f"Unpack it, and pass what is in it: {inside[0]}." if inside else ""


def folder_hint(folder: Path) -> str:
    """What to do with a folder that is no model.

    Args:
        folder: The folder.
    """
    names = sorted(file.name for file in folder.iterdir())
    inside = [name for name in names if name.endswith((*_ENDINGS, ".index"))]
    instead = f" Pass what is in it: {' or '.join(inside[:3])}." if inside else ""
    return (
        "It is a folder without config.json, which an unzipped `.keras` has, or saved_model.pb, which a SavedModel "
        f"has.{instead}"
    )
