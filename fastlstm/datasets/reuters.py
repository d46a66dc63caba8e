"""Newswires as numbers of words, with labels of 46 topics."""

from __future__ import annotations

import numpy as np

from fastlstm.datasets import sequences
from fastlstm.utils.files import get_file

HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
WORDS_HASH = "4d44cc38712099c9e383dc6e5f11a921"

Pair = tuple[np.ndarray, np.ndarray]

_TOPICS = """
    cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass crude
    nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel
    rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead
"""


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Pair, Pair]:
    """Return `(x_train, y_train), (x_test, y_test)`: arrays of lists of numbers, and of topics.

    Args:
        path, num_words, skip_top, maxlen, seed, start_char, oov_char, index_from: As for `imdb.load_data`.
        test_split: Float, the part of the rows that are for testing.

    Raises:
        ValueError: When the file is not there or is another one.

    Differs from Keras: nothing is downloaded.
    """
    arrays = sequences.read_arrays(get_file(path, sequences.ORIGIN + "reuters.npz", file_hash=HASH))
    shuffled, y = sequences.shuffled(np.random.RandomState(seed), arrays["x"], arrays["y"])
    kept, labels = sequences.short(sequences.begun(shuffled, start_char, index_from), y, maxlen)
    x = sequences.chosen(kept, num_words, skip_top, oov_char)
    count = int(len(x) * (1 - test_split))
    train = sequences.as_objects(x[:count]), np.array(labels[:count])
    return train, (sequences.as_objects(x[count:]), np.array(labels[count:]))


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Return the words with their numbers, to which `load_data` adds `index_from`.

    Args:
        path: Name of the file in `~/.keras/datasets`.

    Raises:
        ValueError: When the file is not there or is another one.
    """
    return sequences.read_words(path, WORDS_HASH)


def get_label_names() -> tuple[str, ...]:
    """Return the names of the topics in the order of their numbers."""
    return tuple(_TOPICS.split())
