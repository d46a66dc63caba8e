"""Operations in a Functional model: arithmetic, comparisons and slicing of tensors → Keras 3's operations.

Keras 3 has a class for each. TensorFlow 2.4 to tf_keras call them `TFOpLambda` and `SlicingOpLambda` with the name of a
TensorFlow function, TensorFlow 2.0 to 2.3 `TensorFlowOpLayer` with a node of TensorFlow's graph.
"""

from __future__ import annotations

import json
from typing import Any

from fastlstm.saving.errors import SavedModelError

MODULE = "keras.src.ops.numpy"

_MODULES = ("keras.src.ops.", "keras.ops.")
_CONSTANT = "_CONSTANT_VALUE"

# Today's class: TensorFlow's functions, TensorFlow's graph operations.
_NAMES: dict[str, tuple[str, str]] = {
    "Absolute": ("math.abs abs __operators__.abs", "Abs"),
    "Add": ("__operators__.add math.add add", "Add AddV2"),
    "Equal": ("math.equal equal", "Equal"),
    "FloorDivide": ("math.floordiv math.floor_div", "FloorDiv"),
    "Greater": ("math.greater greater", "Greater"),
    "GreaterEqual": ("math.greater_equal greater_equal", "GreaterEqual"),
    "Less": ("math.less less", "Less"),
    "LessEqual": ("math.less_equal less_equal", "LessEqual"),
    "LogicalAnd": ("math.logical_and logical_and", "LogicalAnd"),
    "LogicalNot": ("math.logical_not logical_not", "LogicalNot"),
    "LogicalOr": ("math.logical_or logical_or", "LogicalOr"),
    "Maximum": ("math.maximum maximum", "Maximum"),
    "Minimum": ("math.minimum minimum", "Minimum"),
    "Mod": ("math.floormod math.mod", "FloorMod"),
    "Multiply": ("math.multiply multiply", "Mul"),
    "Negative": ("math.negative negative", "Neg"),
    "NotEqual": ("math.not_equal not_equal", "NotEqual"),
    "Power": ("math.pow pow", "Pow"),
    "Subtract": ("math.subtract subtract", "Sub"),
    "TrueDivide": ("math.truediv math.divide truediv divide", "RealDiv"),
}
_OF_FUNCTION = {name: today for today, (functions, _) in _NAMES.items() for name in functions.split()}
_OF_GRAPH = {name: today for today, (_, operations) in _NAMES.items() for name in operations.split()}
# Those of Keras 3, with the ones that it makes masks from.
_CLASSES = {
    *("Any", "Concatenate", "ConvertToTensor", "Divide", "ExpandDims", "GetItem", "OnesLike", "ZerosLike"),
    *_NAMES,
}
_OF_ONE_TENSOR = {"Absolute", "LogicalNot", "Negative"}

Config = dict[str, Any]


def operation(entry: Config, where: str) -> Config | None:
    """Return the operation in a layer's place in today's dialect, with its calls; None if it is a layer.

    Args:
        entry: The layer as the file has it.
        where: Names it in errors.

    Raises:
        ValueError: An operation of TensorFlow that is neither arithmetic nor a comparison nor a slice.
    """
    class_name, config = entry.get("class_name"), entry.get("config")
    if not isinstance(config, dict) or not isinstance(class_name, str):
        return None
    module = entry.get("module")
    nodes = entry.get("inbound_nodes") or []
    if not isinstance(nodes, list):
        return None
    if isinstance(module, str) and module.startswith(_MODULES):
        return _written(class_name, module, entry, nodes)
    if class_name in ("TFOpLambda", "SlicingOpLambda"):
        today = "GetItem" if class_name == "SlicingOpLambda" else _OF_FUNCTION.get(config.get("function"))
        if today is None:
            raise _unsupported(where, config.get("function"))
        return _written(today, MODULE, entry, [_function_call(node, today, where) for node in nodes])
    if class_name == "TensorFlowOpLayer":
        definition = _node_definition(config, where)
        today = "GetItem" if definition.get("op") == "StridedSlice" else _OF_GRAPH.get(definition.get("op"))
        if today is None:
            raise _unsupported(where, definition.get("op"))
        calls = [_graph_call(node, today, definition, config.get("constants") or {}, where) for node in nodes]
        return _written(today, MODULE, entry, calls)
    # A legacy file of Keras 3 leaves the module out; layers say at least whether they are trainable.
    of_keras_3 = all(isinstance(node, dict) for node in nodes)
    if module is None and of_keras_3 and class_name in _CLASSES and "name" in config and "trainable" not in config:
        return _written(class_name, MODULE, entry, nodes)
    return None


