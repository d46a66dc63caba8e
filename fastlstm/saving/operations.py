"""Operations in a Functional model, in the dialects of the files that hold them → Keras 3's operations.

Keras 3 has a class for each. TensorFlow 2.4 to tf_keras call them `TFOpLambda` and `SlicingOpLambda` with the name of a
TensorFlow function, TensorFlow 2.0 to 2.3 `TensorFlowOpLayer` with a node of TensorFlow's graph: `tensorflow_calls.py`
reads them.
"""

from __future__ import annotations

from typing import Any

from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.graph import tensor

MODULE = "keras.src.ops.numpy"

_MODULES = ("keras.src.ops.", "keras.ops.", "keras.src.activations.")
# Operations with the names of layers, which a legacy file of Keras 3 tells apart by their config alone.
_LAYERS_TOO = {
    *("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "ReLU", "Reshape", "Softmax"),
    "Subtract",
}

Config = dict[str, Any]

# Keras 2's classes of TensorFlow's functions, and of its graph operations.
OPERATIONS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


def operations(entry: Config, where: str, budget: Budget) -> list[Config] | None:
    """Return the operations in a layer's place in today's dialect, with their calls; None if it is a layer.

    The last one has the layer's name.

    Args:
        entry: The layer as the file has it.
        where: Names it in errors.
        budget: What the load may take.

    Raises:
        ValueError: An operation of TensorFlow that has no counterpart.
    """
    class_name, config = entry.get("class_name"), entry.get("config")
    if not isinstance(config, dict) or not isinstance(class_name, str):
        return None
    module, nodes = entry.get("module"), entry.get("inbound_nodes") or []
    if not isinstance(nodes, list):
        return None
    if isinstance(module, str) and module.startswith(_MODULES):
        return [_of_keras_3(entry, module)]
    if class_name in OPERATIONS:
        from fastlstm.saving.tensorflow_calls import made_of  # few files have them

        return [_written(*each) for each in made_of(entry, class_name, config, nodes, where, budget)]
    # A legacy file of Keras 3 leaves the module out; layers say at least whether they are trainable.
    of_keras_3 = all(isinstance(node, dict) for node in nodes)
    if module is None and of_keras_3 and class_name in _LAYERS_TOO and "name" in config and "trainable" not in config:
        return [_of_keras_3(entry, MODULE)]
    return None


def without_masks(layer: Config, names: set[Any]) -> list[Config]:
    """Return an operation that copies the inputs of those calls of a layer that say `mask=None`, which then take these.

    Keras 2 shows such a call no mask; Keras 3 those of its inputs, of which a copy has none.

    Args:
        layer: The layer with its calls in today's dialect, which are changed.
        names: The names that are taken.
    """
    name = f"{layer['name']}_unmasked"
    while name in names:
        name += "_"
    copies: list[Config] = []
    for call in layer["inbound_nodes"]:
        if "mask" in call["kwargs"] and call["kwargs"]["mask"] is None:
            call["args"] = [_copied(each, name, copies) for each in call["args"]]
    return [_written("Copy", name, {}, copies)] if copies else []


def _copied(entry: Any, name: str, copies: list[Config]) -> Any:
    if isinstance(entry, list):
        return [_copied(each, name, copies) for each in entry]
    if not isinstance(entry, dict) or entry.get("class_name") != "__keras_tensor__":
        return entry
    copies.append({"args": [entry], "kwargs": {}})
    return tensor([name, len(copies) - 1, 0])


def _of_keras_3(entry: Config, module: str) -> Config:
    name, nodes = entry.get("name") or entry["config"].get("name"), entry.get("inbound_nodes") or []
    if not all(isinstance(node, dict) for node in nodes):
        raise SavedModelError(f"The calls of the operation '{name}' are stored in an unknown form.")
    return _written(entry["class_name"], name, entry["config"], nodes) | {"module": module}


def _written(class_name: str, name: Any, config: Config, nodes: list[Any]) -> Config:
    return {
        "class_name": class_name,
        "module": MODULE,
        "config": config | {"name": str(name).replace("/", "_")},
        "name": name,
        "inbound_nodes": nodes,
    }
