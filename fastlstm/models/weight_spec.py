"""What a weight file is expected to hold for a model."""

from __future__ import annotations

from fastlstm.layers.base.weight_owner import WeightOwner
from fastlstm.saving import LayerSpec, VariableSpec


def weight_spec(owner: WeightOwner, trainable: bool = True) -> LayerSpec:
    """Return the names and shapes of a model's or layer's weights, in the order of `weights`.

    Args:
        owner: A built model or layer.
        trainable: Whether the models around it are trainable.
    """
    return _spec(owner, trainable, set())


def _spec(owner: WeightOwner, trainable: bool, seen: set[int]) -> LayerSpec:
    """The spec without the variables that were seen before, in another model that shares the layer."""
    trainable = trainable and owner.trainable
    own = [variable for variable in owner.own_variables if id(variable) not in seen]
    seen.update(map(id, own))
    variables = tuple(VariableSpec(variable.name, variable.shape, trainable and variable.trainable) for variable in own)
    children = tuple(
        (
            attribute,
            tuple(_spec(inner, trainable, seen) for inner in child)
            if isinstance(child, tuple)
            else _spec(child, trainable, seen),
        )
        for attribute, child in owner.named_children()
    )
    constants = tuple(owner.stored_constants.items())
    class_name = owner.stored_class or type(owner).__name__
    return LayerSpec(owner.name, class_name, variables, children, owner.subclassed, constants, owner.stored_form)
