"""Models of older versions of Keras in files for Keras 3: refused where it would make something else of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastlstm.layers.attention.attention import Attention
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.symbolic.calling import INPUT_MASK, FixedTraining
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.models.predictor import Predictor
from fastlstm.saving.hard_sigmoid import as_layers

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer
    from fastlstm.layers.symbolic.node import Node


def check_calls(model: Predictor) -> None:
    """Raise ValueError, naming the layer, if Keras 3 would make something else of masks or a `training` in calls."""
    for node, masked in _nodes(model):
        layer, kwargs = node.layer, node.kwargs
        training = kwargs.get("training")
        if isinstance(training, FixedTraining) and training:
            raise ValueError(
                f"Layer '{layer.name}' is called with `training=True`, which the Keras that wrote the model heeds in "
                "`predict` and Keras 3 does not: the saved model would give other outputs. Save its weights alone."
            )
        if kwargs.get("mask") is INPUT_MASK and (masked or any(tensor.masked for tensor in flatten(node.args))):
            raise ValueError(
                f"Layer '{layer.name}' is called with an initial state on inputs that carry a mask, which Keras 3 does "
                "not show to the layer then, unlike the Keras that wrote the model: the saved model would give other "
                "outputs. Save its weights alone."
            )
    layers = model.leaves()
    makes_masks = any(layer.makes_masks for layer in layers)
    for layer in layers:
        differs = layer.keras2_masks and (layer.keras2_masks_matter or _shares_masks(model, layer))
        if differs and (_is_masked(layer) or (makes_masks and layer not in model.layers)):
            raise ValueError(
                f"Layer '{layer.name}' gets masked inputs, and Keras 3 makes something else of their masks than the "
                "Keras that wrote the model: the saved model would give other outputs. Save its weights alone."
            )


def _shares_masks(model: Predictor, layer: Layer) -> bool:
    """Whether other calls take masked tensors that the layer takes: in Keras 3 they may not see the masks after it."""
    nodes = () if model.graph is None else model.graph.nodes
    taken = {id(tensor) for node in layer.nodes for tensor in node.inputs if tensor.masked}
    return any(id(tensor) in taken for node in nodes if node.layer is not layer for tensor in node.inputs)


def _is_masked(layer: Layer) -> bool:
    """Whether a call of the layer may have a mask, or make one."""
    given = layer.makes_masks or any("attention_mask" in node.kwargs for node in layer.nodes)
    return given or any(tensor.masked for node in layer.nodes for tensor in node.inputs)


def _without(config: Any, key: str) -> Any:
    """Return the config without a key at any depth."""
    if isinstance(config, dict):
        return {name: _without(item, key) for name, item in config.items() if name != key}
    return [_without(item, key) for item in config] if isinstance(config, (list, tuple)) else config


def for_keras_3(config: Any) -> Any:
    """Return the config of a model that `check_calls` accepts without what older versions of Keras meant.

    There are no masks where they would matter, a `training=False` that was fixed becomes a plain one, the mask of
    inputs that carry none goes, and the hard sigmoid becomes layers.
    """
    for key in ("keras2_masks", "ignores_masks"):
        config = _without(config, key)
    return as_layers(_with_plain_calls(config))


def _with_plain_calls(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "__training__":
            return False
        kept = {name: item for name, item in config.items() if name != "mask" or not _is_input_mask(item)}
        return {name: _with_plain_calls(item) for name, item in kept.items()}
    return [_with_plain_calls(item) for item in config] if isinstance(config, (list, tuple)) else config


def _is_input_mask(config: Any) -> bool:
    return isinstance(config, dict) and config.get("class_name") == "__input_mask__"


def _nodes(model: Predictor, masked: bool = False) -> Iterator[tuple[Node, bool]]:
    """The calls in a model and those inside it, each with whether masks may come from outside of its model.

    Args:
        model: The model.
        masked: Whether they may come from outside of the model itself.
    """
    for node in () if model.graph is None else model.graph.nodes:
        yield node, masked
    for layer in model.layers:
        if isinstance(layer, Predictor):
            yield from _nodes(layer, masked or any(tensor.masked for node in layer.nodes for tensor in node.inputs))


def legacy_problem(model: Predictor) -> str | None:
    """Return what of a model Keras 3 writes to a legacy `.h5` file and cannot read from it, None if there is nothing.

    It looks for the classes of operations among those of layers, where there is another `Add`, say, and takes the
    string "dot" for the function of this name.
    """
    for node, _ in _nodes(model):
        kind = type(node.layer).__name__
        if isinstance(node.layer, Operation) and kind != "Concatenate":
            return f"operations in a graph: {kind}"
    for layer in model.leaves():
        if isinstance(layer, Attention) and layer.get_config().get("score_mode") == "dot":
            return f"Attention layers with score_mode='dot': '{layer.name}'"
    return None
