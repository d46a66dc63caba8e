"""Reviews of films as numbers of words, with labels 0 and 1 (Maas et al., 2011)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.datasets import sequences
from fastlstm.utils.files import get_file

HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
WORDS_HASH = "bfafd718b763782e994055a2d397834f"

Pair = tuple[np.ndarray, np.ndarray]


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Pair, Pair]:
    """Return `(x_train, y_train), (x_test, y_test)`: arrays of lists of numbers, and of labels.

    Args:
        path: Name of the file in `~/.keras/datasets`.
        num_words: Words of this number and above become `oov_char`; None: none does.
        skip_top: Words below this number become `oov_char`.
        maxlen: Sequences that are not shorter are left out; None: none is.
        seed: Integer, of the order of the rows.
        start_char: The number that every sequence begins with, or None.
        oov_char: The number in place of words that are left out; None leaves them out without a trace.
        index_from: What is added to the number of a word.
        **kwargs: As in Keras, not read.

    Raises:
        ValueError: When the file is not there or is another one, or no sequence is short enough.

    Differs from Keras: nothing is downloaded.
    """
    found = get_file(path, sequences.ORIGIN + "imdb.npz", file_hash=HASH)
    arrays = sequences.read_arrays(found)
    order, parts = np.random.RandomState(seed), []
    for name in ("train", "test"):
        shuffled, y = sequences.shuffled(order, arrays[f"x_{name}"], arrays[f"y_{name}"])
        parts.append(sequences.short(sequences.begun(shuffled, start_char, index_from), y, maxlen))
    (x_train, y_train), (x_test, y_test) = parts
    if not x_train or not x_test:
        raise ValueError(
            f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. Increase maxlen."
        )
    x = sequences.chosen(x_train + x_test, num_words, skip_top, oov_char)
    labels = np.concatenate([y_train, y_test])
    count = len(x_train)
    return (sequences.as_objects(x[:count]), labels[:count]), (sequences.as_objects(x[count:]), labels[count:])


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Return the words with their numbers, to which `load_data` adds `index_from`.

    Args:
        path: Name of the file in `~/.keras/datasets`.

    Raises:
        ValueError: When the file is not there or is another one.
    """
    return sequences.read_words(path, WORDS_HASH)
