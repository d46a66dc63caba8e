"""Terms as their places in a vocabulary, and back: what `StringLookup` and `IntegerLookup` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.layers.base.serialization import LayerConfigError
from fastlstm.layers.preprocessing.encoding import (
    Categories,
    Shape,
    as_integers,
    batches_of,
    check_output_mode,
    checked_salt,
    encoded,
    encoded_shape,
    refuse,
)
from fastlstm.layers.preprocessing.hashing import bucket
from fastlstm.layers.preprocessing.tokens import each
from fastlstm.printable import quoted, shown

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_DROPPED = np.iinfo(np.int64).max


class IndexLookup(Categories):
    """A vocabulary: the mask's place first if there is one, then those of what is not in it, then the terms'.

    Args:
        max_tokens: The most places, None for any number.
        num_oov_indices: Number of places of terms that are not in the vocabulary; of several, a hash chooses.
        mask_token: The term that is place 0 if the places themselves are the output, and counts nowhere else; or None.
        oov_token: What stands for terms that are not in the vocabulary.
        vocabulary: The terms, with or without those tokens at their beginning, or the path of a text file of them, a
            line each; None for `adapt` or `set_vocabulary`.
        idf_weights: What each term counts in `tf_idf`.
        invert: Boolean, places to terms.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        sparse: Only False.
        pad_to_max_tokens: Boolean, whether vectors are `max_tokens` wide, however many terms there are.
        oov_method: `"floormod"` or `"farmhash"`: how integers are hashed.
        salt: An integer or two, for SipHash; None for FarmHash64.
        **kwargs: `name`, `trainable`; `dtype`, and what Keras' files say of the vocabulary, change nothing.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.

    Differs from Keras: the config holds the vocabulary whoever set it, so that every file format does.
    """

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(**kwargs)
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"If set, `max_tokens` must be greater than 1. Received: max_tokens={quoted(max_tokens)}")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(
                f"If pad_to_max_tokens is True, must set `max_tokens`. Received: max_tokens={quoted(max_tokens)}"
            )
        if num_oov_indices < 0:
            raise ValueError(
                f"`num_oov_indices` must be greater than or equal to 0. "
                f"Received: num_oov_indices={quoted(num_oov_indices)}"
            )
        self.output_mode: str = check_output_mode(self, output_mode, MODES)
        if invert and self.output_mode != "int":
            raise ValueError(
                f"`output_mode` must be `'int'` when `invert` is true. Received: output_mode={quoted(output_mode)}"
            )
        refuse(self, sparse=sparse)
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(
                f"`oov_method` should be 'floormod' or 'farmhash'. Received: oov_method={quoted(oov_method)}"
            )
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                f"`idf_weights` should only be set if `output_mode` is `'tf_idf'`. "
                f"Received: idf_weights={quoted(idf_weights)} "
                f"and output_mode={quoted(output_mode)}"
            )
        self.invert: bool = invert
        self.max_tokens: int | None = max_tokens
        self.num_oov_indices: int = num_oov_indices
        self.mask_token: Any = mask_token
        self.oov_token: Any = oov_token
        self.pad_to_max_tokens: bool = pad_to_max_tokens
        self.oov_method = oov_method
        self.salt: list[int] | None = checked_salt(self, salt)
        self.idf_weights: np.ndarray | None = None
        self._terms: list[Any] = []
        self._places: dict[Any, int] = {}
        self._size = vocabulary_size
        self._adapts = vocabulary is None
        if vocabulary is not None:
            if self.output_mode == "tf_idf" and idf_weights is None:
                raise ValueError(
                    "When specifying the `vocabulary` argument, in TF-IDF output mode, the `idf_weights` argument must "
                    "also be provided."
                )
            self.set_vocabulary(vocabulary, idf_weights)

    # What a kind of term provides

    def terms(self, values: Any) -> np.ndarray:
        """Return terms as an array of objects that a dict can hold."""
        raise NotImplementedError

    def plain(self, term: Any) -> Any:
        """Return a term as the vocabulary shows it."""
        raise NotImplementedError

    def from_line(self, line: str) -> Any:
        """Return the term in a line of a file."""
        raise NotImplementedError

    # The vocabulary

    @property
    def _first_oov(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first_term(self) -> int:
        return self._first_oov + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """Return the number of places, those of the mask and of terms that are not in the vocabulary included."""
        return self._first_term + len(self._terms)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the terms in the order of their places.

        Args:
            include_special_tokens: Boolean, whether the mask's and those of what is not in the vocabulary come first.
        """
        terms = [self.plain(term) for term in self._terms]
        if not include_special_tokens:
            return terms
        return [self.mask_token] * self._first_oov + [self.oov_token] * self.num_oov_indices + terms

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the terms.

        Args:
            vocabulary: List, tuple or array of one axis, or the path of a text file with a line for each.
            idf_weights: What each counts in `tf_idf`: as many, with the same tokens at the beginning.

        Raises:
            ValueError: When the vocabulary is empty, has a term twice or a token out of its place, is too large, or the
                weights do not fit; it is then as it was.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            if idf_weights is None:
                raise ValueError("`idf_weights` must be set if output_mode is 'tf_idf'.")
            raise ValueError(
                "`idf_weights` should only be set if output_mode is `'tf_idf'`. Received: "
                f"output_mode={self.output_mode} and idf_weights={quoted(idf_weights)}"
            )
        if isinstance(vocabulary, (str, Path)) and not Path(vocabulary).is_file():
            raise ValueError(f"Vocabulary file {vocabulary} does not exist.")
        if isinstance(vocabulary, (str, Path)):
            vocabulary = [self.from_line(line) for line in Path(vocabulary).read_text("utf-8").split("\n") if line]
        given = self.terms(vocabulary).ravel().tolist()
        if not given:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={quoted(vocabulary)}")
        with_tokens = len(given) >= self._first_term and given[: self._first_term] == self._special()
        terms = given[self._first_term :] if with_tokens else given
        self._check(terms)
        weights = None if idf_weights is None else self._padded(idf_weights, len(given), with_tokens)
        self._set(terms, weights)

    def _special(self) -> list[Any]:
        return [self._key(self.mask_token)] * self._first_oov + [self._key(self.oov_token)] * self.num_oov_indices

    def _check(self, terms: list[Any]) -> None:
        counts = Counter(terms)
        if len(counts) != len(terms):
            repeated = [self.plain(term) for term, count in counts.items() if count > 1]
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your dataset. The repeated "
                f"terms are: {repeated}"
            )
        for name, token, matters in (("mask", self.mask_token, True), ("OOV", self.oov_token, self.invert)):
            if matters and token is not None and self._key(token) in counts:
                special = [self.mask_token] * self._first_oov + [self.oov_token] * self.num_oov_indices
                raise ValueError(
                    f"Found reserved {name} token at unexpected location in `vocabulary`. Note that passed "
                    "`vocabulary` does not need to include the OOV and mask tokens. Either remove all mask and OOV "
                    "tokens, or include them only at the start of the vocabulary in precisely this order: "
                    f"{special}. Received: {quoted(token)}"
                )
        size = self._first_term + len(terms)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received vocabulary size is "
                f"{size}; `max_tokens` is {self.max_tokens}."
            )

    def _padded(self, idf_weights: Any, count: int, with_tokens: bool) -> np.ndarray:
        weights = np.asarray(idf_weights, np.float64)
        if weights.shape != (count,):
            raise ValueError(
                f"`idf_weights` must be the same length as vocabulary. len(idf_weights) is {weights.shape}; "
                f"len(vocabulary) is {count}"
            )
        before = 0 if with_tokens else self._first_term
        after = (self.max_tokens or 0) - before - count if self.pad_to_max_tokens else 0
        # What is not in the vocabulary counts as much as a term does on average.
        padded = np.pad(weights, (before, after), constant_values=(weights.mean(), 0))
        return padded.astype(np.float32)

    def _set(self, terms: list[Any], weights: np.ndarray | None) -> None:
        size = self._first_term + len(terms)
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens
        if fixed and self._size is not None and self._size != size:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the vocabulary size "
                f"cannot be changed after the layer is called. Old vocab size is {self._size}, new vocab size is {size}"
            )
        self._terms, self._size, self.idf_weights = terms, size, weights
        self._places = dict(zip(terms, range(self._first_term, size), strict=True))

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the vocabulary to the terms of the data, the most frequent first, then in descending order.

        Args:
            data: Array of terms, or an iterable of arrays.
            steps: Number of those that are read, None for all.

        Raises:
            ValueError: When the vocabulary was given as an argument.
        """
        self.adapt_to(self._documents(batch) for batch in batches_of(data, steps))

    def _documents(self, data: Any) -> list[list[Any]]:
        terms = self.terms(data)
        # Keras takes the items of an array of one axis for documents of one term.
        return terms.reshape(-1, 1 if terms.ndim < 2 else terms.shape[-1]).tolist()

    def adapt_to(self, batches: Any) -> None:
        """Set the vocabulary to the terms of batches of documents, lists of terms; see `adapt`."""
        if not self._adapts:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' after setting a static vocabulary via `vocabulary` argument or "
                "`set_vocabulary()` method."
            )
        counts: Counter[Any] = Counter()
        documents: Counter[Any] = Counter()
        total = 0
        for batch in batches:
            for document in batch:
                total += 1
                counts.update(document)
                documents.update(set(document))
        for token in (self.mask_token, self.oov_token):
            if token is not None:
                counts.pop(self._key(token), None)
        if not counts:
            return
        terms = sorted(counts, key=lambda term: (counts[term], term), reverse=True)
        terms = terms if self.max_tokens is None else terms[: self.max_tokens - self._first_term]
        weights = None
        if self.output_mode == "tf_idf":
            shares = [np.log(1 + total / (1 + documents[term])) for term in terms]
            weights = self._padded(shares, len(terms), False)
        self._set(terms, weights)

    # Running

    def call(self, inputs: Any) -> np.ndarray:
        return self._inverted(inputs) if self.invert else self.encode(self.places(self.terms(inputs)))

    def places(self, terms: np.ndarray) -> np.ndarray:
        """Return the places of terms, int64 of their shape.

        Raises:
            ValueError: When there is no vocabulary, or one has no place.
        """
        if self.output_mode != "int" and self.depth is None:
            raise RuntimeError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, you must set the layer's "
                "vocabulary before calling it. Either pass a `vocabulary` argument to the layer, or call `adapt` with "
                "some sample data."
            )
        if not self._terms:
            raise ValueError(
                f"Layer '{self.name}' has no vocabulary: pass `vocabulary`, or call `set_vocabulary` or `adapt` first."
            )
        known = self._places
        found = {term: known.get(term, -1) for term in set(terms.ravel().tolist())}
        if self.mask_token is not None:
            mask = self._key(self.mask_token)
            found |= {mask: 0 if self.output_mode == "int" else _DROPPED} if mask in found else {}
        unknown = [term for term, place in found.items() if place == -1]
        if unknown and self.num_oov_indices == 0:
            raise ValueError(
                "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{[self.plain(term) for term in unknown]}, consider setting `num_oov_indices=1`."
            )
        found |= {term: self._first_oov + self._oov(term) for term in unknown}
        return each(terms, found.__getitem__).astype(np.int64)

    def _oov(self, term: Any) -> int:
        if self.num_oov_indices == 1:
            return 0
        if isinstance(term, int) and self.oov_method == "floormod":
            return term % self.num_oov_indices
        return bucket(str(term).encode() if isinstance(term, int) else term, self.num_oov_indices, self.salt)

    def encode(self, places: np.ndarray) -> np.ndarray:
        """Return places as the output mode has them."""
        if self.output_mode == "int":
            return places
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        counts = encoded(places, mode, self.depth or 0, np.int64)
        return counts if self.idf_weights is None else counts.astype(np.float32) * self.idf_weights

    def _inverted(self, inputs: Any) -> np.ndarray:
        oov = self._key(self.oov_token)
        terms: dict[Any, Any] = {place: term for term, place in self._places.items()}
        terms |= {0: self._key(self.mask_token)} if self.mask_token is not None else {}
        return self.inverted_as(each(as_integers(inputs).astype(object), lambda place: terms.get(place, oov)))

    def inverted_as(self, terms: np.ndarray) -> np.ndarray:
        """Return terms, an array of objects, in the dtype in which they are the output."""
        return terms

    def _key(self, token: Any) -> Any:
        return None if token is None else self.terms(token).item()

    @property
    def depth(self) -> int | None:
        """The width of vectors, None where it is not known yet."""
        return self.max_tokens if self.pad_to_max_tokens else self._size

    @property
    def output_dtype(self) -> str:
        return "int64" if self.output_mode == "int" else "float32"

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        if self.output_mode == "int":
            return tuple(input_shape)
        return encoded_shape(input_shape, self.output_mode, self.depth)

    @property
    def stored_constants(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        return {} if self.idf_weights is None else {"idf_weights": self.idf_weights}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": False,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            **self.vocabulary_config(),
            "vocabulary_size": self._size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> IndexLookup:
        check_vocabulary(config)
        return cls(**config)

    def vocabulary_config(self) -> dict[str, Any]:
        """Return what a config says of the vocabulary; the tokens at its beginning are there where weights need it."""
        weights = None if self.idf_weights is None else self.idf_weights[: self.vocabulary_size()].tolist()
        return {"vocabulary": self.get_vocabulary(weights is not None) or None, "idf_weights": weights}


def check_vocabulary(config: dict[str, Any]) -> None:
    """Raise LayerConfigError if a config names a file for its vocabulary: what is outside of a model is not read."""
    if isinstance(config.get("vocabulary"), str):
        raise LayerConfigError(
            f"Layer '{config.get('name')}' names the file of its vocabulary, {shown(config['vocabulary'])}, which is "
            "not read. Make the layer in code, with the vocabulary as a list."
        )
