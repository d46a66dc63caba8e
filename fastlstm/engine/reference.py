"""The equations in float64 NumPy: the oracle of the tests, never on a user's path.

Written from the definitions, step by step and with nothing shared with the engine, so that a mistake in one does not
hide in the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]
Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x), without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + e^x), without overflow."""
    return np.logaddexp(0, x)


def softmax(x: np.ndarray) -> np.ndarray:
    """e^x over its sum along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """x, or alpha (e^x - 1) below 0."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def relu(x: np.ndarray, negative_slope: float = 0.0, max_value: float = np.inf, threshold: float = 0.0) -> np.ndarray:
    """Keras' general relu."""
    return np.minimum(np.where(x > threshold, x, negative_slope * (x - threshold)), max_value)


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    """Keras 3: relu6(x + 3) / 6."""
    return np.clip(x + 3, 0, 6) / 6


_erfc = np.vectorize(math.erfc, otypes=[float])

# name of fastlstm.engine.ops.ACTIVATIONS → function of (x, *parameters)
ACTIVATIONS: dict[str, Callable[..., np.ndarray]] = {
    "linear": lambda x: x,
    "relu": relu,
    "elu": elu,
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "celu": lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha),
    "gelu": lambda x: 0.5 * x * _erfc(-x / math.sqrt(2)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras2": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "log_sigmoid": lambda x: -softplus(-x),
    "tanh": np.tanh,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_shrink": lambda x, threshold: np.where(np.abs(x) > threshold, x, 0),
    "soft_shrink": lambda x, threshold: np.sign(x) * np.maximum(np.abs(x) - threshold, 0),
    "squareplus": lambda x, b: (x + np.sqrt(x * x + b)) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "exponential": np.exp,
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
}


