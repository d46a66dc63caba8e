"""`Conv1D`, `SeparableConv1D` and `DepthwiseConv1D`: products of weights with windows over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import activations, regularizers
from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.argument_validation import standardize_data_format, standardize_padding, standardize_tuple
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.layers.convolutional.windows import padded, swap_if_channels_first, taps, window_count, windows


class _Convolution(Layer):
    """What the convolutions have in common: how they cut time into windows, and what follows the product."""

    paddings = ("valid", "same")

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
        self.kernel_size = standardize_tuple(kernel_size, 1, "kernel_size")
        self.strides = standardize_tuple(strides, 1, "strides")
        self.dilation_rate = standardize_tuple(dilation_rate, 1, "dilation_rate")
        self.padding = standardize_padding(padding, self.paddings)
        self.data_format = standardize_data_format(data_format)
        self.activation = activation_layer.get(activation)
        self.use_bias = use_bias
        self.bias = None
        self.input_spec = InputSpec(min_ndim=3)

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def _input_channels(self, input_shape: Shape) -> int:
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"The number of channels of the input must be known. Received: input_shape={input_shape}")
        return channels

    def _output_channels(self, input_channels: int | None) -> int | None:
        return self.filters

    def _build_bias(self, input_shape: Shape) -> None:
        """Create the bias, the last weight, and hold the input to its number of channels."""
        channels = input_shape[self._channel_axis]
        if self.use_bias:
            self.bias = add_weight(self, "bias", (self._output_channels(channels),))
        self.input_spec = InputSpec(min_ndim=3, axes={self._channel_axis: channels})
        if isinstance(self.activation, Layer):
            # Refuses one with weights of its own.
            activation_layer.lower_activation(self.activation, self._output_channels(channels))

    @property
    def step_span(self) -> int:
        return (self.kernel_size[0] - 1) * self.dilation_rate[0] + 1

    def past_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        """Return why the layer cannot run step by step; see `Layer.step_problem`."""
        if not in_time:
            return None
        if self.data_format != "channels_last" or self.strides[0] != 1:
            return f"data_format='{self.data_format}', strides={self.strides[0]}; it must be 'channels_last' and 1."
        if self.step_span > 1 and self.padding != "causal":
            return f"padding='{self.padding}'; only 'causal' reads no later steps and skips none."
        return None

    def _padded(self, inputs: np.ndarray) -> np.ndarray:
        """Return the inputs as `(batch, timesteps, channels)`, ready to be cut into windows."""
        self.compute_output_shape(inputs.shape)
        x = swap_if_channels_first(inputs, self.data_format)
        return padded(x, self.kernel_size[0], self.strides[0], self.dilation_rate[0], self.padding)

    def _depthwise(self, inputs: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """Return `(batch, count, channels*multiplier)` for a kernel `(size, channels, multiplier)`."""
        steps = taps(self._padded(inputs), self.kernel_size[0], self.strides[0], self.dilation_rate[0])
        y = steps[0][..., np.newaxis] * kernel[0]
        for step, weights in zip(steps[1:], kernel[1:], strict=True):
            y += step[..., np.newaxis] * weights
        return y.reshape(*y.shape[:2], y.shape[2] * y.shape[3])

    def _finished(self, y: np.ndarray) -> np.ndarray:
        """Return the output from the products `(batch, count, channels)`, a new array that may be changed."""
        if self.use_bias:
            y += self.bias.value
        y = np.ascontiguousarray(swap_if_channels_first(y, self.data_format))
        return y if self.activation is activations.linear else as_float32(self.activation(y))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        input_channels = input_shape[self._channel_axis]
        channels = self._output_channels(input_channels)
        kernel_shape = (*self.kernel_size, input_channels, channels)
        if len(input_shape) != 3:
            raise ValueError(
                f"Kernel shape must have the same length as input, but received kernel of shape {kernel_shape} and "
                f"input of shape {tuple(input_shape)}."
            )
        time_axis = 1 if self.data_format == "channels_last" else 2
        sizes = self.kernel_size[0], self.strides[0], self.dilation_rate[0]
        count = window_count(input_shape[time_axis], *sizes, self.padding)
        if count is not None and count <= 0 and self.padding == "valid":
            raise ValueError(
                f"Computed output size would be zero or negative. Received `inputs shape={tuple(input_shape)}`, "
                f"`kernel shape={kernel_shape}`, `dilation_rate={list(self.dilation_rate)}`, "
                f"`strides={self.strides}`, `padding={self.padding}`."
            )
        batch = input_shape[0]
        return (batch, count, channels) if time_axis == 1 else (batch, channels, count)

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


@register
class Conv1D(_Convolution):
    """`activation(kernel * inputs + bias)`, the cross-correlation over time of `(batch, timesteps, channels)`.

    Args:
        filters: Positive integer, channels of the output.
        kernel_size: Steps that one output reads.
        strides: Steps from one output to the next.
        padding: `valid` (none), `same` (zeros on both sides) or `causal` (zeros before).
        data_format: `channels_last`, or `channels_first` for `(batch, channels, timesteps)`. None: `channels_last`.
        dilation_rate: Steps from one that an output reads to the next.
        groups: Number of parts of the channels, each with filters of its own.
        activation: Activation of the output; None is linear.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer: Initializer of the kernel `(kernel_size, channels/groups, filters)`.
        bias_initializer: Initializer of the bias `(filters,)`.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    paddings = ("valid", "same", "causal")

    step_problem = _Convolution.past_problem

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        set_weight_arguments(self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        set_weight_arguments(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        _check_positive("filters", filters)
        if groups <= 0:
            raise ValueError(f"The number of groups must be a positive integer. Received: groups={groups}.")
        if filters % groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={groups}, filters={filters}."
            )
        if self.strides[0] > 1 and self.dilation_rate[0] > 1:
            raise ValueError(
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
                f"Received: strides={self.strides} and dilation_rate={self.dilation_rate}"
            )
        self.filters = filters
        self.groups = groups
        self.kernel = None

    def build(self, input_shape: Shape) -> None:
        channels = self._input_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. Received "
                f"groups={self.groups}, but the input has {channels} channels (full input shape is {input_shape})."
            )
        self.compute_output_shape(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self._build_bias(input_shape)

    def call(self, inputs: np.ndarray) -> np.ndarray:
        size, features, filters = self.kernel.shape
        cut = windows(self._padded(inputs), size, self.strides[0], self.dilation_rate[0])
        batch, count = cut.shape[:2]
        # One product per row and group: (count, size*features) @ (size*features, filters/groups).
        grouped = cut.reshape(batch, count, size, self.groups, features).transpose(0, 3, 1, 2, 4)
        rows = grouped.reshape(batch, self.groups, count, size * features)
        kernels = self.kernel.value.reshape(size * features, self.groups, -1).swapaxes(0, 1)
        return self._finished((rows @ kernels).swapaxes(1, 2).reshape(batch, count, filters))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            **weight_config(self, "kernel"),
        }


