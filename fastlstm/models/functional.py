"""`Functional`: the models that `Model(inputs, outputs)` makes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.engine import ArrayForm
from fastlstm.layers.base.arrays import as_float32, as_raw, is_array, is_strings
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, register, serialize
from fastlstm.layers.base.structure import flatten, map_shapes, map_structure, packed
from fastlstm.layers.symbolic.calling import call_shapes
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.node import output_shapes
from fastlstm.layers.symbolic.operation import Operation, find
from fastlstm.models import inputs as data
from fastlstm.models.calls import Calls, Slot
from fastlstm.models.graph import Graph
from fastlstm.models.model import Model
from fastlstm.models.wiring import connect, describe_calls, describe_tensors
from fastlstm.printable import quoted


@register
class Functional(Model, builds_once=False):
    """A graph of layers between symbolic inputs and outputs.

    Args:
        inputs: An `Input`, or a list, tuple or dict of them.
        outputs: What layers called on them gave: a KerasTensor, or a list, tuple or dict of them.
        name: String; None makes one.
        trainable: Boolean, whether training changes the weights.

    Raises:
        ValueError: When an argument is not valid, an output does not depend on the inputs alone, or two layers have
            one name.
    """

    keras_module = "keras.src.models.functional"
    # Keras counts the calls of a nested functional model from 1 where it lists outputs, and only there.
    first_call_number = 1

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True) -> None:
        _check_tensors("inputs", inputs, inputs, outputs)
        _check_tensors("outputs", outputs, inputs, outputs)
        super().__init__(trainable=trainable, name=name)
        self._connect(inputs, outputs)
        self.built = True

    def _connect(self, inputs: Any, outputs: Any) -> None:
        self._graph = graph = Graph(flatten(inputs), flatten(outputs))
        self._structures = packed(inputs, graph.inputs), outputs
        self._gives_list = type(outputs) is list and all(isinstance(leaf, KerasTensor) for leaf in outputs)
        self._layers = [layer for layer in graph.layers if not isinstance(layer, Operation)]
        self._shapes: dict[Any, Any] = {}
        taken = {id(graph.source(one)) for node in graph.nodes if node.layer.takes_raw for one in node.inputs}
        strings = {id(tensor) for tensor in graph.inputs if tensor.dtype == "string"}
        self._raw = strings | {id(tensor) for tensor in graph.inputs if id(tensor) in taken}

    # Looking

    @property
    def layers(self) -> list[Layer]:
        """The layers in topological order, those of the inputs among them; a copy of the list."""
        return list(self._layers)

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    @property
    def graph(self) -> Graph:  # type: ignore[override]
        """The calls between the inputs and the outputs."""
        return self._graph

    def named_children(self) -> tuple[tuple[str, tuple[Layer, ...]], ...]:
        return (("layers", tuple(self._layers)),)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs."""
        return list(self._graph.inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs."""
        return list(self._graph.outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs in the structure in which the model was given them."""
        return self._structures[0]

    @property
    def output(self) -> Any:
        """The symbolic outputs in the structure in which the model was given them."""
        return self._structures[1]

    @property
    def input_shape(self) -> Any:
        """Shape of the input with the batch, or a list of shapes."""
        return _one_or_all([tensor.shape for tensor in self._graph.inputs])

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch, or a list of shapes."""
        return _one_or_all([tensor.shape for tensor in self._graph.outputs])

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs."""
        return [tensor.origin.name for tensor in self._graph.outputs]

    # Shapes

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: the model was built when it was made."""

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": None}

    def check_input_shape(self, shape: Any) -> None:
        for tensor, given in zip(self._graph.inputs, _shapes(shape), strict=True):
            _check_shape(tensor, given, self.name)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the outputs in their structure, for shapes of the inputs in theirs."""
        shapes = tuple(map(tuple, _shapes(input_shape)))
        if shapes not in self._shapes:
            self._shapes[shapes] = self._output_shapes(shapes)
        return packed(self._structures[1], self._shapes[shapes])

    def _output_shapes(self, shapes: tuple[Any, ...]) -> list[Any]:
        graph = self._graph
        known = {id(tensor): shape for tensor, shape in zip(graph.inputs, shapes, strict=True)}
        if shapes == tuple(tensor.shape for tensor in graph.inputs):
            return [tensor.shape for tensor in graph.outputs]

        def with_shape(leaf: Any) -> Any:
            return KerasTensor(known[id(graph.source(leaf))], name="") if isinstance(leaf, KerasTensor) else leaf

        for node in graph.nodes:
            args, kwargs = map_structure(with_shape, node.args), map_structure(with_shape, node.kwargs)
            if isinstance(node.layer, Operation):
                outputs = _shapes(node.layer.compute_output_shape(*args, **kwargs))
            else:
                of_call = node.layer, args[0], args[1:], kwargs
                outputs = _shapes(output_shapes(*of_call, call_shapes(*of_call)))
            known |= {id(tensor): shape for tensor, shape in zip(node.outputs, outputs, strict=True)}
        return [known[id(graph.source(tensor))] for tensor in graph.outputs]

    # Running

    def record(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        leaves = data.several_inputs(inputs, self._structures[0], self._graph.inputs, self.name)
        return super().record(packed(self._structures[0], leaves), kwargs)

    def expand(self, calls: Calls, inputs: Sequence[Slot]) -> Sequence[Slot]:
        graph = self._graph
        slots = {id(tensor): slot for tensor, slot in zip(graph.inputs, inputs, strict=True)}
        nested = not set(inputs) <= set(calls.inputs)
        erasing = any(node.layer.erases_masks for node in graph.nodes)
        nodes = graph.in_keras_order() if erasing else graph.nodes
        return calls.add_nodes(nodes, graph.outputs, slots, graph.source, self._typed_inputs(calls, inputs), nested)

    def _typed_inputs(self, calls: Calls, inputs: Sequence[Slot]) -> dict[int, Slot]:
        """The inputs that operations take, by the tensors' ids, in the dtype that the graph says: layers need none."""
        graph, typed = self._graph, {}
        given = set(calls.inputs)
        operations = (node for node in graph.nodes if isinstance(node.layer, Operation))
        taken = {id(graph.source(tensor)) for node in operations for tensor in node.inputs}
        for tensor, slot in zip(graph.inputs, inputs, strict=True):
            is_float32 = tensor.dtype == "float32" and slot in given
            if id(tensor) in taken and not is_float32 and tensor.dtype != "string":
                typed[id(tensor)] = calls.add(cast(Any, find("Cast"))(tensor.dtype), (slot,), {}, 1)[0]
        return typed

    def prepared(self, inputs: Any, rows: int | None = None) -> Any:
        tensors = self._graph.inputs
        if len(tensors) == 1 and (is_array(inputs) or is_strings(inputs)):
            return self._fitted(inputs, tensors[0])
        leaves = data.several_inputs(inputs, self._structures[0], tensors, self.name)
        arrays = tuple(self._fitted(leaf, tensor) for leaf, tensor in zip(leaves, tensors, strict=True))
        if rows is not None:
            data.check_rows(arrays)
        return arrays if len(arrays) > 1 else arrays[0]

    def _input_forms(self) -> Sequence[ArrayForm]:
        structure = self._structures[0]
        # Of a dict, or of lists in lists, the leaves have yet to be found.
        in_order = isinstance(structure, KerasTensor) or all(isinstance(one, KerasTensor) for one in structure)
        in_order = in_order and not isinstance(structure, dict)
        plain = in_order and not self._raw
        return tuple(ArrayForm(tensor.shape) for tensor in self._graph.inputs) if plain else ()

    @property
    def takes_raw(self) -> bool:  # type: ignore[override]
        """Whether a layer takes an input as it is."""
        return bool(self._raw)

    def _fitted(self, x: Any, tensor: KerasTensor) -> np.ndarray:
        x = as_raw(x) if id(tensor) in self._raw else as_float32(x)
        if x.ndim != len(tensor.shape):
            x = np.ascontiguousarray(data.fit_rank(x, tensor))
        _check_shape(tensor, x.shape, self.name)
        return x

    def _bare_output(self) -> bool:
        return super()._bare_output() and not isinstance(self._structures[1], dict)

    def structured(self, outputs: Any) -> Any:
        structure = self._structures[1]
        leaves = outputs if isinstance(outputs, tuple) else (outputs,)
        if len(leaves) == 1 and not isinstance(structure, dict):
            return leaves[0]
        return list(leaves) if self._gives_list else packed(structure, leaves)

    # Configs

    def get_config(self) -> dict[str, Any]:
        calls = describe_calls(self._graph)
        layers = [
            {**serialize(layer), "name": layer.name, "inbound_nodes": calls[layer.name]} for layer in self._graph.layers
        ]
        inputs, outputs = (describe_tensors(self._graph, structure) for structure in self._structures)
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": layers,
            "input_layers": inputs,
            "output_layers": outputs,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Functional:
        """Return a new model from `get_config()`, without the weights it once had.

        Args:
            config: Dict with `layers`, `input_layers` and `output_layers`.
            custom_objects: As for `load_model`.

        Raises:
            ValueError: When the config cannot be honoured.
        """
        missing = [key for key in ("layers", "input_layers", "output_layers") if key not in config]
        if missing:
            raise ValueError(f"The config of a functional model should have {missing}. It has {list(config)}.")
        layers: dict[str, Layer] = {}
        for entry in config["layers"]:
            layer = deserialize(entry, custom_objects)
            name = entry.get("name", layer.name)
            if name in layers:
                raise ValueError(f"Two layers of the functional model are called '{name}'.")
            layers[name] = layer
        calls = {name: entry.get("inbound_nodes") or [] for name, entry in zip(layers, config["layers"], strict=True)}
        inputs, outputs = connect(layers, calls, config["input_layers"], config["output_layers"])
        return cls(inputs, outputs, config.get("name"), config.get("trainable") is not False)

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        graph = self._graph
        wiring = (
            {layer.name: layer for layer in graph.layers},
            describe_calls(graph),
            *(describe_tensors(graph, structure) for structure in self._structures),
        )
        left_out = ("_graph", "_layers", "_structures", "_shapes", "_raw")
        state = {name: value for name, value in super().__getstate__().items() if name not in left_out}
        return {**state, "_wiring": wiring}

    def __setstate__(self, state: dict[str, Any]) -> None:
        wiring = state.pop("_wiring")
        super().__setstate__(state)
        self._connect(*connect(*wiring))


def _check_tensors(argument: str, tensors: Any, inputs: Any, outputs: Any) -> None:
    leaves = flatten(tensors)
    if not leaves:
        raise ValueError(f"`{argument}` argument cannot be empty. Received:\ninputs={inputs}\noutputs={outputs}")
    for leaf in leaves:
        if not isinstance(leaf, KerasTensor):
            raise ValueError(
                f"All `{argument}` values must be KerasTensors. "
                f"Received: {argument}={quoted(tensors)} including invalid value "
                f"{leaf} of type {type(leaf)}"
            )
    if argument == "inputs" and isinstance(tensors, dict):
        for key, tensor in tensors.items():
            if isinstance(tensor, KerasTensor) and tensor.name != key:
                warnings.warn(
                    "When providing `inputs` as a dict, all keys in the dict must match the names of the corresponding "
                    f"tensors. Received key '{key}' mapping to value {tensor} which has name '{tensor.name}'. Change "
                    f"the tensor name to '{key}' (via `Input(..., name='{key}')`)",
                    stacklevel=3,
                )


def _check_shape(tensor: KerasTensor, shape: Sequence[int | None], model_name: str) -> None:
    expected = tensor.shape
    fits = len(expected) == len(shape)
    for size, given in zip(expected[1:], shape[1:], strict=False):
        fits = fits and (size == given or size is None or given is None)
    if not fits:
        raise ValueError(
            f"Input 0 with name '{tensor.origin.name}' of layer '{model_name}' is incompatible with the layer: "
            f"expected shape={(None, *expected[1:])}, found shape={tuple(shape)}"
        )


def _shapes(nested: Any) -> list[Any]:
    """The shapes of a structure of shapes, in the order of `flatten`."""
    found: list[Any] = []
    ordered = {key: nested[key] for key in sorted(nested)} if isinstance(nested, dict) else nested
    map_shapes(found.append, ordered)
    return found


def _one_or_all(shapes: list[Any]) -> Any:
    return shapes[0] if len(shapes) == 1 else shapes
