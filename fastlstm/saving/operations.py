"""Operations in a Functional model, in the dialects of the files that hold them → Keras 3's operations.

Keras 3 has a class for each. TensorFlow 2.4 to tf_keras call them `TFOpLambda` and `SlicingOpLambda` with the name of a
TensorFlow function, TensorFlow 2.0 to 2.3 `TensorFlowOpLayer` with a node of TensorFlow's graph: what these are in
Keras 3 is in `tensorflow_operations.py`.
"""

from __future__ import annotations

import itertools
from typing import Any

from fastlstm.printable import shown
from fastlstm.saving import tensorflow_operations as tensorflow
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.json_data import array, parse_json
from fastlstm.saving.tensorflow_operations import MASKS, Operation, slice_of

MODULE = "keras.src.ops.numpy"

_MODULES = ("keras.src.ops.", "keras.ops.", "keras.src.activations.")
# In the place of a layer's name: the number or list that follows is a constant.
_CONSTANT = "_CONSTANT_VALUE"
# Operations with the names of layers, which a legacy file of Keras 3 tells apart by their config alone.
_LAYERS_TOO = {
    *("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "ReLU", "Reshape", "Softmax"),
    "Subtract",
}

Config = dict[str, Any]

# Keras 2's classes of TensorFlow's functions, and of its graph operations.
FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")
OPERATIONS = (*FUNCTIONS, "TensorFlowOpLayer")


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
    if class_name in FUNCTIONS:
        tensorflow.check_function(config.get("function"), where)
        return _entries(entry, [_function_call(node, class_name, config, where) for node in nodes], where)
    if class_name == "TensorFlowOpLayer":
        definition = _node_definition(config, where, budget)
        calls = [_graph_call(node, definition, config.get("constants") or {}, where) for node in nodes]
        return _entries(entry, calls, where)
    # A legacy file of Keras 3 leaves the module out; layers say at least whether they are trainable.
    of_keras_3 = all(isinstance(node, dict) for node in nodes)
    if module is None and of_keras_3 and class_name in _LAYERS_TOO and "name" in config and "trainable" not in config:
        return [_of_keras_3(entry, MODULE)]
    return None


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


def _entries(entry: Config, calls: list[Operation], where: str) -> list[Config]:
    """The operations of all calls of one layer: those that a call takes come before it, with names of their own."""
    name = entry.get("name") or entry["config"].get("name")
    if not calls:
        return []
    made: list[Config] = []
    numbers = itertools.count()

    def flattened(alike: list[Operation], own_name: Any) -> None:
        first = alike[0]
        if any((one.class_name, one.config, len(one.args)) != (first.class_name, first.config, len(first.args))
               for one in alike):  # fmt: skip
            raise SavedModelError(f"{where} is called several times with different arguments, which is not supported.")
        for place in range(len(first.args)):
            args = [one.args[place] for one in alike]
            if isinstance(args[0], Operation):
                inner = f"{name}_part_{next(numbers)}"
                flattened(args, inner)
                for number, one in enumerate(alike):
                    one.args[place] = tensor([inner, number, 0])
        made.append(_written(first.class_name, own_name, first.config, [_call(one.args) for one in alike]))

    flattened(calls, name)
    return made


def _call(args: list[Any]) -> Config:
    return {"args": args, "kwargs": {}}


# --- functions of TensorFlow ----------------------------------------------------------------------------------------


def _function_call(node: Any, class_name: str, config: Config, where: str) -> Operation:
    """`[layer, node, tensor, {"y": …}]`: the function's first argument and the others; or a list of such."""
    function = config.get("function")
    several = isinstance(node, list) and bool(node) and isinstance(node[0], list)
    tensors = node if several else [node]
    if not all(isinstance(each, list) and len(each) >= 3 for each in tensors):
        raise SavedModelError(f"A call of {where} is stored in an unknown form: {shown(node)}")
    last = tensors[-1]
    given = last[3] if len(last) > 3 and isinstance(last[3], dict) else {}
    if class_name == "SlicingOpLambda" and str(function).endswith("getitem"):
        return Operation("GetItem", [first_argument(tensors[0]), _key(given.get("slice_spec"), where)])
    given = {key: _argument(value) for key, value in given.items()}
    first = (
        [first_argument(each) for each in tensors] if function in tensorflow.OF_LISTS else first_argument(tensors[0])
    )
    return tensorflow.of_function(function, first, given, where)


def first_argument(entry: Any) -> Any:
    """`[layer, node, tensor, …]` → today's `__keras_tensor__`, or the constant that stands there.

    Raises:
        ValueError: Another form.
    """
    if isinstance(entry, list) and len(entry) >= 3 and entry[0] == _CONSTANT:
        return array(entry[2]) if isinstance(entry[2], list) else entry[2]
    return tensor(entry)


def _argument(value: Any) -> Any:
    """An argument, in which tensors are `[layer, node, tensor]`, and constant arrays lists of lists."""
    if not isinstance(value, list):
        return value
    if len(value) in (3, 4) and isinstance(value[0], str) and type(value[1]) is int:
        return tensor(value)
    return [_argument(item) for item in value]


def _key(items: Any, where: str) -> list[Any]:
    key = []
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, dict) and item.get("class_name") != "__ellipsis__":
            item = slice_of(*(item.get(part) for part in ("start", "stop", "step")))
        if isinstance(item, (list, str, float)):
            raise SavedModelError(f"{where} slices at {shown(item)}; only integers, slices and None are supported.")
        key.append(item)
    return key


