"""`StringLookup` and `IntegerLookup`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.layers.base.serialization import register
from fastlstm.layers.preprocessing.encoding import as_integers
from fastlstm.layers.preprocessing.index_lookup import IndexLookup
from fastlstm.layers.preprocessing.tokens import as_strings
from fastlstm.printable import quoted


@register
class StringLookup(IndexLookup):
    """Strings as their places in a vocabulary, or back: `bytes`, as TensorFlow has strings.

    Args:
        max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode: As for
            `IndexLookup`.
        pad_to_max_tokens, sparse: As for `IndexLookup`.
        encoding: Of the strings that `get_vocabulary` returns.
        name: String; None makes one.
        salt: As for `IndexLookup`.
        **kwargs: As for `IndexLookup`.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        kwargs |= {"output_mode": output_mode, "sparse": sparse, "pad_to_max_tokens": pad_to_max_tokens, "salt": salt}
        arguments = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert)
        super().__init__(*arguments, name=name, **kwargs)

    def terms(self, values: Any) -> np.ndarray:
        return as_strings(values)

    def plain(self, term: bytes) -> str:
        return term.decode(self.encoding, "replace")

    def from_line(self, line: str) -> str:
        return line

    @property
    def raw_dtype(self) -> str:  # type: ignore[override]
        return "int64" if self.invert else "string"

    @property
    def output_dtype(self) -> str:
        return "string" if self.invert else super().output_dtype

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoding": self.encoding}


@register
class IntegerLookup(IndexLookup):
    """Integers as their places in a vocabulary, or back.

    Args:
        max_tokens, num_oov_indices, mask_token, oov_token, vocabulary: As for `IndexLookup`.
        vocabulary_dtype: Only `"int64"`.
        idf_weights, invert, output_mode, sparse, pad_to_max_tokens, oov_method, salt: As for `IndexLookup`.
        name: String; None makes one.
        **kwargs: As for `IndexLookup`.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ValueError(
                "Only `vocabulary_dtype='int64'` is supported at this time. "
                f"Received: vocabulary_dtype={quoted(vocabulary_dtype)}"
            )
        if salt is not None and oov_method != "farmhash":
            raise ValueError(
                f"`salt` can only be used when `oov_method='farmhash'`. Received: oov_method={quoted(oov_method)}"
            )
        kwargs |= {"output_mode": output_mode, "sparse": sparse, "pad_to_max_tokens": pad_to_max_tokens}
        kwargs |= {"oov_method": oov_method, "salt": salt, "name": name}
        super().__init__(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, **kwargs)

    def terms(self, values: Any) -> np.ndarray:
        return as_integers(values).astype(object)

    def plain(self, term: int) -> int:
        return term

    def from_line(self, line: str) -> int:
        return int(line)

    def inverted_as(self, terms: np.ndarray) -> np.ndarray:
        return terms.astype(np.int64)

    @property
    def output_dtype(self) -> str:
        return "int64" if self.invert else super().output_dtype

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_dtype": "int64"}
