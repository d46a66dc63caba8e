"""JSON from a file: size and depth are capped, and Keras' encodings of Python values become plain data."""

from __future__ import annotations

import json
from typing import Any

from fastlstm.printable import escaped
from fastlstm.saving.budget import DEPTH, Budget
from fastlstm.saving.errors import SavedModelError


def parse_json(text: str | bytes, what: str, budget: Budget) -> dict[str, Any]:
    """Parse one JSON object. Python's `NaN` and `Infinity` tokens are accepted, as Keras writes them.

    Args:
        text: The JSON text.
        what: Names the text in errors, for example `config.json of model.keras`.
        budget: What the load may take.

    Returns:
        Dicts, lists, strings without control characters, numbers, booleans and None: Keras' encodings of tuples, arrays
        and shapes are resolved, and `shared_object_id`, a Python id, is left out.

    Raises:
        ValueError: Too long, too deep, not JSON, or not an object.
    """
    budget.take("bytes of JSON", len(text), what)
    budget.take("objects and lists in JSON", _containers(text), what)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SavedModelError(f"{what} is not valid JSON: {error}") from error
    _check_depth(data, what)
    if not isinstance(data, dict):
        raise SavedModelError(f"{what} should hold a JSON object, but holds a {type(data).__name__}.")
    _make_plain(data)
    if _may_hold_controls(text):
        data = _without_controls(data)
    return data


def _containers(text: str | bytes) -> int:
    """How many objects and lists the text makes at most, seen without making any."""
    return text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")


def _check_depth(data: Any, what: str) -> None:
    level = [data]
    for _ in range(DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if type(item) is dict else item)
            if type(child) in (dict, list)
        ]
        if not level:
            return
    raise SavedModelError(f"{what} is nested deeper than {DEPTH} levels.")


def _make_plain(data: dict[str, Any]) -> None:
    """Resolve encoded values below `data`, in place.

    Arrays in the calls of a graph stay `{"class_name": "__numpy__", "config": {"value", "dtype"}}`: there, a list is
    something else. Everywhere else they become lists.
    """
    pending: list[tuple[Any, bool]] = [(data, False)]
    while pending:
        container, in_call = pending.pop()
        if type(container) is dict:
            container.pop("shared_object_id", None)
            items: Any = container.items()
        else:
            items = enumerate(container)
        for key, value in items:
            inside = in_call or key == "inbound_nodes"
            if type(value) is dict and ("class_name" in value or "type" in value):
                value = container[key] = _decoded(value, inside)
            if type(value) is dict or type(value) is list:
                pending.append((value, inside))


def _decoded(value: dict[str, Any], in_call: bool) -> Any:
    """What a dict stands for, if it is the encoding of something; else the dict."""
    match value:
        case {"class_name": "__tuple__" | "TensorShape", "items": found}:
            pass
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": found} as config}:
            if in_call:
                return array(found, config.get("dtype"))
        case {"type": "ndarray", "value": found} if len(value) == 2:
            if in_call:
                return array(found)
        case _:
            return value
    return _decoded(found, in_call) if isinstance(found, dict) else found


def array(value: Any, dtype: Any = None) -> dict[str, Any]:
    """Return Keras' encoding of an array.

    Args:
        value: Its numbers, in nested lists.
        dtype: Its name; None leaves it to the numbers.
    """
    return {"class_name": "__numpy__", "config": {"value": value, "dtype": dtype}}


def _may_hold_controls(text: str | bytes) -> bool:
    if isinstance(text, str):
        return "\\" in text or "\x7f" in text or not text.isascii()
    return b"\\" in text or b"\x7f" in text or not text.isascii()


def _without_controls(data: Any) -> Any:
    """The data with escapes in place of control characters; nothing that Keras writes has any."""
    if isinstance(data, str):
        return escaped(data)
    if isinstance(data, list):
        return [_without_controls(item) for item in data]
    if isinstance(data, dict):
        return {escaped(key): _without_controls(item) for key, item in data.items()}
    return data
