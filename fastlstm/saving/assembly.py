"""What a file has for each layer of a model → the model's arrays, or one error that names what does not fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from fastlstm.records import Record
from fastlstm.saving.conversion import Recipe, Stored, describe, read_all, recipes, stored_count
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.spec import LayerSpec


class Found(Record):
    """A layer of the model beside the arrays that the file has for it, none where it lacks the layer.

    Args:
        layer: The layer, often a cell inside another one.
        path: Where it is in the model, for errors.
        arrays: The arrays for its own variables, in their order.
    """

    layer: LayerSpec
    path: str
    arrays: list[Stored]


def read_found(found: Iterable[Found], *, skip_mismatch: bool) -> list[np.ndarray | None]:
    """Read the arrays of a model; every count and shape is checked before any value is read.

    Args:
        found: Every layer that has variables, in the order of the model's.
        skip_mismatch: Leave None, and warn, where a layer does not fit, instead of raising.

    Returns:
        float32 arrays aligned with the model's variables.

    Raises:
        ValueError: A layer's count or shapes differ, or storage that is not accepted.
    """
    plans: list[Recipe | None] = []
    failures = []
    for item in found:
        plan, failure = _plan(item)
        plans.extend(plan)
        if failure:
            failures.append((item.layer, failure))
    if failures:
        layer, failure = failures[0]
        message = (
            f"A total of {len(failures)} objects could not be loaded. "
            f"Example error message for object <{layer.class_name} name={layer.name}>: {failure}"
        )
        if not skip_mismatch:
            raise SavedModelError(message)
        warnings.warn(message, stacklevel=2)
    return read_all(plans)


def no_weights(spec: LayerSpec) -> SavedModelError:
    """The error for a file that holds none of a model's weights."""
    return SavedModelError(
        f"The file contains no weights, but '{spec.name}' expects {sum(1 for _ in spec.flatten())}. "
        "It was probably saved before the model was built."
    )


def _plan(item: Found) -> tuple[list[Recipe | None], str | None]:
    """The recipes of one layer's own variables, and what is wrong with them."""
    layer, count = item.layer, stored_count(item.layer, item.arrays)
    nothing: list[Recipe | None] = [None] * len(layer.variables)
    if len(item.arrays) != count:
        names = [variable.name for variable in layer.variables]
        return nothing, (
            f"Layer '{layer.name}' expected {count} variables, but received {len(item.arrays)} variables during "
            f"loading. Expected: {names} (at '{item.path}')"
        )
    plan = recipes(layer, item.arrays)
    for variable, recipe in zip(layer.variables, plan, strict=True):
        if mismatch := recipe.mismatch():
            return nothing, f"Layer '{layer.name}': {describe(variable, mismatch)} (at '{item.path}')"
    return [*plan], None