# --- nodes of TensorFlow's graph ------------------------------------------------------------------------------------


def _node_definition(config: Config, where: str, budget: Budget) -> Config:
    definition = config.get("node_def")
    if isinstance(definition, str):
        definition = parse_json(definition, f"The operation of {where}", budget)
    if not isinstance(definition, dict):
        raise SavedModelError(f"{where} is a TensorFlowOpLayer whose operation is stored in a form that is not read.")
    return definition


def _graph_call(node: Any, definition: Config, constants: Config, where: str) -> Operation:
    """A list of tensors, between which the constants go at their places."""
    if not isinstance(node, list) or not isinstance(constants, dict):
        raise SavedModelError(f"A call of {where} is stored in an unknown form: {shown(node)}")
    args: list[Any] = [tensor(entry) for entry in ([node] if node and isinstance(node[0], str) else node)]
    for place in sorted(constants, key=lambda place: int(place)):
        args.insert(int(place), constants[place])
    attributes = {name: _attribute(value) for name, value in (definition.get("attr") or {}).items()}
    if definition.get("op") != "StridedSlice":
        return tensorflow.of_graph(definition.get("op"), args, attributes, where)
    if len(args) != 4 or not all(isinstance(part, list) for part in args[1:]):
        raise SavedModelError(f"{where} slices with tensors, which is not supported.")
    begin, end, strides = args[1:]
    masks = {name: int(attributes.get(name) or 0) for name in MASKS}
    return Operation("GetItem", [args[0], tensorflow.strided_key(begin, end, strides, masks)])


_DTYPES = {"DT_BOOL": "bool", "DT_DOUBLE": "float64", "DT_FLOAT": "float32", "DT_HALF": "float16", "DT_INT32": "int32"}
_DTYPES |= {"DT_INT64": "int64", "DT_INT16": "int16", "DT_INT8": "int8", "DT_UINT8": "uint8"}


def _attribute(value: Any) -> Any:
    """The value in an attribute of a node, which says its type: `{"i": "3"}`."""
    if not isinstance(value, dict):
        return value
    if "list" in value:
        return [int(item) for item in (value["list"] or {}).get("i", [])]
    if "i" in value:
        return int(value["i"])
    if "type" in value:
        return _DTYPES.get(value["type"], value["type"])
    return value.get("b", value.get("f", value.get("s")))


def tensor(entry: Any) -> Config:
    """`[layer, node, tensor, …]` → today's `__keras_tensor__`.

    Raises:
        ValueError: Another form.
    """
    if not isinstance(entry, list) or len(entry) < 3 or not isinstance(entry[0], str):
        raise SavedModelError(f"An input of a layer is stored in an unknown form: {shown(entry)}")
    return {"class_name": "__keras_tensor__", "config": {"keras_history": entry[:3]}}
