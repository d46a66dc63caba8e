"""Scan nodes as a recurrent layer, whose cell runs the graph of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.layers.core.input_layer import Input
from fastlstm.models.functional import Functional
from fastlstm.onnx.reading.cells import GraphCell
from fastlstm.onnx.reading.counting import realised
from fastlstm.onnx.reading.graph import Node, Reader, reads, tensor
from fastlstm.onnx.reading.values import Filled, Tensor, Unfit, Value


@reads("Scan")
def read_scan(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make the steps a layer over `(batch, timesteps, features)`, and say what its outputs are."""
    scanned = node.attribute("num_scan_inputs")
    count = len(inputs) - scanned
    body = node.attribute("body")
    outputs = len(body.output) - count
    for name, number in (("scan_input_axes", scanned), ("scan_output_axes", outputs)):
        if any(node.attribute(name) or [0] * number):
            raise Unfit(f"its attribute `{name}` is not supported")
    ways = set(node.attribute("scan_input_directions") or [0]) | set(node.attribute("scan_output_directions") or [0])
    backwards = set(node.attribute("scan_input_directions") or [0])
    if len(backwards) > 1 or outputs > 1 or (outputs and ways - backwards - {0}):
        raise Unfit("it reads its sequences in several directions, or gives several of them")
    sequences = [tensor(value) for value in inputs[count:]]
    states = [_state(r, value) for value in inputs[:count]]
    cell = GraphCell(*_step(r, body, states, sequences))
    x = _side_by_side(sequences, cell.widths)
    reversed_ = backwards == {1}
    layer = layers.RNN(cell, return_sequences=True, return_state=True, go_backwards=reversed_)
    y, *last = layer(x, initial_state=states)
    if any(node.attribute("scan_output_directions") or [0]):
        y = ops.flip(y, axis=1)
    first = sequences[0].in_order((1, 0, *range(2, sequences[0].rank)))
    made = [Tensor(one, (0, 1), (r.batch, one.shape[1])) for one in last]
    if outputs:
        made.append(Tensor(y, (1, 0, 2), (r.batch, first.sizes[1], y.shape[2])))
    return made


def _state(r: Reader, value: Value) -> Any:
    """What a state begins with, `(batch, units)`."""
    if isinstance(value, np.ndarray):
        raise Unfit("it begins from constants")
    state = realised(r, value) if isinstance(value, Filled) else tensor(value)
    if state.rank != 2 or state.batch_axis != 0:
        raise Unfit("its states are not rows of the batch")
    return state.tensor


def _side_by_side(sequences: Sequence[Tensor], widths: Sequence[int]) -> Any:
    """All sequences as one, `(batch, timesteps, features)` of float32."""
    made = []
    for sequence, width in zip(sequences, widths, strict=True):
        one = sequence.in_order((1, 0, *range(2, sequence.rank))).tensor
        one = ops.expand_dims(one, -1) if not width else one
        made.append(ops.cast(one, "float32") if one.dtype != "float32" else one)
    return made[0] if len(made) == 1 else layers.Concatenate()(made)


def _step(r: Reader, body: Any, states: Sequence[Any], sequences: Sequence[Tensor]) -> tuple[Any, list[int], list[str]]:
    """The model of a step: states and slices to states and an output; the features and the dtype of each slice."""
    inner = Reader(body, r.opset, r.budget, outer=r)
    given: list[Any] = []
    widths: list[int] = []
    dtypes: list[str] = []
    names = [info.name for info in body.input]
    for name, state in zip(names, states, strict=False):
        made = Input((state.shape[1],))
        inner.give(name, Tensor(made, (0, 1), (r.batch, state.shape[1])))
        given.append(made)
    for name, sequence in zip(names[len(states) :], sequences, strict=True):
        features = sequence.in_order((1, 0, *range(2, sequence.rank))).sizes[2:]
        if len(features) > 1 or not all(isinstance(size, int) for size in features):
            raise Unfit("its steps have several axes, or an unknown number of features")
        made = Input(features, dtype=sequence.dtype)
        inner.give(name, Tensor(made, range(1 + len(features)), (r.batch, *features)))
        given.append(made)
        widths.append(features[0] if features else 0)
        dtypes.append(sequence.dtype)
    return Functional(given, inner.results()), widths, dtypes
