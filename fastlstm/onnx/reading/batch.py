"""Which axis of a graph's inputs is the batch: the second one where a recurrent node reads them with time first."""

from __future__ import annotations

from typing import Any

_SAME = {
    *("Identity", "Cast", "Dropout", "Relu", "Tanh", "Sigmoid", "Add", "Sub", "Mul", "Div", "MatMul", "Clip", "Neg"),
    *("Slice", "Gelu", "Elu", "LeakyRelu", "Concat", "LayerNormalization", "Pow", "Sqrt", "Softmax", "Where", "Split"),
}


def batch_axes(graph: Any, nodes: list[Any]) -> dict[str, int]:
    """Return the axis of the batch by the names of values from which recurrent nodes are reached; 0 for no other."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    constants = {one.name: one for one in graph.initializer}
    found: dict[str, int] = {}
    pending: list[tuple[str, int]] = []
    done: set[int] = set()  # nodes: one that gives many values leads to what it takes once
    for node in nodes:
        if node.operator in ("LSTM", "GRU", "RNN"):
            axis = 0 if node.attribute("layout", 0) else 1
            states = [name for name in node.inputs[5:7] if name]
            pending += [(name, axis) for name in (node.inputs[0], *states)]
            if len(node.inputs) > 4 and node.inputs[4]:
                pending.append((node.inputs[4], 0))
    while pending:
        name, axis = pending.pop()
        if name in found or name in constants:
            continue
        found[name] = axis
        node = makers.get(name)
        if node is not None and id(node) not in done:
            done.add(id(node))
            pending += [(source, at) for source, at in _before(node, axis, constants) if source and at is not None]
    return found


def _before(node: Any, axis: int, constants: dict[str, Any]) -> list[tuple[str, int | None]]:
    """The inputs of a node, each with its axis that becomes an axis of the output."""
    first = node.inputs[0] if node.inputs else ""
    if node.operator in _SAME:
        return [(name, axis) for name in node.inputs]
    if node.operator == "Transpose":
        perm = node.attribute("perm")
        return [(first, perm[axis] if perm and axis < len(perm) else None)]
    if node.operator == "Gather":
        of_ids = first in constants
        return [(node.inputs[1], axis)] if of_ids else [(first, axis + (node.attribute("axis", 0) <= axis))]
    if node.operator in ("LSTM", "GRU", "RNN"):
        return []
    if node.operator in ("Squeeze", "Unsqueeze"):
        axes = _axes(node, constants)
        if axes is None or any(one < 0 for one in axes):
            return [(first, axis)] if axis == 0 else []
        if node.operator == "Squeeze":
            for one in sorted(axes):
                axis += one <= axis
            return [(first, axis)]
        return [(first, axis - sum(one < axis for one in axes))] if axis not in axes else []
    return [(first, 0)] if axis == 0 else []


def _axes(node: Any, constants: dict[str, Any]) -> list[int] | None:
    from fastlstm.onnx.library import onnx_library

    given = node.attribute("axes")
    if given is None and len(node.inputs) > 1 and node.inputs[1] in constants:
        given = onnx_library().numpy_helper.to_array(constants[node.inputs[1]]).ravel().tolist()
    return given
