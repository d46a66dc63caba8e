"""`TextVectorization`: texts as the places of their tokens in a vocabulary, or as counts of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.serialization import LayerConfigError, register
from fastlstm.layers.preprocessing import tokens
from fastlstm.layers.preprocessing.encoding import Categories, Shape, batches_of, check_output_mode, refuse
from fastlstm.layers.preprocessing.index_lookup import MODES, check_vocabulary
from fastlstm.layers.preprocessing.lookups import StringLookup
from fastlstm.object_registration import get_registered_name, get_registered_object
from fastlstm.printable import quoted, shown

_STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLITS = ("whitespace", "character")


@register
class TextVectorization(Categories):
    """Texts, an array of strings, to integers or vectors.

    Args:
        max_tokens: The most places of the vocabulary, None for any number.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"`, None, or a function of an array
            of `str`.
        split: `"whitespace"`, `"character"`, None, or a function from an array of `str` to an array or lists of tokens.
        ngrams: The largest number of tokens that are joined, or a tuple of the numbers; None for 1 alone.
        output_mode: `"int"`, `"multi_hot"`, `"count"` or `"tf_idf"`; `"one_hot"` only without `split`.
        output_sequence_length: Tokens of each text, which is cut or padded with 0; None for those of the longest one.
        pad_to_max_tokens, vocabulary, idf_weights: As for `StringLookup`.
        sparse, ragged: Only False.
        encoding: Of the strings that `get_vocabulary` returns.
        name: String; None makes one.
        **kwargs: As for `Layer`; what Keras' files say of the vocabulary changes nothing.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.

    Differs from Keras: functions take and give NumPy arrays; the config holds the vocabulary whoever set it.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: int | tuple[int, ...] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("dtype", None)
        super().__init__(name=name, **kwargs)
        self.output_mode: str = check_output_mode(self, output_mode, MODES)
        refuse(self, sparse=sparse, ragged=ragged)
        for argument, value, allowed in (("standardize", standardize, _STANDARDS), ("split", split, _SPLITS)):
            if value is not None and not callable(value) and value not in allowed:
                raise ValueError(
                    f"Unknown value for `{argument}` argument of layer TextVectorization. If `str`, allowed values are "
                    f"{allowed}. None and callables are allowed. Received: {argument}={shown(value)}"
                )
        if not (ngrams is None or _are_widths(ngrams if isinstance(ngrams, tuple) else (ngrams,))):
            raise ValueError(
                f"`ngrams` must be None, a positive integer, or a tuple of such. Received: ngrams={shown(ngrams)}"
            )
        if output_sequence_length is not None and self.output_mode != "int":
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. "
                f"Received output_sequence_length={quoted(output_sequence_length)}."
            )
        if output_sequence_length is not None and not isinstance(output_sequence_length, int):
            raise ValueError(
                "`output_sequence_length` must be either None or an integer when `output_mode` is 'int'. Received: "
                f"output_sequence_length={quoted(output_sequence_length)}"
            )
        if self.output_mode == "one_hot" and split is not None:
            raise ValueError(
                f"TextVectorization '{self.name}': `output_mode='one_hot'` gives texts of different lengths, which is "
                "not supported unless `split` is None."
            )
        self.standardize: Any = standardize
        self.split: Any = split
        self.ngrams: tuple[int, ...] | int | None = ngrams
        self.output_sequence_length = output_sequence_length
        self._lookup_layer = StringLookup(
            max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            encoding=encoding,
            vocabulary_size=vocabulary_size,
        )

    def build(self, input_shape: Shape) -> None:
        self._lookup_layer.build(input_shape)

    # The vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Return the tokens in the order of their places.

        Args:
            include_special_tokens: Boolean, whether those of padding and of what is not in the vocabulary come first.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Return the number of places."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the tokens; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Set the vocabulary to the tokens of texts, the most frequent first, then in descending order.

        Args:
            data: Array or list of texts, or an iterable of such.
            batch_size: Changes nothing, as in Keras.
            steps: Number of those that are read, None for all.

        Raises:
            ValueError: When the vocabulary was given as an argument.
        """
        self._lookup_layer.adapt_to(self._documents(batch) for batch in batches_of(data, steps))

    def _documents(self, texts: Any) -> list[list[bytes]]:
        strings = tokens.as_strings(texts)
        return self._tokens(strings[..., np.newaxis] if strings.ndim == 1 else strings)[1]

    # Running

    def call(self, inputs: Any) -> np.ndarray:
        shape, rows = self._tokens(tokens.as_strings(inputs))
        lookup, length = self._lookup_layer, self.output_sequence_length
        if self.output_mode == "int":
            width = max(map(len, rows), default=0) if length is None else length
            places = np.zeros((len(rows), width), np.int64)
            for place, row in zip(places, rows, strict=True):
                place[: len(row)] = lookup.places(_array(row[:width]))
            return places.reshape(*shape, width)
        if self.output_mode == "one_hot":
            return lookup.encode(lookup.places(_array([token for row in rows for token in row]).reshape(*shape, -1)))
        vectors = [lookup.encode(lookup.places(_array(row))) for row in rows]
        empty = np.zeros((0, lookup.depth or 0), np.int64)
        return (np.stack(vectors) if vectors else empty).reshape(*shape, -1 if vectors else empty.shape[1])

    def _tokens(self, strings: np.ndarray) -> tuple[tuple[int, ...], list[list[bytes]]]:
        """The shape in which there are texts, and the tokens of each."""
        if callable(self.standardize):
            strings = tokens.as_strings(self.standardize(tokens.decoded(strings)))
        elif self.standardize is not None:
            strings = tokens.standardized(strings, self.standardize)
        shape, rows = self._split(strings)
        if self.ngrams is None:
            return shape, rows
        return shape, [tokens.ngrams(row, self._widths(len(row))) for row in rows]

    def _widths(self, longest: int) -> Iterable[int]:
        return range(1, min(self.ngrams, longest) + 1) if isinstance(self.ngrams, int) else self.ngrams or ()

    def _split(self, strings: np.ndarray) -> tuple[tuple[int, ...], list[list[bytes]]]:
        if self.split is None:
            return strings.shape[:-1], strings.reshape(-1, strings.shape[-1] if strings.ndim else 1).tolist()
        if strings.ndim > 1 and strings.shape[-1] != 1:
            raise ValueError(
                "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
                f"dimension must be 1. Received: inputs.shape={strings.shape} with rank={strings.ndim}"
            )
        strings = strings[..., 0] if strings.ndim > 1 else strings
        if callable(self.split):
            rows = [tokens.as_strings(list(row)).tolist() for row in self.split(tokens.decoded(strings))]
            return strings.shape, rows
        return strings.shape, [tokens.split(item, self.split) for item in strings.ravel().tolist()]

    raw_dtype = "string"

    @property
    def output_dtype(self) -> str:
        return self._lookup_layer.output_dtype

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        shape = tuple(input_shape)
        if self.split is not None:
            shape = (*(shape[:-1] if len(shape) > 1 else shape), None)
        if self.output_mode == "int":
            return (*shape[:-1], self.output_sequence_length or (None if self.split or self.ngrams else shape[-1]))
        if self.output_mode == "one_hot":
            return self._lookup_layer.compute_output_shape(shape)
        return (*shape[:-1], self._lookup_layer.depth)

    @property
    def stored_constants(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        return self._lookup_layer.stored_constants

    # Configs

    def get_config(self) -> dict[str, Any]:
        lookup = self._lookup_layer
        return {
            **super().get_config(),
            "max_tokens": lookup.max_tokens,
            "standardize": _serialized(self.standardize),
            "split": _serialized(self.split),
            "ngrams": self.ngrams,
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            "pad_to_max_tokens": lookup.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            **lookup.vocabulary_config(),
            "encoding": lookup.encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextVectorization:
        check_vocabulary(config)
        config = dict(config)
        for argument, allowed in (("standardize", _STANDARDS), ("split", _SPLITS)):
            if config.get(argument) is not None and config[argument] not in allowed:
                config[argument] = _given_function(config[argument], argument, config.get("name"))
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)


def _are_widths(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int) and value > 0 for value in values)


def _array(row: Sequence[bytes]) -> np.ndarray:
    array = np.empty(len(row), object)
    array[:] = row
    return array


def _serialized(function: Any) -> Any:
    if not callable(function):
        return function
    name = getattr(function, "__name__", "<lambda>")
    if name == "<lambda>":
        raise ValueError("A function without a name is not written to files: give one that is made with `def`.")
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": get_registered_name(function),
    }


def _given_function(value: Any, argument: str, layer: Any) -> Callable[[np.ndarray], Any]:
    """The caller's function for the one that a file names."""
    is_function = isinstance(value, dict) and value.get("class_name") == "function"
    names = [value.get("registered_name"), value.get("config")] if is_function else [value]
    names = [name for name in names if isinstance(name, str)]
    for name in names:
        found = get_registered_object(name) or get_registered_object(name.rpartition(">")[2])
        if found is not None:
            return found
    name = names[-1] if names else "function"
    raise LayerConfigError(
        f"Layer '{layer}' (class TextVectorization) was saved with a function as `{argument}`, and code is never run "
        f"from a file. Give it, of an array of str: load_model(path, custom_objects={{{name!r}: function}})"
    )
