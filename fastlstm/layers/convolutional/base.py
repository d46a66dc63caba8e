"""What all convolutions share: how they cut their inputs into windows, the products with those, bias, activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm import activations, regularizers
from fastlstm.engine import ops
from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.argument_validation import standardize_data_format, standardize_padding, standardize_tuple
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.building import overrides
from fastlstm.layers.base.data_format import as_data_format, channel_axis, channels_last, lengths_of, shape_of
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.weight_arguments import add_weight, weight_config
from fastlstm.layers.convolutional.product import Product
from fastlstm.layers.convolutional.windows import Axis, place_windows
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable

# Activations of the engine that act over the last axis.
OVER_AN_AXIS = ("softmax", "log_softmax")


class Convolution(Layer):
    """What the convolutions have in common.

    Args:
        kernel_size, strides, dilation_rate: Integers for all axes, or sequences of one for each.
        padding: One of the class' `paddings`.
        data_format: `channels_last`, `channels_first`, or None for the first of these.
        activation: Identifier.
        use_bias: Boolean.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    # Axes between batch and channels.
    rank: ClassVar[int]
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    # Of those classes whose outputs have as many channels as that.
    filters: int

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size: tuple[int, ...] = standardize_tuple(kernel_size, self.rank, "kernel_size")
        self.strides: tuple[int, ...] = standardize_tuple(strides, self.rank, "strides")
        self.dilation_rate: tuple[int, ...] = standardize_tuple(dilation_rate, self.rank, "dilation_rate")
        self.padding: str = standardize_padding(padding, self.paddings)
        self.data_format: str = standardize_data_format(data_format)
        self.activation: Callable[[np.ndarray], np.ndarray] = activation_layer.get(activation)
        self.use_bias = use_bias
        self.bias: Variable | None = None
        self.input_spec = InputSpec(min_ndim=self.rank + 2)
        self._channels: int | None = None
        self._products: list[Product] | None = None

    def refuse_strides_and_dilation(self) -> None:
        """Raise Keras' ValueError if both are above 1."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )

    @property
    def has_gradient(self) -> bool:
        return super().has_gradient and not overrides(type(self), ("convolved",), over="convolved_with_gradient")

    # Building

    def input_channels(self, input_shape: Shape) -> int:
        """Return the number of channels.

        Raises:
            ValueError: When it is unknown.
        """
        channels = input_shape[channel_axis(self.data_format)]
        if channels is None:
            raise ValueError(
                f"The number of channels of the input must be known. Received: input_shape={quoted(input_shape)}"
            )
        return channels

    def output_channels(self, input_channels: int | None) -> int | None:
        """Return the number of channels of the output."""
        return self.filters

    def build_bias(self, input_shape: Shape) -> None:
        """Create the bias, the last weight, and hold the input to its number of channels."""
        channels = input_shape[channel_axis(self.data_format)]
        self._channels = self.output_channels(channels)
        if self.use_bias:
            self.bias = add_weight(self, "bias", (self._channels,))
        self.input_spec: InputSpec = InputSpec(min_ndim=self.rank + 2, axes={channel_axis(self.data_format): channels})
        if isinstance(self.activation, Layer):
            # Refuses one with weights of its own.
            activation_layer.lower_activation(self.activation, self._channels)

    # Calling

    @property
    def step_span(self) -> int:  # type: ignore[override]
        return (self.kernel_size[0] - 1) * self.dilation_rate[0] + 1

    def past_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        """Return why a convolution over time cannot run step by step; see `Layer.step_problem`."""
        if not in_time:
            return None
        if self.data_format != "channels_last" or self.strides[0] != 1:
            return f"data_format='{self.data_format}', strides={self.strides[0]}; it must be 'channels_last' and 1."
        if self.step_span > 1 and self.padding != "causal":
            return f"padding='{self.padding}'; only 'causal' reads no later steps and skips none."
        return None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        in_engine = self.lowers and inputs.ndim == self.rank + 2 and len(inputs) > 0
        if in_engine or inputs.ndim != self.rank + 2:
            self.compute_output_shape(inputs.shape)
        if in_engine:
            return self.chain.run(np.ascontiguousarray(inputs))
        y = as_data_format(self.convolved(channels_last(inputs, self.data_format)), self.data_format)
        if self.activation is activations.linear or self.fused_activation() is not None:
            return y
        return as_float32(self.activation(y))

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        if inputs.ndim != self.rank + 2:
            self.compute_output_shape(inputs.shape)
        z, of_convolved = self.convolved_with_gradient(channels_last(inputs, self.data_format))
        z = as_data_format(z, self.data_format)
        y, of_activation = activation_layer.with_gradient(self.activation, as_float32(z), self.name)

        def backward(d: np.ndarray) -> Any:
            dx, of_weights = of_convolved(channels_last(of_activation(d), self.data_format))
            return as_data_format(dx, self.data_format), self.in_order(**of_weights)

        return y, backward

    def convolved_with_gradient(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        """Return the output before the activation, and the way back.

        Args:
            x: `(batch, *lengths, channels)`.

        Returns:
            `(z, backward)`: `backward(d)` returns `(dx, gradients)`, these by the names of the weights' attributes.
        """
        raise NotImplementedError(f"Training cannot go through layer '{self.name}' (of type {type(self).__name__}).")

    def convolved(self, x: np.ndarray) -> np.ndarray:
        """Return a new array `(batch, *counts, channels)`: the output but for an activation that is not fused.

        Args:
            x: `(batch, *lengths, channels)`.
        """
        raise NotImplementedError

    def axes(self, x: np.ndarray) -> list[Axis]:
        """Return the windows along each of the lengths of `x`.

        Raises:
            ValueError: When one is too short.
        """
        axes = [
            place_windows(*of_axis, self.padding)
            for of_axis in zip(x.shape[1:-1], self.kernel_size, self.strides, self.dilation_rate, strict=True)
        ]
        if min(axis.count for axis in axes) <= 0:
            self.compute_output_shape(shape_of(len(x), x.shape[1:-1], x.shape[-1], self.data_format))
        return axes

    # Products in the engine

    @property
    def products(self) -> list[Product]:
        """What `lower_products` lists, ready to run."""
        products = self._products
        if products is None:
            self._products = products = [Product(self, lower) for lower in self.lower_products()]
        return products

    def lower_products(self) -> list[Callable[[], list[ops.Op]]]:
        """Return for each product with the weights a function that gives it as ops of the engine."""
        return []

    @property
    def _lowered_activation(self) -> ops.Activation:
        """The activation over the channels of the output, as the engine has it."""
        return activation_layer.lower_activation(self.activation, self._channels)

    @property
    def lowers(self) -> bool:
        """Whether the engine runs it as ops over time."""
        if self.rank != 1 or self.data_format != "channels_last" or not self.built:
            return False
        return self._lowered_activation.function is None

    def lower_inside(self) -> list[list[ops.Op]]:
        return [lower() for lower in self.lower_products()]

    def fused_activation(self) -> ops.Activation | None:
        """The activation where the products apply it; None where it is to be applied to their outputs.

        What acts over an axis does so over the last one of the output in its data format.
        """
        activation = self._lowered_activation
        return None if activation.function is not None or activation.name in OVER_AN_AXIS else activation

    def dense(self, kernel: np.ndarray, part: slice = slice(None), times: int = 1) -> list[ops.Op]:
        """Return a product with `kernel`, and with it bias and activation, as ops.

        Args:
            kernel: `(features, channels*times)`, or the kernel of a convolution.
            part: The channels of the output.
            times: How many positions beside each other a row gives.
        """
        bias = np.tile(self.bias.value[part], times) if self.bias is not None else None
        return [ops.DenseOp(kernel, bias, self.fused_activation() or ops.LINEAR)]

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_products": None}

    # Shapes and configs

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        channels = input_shape[channel_axis(self.data_format)]
        output_channels = self.output_channels(channels)
        kernel_shape = (*self.kernel_size, channels, output_channels)
        if len(kernel_shape) != len(input_shape):
            raise ValueError(
                f"Kernel shape must have the same length as input, but received kernel of shape {kernel_shape} and "
                f"input of shape {tuple(input_shape)}."
            )
        counts = self.output_lengths(lengths_of(input_shape, self.data_format))
        if any(count is not None and count <= 0 for count in counts) and self.padding == "valid":
            raise ValueError(
                f"Computed output size would be zero or negative. Received `inputs shape={tuple(input_shape)}`, "
                f"`kernel shape={kernel_shape}`, `dilation_rate={np.array(self.dilation_rate)}`, "
                f"`strides={self.strides}`, `padding={self.padding}`."
            )
        return shape_of(input_shape[0], counts, output_channels, self.data_format)

    def output_lengths(self, lengths: Sequence[int | None]) -> list[int | None]:
        """Return the lengths of the output, None where those of the input are unknown."""
        sizes = zip(lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [
            None if length is None else place_windows(length, size, stride, dilation, self.padding).count
            for length, size, stride, dilation in sizes
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activation_layer.serialize_activation(self.activation),
            "use_bias": self.use_bias,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            **weight_config(self, "bias"),
        }


def check_positive(name: str, value: Any) -> None:
    """Raise Keras' ValueError if a number of channels is none."""
    if not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive value. Received {name}={quoted(value)}."
        )
