"""A step of a `ConvLSTMCell` with the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.activations.activation import with_gradient
from fastlstm.layers.convolutional.product import product_with_gradient
from fastlstm.layers.convolutional.windows import Axis
from fastlstm.records import Record

Way = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]]


class Convolutions(Record):
    """What the two convolutions of a cell are.

    Args:
        kernel, recurrent_kernel: `(*sizes, channels, 4*filters)`, gates in the order i, f, c, o.
        bias: `(4*filters,)`, or None.
        axes, of_state: The windows of the inputs and of the states.
        activation, recurrent_activation: Of the candidates and the outputs, and of the gates.
        name: Of the cell, for errors.
        masks, masks_of_state: What the inputs and the states of each gate are multiplied with; None for nothing.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    axes: Sequence[Axis]
    of_state: Sequence[Axis]
    activation: Any
    recurrent_activation: Any
    name: str
    masks: Sequence[np.ndarray] | None = None
    masks_of_state: Sequence[np.ndarray] | None = None


def advanced_with_gradient(
    cell: Convolutions, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Way]:
    """Return the next h and c, and the way back.

    Args:
        cell: Of the cell.
        x: `(batch, *lengths, channels)`.
        h, c: `(batch, *positions, filters)`.

    Returns:
        `(h, c, backward)`: `backward(dh, dc)`, which may be called once, returns the gradients by x, h and c, and those
        by the weights by their names.

    Raises:
        NotImplementedError: When the gradient of an activation is not known.
    """
    of_inputs, inputs_way = _masked_product(x, cell.axes, cell.kernel, cell.bias, cell.masks)
    of_states, states_way = _masked_product(h, cell.of_state, cell.recurrent_kernel, None, cell.masks_of_state)
    z = np.split(of_inputs + of_states, 4, axis=-1)

    def activated(function: Any, part: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        return with_gradient(function, np.ascontiguousarray(part), cell.name)

    (i, i_way), (f, f_way), (o, o_way) = (activated(cell.recurrent_activation, z[gate]) for gate in (0, 1, 3))
    g, g_way = activated(cell.activation, z[2])
    new_c = f * c + i * g
    shown, shown_way = activated(cell.activation, new_c)

    def backward(dh: np.ndarray, dc: np.ndarray) -> Any:
        dc = dc + shown_way(dh * o)
        dz = np.concatenate([i_way(dc * g), f_way(dc * c), g_way(dc * i), o_way(dh * shown)], axis=-1)
        dx, d_kernel, d_bias = inputs_way(dz)
        dh_before, d_recurrent, _ = states_way(dz)
        of_weights = {"kernel": d_kernel, "recurrent_kernel": d_recurrent}
        return dx, dh_before, dc * f, of_weights if d_bias is None else {**of_weights, "bias": d_bias}

    return o * shown, new_c, backward


def _masked_product(
    x: np.ndarray,
    axes: Sequence[Axis],
    kernel: np.ndarray,
    bias: np.ndarray | None,
    masks: Sequence[np.ndarray] | None,
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray | None]]]:
    """`product_with_gradient`, with masks of the gates' own inputs."""
    if masks is None:
        return product_with_gradient(x, axes, kernel, bias)
    kernels = np.split(kernel, len(masks), axis=-1)
    biases = [None] * len(masks) if bias is None else np.split(bias, len(masks))
    calls = [
        product_with_gradient(x * mask, axes, np.ascontiguousarray(of_gate), of_bias)
        for mask, of_gate, of_bias in zip(masks, kernels, biases, strict=True)
    ]

    def backward(d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        found = [way(part) for (_, way), part in zip(calls, np.split(d, len(masks), axis=-1), strict=True)]
        dx = np.sum([dx * mask for (dx, _, _), mask in zip(found, masks, strict=True)], axis=0)
        d_biases = [d_bias for _, _, d_bias in found if d_bias is not None]
        d_kernel = np.concatenate([d_kernel for _, d_kernel, _ in found], axis=-1)
        return dx, d_kernel, np.concatenate(d_biases) if d_biases else None

    return np.concatenate([z for z, _ in calls], axis=-1), backward
