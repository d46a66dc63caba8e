"""`LSTM` and `LSTMCell` (Hochreiter and Schmidhuber, 1997, with forget gates)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import constraints, initializers, random, regularizers
from fastlstm.engine import ops
from fastlstm.layers import activation as activation_layer
from fastlstm.layers.arrays import as_states
from fastlstm.layers.input_spec import InputSpec, Shape
from fastlstm.layers.layer import Layer
from fastlstm.layers.rnn import RNN, mirrored
from fastlstm.layers.serialization import register
from fastlstm.layers.weight_owner import reserve_draw


class _UnitForgetBias(initializers.Initializer):
    """The bias of the gates i, f, c, o: ones for f, `others` for the rest."""

    def __init__(self, others: Any) -> None:
        self.others = others

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        units = shape[0] // 4
        return np.concatenate([self.others((units,)), np.ones(units, np.float32), self.others((2 * units,))])


@register
class LSTMCell(Layer):
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
        dropout, recurrent_dropout: Floats from 0 to 1, kept for configs.
        seed: Integer, or None.
        **kwargs: As for `Layer`; also `implementation`, which does not change the results.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    # To the engine a cell is a layer that reads one step and returns its states.
    recurrent = True
    return_state = True
    stateful = False

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
        units = _checked_units(units)
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.implementation = implementation
        self.units = units
        self.activation = activation_layer.get(activation)
        self.recurrent_activation = activation_layer.get(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.unit_forget_bias = unit_forget_bias
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.state_size = [units, units]
        self.output_size = units
        self.kernel = None
        self.recurrent_kernel = None
        self.bias = None

    def build(self, input_shape: Shape) -> None:
        columns = 4 * self.units
        self.kernel = self.add_weight(
            (input_shape[-1], columns),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            (self.units, columns),
            self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        if self.use_bias:
            others = reserve_draw(self.bias_initializer)
            self.bias = self.add_weight(
                (columns,),
                _UnitForgetBias(others) if self.unit_forget_bias else others,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs: np.ndarray, states: Sequence[Any], training: bool = False) -> tuple[np.ndarray, list]:
        """Return `(h', [h', c'])`.

        Args:
            inputs: `(batch, features)`.
            states: `[h, c]`, each `(batch, units)`.
            training: Boolean.

        Raises:
            ValueError: When a shape does not fit.
            NotImplementedError: With `training`, when the cell has dropout.
        """
        if training:
            self.refuse_dropout()
        h, *new_states = self.chain.run(inputs[:, np.newaxis], None, states)
        return h, new_states

    def starting_states(self, batch: int, given: Any) -> list[np.ndarray]:
        """Return the call's states as the engine takes them."""
        return as_states(given, batch, self.state_size, self.name)

    def refuse_dropout(self) -> None:
        """Raise NotImplementedError if training would drop anything."""
        for name in ("dropout", "recurrent_dropout"):
            if 0 < getattr(self, name) < 1:
                raise NotImplementedError(f"`{name}` of LSTM is not supported in training yet ({self.name}).")

    def lower(self) -> list[ops.Op]:
        return [self.lower_over_time()]

    def lower_over_time(self, **over_time: bool) -> ops.Op:
        """Return the op that runs the cell over the steps of a sequence.

        Args:
            **over_time: `return_sequences`, `go_backwards`, `zero_output_for_mask`, as `LSTMOp` takes them.
        """
        return ops.LSTMOp(
            self.kernel.value,
            self.recurrent_kernel.value,
            self.bias.value if self.use_bias else None,
            activation_layer.lower_activation(self.activation, self.units),
            activation_layer.lower_activation(self.recurrent_activation, self.units),
            **over_time,
        )

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        """Return `[h, c]` of zeros, each `(batch_size, units)`."""
        return [np.zeros((batch_size, units), np.float32) for units in self.state_size]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments()}

    def arguments(self) -> dict[str, Any]:
        """Return the config without what every layer has."""
        return {
            "units": self.units,
            "activation": activation_layer.serialize_activation(self.activation),
            "recurrent_activation": activation_layer.serialize_activation(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "unit_forget_bias": self.unit_forget_bias,
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


@register
class LSTM(RNN):
    """Long short-term memory over sequences `(batch, timesteps, features)`.

    Args:
        units: Positive integer, size of the output and of each state.
        activation: Activation of the candidate and of the cell's output.
        recurrent_activation: Activation of the gates.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: As for `LSTMCell`.
        unit_forget_bias: Boolean, whether the forget gate's bias starts at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Kept for configs and training.
        activity_regularizer: Kept for configs and training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, kept for configs.
        seed: Integer, or None.
        return_sequences: Boolean, whether to return every step's output instead of the last one's.
        return_state: Boolean, whether to return `(output, h, c)`.
        go_backwards: Boolean, whether to read the sequences from their last step to their first.
        stateful: Boolean, whether row i of a batch continues row i of the one before.
        unroll: Boolean, kept for configs; it does not change the results.
        use_cudnn: `"auto"` or False; True is refused at the call.
        **kwargs: As for `RNN`; also `implementation`, which does not change the results.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

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
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            name="lstm_cell",
            implementation=kwargs.pop("implementation", 2),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        if use_cudnn not in ("auto", True, False):
            raise ValueError(
                "Invalid valid received for argument `use_cudnn`. Expected one of {'auto', True, False}. "
                f"Received: use_cudnn={use_cudnn}"
            )
        self.use_cudnn = use_cudnn

    units = mirrored("units")
    activation = mirrored("activation")
    recurrent_activation = mirrored("recurrent_activation")
    use_bias = mirrored("use_bias")
    unit_forget_bias = mirrored("unit_forget_bias")
    kernel_initializer = mirrored("kernel_initializer")
    recurrent_initializer = mirrored("recurrent_initializer")
    bias_initializer = mirrored("bias_initializer")
    kernel_regularizer = mirrored("kernel_regularizer")
    recurrent_regularizer = mirrored("recurrent_regularizer")
    bias_regularizer = mirrored("bias_regularizer")
    kernel_constraint = mirrored("kernel_constraint")
    recurrent_constraint = mirrored("recurrent_constraint")
    bias_constraint = mirrored("bias_constraint")
    dropout = mirrored("dropout")
    recurrent_dropout = mirrored("recurrent_dropout")
    implementation = mirrored("implementation")
    seed = mirrored("seed")

    def lower(self) -> list[ops.Op]:
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but cuDNN is not supported for this layer configuration with this "
                "backend. Pass use_cudnn='auto' to fallback to a non-cuDNN implementation."
            )
        return super().lower()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.cell.arguments()}


def _checked_units(units: Any) -> int:
    """Return `units` as an int, refusing floats, which Keras would only refuse when it builds."""
    if units <= 0 or not hasattr(units, "__index__"):
        raise ValueError(f"Received an invalid value for argument `units`, expected a positive integer, got {units}.")
    return int(units)
