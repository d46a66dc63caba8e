"""`GRU` and `GRUCell` (Cho et al., 2014)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.weight_arguments import add_weight
from fastlstm.layers.rnn.cell import Cell, GatedCell, own_arguments
from fastlstm.layers.rnn.cell_layer import GatedLayer
from fastlstm.layers.rnn.dropout_steps import DropoutStep


@register
class GRUCell(GatedCell):
    """One time step of a GRU.

    With gate blocks z, r, h of `x @ kernel + bias`:
    `z = recurrent_activation(x_z + h @ recurrent_z)`, `r = recurrent_activation(x_r + h @ recurrent_r)`,
    `h' = z * h + (1 - z) * activation(x_h + r * (h @ recurrent_h))`;
    without `reset_after`, `(r * h) @ recurrent_h` is in place of `r * (h @ recurrent_h)`.

    Args:
        units: Positive integer, size of the output and of the state.
        activation: Activation of the candidate.
        recurrent_activation: Activation of the gates z and r.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer: Initializer of the kernel `(features, 3*units)`.
        recurrent_initializer: Initializer of the recurrent kernel `(units, 3*units)`.
        bias_initializer: Initializer of the bias: `(2, 3*units)` with `reset_after`, of the input and of the state;
            else `(3*units,)`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Kept for configs and training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs, and of the state in the products, that
            training drops: the same at all steps of a call.
        reset_after: Boolean, whether the reset gate is applied after the product with the recurrent kernel.
        seed: Integer, or None.
        **kwargs: As for `Layer`; also `implementation`, which does not change the results.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    blocks = 3
    reset_after: bool

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(own_arguments(locals()), **kwargs)

    def add_bias(self) -> Variable:
        columns = 3 * self.units
        return add_weight(self, "bias", (2, columns) if self.reset_after else (columns,))

    def dropped_step(self, step: DropoutStep, *states: np.ndarray) -> tuple[list[np.ndarray], Any]:
        (h,) = states
        biases = (0, 1) if self.reset_after else (0,)
        z, of_z = step.activated(self.recurrent_activation, step.product(0, biases=biases))
        r, of_r = step.activated(self.recurrent_activation, step.product(1, biases=biases))
        if self.reset_after:
            inner = step.product(2, with_inputs=False, biases=(1,))
            candidate = step.product(2, with_state=False) + r * inner
        else:
            candidate = step.product(2, factor=r)
        g, of_g = step.activated(self.activation, candidate)

        def backward(dh: np.ndarray) -> list[np.ndarray]:
            d = of_g(dh * (1 - z))
            if self.reset_after:
                step.pull(2, d, with_state=False)
                step.pull(2, d * r, with_inputs=False)
                dr = d * inner
            else:
                dr = step.pull(2, d)
            step.pull(0, of_z(dh * (h - g)))
            step.pull(1, of_r(dr))
            return [dh * z]

        return [z * h + (1 - z) * g], backward

    def op(self, *weights: Any, **over_time: Any) -> ops.Op:
        return ops.GRUOp(*weights, *self.lowered_activations(), **{"reset_after": bool(self.reset_after), **over_time})


@register
class GRU(GatedLayer):
    """A gated recurrent unit over sequences `(batch, timesteps, features)`.

    Args:
        units: Positive integer, size of the output and of the state.
        activation: Activation of the candidate.
        recurrent_activation: Activation of the gates z and r.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: As for `GRUCell`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: Kept for configs and
            training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs, and of the state in the products, that
            training drops: the same at all steps of a call.
        seed: Integer, or None.
        return_sequences, return_state, go_backwards, stateful, unroll: As for `RNN`.
        reset_after: Boolean, whether the reset gate is applied after the product with the recurrent kernel.
        use_cudnn: `"auto"` or a boolean; True is refused when the layer is called.
        **kwargs: As for `RNN`; also `implementation`, which does not change the results.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    cell_class: ClassVar[type[Cell]] = GRUCell

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(own_arguments(locals()), **kwargs)
