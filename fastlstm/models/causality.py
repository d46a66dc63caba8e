"""Which layers can run one time step at a time: their output at a step depends on no later one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.activations.activation import Activation
from fastlstm.layers.activations.activation_layers import PReLU, Softmax
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.convolutional.convolution import Conv1D, DepthwiseConv1D, SeparableConv1D
from fastlstm.layers.core.embedding import Embedding
from fastlstm.layers.core.masking import Masking
from fastlstm.layers.normalization.batch_normalization import BatchNormalization
from fastlstm.layers.normalization.normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from fastlstm.layers.preprocessing.feature_normalization import Normalization
from fastlstm.layers.preprocessing.scaling import Rescaling
from fastlstm.layers.reshaping.reshaping import Flatten, Reshape
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.rnn.time_distributed import TimeDistributed

Shape = Sequence[int | None]


def check_causal(layer: Layer, shape: Shape, in_time: bool) -> None:
    """Raise ValueError, naming the layer, if it cannot run step by step.

    Args:
        layer: A built layer.
        shape: Of its input in a call of the whole sequence.
        in_time: Whether axis 1 is time; not so after a recurrent layer without `return_sequences`.
    """
    problem = _problem(layer, shape, in_time)
    if problem is not None:
        raise ValueError(f"Layer '{layer.name}' (of type {type(layer).__name__}) cannot run step by step: {problem}")


def window_span(layer: Layer) -> int:
    """Return how many steps one output of a layer reads, the present one included."""
    if not isinstance(layer, (Conv1D, DepthwiseConv1D, SeparableConv1D)):
        return 1
    return (layer.kernel_size[0] - 1) * layer.dilation_rate[0] + 1


def _problem(layer: Layer, shape: Shape, in_time: bool) -> str | None:
    """Why the layer cannot run step by step, None if it can."""
    if isinstance(layer, RNN):
        if layer.go_backwards:
            return "it reads the sequence from its last step (go_backwards=True)."
        return None if layer.native_cells() else "its cell is not one that the engine runs."
    if layer.lower() is not None:
        return None
    # A subclass may do anything in its `call`.
    check = _CHECKS.get(type(layer))
    if check is not None:
        return check(layer, shape) if in_time else None
    if type(layer) in (Flatten, Reshape, GroupNormalization):
        return None if not in_time else "it takes the time steps together."
    return "its output at a step may depend on later ones."


def _unconditional(layer: Layer, shape: Shape) -> None:
    return None


def _normalizes_within_steps(layer: Any, shape: Shape) -> str | None:
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if any(axis % len(shape) == 1 for axis in axes):
        return f"axis={layer.axis} includes the time steps."
    return None


def _has_no_steps_of_its_own(layer: Any, shape: Shape) -> str | None:
    known = np.shape(layer.alpha.value if isinstance(layer, PReLU) else layer.scale)
    offset = () if isinstance(layer, PReLU) else np.shape(layer.offset)
    aligned = [size[-(len(shape) - 1)] for size in (known, offset) if len(size) >= len(shape) - 1]
    return "it has values for every time step." if any(size != 1 for size in aligned) else None


def _convolves_the_past(layer: Any, shape: Shape) -> str | None:
    if layer.data_format != "channels_last" or layer.strides[0] != 1:
        return f"data_format='{layer.data_format}', strides={layer.strides[0]}; it must be 'channels_last' and 1."
    if window_span(layer) > 1 and layer.padding != "causal":
        return f"padding='{layer.padding}'; only 'causal' reads no later steps and skips none."
    return None


def _keeps_no_state(layer: Any, shape: Shape) -> str | None:
    return "the layer inside it is stateful." if getattr(layer.layer, "stateful", False) else None


_CHECKS: dict[type[Layer], Callable[[Any, Shape], str | None]] = {
    Activation: _unconditional,
    BatchNormalization: _normalizes_within_steps,
    Conv1D: _convolves_the_past,
    DepthwiseConv1D: _convolves_the_past,
    Embedding: _unconditional,
    LayerNormalization: _normalizes_within_steps,
    Masking: _unconditional,
    Normalization: _normalizes_within_steps,
    PReLU: _has_no_steps_of_its_own,
    RMSNormalization: _normalizes_within_steps,
    Rescaling: _has_no_steps_of_its_own,
    SeparableConv1D: _convolves_the_past,
    Softmax: _normalizes_within_steps,
    TimeDistributed: _keeps_no_state,
    UnitNormalization: _normalizes_within_steps,
}
