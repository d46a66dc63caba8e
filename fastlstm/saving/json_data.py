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


def plain(data: Any) -> Any:
    """Resolve Keras' encodings of tuples, arrays and shapes, and drop `shared_object_id` (a Python id).

    Args:
        data: Parsed JSON.

    Returns:
        Dicts, lists, strings, numbers, booleans and None.
    """
    if isinstance(data, list):
        return [plain(item) for item in data]
    if not isinstance(data, dict):
        return data
    match data:
        case {"class_name": "__tuple__" | "TensorShape", "items": items}:
            return plain(items)
        case {"class_name": "__numpy__", "config": {"value": value}}:
            return value
        case {"type": "ndarray", "value": value} if len(data) == 2:
            return value
    return {key: plain(value) for key, value in data.items() if key != "shared_object_id"}
