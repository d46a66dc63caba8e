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
    if not isinstance(data, dict):
        raise SavedModelError(f"{what} should hold a JSON object, but holds a {type(data).__name__}.")
    _make_plain(data, what)
    if _may_hold_controls(text):
        data = _without_controls(data)
    return data


def _containers(text: str | bytes) -> int:
    """How many objects and lists the text makes at most, seen without making any."""
    return text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")


def _make_plain(data: dict[str, Any], what: str) -> None:
    """Resolve encoded values below `data`, in place, level by level.

    Arrays in the calls of a graph stay `{"class_name": "__numpy__", "config": {"value", "dtype"}}`: there, a list is
    something else. Everywhere else they become lists.

    Raises:
        ValueError: There are too many levels.
    """
    levels: list[list[Any]] = [[data], []]  # what is not in the calls of a graph, and what is
    for _ in range(DEPTH):
        deeper: list[list[Any]] = [[], []]
        for in_call, level in enumerate(levels):
            for container in level:
                if type(container) is dict:
                    container.pop("shared_object_id", None)
                    items: Any = container.items()
                else:
                    items = enumerate(container)
                for key, value in items:
                    if type(value) is not dict and type(value) is not list:
                        continue
                    inside = in_call or key == "inbound_nodes"
                    if type(value) is dict and ("class_name" in value or "type" in value):
                        value = container[key] = _decoded(value, bool(inside))
                    if type(value) is dict or type(value) is list:
                        deeper[inside].append(value)
        levels = deeper
        if not any(levels):
            return
    raise SavedModelError(f"{what} is nested deeper than {DEPTH} levels.")


def _decoded(value: dict[str, Any], in_call: bool) -> Any:
    """What a dict stands for, if it is the encoding of something; else the dict."""
    found: Any = value
    while isinstance(found, dict):
        match found:
            case {"class_name": "__tuple__" | "TensorShape", "items": inner}:
                pass
            case {"class_name": "__numpy__" | "__tensor__", "config": {"value": inner} as config}:
                if in_call:
                    return array(inner, config.get("dtype"))
            case {"type": "ndarray", "value": inner} if len(found) == 2:
                if in_call:
                    return array(inner)
            case _:
                return found
        found = inner
    return found


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
