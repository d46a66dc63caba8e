"""The names under which a model's inputs and outputs go outside of Python: in files, and in requests."""

from __future__ import annotations

from fastlstm.layers.base.structure import flatten
from fastlstm.models.model import Model


def input_names(model: Model) -> list[str]:
    """Return the names of the inputs in their order: the keys of a dict, else the names of their layers.

    A tensor's own name is another one in another process.
    """
    if isinstance(model.input, dict) and len(model.input) == len(model.inputs):
        return flatten({key: key for key in model.input})
    return [tensor.origin.name for tensor in model.inputs]


def output_names(model: Model) -> list[str]:
    """Return the names of the outputs in their order: the keys of a dict, else the names of the layers that give them.

    They are numbered where a layer gives several.
    """
    structure = model.output
    if isinstance(structure, dict) and len(structure) == len(model.outputs):
        return flatten({key: key for key in structure})
    names: list[str] = []
    for tensor in model.outputs:
        name, number = tensor.origin.name, 1
        while name in names:
            name, number = f"{tensor.origin.name}_{number}", number + 1
        names.append(name)
    return names
