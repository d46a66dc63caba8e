"""Everything in a model file that is not supported, at once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastlstm.layers.base.serialization import deserialize
from fastlstm.models.loading import load_model
from fastlstm.models.model import Model
from fastlstm.saving import open_file
from fastlstm.saving.source import Source

# Where a config holds the layers inside a layer: models, wrappers, layers over cells.
_INSIDE = ("layers", "layer", "backward_layer", "cell", "cells")
_STEPS = 3  # of a sequence whose length the model leaves open


# What to do about errors that do not say it, by what they say.
_ADVICE = (
    (r"custom_objects|do it before|load_weights", ""),
    (
        r"activation function identifier: (?:.*>)?(\w+)",
        r'Give the function, of NumPy arrays: custom_objects={"\1": \1}.',
    ),
    (r"quantiz|'(?:int8|int4|float8)", "Save the model as it was before `quantize`."),
    (r"float64", "Make the model anew in Keras with dtype float32, give it the weights with `set_weights`, save that."),
    (r"sparse=True", "Make the model with a dense input: only `keras.Input` differs, the weights fit."),
    (r"Lambda", "Make it a Lambda layer of the model, or do it outside of the model, before or after."),
)
_OTHERWISE = (
    "Do it outside of the model, before or after, or replace it by layers that are supported, and load the weights of "
    "the others into that model with `load_weights`."
)


@dataclass(frozen=True)
class Problem:
    """What keeps a model from running, and what to do about it where that does not say so itself."""

    what: str
    advice: str


@dataclass
class Report:
    """What `check` found.

    Args:
        keras_version: The version of Keras that wrote the file, if it says so.
        problems: Why the model does not open or run.
        notes: What it warns of.
        model: The model, if it opens.
    """

    keras_version: str | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    model: Model | None = None


def check(filepath: Source) -> Report:
    """Find everything in a file that keeps its model from running.

    Each layer is looked at by itself, so that one that is not supported does not hide the next. A model that opens is
    run once, on zeros.

    Args:
        filepath: As for `load_model`.
    """
    report = Report()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _examine(filepath, report)
    report.notes = list(dict.fromkeys(str(warning.message) for warning in caught))
    return report


def _examine(filepath: Source, report: Report) -> None:
    found: list[str] = []
    try:
        with open_file(filepath) as file:
            report.keras_version = file.keras_version
            config, found = file.examined()
        found += _of_layers(config)
        if not found:
            report.model = load_model(filepath, compile=False)
            report.model.predict(_zeros(report.model), verbose=0)
    except Exception as error:  # of whatever kind: to say so is what this is for
        found.append(str(error) or type(error).__name__)
    report.problems = [_problem(what) for what in found]


def _problem(what: str) -> Problem:
    what = re.sub(r" The supported classes are: [\w, ]+\.", "", what)
    for pattern, advice in _ADVICE:
        match = re.search(pattern, what)
        if match:
            return Problem(what, match.expand(advice))
    return Problem(what, _OTHERWISE if re.match("(?i)layer|operation|the activation", what) else "")


def _of_layers(config: dict[str, Any]) -> list[str]:
    """What keeps the layers of a config from being made; of those inside where it is they."""
    found = [problem for inner in _inside(config) for problem in _of_layers(inner)]
    if found or "layers" in config["config"]:
        return found
    try:
        deserialize(config)
    except (ValueError, TypeError, NotImplementedError, MemoryError) as error:
        return [str(error)]
    return []


def _inside(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in _INSIDE:
        value = config["config"].get(key)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and isinstance(inner.get("config"), dict):
                yield inner


def _zeros(model: Model) -> Any:
    """An input of one sample, or one for each of several inputs."""
    x = []
    for tensor in model.inputs:
        sizes = [size or _STEPS for size in tensor.shape[1:]]
        x.append(np.zeros((tensor.shape[0] or 1, *sizes), "U1" if tensor.dtype == "string" else tensor.dtype))
    return x if len(x) > 1 else x[0]