def lstm(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
    initial_state: tuple[np.ndarray, np.ndarray] | None = None,
    mask: np.ndarray | None = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
    product: Product = np.matmul,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every step's output and the final states, as Keras defines them.

    Args:
        x: `(batch, timesteps, features)`.
        kernel: `(features, 4*units)`, gate blocks i, f, c, o.
        recurrent_kernel: `(units, 4*units)`.
        bias: `(4*units,)` or None.
        activation: Of the candidate and of the cell's output.
        recurrent_activation: Of the gates.
        initial_state: `(h, c)`, each `(batch, units)`; default zeros.
        mask: bool `(batch, timesteps)`, False where a step is skipped.
        go_backwards: Process from the last step to the first.
        zero_output_for_mask: Output 0 at masked steps instead of the output before.
        product: Of rows and a weight; see `reference_integers`.

    Returns:
        `(out, h, c)`: `(batch, timesteps, units)` in the order of processing, and two `(batch, units)`.
    """
    x, kernel, recurrent_kernel = (np.asarray(a, np.float64) for a in (x, kernel, recurrent_kernel))
    batch, timesteps, _ = x.shape
    units = recurrent_kernel.shape[0]
    b = np.zeros(4 * units) if bias is None else np.asarray(bias, np.float64)
    h, c = (np.zeros((2, batch, units)) if initial_state is None else np.asarray(initial_state, np.float64)).copy()
    valid = np.ones((batch, timesteps), bool) if mask is None else np.asarray(mask, bool)
    out, outputs = np.zeros((batch, units)), []
    for t in reversed(range(timesteps)) if go_backwards else range(timesteps):
        i, f, g, o = np.split(product(x[:, t], kernel) + product(h, recurrent_kernel) + b, 4, axis=1)
        c_next = recurrent_activation(f) * c + recurrent_activation(i) * activation(g)
        h_next = recurrent_activation(o) * activation(c_next)
        keep = valid[:, t, None]
        out = np.where(keep, h_next, 0.0 if zero_output_for_mask else out)
        h, c = np.where(keep, h_next, h), np.where(keep, c_next, c)
        outputs.append(out)
    return np.stack(outputs, axis=1), h, c


def gru(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    reset_after: bool = True,
    activation: Function = np.tanh,
    recurrent_activation: Function = sigmoid,
    product: Product = np.matmul,
    **over_time: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """As `lstm`, with gate blocks z, r, h and one state; bias `(2, 3*units)` with `reset_after`, else `(3*units,)`."""
    units = recurrent_kernel.shape[0]
    kernel, recurrent_kernel = np.asarray(kernel, np.float64), np.asarray(recurrent_kernel, np.float64)
    both = np.zeros((2, 3 * units))
    if bias is not None:
        both[: 2 if reset_after else 1] = bias

    def cell(x_t: np.ndarray, h: np.ndarray) -> np.ndarray:
        x_z, x_r, x_h = np.split(product(x_t, kernel) + both[0], 3, axis=1)
        h_z, h_r, h_h = np.split(product(h, recurrent_kernel) + both[1], 3, axis=1)
        z, r = recurrent_activation(x_z + h_z), recurrent_activation(x_r + h_r)
        candidate = r * h_h if reset_after else product(r * h, recurrent_kernel[:, 2 * units :])
        return z * h + (1 - z) * activation(x_h + candidate)

    return _over_time(cell, x, units, **over_time)


def simple_rnn(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: Function = np.tanh,
    product: Product = np.matmul,
    **over_time: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """As `lstm`, with `h = activation(x @ kernel + h @ recurrent_kernel + bias)` and one state."""
    kernel, recurrent_kernel = np.asarray(kernel, np.float64), np.asarray(recurrent_kernel, np.float64)
    b = 0 if bias is None else np.asarray(bias, np.float64)
    return _over_time(
        lambda x_t, h: activation(product(x_t, kernel) + product(h, recurrent_kernel) + b),
        x,
        len(recurrent_kernel),
        **over_time,
    )


def _over_time(
    cell: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    units: int,
    *,
    initial_state: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    x = np.asarray(x, np.float64)
    batch, timesteps, _ = x.shape
    h = np.zeros((batch, units)) if initial_state is None else np.array(initial_state, np.float64)
    out, outputs = np.zeros((batch, units)), []
    for t in reversed(range(timesteps)) if go_backwards else range(timesteps):
        h_next = cell(x[:, t], h)
        keep = np.ones((batch, 1), bool) if mask is None else np.asarray(mask, bool)[:, t, None]
        out = np.where(keep, h_next, 0.0 if zero_output_for_mask else out)
        h = np.where(keep, h_next, h)
        outputs.append(out)
    return np.stack(outputs, axis=1), h


def convolution(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    before: int = 0,
    after: int = 0,
) -> np.ndarray:
    """Return the cross-correlation over time, before any activation.

    Args:
        x: `(batch, timesteps, features)`.
        kernel: `(size, features/groups, units)`.
        bias: `(units,)` or None.
        stride, dilation, groups: As for ConvolutionOp.
        before, after: Steps of zeros at both ends.
    """
    x = np.pad(np.asarray(x, np.float64), ((0, 0), (before, after), (0, 0)))
    size, columns, units = kernel.shape
    count = (x.shape[1] - (size - 1) * dilation - 1) // stride + 1
    out = np.zeros((len(x), count, units))
    for unit in range(units):
        first = unit // (units // groups) * columns
        for j in range(size):
            read = x[:, j * dilation :][:, : (count - 1) * stride + 1 : stride, first : first + columns]
            out[:, :, unit] += read @ kernel[j, :, unit].astype(np.float64)
    return out if bias is None else out + bias


def layer_norm(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray, epsilon: float, root_mean: bool = False
) -> np.ndarray:
    """Return the last axis with mean 0 and variance 1, or a root mean square of 1, scaled and shifted."""
    x = np.asarray(x, np.float64)
    if not root_mean:
        x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + epsilon) * scale + shift
