"""The calls of a graph as plain data, and back: the `inbound_nodes` of Keras 3's configs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.layers.base.arrays import is_array
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.core.input_layer import InputLayer
from fastlstm.layers.symbolic.calling import INPUT_MASK, FixedTraining, call_parameters
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_symbolic
from fastlstm.layers.symbolic.node import repeat_call
from fastlstm.models.graph import Graph

_TENSOR, _SLICE, _ELLIPSIS = "__keras_tensor__", "__slice__", "__ellipsis__"
_ARRAY, _INPUT_MASK, _TRAINING = "__numpy__", "__input_mask__", "__training__"
# How Keras writes constants: arrays, and its own tensors.
_ARRAYS = (_ARRAY, "__tensor__")

# Layer name, number of its call, number of the output.
_Reference = tuple[str, int, int]
# Layer name, number of its call.
_Key = tuple[str, int]


def describe_calls(graph: Graph) -> dict[str, list[dict[str, Any]]]:
    """Return the calls of every layer by its name, as `{"args": […], "kwargs": {…}}`."""

    def encoded(value: Any) -> Any:
        if isinstance(value, KerasTensor):
            layer, number, index = graph.history(value)
            history = [layer.name, number, index]
            config = {"shape": list(value.shape), "dtype": value.dtype, "keras_history": history}
            return {"class_name": _TENSOR, "config": config}
        return _encoded_constant(value)

    described: dict[str, list[dict[str, Any]]] = {layer.name: [] for layer in graph.layers}
    for node in sorted(graph.nodes, key=lambda node: node.number):
        args = _lists(map_structure(encoded, list(node.args)))
        described[node.layer.name].append({"args": args, "kwargs": _lists(map_structure(encoded, node.kwargs))})
    return described


def describe_tensors(graph: Graph, structure: Any) -> Any:
    """Return a structure of the graph's outputs or inputs as `[layer name, call, output]` each.

    The calls of a nested functional model count from 1 here, as in Keras.
    """

    def described(tensor: KerasTensor) -> list[Any]:
        layer, call, index = graph.history(tensor)
        return [layer.name, call + layer.first_call_number, index]

    return _lists(map_structure(described, structure))


def connect(
    layers: Mapping[str, Layer],
    calls: Mapping[str, Sequence[dict[str, Any]]],
    inputs: Any,
    outputs: Any,
    call: Callable[..., Any] | None = None,
) -> tuple[Any, Any]:
    """Call layers on each other as a description says.

    Args:
        layers: The layers by name.
        calls: What `describe_calls` gives.
        inputs, outputs: What `describe_tensors` gives.
        call: `call(layer, *args, **kwargs)`, made in place of the layer's own call; or None.

    Returns:
        `(inputs, outputs)`, structures of KerasTensors.

    Raises:
        ValueError: When the description is none of a graph of these layers.
    """
    made: dict[_Key, list[Any]] = {
        (name, 0): [layer.output] for name, layer in layers.items() if isinstance(layer, InputLayer)
    }
    alike: dict[Any, KerasTensor] = {}
    for name, number, encoded in _in_order(layers, calls):
        layer, kwargs = layers[name], encoded.get("kwargs")
        args, kwargs = _decoded(encoded.get("args") or [], made), _decoded(kwargs, made) if kwargs else {}
        repeats = call is None and not kwargs and len(args) == 1 and isinstance(args[0], KerasTensor)
        kind = (name, args[0].shape, args[0].masked) if repeats and type(layer).__call__ is Layer.__call__ else None
        if kind in alike:
            made[name, number] = [repeat_call(layer, args[0], alike[kind])]
            continue
        output = _made(layer, args, kwargs, call)
        made[name, number] = flatten(output)
        if kind is not None and isinstance(output, KerasTensor):
            alike[kind] = output

    def tensor(name: str, number: int, index: int) -> KerasTensor:
        first = layers[name].first_call_number if name in layers else 0
        return _output((name, number - first, index), made)

    return _map_references(tensor, inputs), _map_references(tensor, outputs)


def _in_order(
    layers: Mapping[str, Layer], calls: Mapping[str, Sequence[dict[str, Any]]]
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Every call as `(layer name, number, encoded arguments)`, after those that it depends on."""
    encoded = {(name, number): item for name, items in calls.items() for number, item in enumerate(items)}
    given = {(name, 0) for name, layer in layers.items() if isinstance(layer, InputLayer)}
    if not given.isdisjoint(encoded):
        raise ValueError("An InputLayer takes nothing, but the config says what it is called on.")
    waiting: dict[_Key, int] = {}  # for how many others
    dependents: dict[_Key, list[_Key]] = {}
    for key, item in encoded.items():
        needed = _references(item)
        needed -= given
        for other in needed:
            if other not in encoded:
                raise ValueError(
                    f"Invalid Functional model configuration. Layer '{key[0]}' takes the output of call {other[1]} of "
                    f"layer '{other[0]}', which there is not."
                )
        if key[1]:  # the calls of a layer keep their numbers
            needed.add((key[0], key[1] - 1))
        waiting[key] = len(needed)
        for other in needed:
            dependents.setdefault(other, []).append(key)
    ready = deque(key for key, count in waiting.items() if not count)
    while ready:
        key = ready.popleft()
        del waiting[key]
        yield *key, encoded[key]
        for other in dependents.get(key, ()):
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    if waiting:
        raise ValueError(
            "Invalid Functional model configuration. The graph of the Functional model either has loops or "
            "disconnected nodes. The following nodes failed to be resolved: "
            f"{[name for name, _ in waiting][:10]}"
        )


