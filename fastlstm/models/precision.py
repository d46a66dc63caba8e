"""Configs of layers that should compute in float64, which here they do in float32."""

from __future__ import annotations

import warnings
from typing import Any

from fastlstm.layers.symbolic.operation import find
from fastlstm.printable import printable, shown
from fastlstm.saving.config import entries


def in_float32(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose layers compute in float32; warn of those that should in float64."""
    found = [entry for entry in entries(config) if entry["config"].get("dtype") == "float64" and _has_policy(entry)]
    if not found:
        return config
    names = sorted({printable(str(entry["config"].get("name"))) for entry in found})
    warnings.warn(
        f"{shown(names)} should compute in float64; they are loaded as float32, in which the last digits of the "
        "outputs differ.",
        stacklevel=4,
    )
    return _with_policy(config)


def _has_policy(entry: dict[str, Any]) -> bool:
    """Whether `dtype` is how a serialized object computes; an input, a constant or an operation gives what it says."""
    class_name = entry["class_name"]
    return class_name != "InputLayer" and not class_name.startswith("__") and find(class_name) is None


def _with_policy(nested: Any) -> Any:
    if isinstance(nested, list):
        return [_with_policy(item) for item in nested]
    if not isinstance(nested, dict):
        return nested
    kept = {key: _with_policy(item) for key, item in nested.items()}
    if isinstance(kept.get("class_name"), str) and isinstance(kept.get("config"), dict) and _has_policy(kept):
        config = kept["config"]
        if config.get("dtype") == "float64":
            kept["config"] = {**config, "dtype": "float32"}
    return kept
