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

# Of one value, and of two, to one of the same shape.
KEEPING = (
    "Relu",
    "Tanh",
    "Sigmoid",
    "Identity",
    "Neg",
    "Abs",
    "Exp",
    "Sqrt",
    "Erf",
    "Softplus",
    "Elu",
    "Clip",
    "Softmax",
)
JOINING = ("Add", "Mul", "Sub", "Div", "Max", "Min", "Pow")


def mutate_onnx(content: bytes, rng: random.Random) -> bytes | None:
    """The file with one change; None where it is no ONNX file."""
    import onnx

    try:
        model = onnx.ModelProto.FromString(content)
        _change(model, rng)
        return model.SerializeToString()
    except Exception:  # of protobuf, whose names may be no text
        return None


def _change(model: Any, rng: random.Random) -> None:
    graph, kind = model.graph, rng.random()
    if rng.random() < 0.25:
        _mend(model, rng)
    if kind < 0.3 and graph.node:
        _put_in(graph, rng)
    elif kind < 0.4 and len(graph.node) > 1:
        _take_out(graph, rng)
    elif kind < 0.55 and graph.node:
        _change_node(rng.choice(graph.node), graph, rng)
    elif kind < 0.88 and graph.initializer:
        _change_array(rng.choice(graph.initializer), rng)
    elif kind < 0.94 and (graph.input or graph.output):
        _change_size(rng.choice([*graph.input, *graph.output]), rng)
    elif kind < 0.97 and model.opset_import:
        rng.choice(model.opset_import).version = rng.choice((7, 9, 11, 13, 15, 17, 18, 19, 21, 22, 0, 99, -1))
    elif len(graph.node) > 1:
        nodes = list(graph.node)
        rng.shuffle(nodes)
        del graph.node[:]
        graph.node.extend(nodes if rng.random() < 0.3 else nodes[1:])


def _mend(model: Any, rng: random.Random) -> None:
    """Undo what no reader gets past of earlier changes: names of nothing, operators and versions of none."""
    graph = model.graph
    known = ["", *(one.name for one in graph.initializer), *(one.name for one in graph.input)]
    for one in model.opset_import:
        if not 7 <= one.version <= 22:
            one.version = 17
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in known:
                node.input[place] = rng.choice(known[1:]) if len(known) > 1 else ""
        if node.op_type in ("If", "Loop", "NoSuchOperator"):
            node.op_type = "Identity"
        known += node.output
    for one in graph.output:
        if one.name not in known:
            one.name = known[-1]


def _put_in(graph: Any, rng: random.Random) -> None:
    """A node, or two that undo each other, between a node and one of its inputs."""
    import onnx

    at = rng.randrange(len(graph.node))
    node = graph.node[at]
    constants = {one.name for one in graph.initializer}
    places = [place for place, name in enumerate(node.input) if name and (name not in constants or rng.random() < 0.1)]
    if not places:
        return
    place = rng.choice(places)
    name = f"new{len(graph.node)}_{rng.randrange(1000)}"
    made = _new_nodes(node.input[place], name, graph, rng)
    node.input[place] = name
    nodes = [*graph.node[:at], *(onnx.helper.make_node(*one[:3], **one[3]) for one in made), *graph.node[at:]]
    del graph.node[:]
    graph.node.extend(nodes)


def _new_nodes(
    x: str, y: str, graph: Any, rng: random.Random
) -> list[tuple[str, list[str], list[str], dict[str, Any]]]:
    """`(operator, inputs, outputs, attributes)` of nodes from one name to another, which keep the shape."""
    kind = rng.random()
    if kind < 0.4:
        return [(rng.choice(KEEPING), [x], [y], {})]
    if kind < 0.55:
        return [(rng.choice(JOINING), [x, x], [y], {})]
    if kind < 0.65:
        return [("LeakyRelu", [x], [y], {"alpha": rng.choice((0.0, 0.1, 2.0, -1.0))})]
    if kind < 0.75:
        perm = rng.sample(range(3), 3) if rng.random() < 0.5 else [0, 2, 1]
        back = [perm.index(axis) for axis in range(3)]
        return [("Transpose", [x], [f"{y}t"], {"perm": perm}), ("Transpose", [f"{y}t"], [y], {"perm": back})]
    if kind < 0.85:
        return [("Cast", [x], [f"{y}c"], {"to": rng.choice((1, 1, 6, 7, 10))}), ("Cast", [f"{y}c"], [y], {"to": 1})]
    number = _constant(graph, f"{y}k", np.array(rng.choice((0.0, 1.0, -1.0, 0.5, 1e38)), np.float32))
    return [(rng.choice(JOINING), [x, number], [y], {})]


def _constant(graph: Any, name: str, array: np.ndarray) -> str:
    import onnx

    graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return name


def _take_out(graph: Any, rng: random.Random) -> None:
    """Leave a node out; whoever takes what it gives takes what it takes."""
    node = rng.choice(graph.node)
    first = node.input[0] if node.input else ""
    for other in graph.node:
        for place, name in enumerate(other.input):
            if name and name in node.output:
                other.input[place] = first
    if not any(one.name in node.output for one in graph.output) or rng.random() < 0.1:
        graph.node.remove(node)


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
    """Other numbers, mostly as many as there are; or another shape or dtype, mostly of numbers that fit it."""
    import onnx

    try:
        array = np.array(onnx.numpy_helper.to_array(tensor))
    except Exception:  # what an earlier change has left
        return
    kind = rng.random()
    if kind < 0.05 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
        return
    if kind < 0.08:
        tensor.data_type = rng.choice((0, 1, 6, 7, 9, 10, 11, 16, 99))
        return
    if kind < 0.1:
        tensor.raw_data = tensor.raw_data[:-1]
        return
    if kind < 0.2 and array.dtype.kind == "f":
        array = array.astype(rng.choice((np.float64, np.float16)))
    elif kind < 0.3 and array.ndim > 1:
        array = rng.choice((array.T, array[::-1], array[:1], np.roll(array, 1)))
    elif array.size and array.dtype.kind == "f":
        array.flat[rng.randrange(array.size)] = rng.choice((0.0, 1.0, -0.5, 1e38, float("inf"), float("nan")))
    elif array.size and array.dtype.kind in "iu":
        place = rng.randrange(array.size)
        array.flat[place] = rng.choice((int(array.flat[place]), int(array.flat[place]) ^ 1, 0, 1, -1, 2**31 - 1))
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), tensor.name))


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