def _written(class_name: str, module: str, entry: Config, nodes: list[Any]) -> Config:
    name = entry.get("name") or entry["config"].get("name")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise SavedModelError(f"The calls of the operation '{name}' are stored in an unknown form.")
    # TensorFlow's are all in the name of the class; Keras 3's have arguments, such as an axis.
    config = entry["config"] if entry["class_name"] == class_name else {}
    kept = {
        "class_name": class_name,
        "module": module,
        "config": config | {"name": str(name).replace("/", "_")},
        "name": name,
    }
    return kept | {"inbound_nodes": nodes}


def _unsupported(where: str, name: Any) -> SavedModelError:
    return SavedModelError(
        f"{where} is the TensorFlow operation {name!r}. Only arithmetic, comparisons and slicing are supported."
    )


def _function_call(node: Any, today: str, where: str) -> Config:
    """`[layer, node, tensor, {"y": …}]`, the function's first argument and the others."""
    first = node[0] if isinstance(node, list) and node and isinstance(node[0], list) else node
    if not isinstance(first, list) or len(first) < 3:
        raise SavedModelError(f"A call of {where} is stored in an unknown form: {node!r:.80}")
    given = first[3] if len(first) > 3 and isinstance(first[3], dict) else {}
    x = first[2] if first[0] == _CONSTANT else tensor(first)
    if today == "GetItem":
        return _call([x, _key(given.get("slice_spec"), where)])
    if today in _OF_ONE_TENSOR:
        return _call([x])
    if "y" not in given:
        raise SavedModelError(f"A call of {where} lacks its second argument.")
    y = given["y"]
    is_tensor = isinstance(y, list) and len(y) in (3, 4) and isinstance(y[0], str)
    return _call([x, tensor(y) if is_tensor else y])


def _key(items: Any, where: str) -> list[Any]:
    key = []
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, dict) and item.get("class_name") != "__ellipsis__":
            item = _slice(*(item.get(part) for part in ("start", "stop", "step")))
        if isinstance(item, (list, str, float)):
            raise SavedModelError(f"{where} slices at {item!r:.80}; only integers, slices and None are supported.")
        key.append(item)
    return key


def _slice(start: Any, stop: Any, step: Any) -> Config:
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def _node_definition(config: Config, where: str) -> Config:
    definition = config.get("node_def")
    if isinstance(definition, str):
        try:
            definition = json.loads(definition)
        except ValueError:
            definition = None
    if not isinstance(definition, dict):
        raise SavedModelError(f"{where} is a TensorFlowOpLayer whose operation is stored in a form that is not read.")
    return definition


def _graph_call(node: Any, today: str, definition: Config, constants: Config, where: str) -> Config:
    """A list of tensors, between which the constants go at their places."""
    if not isinstance(node, list) or not isinstance(constants, dict):
        raise SavedModelError(f"A call of {where} is stored in an unknown form: {node!r:.80}")
    args = [tensor(entry) for entry in ([node] if node and isinstance(node[0], str) else node)]
    for place in sorted(constants, key=lambda place: int(place)):
        args.insert(int(place), constants[place])
    if today == "GetItem":
        if len(args) != 4:
            raise SavedModelError(f"{where} slices with tensors, which is not supported.")
        return _call([args[0], _strided_key(args[1:], definition.get("attr") or {}, where)])
    return _call(args)


def _strided_key(parts: list[Any], attributes: Config, where: str) -> list[Any]:
    """TensorFlow's begin, end and strides with their bit masks as the key of a slice."""
    if not all(isinstance(part, list) for part in parts):
        raise SavedModelError(f"{where} slices with tensors, which is not supported.")

    def is_set(mask: str, place: int) -> bool:
        value = attributes.get(mask)
        return bool(int(value.get("i", 0)) >> place & 1) if isinstance(value, dict) else False

    key: list[Any] = []
    for place, (begin, end, step) in enumerate(zip(*parts, strict=True)):
        if is_set("ellipsis_mask", place):
            key.append({"class_name": "__ellipsis__", "config": {}})
        elif is_set("new_axis_mask", place):
            key.append(None)
        elif is_set("shrink_axis_mask", place):
            key.append(begin)
        else:
            start = None if is_set("begin_mask", place) else begin
            key.append(_slice(start, None if is_set("end_mask", place) else end, step))
    return key


def _call(args: list[Any]) -> Config:
    return {"args": args, "kwargs": {}}


def tensor(entry: Any) -> Config:
    """`[layer, node, tensor, …]` → today's `__keras_tensor__`.

    Raises:
        ValueError: Another form.
    """
    if not isinstance(entry, list) or len(entry) < 3 or not isinstance(entry[0], str):
        raise SavedModelError(f"An input of a layer is stored in an unknown form: {entry!r:.80}")
    return {"class_name": "__keras_tensor__", "config": {"keras_history": entry[:3]}}
