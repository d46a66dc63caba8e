"""`keras.preprocessing.text` of Keras 2: texts to sequences of numbers, and back."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "tfidf", "freq")

Analyzer = Callable[[str], list[str]]


def text_to_word_sequence(input_text: str, filters: str = _FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """Return the words of a text.

    Args:
        input_text: String.
        filters: Characters that are taken for `split`.
        lower: Boolean, whether to make all letters small.
        split: What separates words.
    """
    text = input_text.lower() if lower else input_text
    separated: dict[str, str | int | None] = dict.fromkeys(filters, split)
    text = text.translate(str.maketrans(separated))
    return [word for word in text.split(split) if word]


def one_hot(
    input_text: str,
    n: int,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Analyzer | None = None,
) -> list[int]:
    """Return a number from 1 to `n - 1` for each word, by Python's `hash`, which differs from process to process.

    Args:
        input_text: String.
        n: Numbers are smaller than this.
        filters, lower, split: As for `text_to_word_sequence`.
        analyzer: `analyzer(text)` returns the words, in place of `text_to_word_sequence`.
    """
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Analyzer | None = None,
) -> list[int]:
    """Return a number from 1 to `n - 1` for each word, by its hash.

    Args:
        text: String.
        n: Numbers are smaller than this.
        hash_function: Function of a string; `"md5"`, the same in every process; None for Python's `hash`.
        filters, lower, split: As for `text_to_word_sequence`.
        analyzer: `analyzer(text)` returns the words, in place of `text_to_word_sequence`.
    """
    if hash_function == "md5":
        hash_function = _md5
    hashed: Any = hash if hash_function is None else hash_function
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [hashed(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Words, or characters, and their numbers: 1 for the most frequent one, and so on.

    Args:
        num_words: Numbers from this one on are left out of sequences; None leaves out none.
        filters, lower, split: As for `text_to_word_sequence`.
        char_level: Boolean, whether every character is a word.
        oov_token: Word that stands for unknown ones, with the number 1; None leaves those out.
        analyzer: `analyzer(text)` returns the words, in place of `text_to_word_sequence`.
        **kwargs: `document_count`, as a config has it.

    Raises:
        TypeError: When there are other keyword arguments.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Analyzer | None = None,
        **kwargs: Any,
    ) -> None:
        self.document_count: int = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.index_docs: defaultdict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def fit_on_texts(self, texts: Iterable[str | list[str]]) -> None:
        """Learn the words of texts, and number them anew.

        Args:
            texts: Strings, or lists of words.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        # The sort is stable: of two equally frequent words the first one seen is the first one.
        by_count = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        vocabulary = by_count if self.oov_token is None else [self.oov_token, *by_count]
        self.word_index = {word: number for number, word in enumerate(vocabulary, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Learn in how many sequences each number is, for the mode `tfidf`.

        Args:
            sequences: Sequences of numbers.
        """
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[str | list[str]]) -> list[list[int]]:
        """Return the numbers of the words of each text.

        Args:
            texts: Strings, or lists of words.
        """
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | list[str]]) -> Iterator[list[int]]:
        """As `texts_to_sequences`, text by text."""
        unknown = None if self.oov_token is None else self.word_index.get(self.oov_token)
        for text in texts:
            numbers = [self.word_index.get(word) for word in self._words(text)]
            kept = [unknown if number is None or self._left_out(number) else number for number in numbers]
            yield [number for number in kept if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Sequence[int]]) -> list[str]:
        """Return the words of each sequence of numbers, joined by spaces.

        Args:
            sequences: Sequences of numbers.
        """
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Sequence[int]]) -> Iterator[str]:
        """As `sequences_to_texts`, sequence by sequence."""
        unknown = self.oov_token if self.oov_token in self.word_index else None
        for sequence in sequences:
            words = [None if self._left_out(number) else self.index_word.get(number) for number in sequence]
            yield " ".join(word or cast(str, unknown) for word in words if word or unknown)

    def texts_to_matrix(self, texts: Iterable[str | list[str]], mode: str = "binary") -> np.ndarray:
        """Return a row for each text, with a column for each word.

        Args:
            texts: Strings, or lists of words.
            mode: As for `sequences_to_matrix`.
        """
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """Return a row for each sequence, with a column for each number.

        Args:
            sequences: Sequences of numbers.
            mode: `"binary"` (whether it is in the sequence), `"count"`, `"freq"` (count by length) or `"tfidf"`.

        Raises:
            ValueError: When the number of columns is not known, or the mode is none of these or needs texts first.
        """
        columns = self.num_words or (len(self.word_index) + 1 if self.word_index else 0)
        if not columns:
            raise ValueError("Specify a dimension (`num_words` argument), or fit on some text data first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        if mode not in _MODES:
            raise ValueError("Unknown vectorization mode:", mode)
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences, strict=True):
            for number, count in Counter(sequence).items():
                if number < columns:
                    row[number] = self._entry(number, count, len(sequence), mode)
        return matrix

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, and what was learnt as JSON; the `analyzer` is not in it."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            "word_counts": json.dumps(self.word_counts),
            "word_docs": json.dumps(self.word_docs),
            "index_docs": json.dumps(self.index_docs),
            "index_word": json.dumps(self.index_word),
            "word_index": json.dumps(self.word_index),
        }

    def to_json(self, **kwargs: Any) -> str:
        """Return the tokenizer as JSON, for `tokenizer_from_json`.

        Args:
            **kwargs: As for `json.dumps`.
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)

    def _words(self, text: str | list[str]) -> Sequence[str]:
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def _left_out(self, number: int) -> bool:
        return bool(self.num_words) and number in self.index_word and number >= (self.num_words or 0)

    def _entry(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            documents = self.index_docs.get(number, 0)
            return (1 + math.log(count)) * math.log(1 + self.document_count / (1 + documents))
        return {"count": count, "freq": count / length, "binary": 1}[mode]


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Return the tokenizer that `to_json` described, here or in Keras.

    Args:
        json_string: String.

    Raises:
        ValueError: When it is not such a description.
    """
    try:
        config = dict(json.loads(json_string)["config"])
        learnt = {
            name: json.loads(config.pop(name))
            for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        }
        tokenizer = Tokenizer(**config)
        for name, values in learnt.items():
            by_number = name.startswith("index_")
            getattr(tokenizer, name).update({int(key) if by_number else key: values[key] for key in values})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"This is not the JSON of a Tokenizer: {json_string[:200]}") from error
    return tokenizer
