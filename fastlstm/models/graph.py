"""Graphs: the calls between symbolic inputs and outputs, with the layers in Keras' order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm.layers.base.layer import Layer
from fastlstm.layers.core.input_layer import InputLayer
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.node import Node


class Graph:
    """What leads from inputs to outputs.

    Args:
        inputs: The symbolic inputs: those of `Input`, or what calls of layers gave; the calls before are left out then.
        outputs: The symbolic outputs.

    Raises:
        ValueError: With Keras' text, when an output depends on other inputs too, or names are not unique.
    """

    def __init__(self, inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> None:
        self.inputs: list[KerasTensor] = [_as_input(tensor) for tensor in inputs]
        self.outputs: list[KerasTensor] = list(outputs)
        # A tensor in the middle of another graph is replaced by an input of its own.
        self._replaced = {id(tensor): source for tensor, source in zip(inputs, self.inputs, strict=True)}
        traversal = _Traversal(self._replaced)
        for output in outputs:
            traversal.visit(self.source(output).node)
        self.nodes: list[Node] = [node for node in traversal.ordered if node.inputs]
        self._depths = self._depths_of(traversal.ordered)
        self._check_connected(traversal.ordered)
        self.layers: list[Layer] = self._ordered_layers(traversal)
        self._numbers = _numbered(self.nodes)

    def source(self, tensor: KerasTensor) -> KerasTensor:
        """Return the tensor, or the input that stands for it in this graph."""
        return self._replaced.get(id(tensor), tensor)

    def history(self, tensor: KerasTensor) -> tuple[Layer, int, int]:
        """Return where a tensor comes from: a layer, the number of its call in this graph, the number of the output."""
        source = self.source(tensor)
        return source.node.layer, self._numbers.get(id(source.node), 0), source.index

    def in_keras_order(self) -> list[Node]:
        """Return the calls in the order in which Keras makes them: the farthest from the outputs first."""
        return sorted(self.nodes, key=lambda node: (-self._depths[id(node)][1], self._found[id(node)]))

    def is_row(self) -> bool:
        """Return whether the layers simply follow each other, each called once on one tensor."""
        depths = [depth for _, depth in self._depths.values()]
        layers = [id(node.layer) for node in self.nodes]
        one_input = all(len(node.inputs) == 1 for node in self.nodes)
        return one_input and len(set(depths)) == len(depths) and len(set(layers)) == len(layers)

    def _depths_of(self, ordered: Sequence[Node]) -> dict[int, tuple[Node, int]]:
        """Every node by id with its distance from the outputs, that of the layer's farthest call so far."""
        depths: dict[int, int] = {}
        of_layers: dict[int, int] = {}
        for node in reversed(ordered):
            key, layer = id(node), id(node.layer)
            depth = max(depths.get(key, 0), of_layers.get(layer, 0))
            depths[key] = of_layers[layer] = depth
            for tensor in node.inputs:
                before = id(self.source(tensor).node)
                if depths.get(before, -1) <= depth:
                    depths[before] = depth + 1
        # Of those at one distance, Keras calls the one first that it found first on its way back.
        self._found = {key: place for place, key in enumerate(depths)}
        nodes = {id(node): (node, depths[id(node)]) for node in ordered}
        return nodes | {id(tensor.node): (tensor.node, 0) for tensor in self.inputs if id(tensor.node) not in nodes}

    def _ordered_layers(self, traversal: _Traversal) -> list[Layer]:
        """From the farthest from the outputs to the nearest; of those at one distance the one found first."""
        depths: dict[int, int] = {}
        layers: dict[int, Layer] = {}
        for node, depth in self._depths.values():
            layers[id(node.layer)] = node.layer
            depths[id(node.layer)] = max(depths.get(id(node.layer), 0), depth)
        places = traversal.places
        ordered = sorted(layers.values(), key=lambda layer: (-depths[id(layer)], places.get(id(layer), -1)))
        names = [layer.name for layer in ordered]
        counts = dict.fromkeys(names, 0)
        for name in names:
            counts[name] += 1
        for name, count in counts.items():
            if count > 1:
                raise ValueError(
                    f'The name "{name}" is used {count} times in the model. All operation names should be unique.'
                )
        return ordered

    def _check_connected(self, ordered: Sequence[Node]) -> None:
        known = {id(tensor.node) for tensor in self.inputs}
        for node in ordered:
            before = {id(self.source(tensor).node) for tensor in node.inputs}
            if before and before <= known:
                known.add(id(node))
        for index, output in enumerate(self.outputs):
            if id(self.source(output).node) not in known:
                path = "" if len(self.outputs) == 1 else index
                raise ValueError(f"Output with path `{path}` is not connected to `inputs`")


class _Traversal:
    """The calls behind some tensors, each after those that it depends on.

    Args:
        replaced: Inputs by the id of the tensors for which they stand.
    """

    def __init__(self, replaced: dict[int, KerasTensor]) -> None:
        self._replaced = replaced
        self._seen: set[int] = set()
        self.ordered: list[Node] = []
        self.places: dict[int, int] = {}

    def visit(self, node: Node) -> None:
        """Add a call after all that it depends on."""
        pending: list[tuple[Node, Any]] = []
        self._enter(node, pending)
        while pending:
            current, inputs = pending[-1]
            tensor = next(inputs, None)
            if tensor is None:
                pending.pop()
                self.ordered.append(current)
            else:
                self._enter(self._replaced.get(id(tensor), tensor).node, pending)

    def _enter(self, node: Node, pending: list[tuple[Node, Any]]) -> None:
        if id(node) not in self._seen:
            self._seen.add(id(node))
            self.places.setdefault(id(node.layer), len(self.places))
            pending.append((node, iter(node.inputs)))


def _as_input(tensor: KerasTensor) -> KerasTensor:
    if isinstance(tensor.origin, InputLayer):
        return tensor
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=f"{tensor.name}CLONE").output


def _numbered(nodes: Sequence[Node]) -> dict[int, int]:
    """The number of every node among the calls of its layer, by the node's id."""
    counts: dict[int, int] = {}
    numbers = {}
    for node in sorted(nodes, key=lambda node: node.number):
        numbers[id(node)] = counts.get(id(node.layer), 0)
        counts[id(node.layer)] = numbers[id(node)] + 1
    return numbers
