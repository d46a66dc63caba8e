"""The engine's input language: what a layer says of itself when it is lowered.

An op is plain data: float32 arrays in Keras' layout and a few words. The engine copies what it keeps but for read-only
memory, so the arrays may be read-only or views, and may change later without any effect on a Program built from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activation:
    """An activation as the engine runs it.

    Args:
        name: A name of `ACTIVATIONS`, or `python` for `function`.
        parameters: The native function's parameters, all given (see `ACTIVATIONS`).
        function: Only for `python`: takes a float32 array `(rows, units)`, returns one of the same shape.
    """

    name: str
    parameters: tuple[float, ...] = ()
    function: Callable[[np.ndarray], np.ndarray] | None = None


LINEAR = Activation("linear")


@dataclass(frozen=True, eq=False)
class LSTMOp:
    """`(batch, timesteps, features)` to `(batch, timesteps, units)`, or `(batch, units)` without `return_sequences`.

    Args:
        kernel: `(features, 4*units)`, gate blocks i, f, c, o.
        recurrent_kernel: `(units, 4*units)`.
        bias: `(4*units,)` or None.
        activation: Of the candidate and of the cell's output.
        recurrent_activation: Of the gates i, f, o.
        return_sequences: Every step's output instead of the last one's.
        go_backwards: Read the input from its last step to its first; outputs stay in the order of processing.
        zero_output_for_mask: Output 0 at masked steps instead of the output before.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation
    recurrent_activation: Activation
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False


@dataclass(frozen=True, eq=False)
class GRUOp:
    """As LSTMOp, with gate blocks z, r, h and one state.

    Args:
        kernel: `(features, 3*units)`.
        recurrent_kernel: `(units, 3*units)`.
        bias: `(2, 3*units)` with `reset_after` (of the input and of the state), else `(3*units,)`; or None.
        activation: Of the candidate.
        recurrent_activation: Of the gates z, r.
        reset_after: Whether r scales the candidate's product with the state, rather than the state before it.
        return_sequences, go_backwards, zero_output_for_mask: As for LSTMOp.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation
    recurrent_activation: Activation
    reset_after: bool = True
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False


@dataclass(frozen=True, eq=False)
class SimpleRNNOp:
    """As LSTMOp, with `h = activation(x @ kernel + bias + h_prev @ recurrent_kernel)` and one state.

    Args:
        kernel: `(features, units)`.
        recurrent_kernel: `(units, units)`.
        bias: `(units,)` or None.
        activation: Of the output.
        return_sequences, go_backwards, zero_output_for_mask: As for LSTMOp.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False


@dataclass(frozen=True, eq=False)
class EmbeddingOp:
    """`table[ids]`: ids `(batch, timesteps)` to `(batch, timesteps, units)`. Only as the first op of a chain.

    Ids are float32 and truncated towards 0; a negative one counts from the end.

    Args:
        table: `(vocabulary, units)`.
        name: Whose ids they are, for the error when one is not in the table.
    """

    table: np.ndarray
    name: str = "Embedding"


@dataclass(frozen=True, eq=False)
class DenseOp:
    """`activation(x @ kernel + bias)` on the last axis.

    Args:
        kernel: `(features, units)`, or with more axes, of which all but the last are the features in their order.
        bias: `(units,)` or None.
        activation: Of the output.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation = LINEAR


@dataclass(frozen=True, eq=False)
class ActivationOp:
    """An activation on its own; those over an axis act over the last one."""

    activation: Activation


RecurrentOp = LSTMOp | GRUOp | SimpleRNNOp
Op = RecurrentOp | EmbeddingOp | DenseOp | ActivationOp

# Every native activation with the names of its parameters. The order of the rows is the order of `fl_activation` in
# csrc/fastlstm.h.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "relu": ("negative_slope", "max_value", "threshold"),
    "elu": ("alpha",),
    "selu": (),
    "celu": ("alpha",),
    "gelu": (),
    "gelu_tanh": (),
    "silu": (),
    "hard_silu": (),
    "mish": (),
    "softplus": (),
    "softsign": (),
    "sigmoid": (),
    "hard_sigmoid": (),
    "hard_sigmoid_keras2": (),
    "sparse_sigmoid": (),
    "log_sigmoid": (),
    "tanh": (),
    "hard_tanh": (),
    "tanh_shrink": (),
    "hard_shrink": ("threshold",),
    "soft_shrink": ("threshold",),
    "squareplus": ("b",),
    "sparse_plus": (),
    "exponential": (),
    "softmax": (),
    "log_softmax": (),
}
