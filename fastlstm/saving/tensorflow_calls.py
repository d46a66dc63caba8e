"""Calls of TensorFlow's functions, and nodes of its graphs, in a Functional model of Keras 2 → Keras 3's operations.

What each function and node is in Keras 3 is in `tensorflow_operations.py`.
"""

from __future__ import annotations

import itertools
from typing import Any

from fastlstm.printable import shown
from fastlstm.saving import tensorflow_operations as tensorflow
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.graph import first_argument, tensor
from fastlstm.saving.json_data import parse_json
from fastlstm.saving.tensorflow_operations import MASKS, Operation, slice_of

Config = dict[str, Any]
# An operation: class, name, config, calls.
Made = tuple[str, Any, Config, list[Config]]

# Keras 2's classes of TensorFlow's functions.
FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")


def made_of(entry: Config, class_name: str, config: Config, nodes: list[Any], where: str, budget: Budget) -> list[Made]:
    """Return the operations of all calls of one layer: those that a call takes come before it, with names of their own.

    Args:
        entry: The layer as the file has it.
        class_name, config, nodes: What it says.
        where: Names it in errors.
        budget: What the load may take.

    Raises:
        ValueError: An operation that has no counterpart.
    """
    if class_name in FUNCTIONS:
        tensorflow.check_function(config.get("function"), where)
        calls = [_function_call(node, class_name, config, where) for node in nodes]
    else:
        definition = _node_definition(config, where, budget)
        calls = [_graph_call(node, definition, config.get("constants") or {}, where) for node in nodes]
    name = entry.get("name") or config.get("name")
    if not calls:
        return []
    made: list[Made] = []
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
        made.append((first.class_name, own_name, first.config, [_call(one.args) for one in alike]))

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
