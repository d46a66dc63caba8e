"""What a weight file is expected to hold for a model."""

from __future__ import annotations

from fastlstm.layers.weight_owner import WeightOwner
from fastlstm.saving import LayerSpec, VariableSpec


def weight_spec(owner: WeightOwner, trainable: bool = True) -> LayerSpec:
    """Return the names and shapes of a model's or layer's weights, in the order of `weights`.

    Args:
        owner: A built model or layer.
        trainable: Whether the models around it are trainable.
    """
    trainable = trainable and owner.trainable
    variables = tuple(
        VariableSpec(variable.name, variable.shape, trainable and variable.trainable)
        for variable in owner.own_variables
    )
    children = tuple(
        (
            attribute,
            tuple(weight_spec(inner, trainable) for inner in child)
            if isinstance(child, tuple)
            else weight_spec(child, trainable),
        )
        for attribute, child in owner.named_children()
    )
    return LayerSpec(owner.name, type(owner).__name__, variables, children)
