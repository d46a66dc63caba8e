"""Vocabularies that files have outside of the config: in it they are where the layers look for them.

assets/layers/string_lookup/vocabulary.txt     in a `.keras` file, a term a line, special tokens first
layers/string_lookup/vars/idf_weights          in its weight store, beside the vocabulary of `tf_idf`
saved_model.pb                                 a constant of TensorFlow's graph, in a SavedModel
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.identifiers import snake_case
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.protobuf import Message

LOOKUPS = ("IntegerLookup", "StringLookup", "TextVectorization")
_STRING, _INT64 = 7, 9  # TensorFlow's DT_STRING and DT_INT64

Find = Callable[[str, dict[str, Any]], dict[str, Any]]


def with_vocabularies(model: dict[str, Any], find: Find) -> dict[str, Any]:
    """Return a serialized model whose layers have their vocabularies in their configs.

    Args:
        model: As written.
        find: `find(path, entry)` gives what the config of a layer lacks, which is at such a path in a weight store.
    """
    config = model.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return model
    return {**model, "config": {**config, "layers": _layers(config["layers"], "layers", find)}}


def _layers(written: list[Any], path: str, find: Find) -> list[Any]:
    numbers: Counter[str] = Counter()
    layers = []
    for entry in written:
        if _is_layer(entry):
            name = snake_case(entry["class_name"].rpartition(">")[2])
            place = f"{path}/{name}_{numbers[name]}" if numbers[name] else f"{path}/{name}"
            numbers[name] += 1
            entry = {**entry, "config": _config(entry, place, find)}
        layers.append(entry)
    return layers


def _is_layer(entry: Any) -> bool:
    return (
        isinstance(entry, dict) and isinstance(entry.get("class_name"), str) and isinstance(entry.get("config"), dict)
    )


def _config(entry: dict[str, Any], path: str, find: Find) -> dict[str, Any]:
    config = entry["config"]
    if entry["class_name"] in LOOKUPS:
        return config if config.get("vocabulary") is not None else {**config, **find(path, entry)}
    inner = config.get("layers")
    return {**config, "layers": _layers(inner, f"{path}/layers", find)} if isinstance(inner, list) else config


def of_asset(entry: dict[str, Any], content: bytes | None, weights: Callable[[], np.ndarray | None]) -> dict[str, Any]:
    """Return what a config lacks.

    Args:
        entry: The serialized layer.
        content: The asset, None if there is none.
        weights: Reads the weights of `tf_idf`, None if there are none.

    Raises:
        ValueError: When the asset is no text, or has lines that are no integers where it should.
    """
    if content is None:
        return {}
    try:
        lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")
        while lines and not lines[-1]:
            lines.pop()
        terms = [int(line) for line in lines] if entry["class_name"] == "IntegerLookup" else lines
    except ValueError as error:
        raise SavedModelError(f"The vocabulary of {entry['class_name']} cannot be read: {error}") from error
    if not terms:
        return {}
    if entry["config"].get("output_mode") not in ("tf_idf", "tf-idf"):
        return {"vocabulary": terms}
    found = weights()
    if found is None or found.ndim != 1 or len(found) < len(terms):
        raise SavedModelError(f"The file lacks the idf_weights of a {entry['class_name']}.")
    return {"vocabulary": terms, "idf_weights": found[: len(terms)].tolist()}


def of_graph(content: memoryview | bytes, budget: Budget) -> Find:
    """Return what finds vocabularies in a SavedModel: constants of as many terms as a config says.

    Args:
        content: `saved_model.pb`.
        budget: What the load may take.
    """
    constants: list[list[Any]] = []
    for meta_graph in Message(content, budget).messages(2):
        for graph in meta_graph.messages(2):
            constants += [values for node in graph.messages(1) if (values := _constant(node))]

    def find(path: str, entry: dict[str, Any]) -> dict[str, Any]:
        config, class_name = entry["config"], entry["class_name"]
        size, special = config.get("vocabulary_size"), config.get("num_oov_indices", 1)
        if not isinstance(size, int) or not isinstance(special, int) or config.get("output_mode", "int") == "tf_idf":
            return {}
        masked = class_name == "TextVectorization" or config.get("mask_token") is not None
        special += masked and config.get("output_mode", "int") == "int"
        kind = int if class_name == "IntegerLookup" else str
        fitting = [values for values in constants if len(values) == size - special and isinstance(values[0], kind)]
        # The places of the terms are a constant too.
        fitting = [values for values in fitting if values != list(range(special, size))]
        # Of several of one size, nobody knows which it is.
        return {"vocabulary": fitting[0]} if fitting and all(values == fitting[0] for values in fitting) else {}

    return find


def _constant(node: Message) -> list[Any]:
    """The strings or integers of a constant of one axis, none of another node."""
    if node.text(2) != "Const":
        return []
    for attribute in node.messages(5):
        if attribute.text(1) == "value":
            for tensor in (tensor for value in attribute.messages(2) for tensor in value.messages(8)):
                if tensor.integer(1) == _STRING:
                    return [bytes(piece).decode("utf-8", "replace") for piece in tensor.pieces(8)]
                if tensor.integer(1) == _INT64:
                    content = b"".join(map(bytes, tensor.pieces(4)))
                    return [int(value) for value in np.frombuffer(content[: len(content) // 8 * 8], "<i8")]
    return []
