"""The three arguments that come with every weight: `<kind>_initializer`, `<kind>_regularizer`, `<kind>_constraint`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm import constraints, initializers, regularizers
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.weight_owner import WeightOwner


def set_weight_arguments(layer: WeightOwner, kind: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
    """Keep the arguments of a weight as attributes of the layer.

    Args:
        layer: The layer.
        kind: What the arguments' names begin with, e.g. `kernel`.
        initializer, regularizer, constraint: Identifiers; the last two may be None.

    Raises:
        ValueError: When an identifier names nothing known.
    """
    setattr(layer, f"{kind}_initializer", initializers.get(initializer))
    setattr(layer, f"{kind}_regularizer", regularizers.get(regularizer))
    setattr(layer, f"{kind}_constraint", constraints.get(constraint))


def add_weight(layer: WeightOwner, kind: str, shape: Sequence[int | None], name: str | None = None) -> Variable:
    """Create a weight with the arguments that `set_weight_arguments` kept; it is named by its kind if not by `name`."""
    return layer.add_weight(
        shape,
        getattr(layer, f"{kind}_initializer"),
        regularizer=getattr(layer, f"{kind}_regularizer"),
        constraint=getattr(layer, f"{kind}_constraint"),
        name=name or kind,
    )


def weight_config(layer: WeightOwner, *kinds: str) -> dict[str, Any]:
    """Return the arguments of the weights as a layer's config holds them."""
    config = {}
    for kind in kinds:
        config[f"{kind}_initializer"] = initializers.serialize(getattr(layer, f"{kind}_initializer"))
        config[f"{kind}_regularizer"] = regularizers.serialize(getattr(layer, f"{kind}_regularizer"))
        config[f"{kind}_constraint"] = constraints.serialize(getattr(layer, f"{kind}_constraint"))
    return config