def _references(encoded: Any) -> set[_Key]:
    """The calls that give the tensors in the arguments of a call."""
    found: set[_Key] = set()
    pending = [encoded]
    for container in pending:
        items = container
        if isinstance(container, dict):
            class_name = container.get("class_name")
            if class_name == _TENSOR:
                found.add(_reference(container)[:2])
                continue
            items = () if class_name in _ARRAYS else container.values()
        pending += [item for item in items if item and isinstance(item, (list, dict))]
    return found


def _reference(encoded: dict[str, Any]) -> _Reference:
    config = encoded.get("config")
    history = config.get("keras_history") if isinstance(config, dict) else None
    if not _is_reference(history):
        raise ValueError(f"Invalid Functional model configuration. It names a tensor as {history}.")
    name, call, number = cast("tuple[Any, Any, Any]", history)
    return name, call, number


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 3
        and isinstance(value[0], str)
        and type(value[1]) is type(value[2]) is int
    )


def _output(reference: _Reference, made: Mapping[_Key, list[Any]]) -> KerasTensor:
    name, number, index = reference
    outputs = made.get((name, number))
    if outputs is None or not 0 <= index < len(outputs):
        raise ValueError(
            f"Invalid Functional model configuration. There is no output {index} of call {number} of layer '{name}'."
        )
    return outputs[index]


def _made(layer: Layer, args: list[Any], kwargs: dict[str, Any], call: Callable[..., Any] | None) -> Any:
    """The outputs of one call."""
    if not is_symbolic(*args, kwargs):
        raise ValueError(f"Invalid Functional model configuration. Layer '{layer.name}' is called on no tensor.")
    if kwargs:
        parameters = call_parameters(type(layer))
        kwargs = {name: value for name, value in kwargs.items() if value is not None or name in parameters}
    return layer(*args, **kwargs) if call is None else call(layer, *args, **kwargs)


def _map_references(tensor: Callable[..., KerasTensor], structure: Any) -> Any:
    if _is_reference(structure):
        return tensor(*structure)
    if isinstance(structure, dict):
        return {key: _map_references(tensor, item) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_map_references(tensor, item) for item in structure]
    raise ValueError(f"Invalid Functional model configuration. It names an input or output as {structure}.")


def _encoded_constant(value: Any) -> Any:
    if isinstance(value, slice):
        return {"class_name": _SLICE, "config": {"start": value.start, "stop": value.stop, "step": value.step}}
    if value is Ellipsis:
        return {"class_name": _ELLIPSIS, "config": {}}
    if value is INPUT_MASK:
        return {"class_name": _INPUT_MASK, "config": {}}
    if isinstance(value, FixedTraining):
        return {"class_name": _TRAINING, "config": {"value": value.value}}
    if isinstance(value, np.generic):
        return value.item()
    if is_array(value):
        array = np.asarray(value)
        return {"class_name": _ARRAY, "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"{value!r} in the call of a layer cannot be written to a config.")


def _decoded(encoded: Any, made: Mapping[_Key, list[Any]]) -> Any:
    if isinstance(encoded, (list, tuple)):
        return [_decoded(item, made) for item in encoded]
    if not encoded or not isinstance(encoded, dict):
        return encoded
    class_name, config = encoded.get("class_name"), encoded.get("config")
    if class_name == _TENSOR:
        return _output(_reference(encoded), made)
    if class_name == _ELLIPSIS:
        return Ellipsis
    if class_name == _INPUT_MASK:
        return INPUT_MASK
    if class_name == _TRAINING and isinstance(config, dict):
        return FixedTraining(bool(config.get("value")))
    if class_name == _SLICE and isinstance(config, dict):
        return slice(*(config.get(part) for part in ("start", "stop", "step")))
    if class_name in _ARRAYS and isinstance(config, dict):
        return _constant(config)
    return {key: _decoded(item, made) for key, item in encoded.items()}


def _constant(config: dict[str, Any]) -> np.ndarray:
    """An array from a config.

    Raises:
        ValueError: When it is none, or not one of numbers.
    """
    value, dtype = config.get("value"), config.get("dtype")
    array = np.asarray(value)
    if array.size == 0:
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"A constant in the call of a layer is no array of numbers: {str(value)[:80]}")
    unsaid = {"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype.name)
    dtype = {None: unsaid, "bfloat16": "float32"}.get(dtype, dtype)
    if not isinstance(dtype, str) or np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"A constant in the call of a layer has the dtype {dtype!r:.80}, which is not supported.")
    return array.astype(dtype)


def _lists(nested: Any) -> Any:
    """The structure with lists in place of tuples, as JSON has them."""
    if isinstance(nested, (list, tuple)):
        return [_lists(item) for item in nested]
    if isinstance(nested, dict):
        return {key: _lists(item) for key, item in nested.items()}
    return nested
