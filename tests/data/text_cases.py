"""Layers that take texts or categories, and what they are given: for the script that asks Keras, and for the tests."""

from __future__ import annotations

from typing import Any

WORDS = ["the", "cat", "dog", "hat"]
TEXTS = ["The cat, the dog!", "hat", "", "  foo bar\tcat cat ", "É é\u00a0naïve 日本 cat's", "don't-stop (THE) [hat]"]
COLUMN = [[text] for text in TEXTS]
TOKENS = [["the", "cat", "x"], ["dog", "dog", ""], ["hat", "日本", "z"]]
IDF = [0.1, 0.25, 0.7, 0.4]
DOCUMENTS = ["hello world the cat", "the dog, the hat!", "Hello there the", "b a b a c", "日本 the"]

Case = tuple[str, dict[str, Any], Any, Any]


def cases() -> list[Case]:
    """Return `(class, arguments, what it adapts to or None, inputs)`."""
    return [*_vectorizations(), *_strings(), *_integers(), *_categories()]


def _vectorizations() -> list[Case]:
    found: list[Case] = []
    for mode in ("int", "multi_hot", "count", "tf_idf", "binary"):
        weights = {"idf_weights": IDF} if mode == "tf_idf" else {}
        known = {"vocabulary": WORDS, "output_mode": mode, **weights}
        found += [
            ("TextVectorization", known, None, COLUMN),
            ("TextVectorization", known, None, TEXTS),
            ("TextVectorization", known, None, "the cat"),
            ("TextVectorization", {**known, "split": None, "standardize": None}, None, TOKENS),
            ("TextVectorization", {"output_mode": mode}, DOCUMENTS, COLUMN),
            ("TextVectorization", {"output_mode": mode, "ngrams": 2}, DOCUMENTS, COLUMN),
        ]
        if mode != "int":
            padded = {**known, "max_tokens": 9, "pad_to_max_tokens": True}
            found.append(("TextVectorization", padded, None, COLUMN))
    for more in (
        {"standardize": "lower"},
        {"standardize": "strip_punctuation"},
        {"standardize": None},
        {"split": "character"},
        {"split": "character", "standardize": None, "ngrams": (3,)},
        {"ngrams": (2, 3)},
        {"ngrams": (1, 3)},
        {"output_sequence_length": 2},
        {"output_sequence_length": 7},
        {"max_tokens": 4},
        {"output_sequence_length": 3, "ngrams": 2, "max_tokens": 12},
    ):
        found.append(("TextVectorization", more, DOCUMENTS, COLUMN))
    for length in (2, 5):
        cut = {"vocabulary": WORDS, "split": None, "output_sequence_length": length}
        found.append(("TextVectorization", cut, None, TOKENS))
    found.append(
        ("TextVectorization", {"vocabulary": ["", "[UNK]", *WORDS]}, None, [[["cat"], ["x"]], [["hat the"], [""]]])
    )
    return found


def _strings() -> list[Case]:
    found: list[Case] = []
    inputs = ("cat", ["cat", "x", "the"], TOKENS, [["cat"], ["x"]], [TOKENS, TOKENS[::-1]])
    for mode in ("int", "one_hot", "multi_hot", "count", "tf_idf", "binary"):
        weights = {"idf_weights": IDF} if mode == "tf_idf" else {}
        known = {"vocabulary": WORDS, "output_mode": mode, **weights}
        found += [("StringLookup", known, None, given) for given in inputs]
        found.append(("StringLookup", {**known, "mask_token": ""}, None, TOKENS))
        found.append(("StringLookup", {**known, "num_oov_indices": 3, "mask_token": "the1"}, None, TOKENS))
        found.append(
            ("StringLookup", {"output_mode": mode, "mask_token": "z"}, [["b", "a", "z"], ["a", "c", "a"]], TOKENS)
        )
    for more in (
        {"num_oov_indices": 0},
        {"num_oov_indices": 4, "salt": 133},
        {"num_oov_indices": 4, "salt": [133, 7]},
        {"oov_token": "x", "mask_token": "z"},
        {"max_tokens": 5},
    ):
        given = WORDS if more.get("num_oov_indices") == 0 else [*TOKENS[0], *TOKENS[2], "a longer one " * 9]
        found.append(("StringLookup", {"vocabulary": WORDS, **more}, None, given))
    tokens = {"vocabulary": ["", "[UNK]", *WORDS], "mask_token": ""}
    found += [
        ("StringLookup", tokens, None, TOKENS),
        ("StringLookup", {"vocabulary": WORDS, "invert": True}, None, [[0, 1, 4], [5, -1, 2]]),
        ("StringLookup", {**tokens, "invert": True}, None, [[0, 1, 4], [5, -1, 2]]),
        ("StringLookup", {"vocabulary": WORDS, "invert": True, "num_oov_indices": 2}, None, [[0, 1, 4], [5, -1, 2]]),
        ("StringLookup", {"max_tokens": 3}, ["b", "a", "b", "c", "a"], ["a", "b", "c", "d"]),
    ]
    return found


def _integers() -> list[Case]:
    terms, given = [12, 36, 1138, 4000000007], [[12, 1138, 5], [4000000007, -3, 36]]
    found: list[Case] = []
    for mode in ("int", "one_hot", "multi_hot", "count", "tf_idf"):
        weights = {"idf_weights": IDF} if mode == "tf_idf" else {}
        known = {"vocabulary": terms, "output_mode": mode, **weights}
        found += [
            ("IntegerLookup", known, None, given),
            ("IntegerLookup", {**known, "mask_token": 5, "num_oov_indices": 3}, None, given),
            ("IntegerLookup", {"output_mode": mode}, [[7, 7, 8], [1, 8, 8]], [[8, 7], [1, 2]]),
        ]
    return [
        *found,
        ("IntegerLookup", {"vocabulary": terms, "num_oov_indices": 4, "oov_method": "farmhash"}, None, given),
        (
            "IntegerLookup",
            {"vocabulary": terms, "num_oov_indices": 4, "oov_method": "farmhash", "salt": 9},
            None,
            given,
        ),
        ("IntegerLookup", {"vocabulary": terms, "invert": True, "mask_token": 0}, None, [[0, 1, 2], [5, 9, 3]]),
        ("IntegerLookup", {"vocabulary": terms}, None, [12.0, 36.9, 5.0]),
    ]


def _categories() -> list[Case]:
    found: list[Case] = []
    numbers = [[0, 1, 3], [3, 3, 7]]
    for mode in ("one_hot", "multi_hot", "count"):
        found += [
            ("CategoryEncoding", {"num_tokens": 4, "output_mode": mode}, None, x)
            for x in (numbers, [[1], [2]], [2, 0, 9])
        ]
    floats = [[-3.0, 0.0, 0.5], [1.0, 7.5, 0.49]]
    for mode in ("int", "one_hot", "multi_hot", "count"):
        found += [
            ("Discretization", {"bin_boundaries": [0.0, 0.5, 1.0], "output_mode": mode}, None, floats),
            (
                "Discretization",
                {"num_bins": 4, "epsilon": 0.1, "output_mode": mode},
                [[0.1 * i**1.5 for i in range(50)]],
                floats,
            ),
            ("Hashing", {"num_bins": 5, "output_mode": mode}, None, TOKENS),
            ("Hashing", {"num_bins": 5, "output_mode": mode, "mask_value": "dog", "salt": [1, 2]}, None, TOKENS),
            ("Hashing", {"num_bins": 7, "output_mode": mode, "mask_value": 3}, None, numbers),
        ]
    return found
