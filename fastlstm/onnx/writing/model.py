"""Models as ONNX files: the calls of their layers one after the other, with the masks that pass between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fastlstm import layers
from fastlstm._version import __version__
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.layers.rnn.time_distributed import TimeDistributed
from fastlstm.layers.symbolic.calling import (
    FixedTraining,
    call_parameters,
    shape_arguments,
    with_argument_masks,
    with_mask,
)
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.calls import Call as LayerCall
from fastlstm.models.calls import Calls, Slot, _Masked, _Unmasked
from fastlstm.models.model import Model
from fastlstm.models.predictor import Predictor
from fastlstm.models.quantization import require_floats, require_plain_inputs
from fastlstm.onnx.library import onnx_library
from fastlstm.onnx.writing import attending, core, merging, normalizing, operations, recurrent, windows
from fastlstm.onnx.writing.builder import FLOAT, IR_VERSION, OPSET, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, refusal, write_call, writes
from fastlstm.saving.replace import replaced_file

_FAMILIES = (attending, core, merging, normalizing, operations, recurrent, windows)
# Above this many bytes protobuf refuses a message.
_MOST_BYTES = 2**31 - 1


def save(model: Model, path: str | os.PathLike[str], stateful: bool = False) -> None:
    """Write a model as an ONNX file, whose numbers in another engine are those of `predict` but for rounding.

    The batch, and every axis whose size the model leaves open, stay open. Inputs and outputs have the names of the
    layers that take and give them.

    Args:
        model: The model, built.
        path: The file; one that is there is replaced once the new one is complete.
        stateful: Boolean: whether the states of recurrent layers that are called without any are inputs of the graph,
            with zeros as their defaults, and the states that they end with outputs behind the model's own. Those of
            layers with `stateful=True` always are.

    Raises:
        ValueError: When the model is not built, is quantized, or larger than a file may be (2 GiB).
        NotImplementedError: When ONNX has no operators for a layer; the text names it.
        ModuleNotFoundError: Without the onnx package.
    """
    onnx = onnx_library()
    require_plain_inputs(model)
    require_floats(model, "ONNX files are written of float32 weights: save it before `quantize`")
    proto = graph_of(model, stateful)
    size = proto.ByteSize()
    if size > _MOST_BYTES:
        raise ValueError(f"Model '{model.name}' would take {size:,} bytes as ONNX, where a file holds {_MOST_BYTES:,}.")
    onnx.checker.check_model(proto, full_check=True)
    with replaced_file(path) as file:
        file.write(proto.SerializeToString())


def graph_of(model: Model, stateful: bool = False) -> Any:
    """Return a model as a `ModelProto`; the arguments and errors are those of `save`."""
    if not model.built:
        raise ValueError(
            "You are exporting a model that has not yet been built. Try building the model first by calling it on some "
            "data or by using `build()`."
        )
    if not model.expands:
        raise refusal(model, "has a `call` of its own")
    b = Builder()
    calls = model.calls()
    inputs = [_input(b, tensor, calls, slot) for tensor, slot in zip(model.inputs, calls.inputs, strict=True)]
    states = _States(b, stateful)
    values, _ = _written(b, calls, inputs, [None] * len(inputs), states)
    outputs = [_named(b, value, tensor.origin.name) for value, tensor in zip(values, model.outputs, strict=True)]
    return _proto(b, model.name, [*inputs, *states.inputs], [*outputs, *states.outputs])


def _input(b: Builder, tensor: Any, calls: Calls, slot: Slot) -> Value:
    """An input of the graph: ids are whole numbers, whatever a file says of them."""
    readers = [call.layer for call in calls.calls if slot in call.inputs]
    ids = bool(readers) and all(layer.takes_ids for layer in readers)
    dtype = "int32" if ids and tensor.dtype == FLOAT else tensor.dtype
    return Value(b.name(tensor.origin.name), (None, *tensor.shape[1:]), dtype)


def _named(b: Builder, value: Value, name: str) -> Value:
    """An output of the graph, under a name of its own."""
    made = Value(b.name(name), (None, *value.shape[1:]) if value.ndim else (), value.dtype)
    b.nodes.append(b.root._onnx.helper.make_node("Identity", [value.name], [made.name], name=b.name("output")))
    return made


class _States:
    """The states that a graph takes and gives.

    Args:
        b: The graph.
        of_all: Whether those of all recurrent layers, or of those alone that are stateful.
    """

    def __init__(self, b: Builder, of_all: bool) -> None:
        self._b, self._of_all = b, of_all
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []

    def keeps(self, layer: Any) -> bool:
        return self._of_all or layer.stateful

    def input(self, name: str, shape: Sequence[int | None]) -> Value:
        """Return a state that the graph takes, of one row or of as many as the batch has; zeros if it is not given."""
        default = self._b.default(name, np.zeros((1, *cast("Sequence[int]", shape[1:])), np.float32))
        made = Value(default.name, (None, *shape[1:]), FLOAT)
        self.inputs.append(made)
        return Value(default.name, (1, *shape[1:]), FLOAT)

    def output(self, name: str, value: Value) -> None:
        """Give a state that a layer ended with."""
        self.outputs.append(_named(self._b, value, f"{name}_out"))


# --- calls ----------------------------------------------------------------------------------------------------------


def _written(
    b: Builder, calls: Calls, inputs: Sequence[Value], masks: Sequence[Any], states: Any
) -> tuple[list[Value], list[Any]]:
    """Write all calls, and return the outputs and their masks."""
    values: dict[int, Any] = dict(enumerate(inputs))
    of_masks: dict[int, Any] = dict(enumerate(masks))
    for call in calls.calls:
        b.scope = "" if isinstance(call.layer, Operation) else f"{call.layer.name}/"
        outputs, new_masks = _call(b, call, values, of_masks, states)
        for slot, value, mask in zip(call.outputs, outputs, new_masks, strict=True):
            values[slot.index], of_masks[slot.index] = value, mask
    b.scope = ""
    indices = [slot.index for slot in calls.outputs]
    return [values[index] for index in indices], [of_masks.get(index) for index in indices]


def _call(
    b: Builder, call: LayerCall, values: dict[int, Any], masks: dict[int, Any], states: Any
) -> tuple[list[Value], list[Any]]:
    layer = call.layer

    def filled(nested: Any, source: dict[int, Any]) -> Any:
        return map_structure(lambda leaf: source.get(leaf.index) if isinstance(leaf, Slot) else leaf, nested)

    first, *others = filled(call.args, values)
    kwargs = filled(call.kwargs, values)
    if isinstance(layer, Operation):
        outputs = flatten(write_call(Call(b, layer, first, tuple(others), kwargs, None, states)))
        return outputs, [None] * len(outputs)
    training = kwargs.pop("training", None)
    if isinstance(training, FixedTraining) and training and "training" in call_parameters(type(layer)):
        raise refusal(layer, "is called with `training=True`")
    first = map_structure(lambda x: b.cast(x, FLOAT) if _is_number(layer, x) else x, first)
    # Initial states, and the tensors of attention.
    others = [
        map_structure(lambda x: b.constant(np.asarray(x, FLOAT)) if hasattr(x, "tobytes") else x, one) for one in others
    ]
    carried = map_structure(lambda leaf: masks.get(leaf.index) if isinstance(leaf, Slot) else None, call.args[0])
    if shape_arguments(type(layer)):
        of_slots = {id(value): masks.get(slot.index) for slot, value in _pairs(call, values)}
        kwargs = with_argument_masks(layer, first, tuple(others), kwargs, lambda x: of_slots.get(id(x)))
    kwargs, mask = with_mask(layer, tuple(others), kwargs, carried)
    outputs = flatten(write_call(Call(b, layer, first, tuple(others), kwargs, mask, states)))
    return outputs, _output_masks(b, layer, first, mask, outputs)


def _is_number(layer: Any, x: Any) -> bool:
    """Whether a layer reads a value as float32."""
    return isinstance(x, Value) and not layer.takes_ids and x.dtype != FLOAT


def _pairs(call: LayerCall, values: dict[int, Any]) -> list[tuple[Slot, Value]]:
    return [(slot, values[slot.index]) for slot in call.inputs]


def _output_masks(b: Builder, layer: Any, inputs: Any, mask: Any, outputs: list[Value]) -> list[Any]:
    """The masks of a call's outputs; see `calling.output_masks`."""
    if not layer.supports_masking:
        return [None] * len(outputs)
    if isinstance(layer, layers.Embedding):
        found: Any = core.nonzero_ids(b, inputs) if layer.mask_zero else None
    elif isinstance(layer, layers.Masking):
        found = core.kept_steps(b, layer, inputs)
    elif isinstance(layer, (layers.Add, layers.Concatenate)) or type(layer).compute_mask is layers.Add.compute_mask:
        found = None if mask is None else merging.merged_mask(b, layer, inputs, mask)
    else:
        found = layer.compute_mask(inputs, mask)
    masks = list(found) if isinstance(found, (list, tuple)) else [found]
    return [*masks, *[None] * len(outputs)][: len(outputs)]


