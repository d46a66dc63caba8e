"""The graph of objects in a TensorFlow checkpoint: which tensor belongs to which attribute of which layer.

It is a protocol buffer (trackable_object_graph.proto) in a tensor of text: nodes with named children; the node of a
variable names the tensor. A model's layers are its children `layer-0`, `layer-1` …, those with weights also
`layer_with_weights-0` …; what is below them has the names of Keras 2's attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.saving.assembly import Found, no_weights, read_found
from fastlstm.saving.budget import Budget
from fastlstm.saving.conversion import Stored
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.model_file import Contents
from fastlstm.saving.protobuf import Message
from fastlstm.saving.spec import LayerSpec
from fastlstm.saving.tensor_bundle import INDEX, TensorBundle

_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"
# Whose kernel Keras 3 calls by another name.
_DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
_LAYER, _HEAVY_LAYER = "layer-", "layer_with_weights-"


@dataclass(frozen=True)
class _Node:
    """One object.

    Args:
        children: Attribute → the number of the object there.
        variable: `(full name, key of the tensor)` of a variable, else None.
    """

    children: dict[str, int]
    variable: tuple[str, str] | None


class ObjectGraph:
    """The objects of a checkpoint.

    Args:
        bundle: The checkpoint.
        budget: What the load may take.

    Raises:
        ValueError: It has no such graph, or a damaged one.
    """

    def __init__(self, bundle: TensorBundle, budget: Budget) -> None:
        stored = bundle.array(_KEY)
        if stored is None:
            raise SavedModelError(
                "The checkpoint lists variables by name, as TensorFlow 1 wrote them, without the objects that they "
                "belong to. Load it there, and write the weights with `model.save_weights('x.weights.h5')`."
            )
        self._bundle = bundle
        self._nodes = [_node(message) for message in Message(stored.texts()[0], budget).messages(1)]
        if any(not 0 <= child < len(self._nodes) for node in self._nodes for child in node.children.values()):
            raise SavedModelError("The checkpoint's graph of objects names one that it does not have.")

    def read(self, spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        """Read the arrays of a model; the arguments are those of `ModelFile.read_weights`."""
        if by_name:
            raise SavedModelError(
                "Weights may only be loaded based on topology into Models when loading TensorFlow-formatted weights "
                "(got by_name=True to load_weights)."
            )
        found = [item for item in self._pair(spec, self._model(), spec.name) if item.layer.variables]
        if found and not any(item.arrays for item in found):
            raise no_weights(spec)
        return read_found(found, skip_mismatch=skip_mismatch)

    def _model(self) -> int:
        """The object that has layers: the root, or where a `tf.train.Checkpoint` was told of a model, that."""
        below = self._nodes[0].children.values() if self._nodes else ()
        models = [number for number in (0, *dict.fromkeys(below)) if _has_layers(self._nodes[number])]
        if not models:
            names = sorted(self._nodes[0].children) if self._nodes else []
            raise SavedModelError(
                "The checkpoint is not that of a Sequential or functional model, whose layers are called layer-0, "
                f"layer-1 …: its objects are {', '.join(names)[:300] or 'none'}."
            )
        if models[0] != 0 and len(models) > 1:
            raise SavedModelError(f"The checkpoint holds {len(models)} models: save the weights of one alone.")
        return models[0]

    def _pair(self, layer: LayerSpec, number: int | None, path: str) -> Iterator[Found]:
        node = None if number is None else self._nodes[number]
        arrays = [] if node is None else self._variables(layer, node)
        yield Found(layer, path, arrays)
        for attribute, child in layer.children:
            below = f"{path}/{attribute}"
            if not isinstance(child, tuple):
                inner = _attribute(node, attribute)
                if inner is None and attribute == "cell":
                    inner = number  # the CuDNN layers have no cell: their arrays are the layer's own
                yield from self._pair(child, inner, below)
                continue
            if attribute == "layers":
                members = self._layers(child, node, path)
            else:
                container = _attribute(node, attribute)
                items = self._nodes[container].children if container is not None else {}
                members = [items.get(str(place)) for place in range(len(child))]
            for member, found in zip(child, members, strict=True):
                yield from self._pair(member, found, f"{below}/{member.name}")

    def _variables(self, layer: LayerSpec, node: _Node) -> list[Stored]:
        """The layer's own arrays; those that are missing are left out."""
        named: dict[str, str] = {}
        for name, number in node.children.items():
            variable = self._nodes[number].variable
            if variable is not None:
                # Some attributes are not called what the variable is.
                named.setdefault(variable[0].rpartition("/")[2].partition(":")[0], variable[1])
                named[name] = variable[1]
        if layer.class_name in _DEPTHWISE and "depthwise_kernel" in named:
            named["kernel"] = named["depthwise_kernel"]
        arrays = [self._bundle.array(named[own.name]) for own in layer.variables if own.name in named]
        return [array for array in arrays if array is not None]

    def _layers(self, layers: Sequence[LayerSpec], node: _Node | None, path: str) -> list[int | None]:
        """The objects of a model's layers: by their places, or by their places among those with weights."""
        children = node.children if node is not None else {}
        heavy = [place for place, layer in enumerate(layers) if any(layer.flatten())]
        all_found = _numbered(children, _LAYER)
        heavy_found = _numbered(children, _HEAVY_LAYER)
        if len(all_found) == len(layers):
            lacking = {all_found[place] for place in heavy} - set(heavy_found)
            if not lacking:
                return [*all_found]
        if len(heavy_found) != len(heavy):
            raise SavedModelError(
                f"The checkpoint has {len(heavy_found)} layers with weights where '{path}' has {len(heavy)}: it is "
                "that of another model."
            )
        found: list[int | None] = [None] * len(layers)
        for place, number in zip(heavy, heavy_found, strict=True):
            found[place] = number
        return found


def is_checkpoint(prefix: Path) -> bool:
    """Return whether a checkpoint's files begin with this path."""
    return prefix.with_name(prefix.name + INDEX).is_file()


def open_checkpoint(prefix: Path, stack: ExitStack) -> Contents:
    """Open a checkpoint.

    Args:
        prefix: The path that its files begin with.
        stack: Closes the files.

    Raises:
        ValueError: Something is damaged, missing or not Keras'.
    """
    budget = Budget(0)
    return Contents(ObjectGraph(TensorBundle(prefix, stack, budget), budget).read, budget)


def _node(message: Message) -> _Node:
    children = {child.text(2): child.integer(1) for child in message.messages(1)}
    attributes = {attribute.text(1): (attribute.text(2), attribute.text(3)) for attribute in message.messages(2)}
    return _Node(children, attributes.get(_VALUE))


def _has_layers(node: _Node) -> bool:
    return any(name.startswith((_LAYER, _HEAVY_LAYER)) for name in node.children)


def _attribute(node: _Node | None, name: str) -> int | None:
    """The object at an attribute, which Keras 2 may have called a private one."""
    children: dict[str, Any] = node.children if node is not None else {}
    return children.get(name, children.get(f"_{name}"))


def _numbered(children: dict[str, int], prefix: str) -> list[int]:
    """The objects at `prefix0`, `prefix1` … up to the first one that is missing."""
    found: list[int] = []
    while f"{prefix}{len(found)}" in children:
        found.append(children[f"{prefix}{len(found)}"])
    return found
