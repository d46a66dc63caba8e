"""`ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D` (Shi et al., 2015): an LSTM whose products are convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.argument_validation import standardize_padding, standardize_tuple
from fastlstm.layers.base.data_format import as_data_format, channel_axis, channels_last, lengths_of, shape_of
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight
from fastlstm.layers.convolutional.base import OVER_AN_AXIS
from fastlstm.layers.convolutional.convolution import Conv1D, Conv2D, Conv3D
from fastlstm.layers.convolutional.product import Product
from fastlstm.layers.convolutional.windows import blocks, padded, place_windows, windows
from fastlstm.layers.rnn.cell import Cell, own_arguments
from fastlstm.layers.rnn.cell_layer import CellLayer
from fastlstm.layers.rnn.conv_lstm_gradient import Convolutions, advanced_with_gradient
from fastlstm.layers.rnn.dropout_steps import steps_of
from fastlstm.layers.rnn.lstm import LSTMCell
from fastlstm.layers.rnn.states import as_states, zero_state
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable

_CONVOLUTIONS = {1: Conv1D, 2: Conv2D, 3: Conv3D}


class ConvLSTMCell(Cell):
    """One time step of an LSTM at every position: `LSTMCell`, with convolutions for the products with its kernels.

    The inputs' convolution has the arguments given; the states' one has strides of 1 and the padding `same`.

    Args:
        rank: Axes between batch and channels, from 1 to 3.
        filters: Positive integer, channels of the output and of each state.
        kernel_size, strides, padding, data_format, dilation_rate: As for `Conv2D`.
        kernel_initializer: Initializer of the kernel `(*kernel_size, channels, 4*filters)`.
        recurrent_initializer: Initializer of the recurrent kernel `(*kernel_size, filters, 4*filters)`.
        activation, recurrent_activation, use_bias, bias_initializer, unit_forget_bias: As for `LSTMCell`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Kept for configs and training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs and of the states that training drops.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    blocks = 4
    state_count = 2
    filters: int
    kernel_size: tuple[int, ...]
    data_format: str
    size_argument = "filters"

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        arguments = own_arguments(locals())
        del arguments["rank"]
        if rank not in _CONVOLUTIONS:
            raise ValueError(f"Rank {rank} convolutions are not currently implemented. Received: rank={quoted(rank)}")
        strides = standardize_tuple(strides, rank, "strides")
        dilation_rate = standardize_tuple(dilation_rate, rank, "dilation_rate")
        if max(strides) > 1 and max(dilation_rate) > 1:
            raise ValueError(
                "Specifying `strides > 1` is not compatible with `dilation_rate > 1`. Please provide `strides=1` or "
                f"`dilation_rate=1`. Received: strides={quoted(strides)} and dilation_rate={quoted(dilation_rate)}"
            )
        self.rank = rank
        # Knows the shapes of the inputs' convolution; it has no weights.
        self._convolution = _CONVOLUTIONS[rank](
            *(filters, kernel_size, strides, standardize_padding(padding, ("valid", "same")), data_format),
            dilation_rate,
            name="convolution",
        )
        for name in ("kernel_size", "strides", "padding", "data_format", "dilation_rate"):
            arguments[name] = getattr(self._convolution, name)
        super().__init__(arguments, **kwargs)
        self.input_spec = InputSpec(ndim=rank + 2)
        self._lengths: tuple[int | None, ...] = ()
        self._product: Product | None = None

    def build(self, input_shape: Shape) -> None:
        lengths, axis = lengths_of(input_shape, self.data_format), channel_axis(self.data_format)
        if None in lengths:
            raise ValueError(
                "ConvLSTM layers only support static input shapes for the spatial dimension. "
                f"Received invalid input shape: input_shape={quoted(input_shape)}"
            )
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                "The channel dimension of the inputs (last axis) should be defined. Found None. Full input shape "
                f"received: input_shape={quoted(input_shape)}"
            )
        self._lengths = tuple(self._convolution.output_lengths(lengths))
        self.compute_output_shape(input_shape)
        columns = self.blocks * self.filters
        self.kernel: Variable = add_weight(self, "kernel", (*self.kernel_size, channels, columns))
        self.recurrent_kernel: Variable = add_weight(
            self, "recurrent", (*self.kernel_size, self.filters, columns), "recurrent_kernel"
        )
        if self.use_bias:
            self.bias: Variable | None = self.add_bias()
        known = {number: size for number, size in enumerate(input_shape) if number}
        self.input_spec: InputSpec = InputSpec(ndim=self.rank + 2, axes=known)

    def add_bias(self) -> Variable:
        return LSTMCell.add_bias(self)  # type: ignore[arg-type]  # it reads what the two have in common

    def call(self, inputs: np.ndarray, states: Any, training: bool = False) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return `(output, new_states)`.

        Args:
            inputs: `(batch, *lengths, channels)`.
            states: List of two arrays `(batch, *positions, filters)`.
            training: Boolean.

        Raises:
            ValueError: When a shape does not fit.
        """
        if training and self.drops:
            return self.call_with_gradient(inputs, states, training)[0]
        shape = self.state_shape(len(inputs))
        h, c = (channels_last(state, self.data_format) for state in as_states(states, [shape, shape], self.name))
        h, c = self._advanced(channels_last(inputs, self.data_format), h, c)
        h = as_data_format(h, self.data_format)
        return h, [h, as_data_format(c, self.data_format)]

    def call_with_gradient(
        self, inputs: np.ndarray, states: Any, training: bool = False
    ) -> tuple[tuple[np.ndarray, list[np.ndarray]], Backward]:
        self._lowered_activations()
        shape = self.state_shape(len(inputs))
        x, h, c = (
            channels_last(array, self.data_format) for array in (inputs, *as_states(states, [shape, shape], self.name))
        )
        axes, drawn = self._convolution.axes(x), steps_of(self)
        of_kinds = ("inputs", x.shape, self.dropout), ("states", h.shape, self.recurrent_dropout)
        masks = [drawn.masks(*of_kind) for of_kind in of_kinds] if training else []
        convolutions = Convolutions(
            self.kernel.value,
            self.recurrent_kernel.value,
            None if self.bias is None else self.bias.value,
            axes,
            [place_windows(axis.count, axis.size, 1, 1, "same") for axis in axes],
            self.activation,
            self.recurrent_activation,
            self.name,
            *masks,
        )
        new_h, new_c, way = advanced_with_gradient(convolutions, x, h, c)
        new_h, new_c = (as_data_format(state, self.data_format) for state in (new_h, new_c))

        def backward(d: Any) -> Any:
            d_output, (dh, dc) = d
            given = (channels_last(each, self.data_format) for each in (d_output + dh, dc))
            *found, of_weights = way(*given)
            dx, dh, dc = (as_data_format(each, self.data_format) for each in found)
            return dx, self.in_order(**of_weights), {"states": [dh, dc]}

        return (new_h, [new_h, new_c]), backward

    @property
    def has_mask_per_block(self) -> bool:
        return True

    @property
    def native_in_training(self) -> bool:
        return False

    def _advanced(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the next h and c, all with the channels last.

        At every position, what the windows read of x and of h is one row for the engine's LSTM, which has no other h.
        """
        axes = self._convolution.axes(x)
        of_state = [place_windows(axis.count, axis.size, 1, 1, "same") for axis in axes]
        read = [windows(padded(x, axes), axes), windows(padded(h, of_state), of_state)]
        widths = [prod(view.shape[1 + self.rank :]) for view in read]
        new_h, new_c = np.empty(c.shape, np.float32), np.empty(c.shape, np.float32)
        program = self._made_product().program
        for block in blocks(len(x), axes[0].count, sum(widths) * prod(axis.count for axis in axes[1:])):
            parts = [view[block] for view in read]
            places = parts[0].shape[: 1 + self.rank]
            rows = np.empty((*places, sum(widths)), np.float32)
            for part, columns in zip(parts, np.split(rows, widths[:1], axis=-1), strict=True):
                columns.reshape(part.shape)[...] = part
            c_prev = np.ascontiguousarray(c[block]).reshape(-1, self.filters)
            given = [[np.zeros(c_prev.shape, np.float32), c_prev]]
            output, ((_, c_next),) = program.run(rows.reshape(len(c_prev), 1, sum(widths)), None, given, True)
            new_h[block] = output.reshape(*places, self.filters)
            new_c[block] = c_next.reshape(*places, self.filters)
        return new_h, new_c

    def _made_product(self) -> Product:
        product = self._product
        if product is None:
            self._product = product = Product(self, self._lower_step)
        return product

    def _lower_step(self) -> list[ops.Op]:
        columns = self.blocks * self.filters
        kernels = [weight.value.reshape(-1, columns) for weight in (self.kernel, self.recurrent_kernel)]
        activation, of_gates = self._lowered_activations()
        bias = self.bias.value if self.bias is not None else None
        recurrent_kernel = np.zeros((self.filters, columns), np.float32)
        return [ops.LSTMOp(np.concatenate(kernels), recurrent_kernel, bias, activation, of_gates)]

    def _lowered_activations(self) -> list[ops.Activation]:
        given = (self.activation, self.recurrent_activation)
        activations = [activation_layer.lower_activation(activation, self.filters) for activation in given]
        for activation in activations:
            if self.data_format == "channels_first" and (activation.function or activation.name in OVER_AN_AXIS):
                raise NotImplementedError(
                    f"An activation that may act over an axis is not supported for `channels_first` ({self.name})."
                )
        return activations

    def state_shape(self, batch: int | None) -> tuple[int | None, ...]:
        """Return the shape of a state of the built cell."""
        return shape_of(batch, self._lengths, self.filters, self.data_format)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[Any, list[Any]]:
        """Return `(output_shape, [h_shape, c_shape])`, which are all the same."""
        shape = self._convolution.compute_output_shape(input_shape)
        return shape, [shape, shape]

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        shape: tuple[Any, ...] = self.state_shape(batch_size)
        return [zero_state(shape) for _ in range(2)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rank": self.rank}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_product": None}


