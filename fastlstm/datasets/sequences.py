"""What the datasets of texts share: files of lists of numbers, and the choice of words."""

from __future__ import annotations

import json
import pickle
import zipfile
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from fastlstm.utils.files import get_file

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

# What a pickle of an array of lists of numbers is made with, by NumPy 1 and 2.
_ALLOWED = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    """Makes arrays and lists; anything else in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"The file holds {module}.{name}, which is no array of lists: it is not read.")
        return super().find_class(module, name)


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file; those of lists, which are pickles, are read without running any code.

    Raises:
        ValueError: When the file is of another kind, or holds something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _array(BytesIO(archive.read(name))) for name in archive.namelist()}
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, AttributeError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is no file of arrays: {error}") from error


def _array(file: BinaryIO) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if not dtype.hasobject:
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    array = _Unpickler(file, encoding="latin1").load()
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise ValueError("What is in the file is no array of the shape that its header says.")
    return array


def read_words(path: str, file_hash: str) -> dict[str, int]:
    """Return the numbers of the words, of a file in the cache."""
    found = get_file(path, ORIGIN + path, file_hash=file_hash)
    with open(found, encoding="utf-8") as file:
        words: dict[str, int] = json.load(file)
    return words


def shuffled(order: np.random.RandomState, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays in another order of their rows, the same in all of them."""
    indices = np.arange(len(arrays[0]))
    order.shuffle(indices)
    return [array[indices] for array in arrays]


def begun(sequences: np.ndarray, start_char: int | None, index_from: int) -> list[list[int]]:
    """Return sequences with the numbers of words moved up, behind the number of a start."""
    start = [] if start_char is None else [start_char]
    return [[*start, *(int(word) + (index_from or 0) for word in sequence)] for sequence in sequences]


def short(sequences: list[list[int]], labels: Any, maxlen: int | None) -> tuple[list[list[int]], Any]:
    """Return the sequences that are shorter than `maxlen`, and their labels."""
    if not maxlen:
        return sequences, labels
    kept = [(sequence, label) for sequence, label in zip(sequences, labels, strict=True) if len(sequence) < maxlen]
    return [sequence for sequence, _ in kept], [label for _, label in kept]


def chosen(sequences: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None) -> list[list[int]]:
    """Return sequences of frequent words alone, with `oov_char` in the place of others, or nothing."""
    below = num_words or max(max(sequence) for sequence in sequences)
    if oov_char is None:
        return [[word for word in sequence if skip_top <= word < below] for sequence in sequences]
    return [[word if skip_top <= word < below else oov_char for word in sequence] for sequence in sequences]


def as_objects(sequences: list[list[int]]) -> np.ndarray:
    """Return an array of lists, or of numbers where all lists are of one length, as Keras makes it."""
    return np.array(sequences, dtype="object")
