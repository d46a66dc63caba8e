"""`CuDNNLSTM` and `CuDNNGRU`, as Keras 2 code constructs them: the same networks under their names of today."""

from __future__ import annotations

from typing import Any

from fastlstm.layers.rnn.cell import own_arguments
from fastlstm.layers.rnn.gru import GRU
from fastlstm.layers.rnn.lstm import LSTM


def CuDNNLSTM(
    units: int,
    kernel_initializer: Any = "glorot_uniform",
    recurrent_initializer: Any = "orthogonal",
    bias_initializer: Any = "zeros",
    unit_forget_bias: bool = True,
    kernel_regularizer: Any = None,
    recurrent_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    recurrent_constraint: Any = None,
    bias_constraint: Any = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    stateful: bool = False,
    **kwargs: Any,
) -> LSTM:
    """Return an `LSTM` with the activations that cuDNN has, tanh and sigmoid.

    Args:
        units ... stateful: As for `LSTM`.
        **kwargs: As for `LSTM`, without its activations.
    """
    return LSTM(**own_arguments(locals()), activation="tanh", recurrent_activation="sigmoid", **kwargs)


def CuDNNGRU(
    units: int,
    kernel_initializer: Any = "glorot_uniform",
    recurrent_initializer: Any = "orthogonal",
    bias_initializer: Any = "zeros",
    kernel_regularizer: Any = None,
    recurrent_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    recurrent_constraint: Any = None,
    bias_constraint: Any = None,
    return_sequences: bool = False,
    return_state: bool = False,
    go_backwards: bool = False,
    stateful: bool = False,
    **kwargs: Any,
) -> GRU:
    """Return a `GRU` with what cuDNN has: tanh, sigmoid, and the reset after the product.

    Args:
        units ... stateful: As for `GRU`.
        **kwargs: As for `GRU`, without its activations and `reset_after`.
    """
    return GRU(**own_arguments(locals()), activation="tanh", recurrent_activation="sigmoid", reset_after=True, **kwargs)