# --- layers around layers -------------------------------------------------------------------------------------------


@writes(_Masked, _Unmasked)
def write_mask_change(call: Call) -> Outputs:
    """Write nothing: only the mask is another one."""
    return call.inputs


@writes(Predictor)
def write_model(call: Call) -> Outputs:
    """Write a model that is inside a layer."""
    if not call.layer.expands:
        raise refusal(call.layer, "has a `call` of its own")
    inputs = flatten(call.inputs)
    masks = flatten(call.mask) if call.mask is not None else [None] * len(inputs)
    scope = call.b.scope
    values, _ = _written(call.b, call.layer.calls(), inputs, masks, call.states)
    call.b.scope = scope
    return values if len(values) > 1 else values[0]


@writes(TimeDistributed)
def write_time_distributed(call: Call) -> Outputs:
    """Write the layer inside, for the steps as rows of one batch."""
    b, layer, x, mask = call.b, call.layer, call.inputs, call.kwargs.get("mask")
    inner = layer.layer
    if inner.stateful:
        raise refusal(layer, "has a stateful layer inside")
    if isinstance(inner, (layers.Dense, layers.Activation)) and layer.lowers:
        return call.inner(inner, x)
    rows = _as_rows(b, x)
    takes_mask = mask is not None and "mask" in call_parameters(type(inner))
    y = call.inner(inner, rows, _as_rows(b, mask) if mask is not None and takes_mask and mask.ndim > 2 else None)
    sizes = b.concat([b.sizes(x, 0, 2), *([b.sizes(y, 1)] if y.ndim > 1 else [])], 0)
    return b.reshaped(y, sizes, (*x.shape[:2], *y.shape[1:]))


