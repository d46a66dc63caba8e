"""`LSTM` and `LSTMCell` (Hochreiter and Schmidhuber, 1997, with forget gates)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fastlstm import initializers
from fastlstm.engine import ops
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.weight_owner import reserve_draw
from fastlstm.layers.rnn.cell import Cell, GatedCell, own_arguments
from fastlstm.layers.rnn.cell_layer import GatedLayer
from fastlstm.layers.rnn.dropout_steps import DropoutStep


class _UnitForgetBias(initializers.Initializer):
    """The bias of the gates i, f, c, o: ones for f, `others` for the rest."""

    def __init__(self, others: Any) -> None:
        self.others = others

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        units = shape[0] // 4
        return np.concatenate([self.others((units,)), np.ones(units, np.float32), self.others((2 * units,))])


@register
class LSTMCell(GatedCell):
    """One time step of an LSTM.

    With gate blocks i, f, c, o of `z = x @ kernel + h @ recurrent_kernel + bias`:
    `c' = recurrent_activation(f) * c + recurrent_activation(i) * activation(z_c)`,
    `h' = recurrent_activation(o) * activation(c')`.

    Args:
        units: Positive integer, size of the output and of each state.
        activation: Activation of the candidate and of the cell's output.
        recurrent_activation: Activation of the gates.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer: Initializer of the kernel `(features, 4*units)`.
        recurrent_initializer: Initializer of the recurrent kernel `(units, 4*units)`.
        bias_initializer: Initializer of the bias `(4*units,)`.
        unit_forget_bias: Boolean, whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Kept for configs and training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs, and of the state in the products, that
            training drops: the same at all steps of a call.
        seed: Integer, or None.
        **kwargs: As for `Layer`; also `implementation`, which does not change the results.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    blocks = 4
    state_count = 2
    unit_forget_bias: bool

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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

    def add_bias(self) -> Variable:
        others = reserve_draw(self.bias_initializer)
        return self.add_weight(
            (4 * self.units,),
            _UnitForgetBias(others) if self.unit_forget_bias else others,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            name="bias",
        )

    def dropped_step(self, step: DropoutStep, *states: np.ndarray) -> tuple[list[np.ndarray], Any]:
        _, c = states
        z_i, z_f, z_c, z_o = map(step.product, range(4))
        i, of_i = step.activated(self.recurrent_activation, z_i)
        f, of_f = step.activated(self.recurrent_activation, z_f)
        g, of_g = step.activated(self.activation, z_c)
        o, of_o = step.activated(self.recurrent_activation, z_o)
        new_c = f * c + i * g
        s, of_s = step.activated(self.activation, new_c)

        def backward(dh: np.ndarray, dc: np.ndarray) -> list[np.ndarray]:
            dc = dc + of_s(dh * o)
            for block, dz in enumerate((of_i(dc * g), of_f(dc * c), of_g(dc * i), of_o(dh * s))):
                step.pull(block, dz)
            return [np.zeros_like(dh), dc * f]

        return [o * s, new_c], backward

    def op(self, *weights: Any, **over_time: Any) -> ops.Op:
        return ops.LSTMOp(*weights, *self.lowered_activations(), **over_time)


@register
class LSTM(GatedLayer):
    """A long short-term memory over sequences `(batch, timesteps, features)`.

    Args:
        units: Positive integer, size of the output and of each state.
        activation: Activation of the candidate and of the cell's output.
        recurrent_activation: Activation of the gates.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer: Initializer of the kernel `(features, 4*units)`.
        recurrent_initializer: Initializer of the recurrent kernel `(units, 4*units)`.
        bias_initializer: Initializer of the bias `(4*units,)`.
        unit_forget_bias: Boolean, whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: Kept for configs and
            training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs, and of the state in the products, that
            training drops: the same at all steps of a call.
        seed: Integer, or None.
        return_sequences, return_state, go_backwards, stateful, unroll: As for `RNN`.
        use_cudnn: `"auto"` or a boolean; True is refused when the layer is called.
        **kwargs: As for `RNN`; also `implementation`, which does not change the results.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    cell_class: ClassVar[type[Cell]] = LSTMCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(own_arguments(locals()), **kwargs)
