"""The plan of a model: which of its layers run together in the engine, and which alone in NumPy."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.arrays import as_float32
from fastlstm.layers.chain import Chain
from fastlstm.layers.layer import Layer, call_parameters
from fastlstm.layers.variable import CHANGES


class Plan:
    """Built layers in a row, cut into chains for the engine and single layers in NumPy between them.

    Args:
        layers: At least one layer, none of which has layers in a row inside it.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)
        self._native = _native(layers)
        self._steps = tuple(_steps(layers))
        self._only = self._steps[0] if len(self._steps) == 1 and isinstance(self._steps[0], Chain) else None
        self.changes = CHANGES.latest

    def holds_for(self, layers: Sequence[Layer]) -> bool:
        """Return whether a new plan for `layers` would be the same one."""
        return self._layers == tuple(layers) and self._native == _native(layers)

    def run(self, x: np.ndarray, mask: np.ndarray | None = None) -> Any:
        """Run all layers.

        Args:
            x: float32, C-contiguous, of a shape that the first layer accepts.
            mask: Booleans `(batch, timesteps)`, or None.

        Returns:
            A new array, or a tuple of them if the last layer returns its states.
        """
        if self._only is not None:
            return self._only.run(x, mask)
        for step in self._steps:
            if isinstance(step, Chain):
                output = step.run(x, mask)
                for layer in step.layers:
                    mask = _next_mask(layer, None, mask)
            else:
                output = call_layer(step, x, mask, training=False)
                mask = _next_mask(step, x, mask)
            x = output
        return x


def run_in_training(layers: Sequence[Layer], x: np.ndarray, mask: np.ndarray | None) -> Any:
    """Run the layers one by one as in training, e.g. with dropout; arguments as for `Plan`."""
    for layer in layers:
        output = call_layer(layer, x, mask, training=True)
        mask = _next_mask(layer, x, mask)
        x = output
    return x


def call_layer(layer: Layer, x: np.ndarray, mask: np.ndarray | None, training: bool) -> Any:
    """Call a built layer, giving it the mask and `training` if it takes them."""
    parameters = call_parameters(type(layer))
    given = {"mask": mask, "training": training}
    output = layer.call(x, **{name: value for name, value in given.items() if name in parameters})
    if isinstance(output, tuple):
        return output
    output = as_float32(output)
    # A layer of the user's may return its input, which may be the caller's.
    return output.copy() if np.may_share_memory(output, x) else output


def _native(layers: Sequence[Layer]) -> list[bool]:
    return [layer.lower() is not None for layer in layers]


def _steps(layers: Sequence[Layer]) -> Iterator[Chain | Layer]:
    native: list[Layer] = []
    for layer, is_native in zip(layers, _native(layers), strict=True):
        if is_native:
            native.append(layer)
            continue
        if native:
            yield Chain(native)
            native = []
        yield layer
    if native:
        yield Chain(native)


def _next_mask(layer: Layer, x: Any, mask: np.ndarray | None) -> np.ndarray | None:
    """The mask after a layer. One that does not know masks destroys it, with Keras' warning."""
    if mask is None:
        return None
    if not layer.supports_masking:
        warnings.warn(
            f"Layer '{layer.name}' (of type {type(layer).__name__}) was passed an input with a mask attached to it. "
            "However, this layer does not support masking and will therefore destroy the mask information. "
            "Downstream layers will not see the mask.",
            stacklevel=2,
        )
        return None
    mask = layer.compute_mask(x, mask)
    return mask[0] if isinstance(mask, list) else mask