def _as_rows(b: Builder, x: Value) -> Value:
    """`x` with its two first axes as one."""
    if x.ndim == 2:
        return b.reshape(x, (-1,), (None,))
    return b.reshaped(x, b.concat([b.ints(-1), b.sizes(x, 2)], 0), (None, *x.shape[2:]))


# --- the file -------------------------------------------------------------------------------------------------------


def described(b: Builder, values: Sequence[Value]) -> list[Any]:
    """Return the descriptions of inputs or outputs; the first axis is the batch, of one name everywhere."""
    helper = b.root._onnx.helper
    made = []
    for value in values:
        sizes = [f"{value.name}_{axis}" if size is None else size for axis, size in enumerate(value.shape)]
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
        made.append(helper.make_tensor_value_info(value.name, dtype, sizes))
    return made


def _proto(b: Builder, name: str, inputs: Sequence[Value], outputs: Sequence[Value]) -> Any:
    onnx = onnx_library()
    described_inputs, described_outputs = described(b, inputs), described(b, outputs)
    given = {value.name for value in b.initializers}
    for info in (*described_inputs, *described_outputs):
        sizes = info.type.tensor_type.shape.dim
        if len(sizes) and info.name not in given:
            sizes[0].dim_param = "batch"
    graph = onnx.helper.make_graph(b.nodes, name, described_inputs, described_outputs, b.initializers)
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(
        graph,
        opset_imports=[opset],
        ir_version=IR_VERSION,
        producer_name="fastlstm",
        producer_version=__version__,
    )
