"""`Model.quantize`: weights of layers become integers, for the engine's products of integers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import INTEGER_MODES, IntegerMatrix, quantized_matrix
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.variable import CHANGES, Variable
from fastlstm.printable import quoted, shown

if TYPE_CHECKING:
    from fastlstm.models.predictor import Predictor

Filters = str | Sequence[str] | Callable[[Layer], bool] | None


def quantize(model: Layer, mode: Any, config: Any = None, filters: Filters = None) -> None:
    """Quantize a model; see `Model.quantize`."""
    if config is not None:
        raise ValueError(f"`config` is not supported: give a `mode`. Received: config={shown(config)}")
    if not isinstance(mode, str) or mode not in INTEGER_MODES:
        known = ", ".join(map(repr, INTEGER_MODES))
        raise ValueError(f"Invalid quantization mode. Expected one of ({known}). Received: mode={shown(mode)}")
    if not model.built:
        raise ValueError(
            f"Cannot quantize a layer that isn't yet built. Layer '{model.name}' (of type '{type(model).__name__}') is "
            "not built yet."
        )
    chosen = _filter(filters)
    with CHANGES.lock:
        found: dict[Variable, IntegerMatrix] = {}
        for named, layer in quantizable(model):
            if chosen(named):
                _check_floats(named, mode)
                found |= _quantized(named, layer, mode)
        with CHANGES.making(*found):
            for variable, integers in found.items():
                variable.adopt_integers(integers)


def quantizable(layer: Layer) -> Iterator[tuple[Layer, Layer]]:
    """Yield what has weights that can be integers, of a layer and those inside it, each once.

    Yields:
        The layer by whose name users know it, and itself: of a recurrent layer its cell.
    """
    seen: set[int] = set()
    pending: list[tuple[Any, Any]] = [(layer, layer)]
    while pending:
        named, found = pending.pop(0)
        if id(found) in seen or not isinstance(found, Layer) or not found.built:
            continue
        seen.add(id(found))
        if found.native and found.integer_weights():
            yield named, found
        inside_rnn = found.recurrent or named.recurrent
        pending = [(named if inside_rnn else child, child) for child in found.children] + pending


def _quantized(named: Layer, layer: Layer, mode: str) -> dict[Variable, IntegerMatrix]:
    found = {}
    for variable, layout in layer.integer_weights().items():
        value = variable.value
        if not np.isfinite(value.min()) or not np.isfinite(value.max()):
            raise ValueError(
                f"Layer '{named.name}' (of type {type(named).__name__}) cannot be quantized: its weight "
                f"'{variable.path}' has a value that is infinite or NaN."
            )
        found[variable] = quantized_matrix(value, mode, layout)
    return found


def _check_floats(layer: Layer, mode: str) -> None:
    if layer.quantized_to is not None:
        raise ValueError(
            f"Layer '{layer.name}' is already quantized to {layer.quantized_to}. Received: mode={quoted(mode)}"
        )


def _filter(filters: Any) -> Callable[[Layer], bool]:
    if filters is None:
        return lambda layer: True
    if callable(filters):
        return filters
    patterns = [filters] if isinstance(filters, str) else filters
    if not isinstance(patterns, (list, tuple)) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError(
            "The `filters` argument must be a regex string, a list of regex strings, or a callable. "
            f"Received: {type(filters)}"
        )
    return lambda layer: any(re.search(pattern, layer.name) for pattern in patterns)


def require_plain_inputs(model: Predictor) -> None:
    """Raise ValueError if a layer rounds its inputs, as those do that Keras quantized: no format says so of floats."""
    for layer in model.leaves():
        if layer.rounds_inputs:
            raise ValueError(
                f"Layer '{layer.name}' was quantized by Keras, whose integers are floats here: the saved model would "
                "give other outputs. Save its weights alone, or the whole by `save_packed`."
            )


def require_floats(layer: Layer, doing: str) -> None:
    """Raise ValueError if weights of a layer are quantized.

    Args:
        layer: The layer or model.
        doing: What cannot be done then, as the end of a sentence.
    """
    for inner, _ in quantizable(layer):
        if inner.quantized_to is not None:
            raise ValueError(
                f"Layer '{inner.name}' (of type {type(inner).__name__}) is quantized to {inner.quantized_to}, and "
                f"{doing}."
            )
