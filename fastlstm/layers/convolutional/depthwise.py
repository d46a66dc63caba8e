"""`DepthwiseConv1D` and `DepthwiseConv2D`, `SeparableConv1D` and `SeparableConv2D`: each channel is convolved alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.layers.convolutional.base import Convolution, check_positive
from fastlstm.layers.convolutional.windows import over_blocks

if TYPE_CHECKING:
    from fastlstm.layers.base.variable import Variable


def _of_each_channel(windows: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return `(batch, *counts, channels*multiplier)` for a kernel `(*sizes, channels, multiplier)`.

    A loop over the kernel: the sums of each channel alone are no product of matrices.
    """
    *sizes, channels, multiplier = kernel.shape
    places = windows.ndim - len(sizes) - 1
    y = np.zeros((*windows.shape[:places], channels, multiplier), np.float32)
    weighted = np.empty_like(y)
    for position in product(*map(range, sizes)):
        y += np.multiply(windows[(..., *position, slice(None), np.newaxis)], kernel[position], out=weighted)
    return y.reshape(*y.shape[:-2], channels * multiplier)


def _has_an_op(layer: _DepthwiseConv | _SeparableConv) -> bool:
    """Whether there is an op of its form: with one output per channel."""
    return layer.depth_multiplier == 1 and min(layer.strides[0], layer.dilation_rate[0]) == 1


def _of_channels_alone(
    layer: Convolution, kernel: np.ndarray, bias: np.ndarray | None, activation: ops.Activation
) -> ops.ConvolutionOp:
    """Return the convolution over time by a kernel `(size, channels, 1)`."""
    size, channels, _ = kernel.shape
    strides, dilation = layer.strides[0], layer.dilation_rate[0]
    weights = kernel.reshape(size, 1, channels)
    return ops.ConvolutionOp(weights, bias, activation, strides, dilation, channels, layer.padding)


class _DepthwiseConv(Convolution):
    """A depthwise convolution over any number of axes; `DepthwiseConv1D` tells of the arguments."""

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
        check_positive("depth_multiplier", depth_multiplier)
        self.depth_multiplier = depth_multiplier
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`

    def output_channels(self, input_channels: int | None) -> int | None:
        return None if input_channels is None else input_channels * self.depth_multiplier

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        shape = (*self.kernel_size, self.input_channels(input_shape), self.depth_multiplier)
        self.kernel = add_weight(self, "depthwise", shape, name="kernel")
        self.build_bias(input_shape)

    @property
    def lowers(self) -> bool:
        return _has_an_op(self) and super().lowers

    def lower(self) -> list[ops.Op]:
        bias = self.bias.value if self.bias is not None else None
        return [_of_channels_alone(self, self.kernel.value, bias, self._lowered_activation)]

    def convolved(self, x: np.ndarray) -> np.ndarray:
        kernel, bias = self.kernel.value, self.bias.value if self.bias is not None else None

        def compute(windows: np.ndarray) -> np.ndarray:
            y = _of_each_channel(windows, kernel)
            if bias is not None:
                y += bias
            return y

        return over_blocks(x, self.axes(x), x.shape[-1] * self.depth_multiplier, compute)

    def fused_activation(self) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            **weight_config(self, "depthwise"),
        }


@register
class DepthwiseConv1D(_DepthwiseConv):
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

    rank = 1

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return self.past_problem(shape, in_time)


@register
class DepthwiseConv2D(_DepthwiseConv):
    """A convolution over two axes of each channel by itself.

    Args:
        kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias: As for `Conv2D`.
        depth_multiplier: Positive integer, outputs per channel.
        depthwise_initializer: Initializer of the kernel `(*kernel_size, channels, depth_multiplier)`.
        bias_initializer: Initializer of the bias `(channels*depth_multiplier,)`.
        depthwise_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        depthwise_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 2


class _SeparableConv(Convolution):
    """A separable convolution over any number of axes; `SeparableConv1D` tells of the arguments."""

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
        check_positive("depth_multiplier", depth_multiplier)
        check_positive("filters", filters)
        self.filters = filters
        self.depth_multiplier = depth_multiplier
        self.depthwise_kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.pointwise_kernel: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        channels = self.input_channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = add_weight(self, "depthwise", shape, name="depthwise_kernel")
        shape = (*[1] * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = add_weight(self, "pointwise", shape, name="pointwise_kernel")
        self.build_bias(input_shape)

    @property
    def lowers(self) -> bool:
        return _has_an_op(self) and super().lowers

    def lower(self) -> list[ops.Op]:
        bias, pointwise = self.bias.value if self.bias is not None else None, self.pointwise_kernel.value
        alone = _of_channels_alone(self, self.depthwise_kernel.value, None, ops.LINEAR)
        return [alone, ops.DenseOp(pointwise.reshape(-1, self.filters), bias, self._lowered_activation)]

    def convolved(self, x: np.ndarray) -> np.ndarray:
        kernel, pointwise = self.depthwise_kernel.value, self.products[0].program

        def compute(windows: np.ndarray) -> np.ndarray:
            y = _of_each_channel(windows, kernel)
            rows = y.reshape(prod(y.shape[:-1]), y.shape[-1])
            return pointwise.run(rows)[0].reshape(*y.shape[:-1], self.filters)

        return over_blocks(x, self.axes(x), self.filters, compute)

    def lower_products(self) -> list[Callable[[], list[ops.Op]]]:
        return [lambda: self.dense(self.pointwise_kernel.value)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
            **weight_config(self, "depthwise", "pointwise"),
        }


@register
class SeparableConv1D(_SeparableConv):
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

    rank = 1
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same", "causal")

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return self.past_problem(shape, in_time)


@register
class SeparableConv2D(_SeparableConv):
    """A convolution over two axes of each channel by itself, then products over the channels of each position.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias: As for `Conv2D`.
        depth_multiplier: Positive integer, channels between the two parts per channel of the input.
        depthwise_initializer: Initializer of the first kernel `(*kernel_size, channels, depth_multiplier)`.
        pointwise_initializer: Initializer of the second kernel `(1, 1, channels*depth_multiplier, filters)`.
        bias_initializer: Initializer of the bias `(filters,)`.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: Kept for configs and training.
        activity_regularizer: Kept for configs and training.
        depthwise_constraint, pointwise_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 2


SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
