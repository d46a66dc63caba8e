"""`SimpleRNN` and `SimpleRNNCell`, whose output is fed back (Elman, 1990)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.serialization import register
from fastlstm.layers.rnn.cell import Cell, own_arguments
from fastlstm.layers.rnn.cell_layer import CellLayer
from fastlstm.layers.rnn.dropout_steps import DropoutStep


@register
class SimpleRNNCell(Cell):
    """One time step: `h' = activation(x @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        units: Positive integer, size of the output and of the state.
        activation: Activation of the output.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer: Initializer of the kernel `(features, units)`.
        recurrent_initializer: Initializer of the recurrent kernel `(units, units)`.
        bias_initializer: Initializer of the bias `(units,)`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Kept for configs and training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs, and of the state in the products, that
            training drops: the same at all steps of a call.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    blocks = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(own_arguments(locals()), **kwargs)

    def dropped_step(self, step: DropoutStep, *states: np.ndarray) -> tuple[list[np.ndarray], Any]:
        h, of_h = step.activated(self.activation, step.product(0))

        def backward(dh: np.ndarray) -> list[np.ndarray]:
            step.pull(0, of_h(dh))
            return [np.zeros_like(dh)]

        return [h], backward

    def op(self, *weights: Any, **over_time: Any) -> ops.Op:
        return ops.SimpleRNNOp(*weights, *self.lowered_activations(), **over_time)


@register
class SimpleRNN(CellLayer):
    """A fully connected recurrent layer over sequences `(batch, timesteps, features)`.

    Args:
        units: Positive integer, size of the output and of the state.
        activation: Activation of the output.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: As for `SimpleRNNCell`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: Kept for configs and
            training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs, and of the state in the products, that
            training drops: the same at all steps of a call.
        return_sequences, return_state, go_backwards, stateful, unroll: As for `RNN`.
        seed: Integer, or None.
        **kwargs: As for `RNN`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    cell_class: ClassVar[type[Cell]] = SimpleRNNCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(own_arguments(locals()), **kwargs)
