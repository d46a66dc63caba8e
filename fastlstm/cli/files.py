"""Arrays from and to the files that a command names; `-` is standard input or output."""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from fastlstm.onnx.opening import open_model as open_model
from fastlstm.saving.replace import replaced_file

STANDARD = Path("-")
NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK"
MAPPED_FROM = 2**26  # bytes of an .npy file that is not read whole


def positive(text: str) -> int:
    """An argument that counts something."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return int(text)


def require_directory(path: Path) -> None:
    """Fails before the work, not after it, when there is no place for its result."""
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no directory {path.parent}")
    if path.is_dir():
        raise ValueError(f"{path} is a directory")


def format_of(path: Path, formats: tuple[str, ...]) -> str | None:
    """The ending, one of `formats`; None for `-`."""
    if path == STANDARD:
        return None
    ending = path.suffix.lower()
    if ending not in formats:
        raise ValueError(f"{path}: expected a name that ends in {' or '.join(formats)}")
    return ending


# Reading


def read(path: Path) -> tuple[str, Any]:
    """The format, and what is in the file: an array, or arrays by name where an .npz holds several.

    Standard input is told by its first bytes.
    """
    if path == STANDARD:
        data = sys.stdin.buffer.read()
        ending = ".npy" if data.startswith(NPY_MAGIC) else ".npz" if data.startswith(ZIP_MAGIC) else ".csv"
        return ending, _parse(READERS[ending], io.BytesIO(data), "standard input")
    ending = format_of(path, tuple(READERS)) or ""
    with path.open("rb") as file:
        return ending, _parse(READERS[ending], file, str(path))


def _parse(reader: Any, file: BinaryIO, name: str) -> Any:
    try:
        return reader(file)
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error


def read_npy(file: BinaryIO) -> np.ndarray:
    return np.lib.format.read_array(file, allow_pickle=False)


def mapped_npy(path: Path) -> np.ndarray | None:
    """The array of an .npy file, read as it is used; None where it is too small for that to matter."""
    if path == STANDARD or path.suffix.lower() != ".npy" or not path.is_file() or path.stat().st_size <= MAPPED_FROM:
        return None
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def read_npz(file: BinaryIO) -> np.ndarray | dict[str, np.ndarray]:
    """The array, or arrays by name where there are more."""
    if not zipfile.is_zipfile(file):
        raise ValueError("not an .npz archive")
    with np.load(file, allow_pickle=False) as archive:
        arrays = dict(archive)
    return arrays if len(arrays) != 1 else arrays.popitem()[1]


def read_csv(file: BinaryIO) -> np.ndarray:
    """The numbers of the lines, shape (lines, columns); a first line of names is left out."""
    lines = [line for line in file.read().decode("utf-8-sig").splitlines() if line.strip()]
    if lines and not all(is_number(cell) for cell in lines[0].split(",")):
        del lines[0]
    if not lines:
        raise ValueError("no numbers in it")
    return np.loadtxt(lines, delimiter=",", ndmin=2, dtype="float32")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


READERS: dict[str, Callable[[BinaryIO], Any]] = {".npy": read_npy, ".npz": read_npz, ".csv": read_csv}


# Writing


def write(path: Path, ending: str, arrays: dict[str, np.ndarray]) -> None:
    """Arrays by name, of which only an .npz holds several; an existing file is replaced when the new one is complete.

    Raises:
        ValueError: Several arrays for another format, or a binary format for a terminal.
    """
    if ending != ".npz" and len(arrays) > 1:
        raise ValueError(f"there are {len(arrays)} outputs ({', '.join(arrays)}), which only an .npz holds")
    if path != STANDARD:
        with replaced_file(path) as file:
            WRITERS[ending](file, arrays)
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        print(f"wrote {path}: {shapes}")
        return
    if ending != ".csv" and sys.stdout.isatty():
        raise ValueError(f"an {ending} is not for a terminal: send it to a file or a program, or ask for --format csv")
    data = io.BytesIO()  # a pipe has no places to go back to, as an .npz needs
    WRITERS[ending](data, arrays)
    sys.stdout.buffer.write(data.getbuffer())
    sys.stdout.buffer.flush()


def write_npy(file: IO[bytes], arrays: dict[str, np.ndarray]) -> None:
    (array,) = arrays.values()
    np.lib.format.write_array(file, array, allow_pickle=False)


def write_in_parts(path: Path, name: str, rows: int, parts: Iterator[np.ndarray]) -> None:
    """Write an .npy of the parts of an array of so many rows, one after the other, as `write` does a whole one."""
    first = next(parts)
    shape = (rows, *first.shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": shape}
    with replaced_file(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in chain([first], parts):
            file.write(np.ascontiguousarray(part).data)
    print(f"wrote {path}: {name} {shape}")


def write_npz(file: IO[bytes], arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def write_csv(file: IO[bytes], arrays: dict[str, np.ndarray]) -> None:
    """A line for each row of the last axis; nine digits give the same float32 back."""
    (array,) = arrays.values()
    np.savetxt(file, array.reshape(-1, array.shape[-1]), fmt="%.9g", delimiter=",")


WRITERS = {".npy": write_npy, ".npz": write_npz, ".csv": write_csv}
