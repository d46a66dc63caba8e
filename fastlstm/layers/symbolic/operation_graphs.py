"""Operations on float32 tensors without masks as ops of the engine; the others run in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.joining import GraphValue, constant_of, softmax_over

Parameters = Mapping[str, Any]
# graph, operands, parameters → the result's value; None if the engine has no ops for it
Rule = Callable[[Graph, Sequence[Any], Parameters], "int | None"]


def _first(operands: Sequence[Any], *ranks: int) -> GraphValue | None:
    x = operands[0]
    return x if isinstance(x, GraphValue) and x.rank in ranks else None


def _of_two(kind: str) -> Rule:
    """The rule of a function of two values, of which one may be a constant."""

    def rule(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
        a, b = operands
        if isinstance(a, GraphValue) and isinstance(b, GraphValue):
            # NumPy gives the one with fewer axes new ones before the batch.
            fits = a.rank == b.rank <= 3
            return graph.add(ops.MergeOp(kind), a.number, b.number) if fits else None
        x, other = (a, b) if isinstance(a, GraphValue) else (b, a)
        constant = constant_of(other, x.rank)
        return None if constant is None else graph.add(ops.MergeOp(kind, constant, x is b), x.number)

    return rule


def _activation(name: str, *names: str, **fixed: float) -> Rule:
    """The rule of an activation of the engine, with its parameters from the operation's or fixed."""

    def rule(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
        x = _first(operands, 2, 3)
        given = [parameters[key] if key in parameters else fixed.get(key) for key in names]
        values = tuple(math.inf if value is None else float(value) for value in given)
        return None if x is None else graph.add(ops.ActivationOp(ops.Activation(name, values)), x.number)

    return rule


def _gelu(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    return _activation("gelu_tanh" if parameters["approximate"] else "gelu")(graph, operands, parameters)


def _softmax(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x, axis = _first(operands, 2, 3), parameters["axis"]
    return None if x is None or type(axis) is not int else softmax_over(graph, x, axis)


def _square(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x = _first(operands, 2, 3)
    return None if x is None else graph.add(ops.MergeOp("multiply"), x.number, x.number)


def _negative(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    return _of_two("multiply")(graph, [operands[0], -1.0], parameters)


def _absolute(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x, opposite = _first(operands, 2, 3), _negative(graph, operands, parameters)
    return None if x is None or opposite is None else graph.add(ops.MergeOp("maximum"), x.number, opposite)


def _reduction(pool: ops.GlobalPoolOp) -> Rule:
    """The rule of a sum, mean or greatest value along one axis."""

    def rule(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
        x, axis = _first(operands, 2, 3), parameters["axis"]
        axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        if x is None or type(axis) is not int or parameters.get("initial") is not None or not axis % x.rank:
            return None
        if x.rank == 2:
            # Without the axis a row is one number, and the engine's rows have features.
            return (
                graph.add(pool, graph.add(ops.ReshapeOp(2, (-1, 1)), x.number)) if parameters.get("keepdims") else None
            )
        last = axis % x.rank == x.rank - 1
        number = graph.add(pool, graph.add(ops.PermuteOp(), x.number) if last else x.number)
        if not parameters.get("keepdims"):
            return number
        return graph.add(ops.ReshapeOp(2, (-1, 1) if last else (1, -1)), number)

    return rule


def _item(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x, key = _first(operands, 2, 3), operands[1]
    items = list(key) if isinstance(key, (list, tuple)) else [key]
    if x is None or None in items:
        return None
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (x.rank + 1 - len(items))
    items += [slice(None)] * (x.rank - len(items))
    if items[0] != slice(None):
        return None
    number = x.number if x.rank == 3 else graph.add(ops.ReshapeOp(2, (1, -1)), x.number)
    for axis, item in enumerate(items[1:], 4 - x.rank):
        found = _along(graph, number, axis == 2, item)
        if found is None:
            return None
        number = found
    single = [item for item in items if not isinstance(item, slice)]
    if len(single) + 2 > x.rank:
        return None
    return graph.add(ops.ReshapeOp(3, (-1,)), number) if single or x.rank == 2 else number


def _along(graph: Graph, number: int, features: bool, item: Any) -> int | None:
    """What an integer or a slice takes of the steps or features; the axis stays."""
    if type(item) is int:
        return graph.add(ops.SliceOp(features, item, item + 1 if item != -1 else None), number)
    if not isinstance(item, slice):
        return None
    ends = item.start, item.stop
    if item.step in (None, 1):
        return number if ends == (None, None) else graph.add(ops.SliceOp(features, *ends), number)
    backwards = item.step == -1 and ends == (None, None) and not features
    return graph.add(ops.StepsOp(backwards=True), number) if backwards else None


def _expand_dims(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x, axis = _first(operands, 2), parameters["axis"]
    shapes = {1: (1, -1), -2: (1, -1), 2: (-1, 1), -1: (-1, 1)}
    if x is None or type(axis) is not int or axis not in shapes:
        return None
    return graph.add(ops.ReshapeOp(2, shapes[axis]), x.number)


def _squeeze(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x, axis = _first(operands, 3), parameters["axis"]
    if x is None or type(axis) is not int or not axis % 3 or x.shape[axis] != 1:
        return None
    return graph.add(ops.ReshapeOp(3, (-1,)), x.number)


def _transpose(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    x, axes = _first(operands, 3), parameters["axes"]
    swaps = axes is not None and [axis % 3 for axis in axes] == [0, 2, 1]
    return graph.add(ops.PermuteOp(), x.number) if x is not None and swaps else None


def _concatenate(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    values, axis = operands[0], parameters["axis"]
    if not all(isinstance(x, GraphValue) and x.rank in (2, 3) for x in values) or type(axis) is not int:
        return None
    rank = values[0].rank
    if any(x.rank != rank for x in values) or not axis % rank:
        return None
    kind = "concatenate" if axis % rank == rank - 1 else "concatenate_steps"
    return graph.add(ops.MergeOp(kind), *(x.number for x in values))


def _matmul(graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    a, b = operands
    if not all(isinstance(x, GraphValue) and x.rank == 3 for x in operands):
        return None
    return graph.add(ops.ProductOp(False), a.number, b.number)


_RELU = ("negative_slope", "max_value", "threshold")

# Class names of operations.
RULES: dict[str, Rule] = {
    "Add": _of_two("add"),
    "Subtract": _of_two("subtract"),
    "Multiply": _of_two("multiply"),
    "Divide": _of_two("divide"),
    "TrueDivide": _of_two("divide"),
    "Maximum": _of_two("maximum"),
    "Minimum": _of_two("minimum"),
    "Relu": _activation("relu", *_RELU, negative_slope=0.0, threshold=0.0),
    "ReLU": _activation("relu", *_RELU, negative_slope=0.0, threshold=0.0),
    "Relu6": _activation("relu", *_RELU, negative_slope=0.0, threshold=0.0, max_value=6.0),
    "LeakyRelu": _activation("relu", *_RELU, threshold=0.0),
    "Elu": _activation("elu", "alpha"),
    "Celu": _activation("celu", "alpha"),
    "Gelu": _gelu,
    **{
        name: _activation(activation)
        for name, activation in {
            "Exp": "exponential",
            "HardSigmoid": "hard_sigmoid",
            "HardSilu": "hard_silu",
            "HardTanh": "hard_tanh",
            "LogSigmoid": "log_sigmoid",
            "Mish": "mish",
            "Selu": "selu",
            "Sigmoid": "sigmoid",
            "Silu": "silu",
            "Softplus": "softplus",
            "Softsign": "softsign",
            "SparsePlus": "sparse_plus",
            "SparseSigmoid": "sparse_sigmoid",
            "Tanh": "tanh",
            "TanhShrink": "tanh_shrink",
        }.items()
    },
    "Softmax": _softmax,
    "Square": _square,
    "Negative": _negative,
    "Absolute": _absolute,
    "Sum": _reduction(ops.GlobalPoolOp(greatest=False, total=True)),
    "Mean": _reduction(ops.GlobalPoolOp(greatest=False)),
    "Max": _reduction(ops.GlobalPoolOp()),
    "Amax": _reduction(ops.GlobalPoolOp()),
    "GetItem": _item,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Concatenate": _concatenate,
    "Matmul": _matmul,
}


def lowered_operation(name: str, graph: Graph, operands: Sequence[Any], parameters: Parameters) -> int | None:
    """Add an operation to a graph; returns the number of its result, None if the engine has no ops for it.

    Args:
        name: Of its class.
        graph: The graph.
        operands: Its tensors, as `GraphValue`s, and constants.
        parameters: Its other arguments.
    """
    rule = RULES.get(name)
    return None if rule is None else rule(graph, operands, parameters)