class _ConvLSTM(CellLayer):
    """A `ConvLSTMCell` over the time steps of sequences; `ConvLSTM2D` tells of the arguments."""

    cell_class: ClassVar[type[Cell]] = ConvLSTMCell
    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        **kwargs: Any,
    ) -> None:
        super().__init__({**own_arguments(locals()), "rank": self.rank}, **kwargs)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        known = {number: size for number, size in enumerate(input_shape) if number > 1}
        self.input_spec: InputSpec = InputSpec(ndim=self.rank + 3, axes=known)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        batch, timesteps, *step = input_shape
        state, _ = self.cell.compute_output_shape((batch, *step))
        output = (batch, timesteps, *state[1:]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output


@register
class ConvLSTM1D(_ConvLSTM):
    """A convolutional LSTM over sequences of series `(batch, timesteps, length, channels)`.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: Of the inputs' convolution, as for `Conv1D`
            but for the padding `causal`; the states' one has the same `kernel_size`.
        activation, recurrent_activation, use_bias, unit_forget_bias: As for `LSTM`.
        kernel_initializer, recurrent_initializer, bias_initializer: As for `ConvLSTM2D`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: Kept for configs and
            training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs and of the states that training drops.
        seed: Integer, or None.
        return_sequences, return_state, go_backwards, stateful: As for `RNN`.
        **kwargs: As for `RNN`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    rank = 1


@register
class ConvLSTM2D(_ConvLSTM):
    """A convolutional LSTM over sequences of images `(batch, timesteps, rows, columns, channels)`.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: Of the inputs' convolution, as for
            `Conv2D`; the states' one has the same `kernel_size`, strides of 1 and the padding `same`.
        kernel_initializer: Initializer of the kernel `(*kernel_size, channels, 4*filters)`.
        recurrent_initializer: Initializer of the recurrent kernel `(*kernel_size, filters, 4*filters)`.
        bias_initializer: Initializer of the bias `(4*filters,)`.
        activation, recurrent_activation, use_bias, unit_forget_bias: As for `LSTM`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: Kept for configs and
            training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs and of the states that training drops.
        seed: Integer, or None.
        return_sequences, return_state, go_backwards, stateful: As for `RNN`.
        **kwargs: As for `RNN`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    rank = 2


@register
class ConvLSTM3D(_ConvLSTM):
    """A convolutional LSTM over sequences of volumes `(batch, timesteps, depth, rows, columns, channels)`.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: As for `ConvLSTM2D`, of three axes.
        activation, recurrent_activation, use_bias, unit_forget_bias: As for `LSTM`.
        kernel_initializer, recurrent_initializer, bias_initializer: As for `ConvLSTM2D`.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: Kept for configs and
            training.
        kernel_constraint, recurrent_constraint, bias_constraint: Kept for configs and training.
        dropout, recurrent_dropout: Floats from 0 to 1, the part of the inputs and of the states that training drops.
        seed: Integer, or None.
        return_sequences, return_state, go_backwards, stateful: As for `RNN`.
        **kwargs: As for `RNN`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    rank = 3
