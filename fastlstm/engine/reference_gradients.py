"""The gradients of reference.py's equations in float64 NumPy: the oracle of the tests, never on a user's path.

Every function takes the gradient of some scalar by its outputs and gives that by its arguments: the chain rule, written
out step by step, with nothing shared with the engine. Where a function has a corner, the side is the one that
TensorFlow takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastlstm.engine.reference import ACTIVATIONS, _erfc, sigmoid, softmax, softplus

# dy, x → dx
Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _inside(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.where((x > low) & (x < high), 1.0, 0.0)


def _within(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.where((x >= low) & (x <= high), 1.0, 0.0)


def _relu(x: np.ndarray, negative_slope: float = 0.0, max_value: float = np.inf, threshold: float = 0.0) -> np.ndarray:
    return np.where(x > threshold, np.where(x < max_value, 1.0, 0.0), negative_slope)


def _elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def _celu(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, 1.0, np.exp(np.minimum(x, 0) / alpha))


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * _erfc(-x / math.sqrt(2)) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


def _silu(x: np.ndarray) -> np.ndarray:
    return sigmoid(x) * (1 + x * (1 - sigmoid(x)))


def _hard_silu(x: np.ndarray) -> np.ndarray:
    return np.clip(x + 3, 0, 6) / 6 + x * _inside(x, -3, 3) / 6


def _mish(x: np.ndarray) -> np.ndarray:
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


# name of fastlstm.engine.ops.ACTIVATIONS, but for those over rows → derivative, a function of (x, *parameters)
DERIVATIVES: dict[str, Callable[..., np.ndarray]] = {
    "linear": np.ones_like,
    "relu": _relu,
    "elu": _elu,
    "selu": lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.exp(np.minimum(x, 0)), 1.0),
    "celu": _celu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "hard_silu": _hard_silu,
    "mish": _mish,
    "softplus": sigmoid,
    "softsign": lambda x: 1 / (1 + np.abs(x)) ** 2,
    "sigmoid": lambda x: sigmoid(x) * sigmoid(-x),
    "hard_sigmoid": lambda x: _inside(x, -3, 3) / 6,
    "hard_sigmoid_keras2": lambda x: 0.2 * _within(0.2 * x + 0.5, 0, 1),
    "sparse_sigmoid": lambda x: 0.5 * _inside(x, -1, 1),
    "log_sigmoid": lambda x: sigmoid(-x),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "hard_tanh": lambda x: _within(x, -1, 1),
    "tanh_shrink": lambda x: np.tanh(x) ** 2,
    "hard_shrink": lambda x, threshold: np.where(np.abs(x) > threshold, 1.0, 0.0),
    "soft_shrink": lambda x, threshold: np.where(np.abs(x) > threshold, 1.0, 0.0),
    "squareplus": lambda x, b: (1 + x / np.sqrt(x * x + b)) / 2,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, 1, (x + 1) / 2)),
    "exponential": np.exp,
}


def activation_gradient(name: str, *parameters: float) -> Gradient:
    """Return the function of (dy, x) that gives dx."""
    if name == "softmax":
        return lambda dy, x: softmax(x) * (dy - (dy * softmax(x)).sum(axis=-1, keepdims=True))
    if name == "log_softmax":
        return lambda dy, x: dy - softmax(x) * dy.sum(axis=-1, keepdims=True)
    return lambda dy, x: dy * DERIVATIVES[name](x, *parameters)


class Function(NamedTuple):
    """An activation and its gradient."""

    value: Callable[[np.ndarray], np.ndarray]
    gradient: Gradient


def activation(name: str, *parameters: float) -> Function:
    """Return an activation of fastlstm.engine.ops.ACTIVATIONS."""
    return Function(lambda x: ACTIVATIONS[name](x, *parameters), activation_gradient(name, *parameters))


class Gradients(NamedTuple):
    """Of a recurrent layer: by its input, its states at the start, and its weights by name."""

    x: np.ndarray
    initial_state: list[np.ndarray]
    weights: dict[str, np.ndarray]


# d_out (batch, units), d_states → (dx_t, d_states_before); adds to the gradients of the weights
_StepBackward = Callable[[np.ndarray, list[np.ndarray]], tuple[np.ndarray, list[np.ndarray]]]
# x_t, states → (states_after, of which the first is the output, and the way back)
_Step = Callable[[np.ndarray, list[np.ndarray]], tuple[list[np.ndarray], _StepBackward]]


def dense(
    d_out: np.ndarray, x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None, function: Function
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return `(dx, weights)` of `activation(x @ kernel + bias)`."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    dz = function.gradient(d_out, x @ kernel + (0 if bias is None else bias))
    rows, dz_rows = x.reshape(-1, x.shape[-1]), dz.reshape(-1, dz.shape[-1])
    return dz @ kernel.T, {"kernel": rows.T @ dz_rows, "bias": dz_rows.sum(axis=0)}


def embedding(d_out: np.ndarray, ids: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return the gradient of the table of `table[ids]`."""
    d_table = np.zeros((vocabulary, d_out.shape[-1]))
    np.add.at(d_table, np.asarray(ids, int), d_out)
    return d_table


