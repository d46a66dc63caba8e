"""Mutations of an ONNX file that stay one: nodes, attributes, sizes and numbers of its graph change."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

NUMBERS = (0, 1, 2, 3, 4, 5, 8, 64, -1, -2, 2**31, 2**62)
# Of the same number of inputs, mostly.
OPERATORS = (
    *("Relu", "Tanh", "Sigmoid", "Identity", "Neg", "Softmax", "Shape", "Flatten", "Squeeze", "Transpose"),
    *("Add", "Mul", "Sub", "Div", "MatMul", "Gemm", "Concat", "Gather", "Reshape", "Unsqueeze", "Slice", "Expand"),
    *("LSTM", "GRU", "RNN", "Conv", "MaxPool", "LayerNormalization", "If", "Loop", "NoSuchOperator"),
)


def mutate_onnx(content: bytes, rng: random.Random) -> bytes | None:
    """The file with one change; None where it is no ONNX file."""
    import onnx

    try:
        model = onnx.ModelProto.FromString(content)
    except Exception:  # of protobuf
        return None
    graph, kind = model.graph, rng.random()
    if kind < 0.3 and graph.node:
        _change_node(rng.choice(graph.node), graph, rng)
    elif kind < 0.75 and graph.initializer:
        _change_array(rng.choice(graph.initializer), rng)
    elif kind < 0.85 and (graph.input or graph.output):
        _change_size(rng.choice([*graph.input, *graph.output]), rng)
    elif kind < 0.92 and model.opset_import:
        rng.choice(model.opset_import).version = rng.choice((0, 1, 7, 9, 11, 13, 17, 21, 99, -1))
    elif len(graph.node) > 1:
        nodes = list(graph.node)
        rng.shuffle(nodes)
        del graph.node[:]
        graph.node.extend(nodes if rng.random() < 0.3 else nodes[1:])
    return model.SerializeToString()


def _change_node(node: Any, graph: Any, rng: random.Random) -> None:
    kind = rng.random()
    if kind < 0.5 and node.attribute:
        attribute = rng.choice(node.attribute)
        if attribute.ints:
            place = rng.randrange(len(attribute.ints))
            attribute.ints[place] = rng.choice((attribute.ints[place] + 1, *NUMBERS))
        elif attribute.strings:
            attribute.strings[0] = rng.choice((b"Relu", b"Affine", b"", b"\xff"))
        elif attribute.floats:
            attribute.floats[0] = rng.choice((0.0, -1.0, float("nan"), 1e38))
        elif attribute.s:
            attribute.s = rng.choice((b"reverse", b"forward", b"bidirectional", b"SAME_UPPER", b""))
        else:
            attribute.i, attribute.f = rng.choice(NUMBERS), rng.choice((0.0, 0.5, float("inf")))
    elif kind < 0.7 and node.input:
        names = [name for other in graph.node for name in other.output] + [one.name for one in graph.initializer]
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "nothing"])
    elif kind < 0.8 and node.input:
        del node.input[-1]
    else:
        node.op_type = rng.choice(OPERATORS)


def _change_array(tensor: Any, rng: random.Random) -> None:
    kind = rng.random()
    if kind < 0.1 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
    elif kind < 0.15:
        tensor.data_type = rng.choice((0, 1, 6, 7, 9, 10, 11, 16, 99))
    elif tensor.raw_data:
        numbers = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 4 * 4], np.float32).copy()
        if len(numbers):
            numbers[rng.randrange(len(numbers))] = rng.choice((0.0, 1e38, float("inf"), float("nan")))
        tensor.raw_data = numbers.tobytes() if rng.random() < 0.9 else tensor.raw_data[:-1]


def _change_size(value: Any, rng: random.Random) -> None:
    sizes = value.type.tensor_type.shape.dim
    if not sizes or rng.random() < 0.2:
        value.type.tensor_type.elem_type = rng.choice((1, 6, 7, 9, 11, 0))
        return
    size = rng.choice(sizes)
    if rng.random() < 0.5:
        size.dim_value = rng.choice(NUMBERS)
    else:
        size.dim_param = rng.choice(("batch", "time", ""))
