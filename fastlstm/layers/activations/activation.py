"""`Activation`, and activations that are layers themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm import activations
from fastlstm.engine import ops
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, is_registered, register, serialize


def get(identifier: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return what `activations.get` does; a layer or a layer's dict stands for that layer.

    Raises:
        ValueError: When the identifier names nothing known.
    """
    if isinstance(identifier, Layer):
        return identifier
    if isinstance(identifier, dict) and (
        is_registered(identifier.get("class_name")) or str(identifier.get("module")).endswith("layers")
    ):
        return deserialize(identifier)
    return activations.get(identifier)


def serialize_activation(activation: Callable[..., Any]) -> Any:
    """Return the name or dict from which `get` makes the activation."""
    return serialize(activation) if isinstance(activation, Layer) else activations.serialize(activation)


def lower_activation(activation: Callable[..., Any], units: int | None) -> ops.Activation:
    """Return the activation as the engine takes it.

    Args:
        activation: What `get` returned.
        units: Size of the last axis that it gets.

    Raises:
        ValueError: For a layer with weights, which an activation has no place for.
        TypeError: For what is neither callable nor None (linear), as someone may have assigned it.
    """
    if activation is None:
        return ops.LINEAR
    if not callable(activation):
        raise TypeError(f"An activation must be a function or a layer. Received: {activation!r}")
    if not isinstance(activation, Layer):
        return activations.lower(activation)
    activation.build((None, units))
    if activation.weights:
        raise ValueError(f"The activation {activation!r} has weights. Add it to the model as a layer of its own.")
    lowered = activation.lower() if activation.native else None
    if lowered == []:
        return ops.LINEAR
    if lowered and len(lowered) == 1 and isinstance(lowered[0], ops.ActivationOp):
        return lowered[0].activation
    return ops.Activation("python", (), activation)


def with_gradient(activation: Callable[..., Any], x: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    """Return `activation(x)`, and the function from gradients by it to those by `x`, which may be called once.

    Args:
        activation: What `get` returned.
        x: float32, C-contiguous.
        name: Of the layer, for the error.

    Raises:
        NotImplementedError: When its gradient is not known.
    """
    from fastlstm.engine.training import TrainingProgram

    lowered = lower_activation(activation, x.shape[-1])
    try:
        call = TrainingProgram([ops.ActivationOp(lowered)]).run(x)
    except NotImplementedError as error:
        raise NotImplementedError(f"Training cannot go through layer '{name}': {error}.") from None
    return call.output, lambda d: call.backward(np.ascontiguousarray(d, np.float32))[0]


@register
class Activation(Layer):
    """An activation function as a layer.

    Args:
        activation: Name, function, dict or layer.
        **kwargs: As for `Layer`.
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation: Callable[[np.ndarray], np.ndarray] = get(activation)

    def call(self, inputs: np.ndarray) -> np.ndarray:
        # A function of the user's gets the whole array, and a copy, which it may change.
        return self.chain.run(inputs) if self.lowers else self.activation(inputs.copy())

    @property
    def lowers(self) -> bool:
        return lower_activation(self.activation, self._build_shape[-1]).function is None

    def lower(self) -> list[ops.Op]:
        return [ops.ActivationOp(lower_activation(self.activation, self._build_shape[-1]))]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": serialize_activation(self.activation)}