def lstm(
    d_out: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: Function,
    recurrent_activation: Function,
    **over_time: Any,
) -> Gradients:
    """Gradients of `reference.lstm`.

    Args:
        d_out: By every step's output, `(batch, timesteps, units)` in the order of processing.
        x, kernel, recurrent_kernel, bias: As there.
        activation, recurrent_activation: With their gradients.
        **over_time: `initial_state`, `mask`, `go_backwards` and `zero_output_for_mask` as there; `d_states`: by the
            final states, `(h, c)`.
    """
    kernel, recurrent_kernel, b, weights = _weights(kernel, recurrent_kernel, bias)

    def step(x_t: np.ndarray, states: list[np.ndarray]) -> tuple[list[np.ndarray], _StepBackward]:
        h, c = states
        z_i, z_f, z_g, z_o = np.split(x_t @ kernel + h @ recurrent_kernel + b, 4, axis=1)
        i, f, o = (recurrent_activation.value(z) for z in (z_i, z_f, z_o))
        g = activation.value(z_g)
        c_next = f * c + i * g
        squashed = activation.value(c_next)

        def backward(d_out: np.ndarray, d_states: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
            dh = d_out + d_states[0]
            dc = d_states[1] + activation.gradient(dh * o, c_next)
            dz = np.concatenate(
                [
                    recurrent_activation.gradient(dc * g, z_i),
                    recurrent_activation.gradient(dc * c, z_f),
                    activation.gradient(dc * i, z_g),
                    recurrent_activation.gradient(dh * squashed, z_o),
                ],
                axis=1,
            )
            weights["kernel"] += x_t.T @ dz
            weights["recurrent_kernel"] += h.T @ dz
            weights["bias"] += dz.sum(axis=0)
            return dz @ kernel.T, [dz @ recurrent_kernel.T, dc * f]

        return [o * squashed, c_next], backward

    return _over_time(step, d_out, x, weights, 2, **over_time)


def gru(
    d_out: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    reset_after: bool = True,
    activation: Function,
    recurrent_activation: Function,
    **over_time: Any,
) -> Gradients:
    """Gradients of `reference.gru`, as `lstm`; of the bias `(2, 3*units)` with `reset_after`, else `(3*units,)`."""
    kernel, recurrent_kernel, b, weights = _weights(kernel, recurrent_kernel, bias)
    units = len(recurrent_kernel)
    both = np.zeros((2, 3 * units))
    both[: 2 if reset_after else 1] = b
    weights["bias"] = np.zeros_like(both if reset_after else both[0])
    r_zr, r_h = np.split(recurrent_kernel, [2 * units], axis=1)

    def step(x_t: np.ndarray, states: list[np.ndarray]) -> tuple[list[np.ndarray], _StepBackward]:
        (h,) = states
        x_z, x_r, x_h = np.split(x_t @ kernel + both[0], 3, axis=1)
        h_z, h_r = np.split(h @ r_zr + both[1, : 2 * units], 2, axis=1)
        z, r = recurrent_activation.value(x_z + h_z), recurrent_activation.value(x_r + h_r)
        product = h @ r_h + both[1, 2 * units :] if reset_after else (r * h) @ r_h
        z_h = x_h + (r * product if reset_after else product)
        candidate = activation.value(z_h)

        def backward(d_out: np.ndarray, d_states: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
            dh = d_out + d_states[0]
            dz = recurrent_activation.gradient(dh * (h - candidate), x_z + h_z)
            d_candidate = activation.gradient(dh * (1 - z), z_h)
            if reset_after:
                d_product, dr, from_candidate = d_candidate * r, d_candidate * product, 0
                weights["recurrent_kernel"][:, 2 * units :] += h.T @ d_product
                from_candidate = d_product @ r_h.T
            else:
                d_reset = d_candidate @ r_h.T
                dr, from_candidate = d_reset * h, d_reset * r
                weights["recurrent_kernel"][:, 2 * units :] += (r * h).T @ d_candidate
            d_zr = np.concatenate([dz, recurrent_activation.gradient(dr, x_r + h_r)], axis=1)
            dx_zrh = np.concatenate([d_zr, d_candidate], axis=1)
            weights["kernel"] += x_t.T @ dx_zrh
            weights["recurrent_kernel"][:, : 2 * units] += h.T @ d_zr
            if reset_after:
                of_h = np.concatenate([d_zr, d_product], axis=1)
                weights["bias"] += np.stack([dx_zrh.sum(axis=0), of_h.sum(axis=0)])
            else:
                weights["bias"] += dx_zrh.sum(axis=0)
            return dx_zrh @ kernel.T, [dh * z + d_zr @ r_zr.T + from_candidate]

        return [z * h + (1 - z) * candidate], backward

    return _over_time(step, d_out, x, weights, 1, **over_time)


def simple_rnn(
    d_out: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: Function,
    **over_time: Any,
) -> Gradients:
    """Gradients of `reference.simple_rnn`, as `lstm`."""
    kernel, recurrent_kernel, b, weights = _weights(kernel, recurrent_kernel, bias)

    def step(x_t: np.ndarray, states: list[np.ndarray]) -> tuple[list[np.ndarray], _StepBackward]:
        (h,) = states
        z = x_t @ kernel + h @ recurrent_kernel + b

        def backward(d_out: np.ndarray, d_states: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
            dz = activation.gradient(d_out + d_states[0], z)
            weights["kernel"] += x_t.T @ dz
            weights["recurrent_kernel"] += h.T @ dz
            weights["bias"] += dz.sum(axis=0)
            return dz @ kernel.T, [dz @ recurrent_kernel.T]

        return [activation.value(z)], backward

    return _over_time(step, d_out, x, weights, 1, **over_time)


def _weights(
    kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The weights in float64, the bias zeros where there is none, and their gradients so far."""
    kernel, recurrent_kernel = np.asarray(kernel, np.float64), np.asarray(recurrent_kernel, np.float64)
    b = np.zeros(kernel.shape[1]) if bias is None else np.asarray(bias, np.float64)
    sums = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": b}
    return kernel, recurrent_kernel, b, {name: np.zeros_like(array) for name, array in sums.items()}


def _over_time(
    step: _Step,
    d_out: np.ndarray,
    x: np.ndarray,
    weights: dict[str, np.ndarray],
    n_states: int,
    *,
    initial_state: Any = None,
    d_states: Any = None,
    mask: np.ndarray | None = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> Gradients:
    x, d_out = np.asarray(x, np.float64), np.asarray(d_out, np.float64)
    batch, timesteps, units = d_out.shape
    zeros = np.zeros((n_states, batch, units))
    states = [np.array(s, np.float64) for s in (zeros if initial_state is None else initial_state)]
    order = list(reversed(range(timesteps)) if go_backwards else range(timesteps))
    valid = np.ones((batch, timesteps), bool) if mask is None else np.asarray(mask, bool)
    ways_back = []
    for t in order:
        after, backward = step(x[:, t], states)
        states = [np.where(valid[:, t, None], new, old) for new, old in zip(after, states, strict=True)]
        ways_back.append(backward)
    dx, d_kept = np.zeros_like(x), [np.array(d, np.float64) for d in (zeros if d_states is None else d_states)]
    # By the output before, which a masked step repeats.
    d_repeated = np.zeros((batch, units))
    for place in reversed(range(timesteps)):
        t = order[place]
        keep = valid[:, t, None]
        d_here = d_out[:, place] + d_repeated
        d_step, d_before = ways_back[place](np.where(keep, d_here, 0), [np.where(keep, d, 0) for d in d_kept])
        d_kept = [np.where(keep, new, old) for new, old in zip(d_before, d_kept, strict=True)]
        d_repeated = np.zeros_like(d_here) if zero_output_for_mask else np.where(keep, 0, d_here)
        dx[:, t] = d_step
    return Gradients(dx, d_kept, weights)