@register
class DepthwiseConv1D(_Convolution):
    """A convolution over time of each channel by itself.

    Args:
        kernel_size, strides, data_format, dilation_rate: As for `Conv1D`.
        padding: `valid` or `same`.
        depth_multiplier: Positive integer, outputs per channel.
        activation, use_bias: As for `Conv1D`.
        depthwise_initializer: Initializer of the kernel `(kernel_size, channels, depth_multiplier)`.
        bias_initializer: Initializer of the bias `(channels*depth_multiplier,)`.
        depthwise_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        depthwise_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    step_problem = _Convolution.past_problem

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        set_weight_arguments(self, "depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        set_weight_arguments(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        _check_positive("depth_multiplier", depth_multiplier)
        self.depth_multiplier = depth_multiplier
        self.kernel = None

    def _input_channels(self, input_shape: Shape) -> int:
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ValueError(f"The number of channels of the input must be known. Received: input_shape={input_shape}")
        return channels

    def _output_channels(self, input_channels: int | None) -> int | None:
        return None if input_channels is None else input_channels * self.depth_multiplier

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, self._input_channels(input_shape), self.depth_multiplier)
        self.kernel = add_weight(self, "depthwise", shape, name="kernel")
        self._build_bias(input_shape)

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return self._finished(self._depthwise(inputs, self.kernel.value))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            **weight_config(self, "depthwise"),
        }


@register
class SeparableConv1D(_Convolution):
    """A convolution over time of each channel by itself, then products over the channels of each step.

    Args:
        filters, kernel_size, strides, data_format, dilation_rate: As for `Conv1D`.
        padding: `valid`, `same` or `causal`.
        depth_multiplier: Positive integer, channels between the two parts per channel of the input.
        activation, use_bias: As for `Conv1D`.
        depthwise_initializer: Initializer of the first kernel `(kernel_size, channels, depth_multiplier)`.
        pointwise_initializer: Initializer of the second kernel `(1, channels*depth_multiplier, filters)`.
        bias_initializer: Initializer of the bias `(filters,)`.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: Kept for configs and training.
        activity_regularizer: Kept for configs and training.
        depthwise_constraint, pointwise_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.

    Differs from Keras: `causal`, which Keras 2 knew.
    """

    paddings = ("valid", "same", "causal")

    step_problem = _Convolution.past_problem

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        set_weight_arguments(self, "depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        set_weight_arguments(self, "pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)
        set_weight_arguments(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        _check_positive("depth_multiplier", depth_multiplier)
        _check_positive("filters", filters)
        self.filters = filters
        self.depth_multiplier = depth_multiplier
        self.depthwise_kernel = None
        self.pointwise_kernel = None

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        channels = self._input_channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = add_weight(self, "depthwise", shape, name="depthwise_kernel")
        shape = (1, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = add_weight(self, "pointwise", shape, name="pointwise_kernel")
        self._build_bias(input_shape)

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return self._finished(self._depthwise(inputs, self.depthwise_kernel.value) @ self.pointwise_kernel.value[0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
            **weight_config(self, "depthwise", "pointwise"),
        }


def _check_positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a strictly positive value. Received {name}={value}."
        )


Convolution1D = Conv1D
SeparableConvolution1D = SeparableConv1D
