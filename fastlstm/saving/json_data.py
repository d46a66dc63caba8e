"""JSON from a file: size and depth are capped, and Keras' encodings of Python values become plain data."""

from __future__ import annotations

import json
from typing import Any

from fastlstm.saving.errors import SavedModelError

MAX_JSON_BYTES = 64 * 2**20
MAX_DEPTH = 200  # a model nested ten deep needs about 60


def parse_json(text: str | bytes, what: str) -> dict[str, Any]:
    """Parse one JSON object. Python's `NaN` and `Infinity` tokens are accepted, as Keras writes them.

    Args:
        text: The JSON text.
        what: Names the text in errors, for example `config.json of model.keras`.

    Raises:
        ValueError: Too long, too deep, not JSON, or not an object.
    """
    if len(text) > MAX_JSON_BYTES:
        raise SavedModelError(f"{what} has {len(text)} bytes; at most {MAX_JSON_BYTES} are accepted.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SavedModelError(f"{what} is not valid JSON: {error}") from error
    _check_depth(data, what)
    if not isinstance(data, dict):
        raise SavedModelError(f"{what} should hold a JSON object, but holds a {type(data).__name__}.")
    return data


def _check_depth(data: Any, what: str) -> None:
    level = [data]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise SavedModelError(f"{what} is nested deeper than {MAX_DEPTH} levels.")


def plain(data: Any, constants: bool = False) -> Any:
    """Resolve Keras' encodings of tuples, arrays and shapes, and drop `shared_object_id` (a Python id).

    Arrays in the calls of a graph stay `{"class_name": "__numpy__", "config": {"value", "dtype"}}`: there, a list is
    something else. Everywhere else they become lists.

    Args:
        data: Parsed JSON.
        constants: Whether this is part of a call.

    Returns:
        Dicts, lists, strings, numbers, booleans and None.
    """
    if isinstance(data, list):
        return [plain(item, constants) for item in data]
    if not isinstance(data, dict):
        return data
    match data:
        case {"class_name": "__tuple__" | "TensorShape", "items": items}:
            return plain(items, constants)
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": value} as config}:
            return array(value, config.get("dtype")) if constants else value
        case {"type": "ndarray", "value": value} if len(data) == 2:
            return array(value) if constants else value
    return {
        key: plain(value, constants or key == "inbound_nodes")
        for key, value in data.items()
        if key != "shared_object_id"
    }


def array(value: Any, dtype: Any = None) -> dict[str, Any]:
    """Return Keras' encoding of an array.

    Args:
        value: Its numbers, in nested lists.
        dtype: Its name; None leaves it to the numbers.
    """
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": dtype}}
