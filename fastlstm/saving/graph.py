"""The nodes of a Functional model: every dialect → `{"args": […], "kwargs": {…}}` with `__keras_tensor__` entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastlstm.printable import shown
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.json_data import array

MODELS = ("Functional", "Sequential")
# Keras 2 passed an initial state as further inputs: [x, h, c]. Unlike Keras 3, it then still showed the layer the mask
# that the inputs carry.
_RECURRENT = {"Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "RNN", "SimpleRNN"}
_INPUT_MASK = {"class_name": "__input_mask__", "config": {}}
# Arguments of which each item is an array.
_SEVERAL = {"constants", "initial_state"}
# In the place of a layer's name: the number or list that follows is a constant.
_CONSTANT = "_CONSTANT_VALUE"


def node(written: Any, class_name: str, layer_names: set[Any], old: bool, masks: bool = False) -> dict[str, Any]:
    """One call of a layer.

    Args:
        written: Keras 3's `{"args", "kwargs"}`, or the list `[[layer, node, tensor, kwargs?], …]` of older versions.
        class_name: The layer's class.
        layer_names: The names of the graph's layers, by which a tensor among the arguments is recognised.
        old: Whether the file is older than Keras 3.
        masks: Whether there are masks anywhere in the model.

    Returns:
        `{"args", "kwargs"}`; every tensor is `{"class_name": "__keras_tensor__", "config": {"keras_history": [layer,
        node, tensor], …}}`, every constant array `{"class_name": "__numpy__", …}`, and a `training` that holds even in
        `predict` is `{"class_name": "__training__", …}`.

    Raises:
        ValueError: Neither form.
    """
    if isinstance(written, dict) and isinstance(written.get("args"), list):
        return {"args": written["args"], "kwargs": written.get("kwargs") or {}}
    names = None
    if isinstance(written, dict) and all(isinstance(entry, list) and len(entry) > 2 for entry in written.values()):
        names, written = list(written), list(written.values())  # a model whose inputs have names
    if not isinstance(written, list) or not written:
        raise SavedModelError(f"A call of a {class_name} layer is stored in an unknown form: {shown(written)}")
    if isinstance(written[0], str):  # a single tensor without its list
        written = [written]
    tensors = [first_argument(entry) for entry in written]
    kwargs: dict[str, Any] = {}
    for entry in written:
        kwargs |= entry[3] if len(entry) > 3 else {}
    several = _SEVERAL | ({"mask"} if len(tensors) > 1 else set())
    kwargs = {key: _argument(value, layer_names, key in several) for key, value in kwargs.items()}
    if old and isinstance(kwargs.get("training"), bool):
        kwargs["training"] = {"class_name": "__training__", "config": {"value": kwargs["training"]}}
    if names is not None:
        return {"args": [dict(zip(names, tensors, strict=True))], "kwargs": kwargs}
    if class_name in _RECURRENT:
        states = tensors[1:] or kwargs.get("initial_state")
        if states:
            kwargs["initial_state"] = states
            if masks and "mask" not in kwargs:
                kwargs["mask"] = _INPUT_MASK
        return {"args": tensors[:1], "kwargs": kwargs}
    if len(tensors) == 1:
        return {"args": tensors, "kwargs": kwargs}
    return {"args": [tensors], "kwargs": kwargs}


def output_entry(written: Any, old: bool) -> Any:
    """`input_layers` or `output_layers`; before Keras 3 a list of one meant the bare tensor.

    Args:
        written: `[layer, node, tensor]`, or a list or dict of such.
        old: Whether the file is older than Keras 3.
    """
    if old and isinstance(written, list) and len(written) == 1:
        return written[0]
    return written


def _argument(value: Any, layer_names: set[Any], several: bool) -> Any:
    """A keyword argument: tensors may hide in it as `[layer, node, tensor]`, and arrays as lists of lists.

    Args:
        value: As in the file.
        layer_names: As for `node`.
        several: Whether it may be a list of arrays.
    """
    if not isinstance(value, list):
        return value
    axes = _axes(value)
    if axes > 1:
        return [array(item) for item in value] if several and axes > 2 else array(value)
    is_tensor = len(value) in (3, 4) and isinstance(value[0], str) and value[0] in layer_names
    if is_tensor and type(value[1]) is int and type(value[2]) is int:
        return tensor(value)
    return [_argument(item, layer_names, False) for item in value]


def _axes(value: Any) -> int:
    """The number of axes of an array of numbers in nested lists; 0 if it is none."""
    axes = 0
    while isinstance(value, list) and value:
        value, axes = value[0], axes + 1
    return axes if isinstance(value, (bool, int, float)) else 0


def count_calls_as_today(functional: dict[str, Any]) -> None:
    """Renumber the calls of nested models in a graph that is otherwise in today's dialect, in place.

    Before Keras 3 most nested models had a call 0 of their own, so that those in the graph are numbered from 1. Keras 3
    numbers them from 0; only where it lists inputs and outputs, it numbers those of nested functional models from 1.

    Args:
        functional: The config, with `layers`, `input_layers` and `output_layers`.
    """
    between = _by_layer(_histories([layer["inbound_nodes"] for layer in functional["layers"]]))
    ends = _by_layer(_ends([functional["input_layers"], functional["output_layers"]]))
    for name, class_name in {layer["name"]: layer["class_name"] for layer in functional["layers"]}.items():
        if class_name not in MODELS or not isinstance(name, str):
            continue
        calls, outputs = between.get(name, []), ends.get(name, [])
        first = min((history[1] for history in (*calls, *outputs)), default=0)
        for history in calls:
            history[1] -= first
        for history in outputs:
            history[1] -= first - (class_name == "Functional")


def calls_in(entry: dict[str, Any]) -> int:
    """How many calls of layers a layer is, in today's dialect: models that are called often are that many times theirs.

    Args:
        entry: A layer or model.
    """
    layers = entry["config"].get("layers") if entry["class_name"] in MODELS else None
    if "registered_name" in entry or not isinstance(layers, list):
        return 1
    return sum(calls_in(layer) * len(layer.get("inbound_nodes", (None,))) for layer in layers)


def _by_layer(histories: Iterable[list[Any]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for history in histories:
        if not isinstance(history, list) or len(history) < 2 or not isinstance(history[0], str):
            raise SavedModelError(f"An input of a layer is stored in an unknown form: {shown(history)}")
        if type(history[1]) is not int:
            raise SavedModelError(f"An input of a layer is stored in an unknown form: {shown(history)}")
        found.setdefault(history[0], []).append(history)
    return found


def _histories(nested: Any) -> Iterator[list[Any]]:
    """The `[layer, node, tensor]` of every tensor in the arguments of calls."""
    if isinstance(nested, dict):
        if nested.get("class_name") == "__keras_tensor__":
            yield nested["config"]["keras_history"]
        else:
            for item in nested.values():
                yield from _histories(item)
    elif isinstance(nested, list):
        for item in nested:
            yield from _histories(item)


def _ends(nested: Any) -> Iterator[list[Any]]:
    """The `[layer, node, tensor]` of every input and output."""
    if isinstance(nested, list) and len(nested) == 3 and isinstance(nested[0], str) and type(nested[1]) is int:
        yield nested
    elif isinstance(nested, (list, dict)):
        for item in nested.values() if isinstance(nested, dict) else nested:
            yield from _ends(item)


def first_argument(entry: Any) -> Any:
    """`[layer, node, tensor, …]` → today's `__keras_tensor__`, or the constant that stands there.

    Raises:
        ValueError: Another form.
    """
    if isinstance(entry, list) and len(entry) >= 3 and entry[0] == _CONSTANT:
        return array(entry[2]) if isinstance(entry[2], list) else entry[2]
    return tensor(entry)


def tensor(entry: Any) -> dict[str, Any]:
    """`[layer, node, tensor, …]` → today's `__keras_tensor__`.

    Raises:
        ValueError: Another form.
    """
    if not isinstance(entry, list) or len(entry) < 3 or not isinstance(entry[0], str):
        raise SavedModelError(f"An input of a layer is stored in an unknown form: {shown(entry)}")
    return {"class_name": "__keras_tensor__", "config": {"keras_history": entry[:3]}}
