"""`Conv1D`, `Conv2D` and `Conv3D`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValues, one_value
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.layers.convolutional.base import Convolution, check_positive
from fastlstm.layers.convolutional.product import product_of_windows, product_with_gradient
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.variable import Variable

# Rows of the windows of a convolution over rows and columns that the engine's ops take.
MOST_ROWS = 32


class _Conv(Convolution):
    """A convolution over any number of axes; `Conv1D` tells of the arguments."""

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
        check_positive("filters", filters)
        if groups <= 0:
            raise ValueError(f"The number of groups must be a positive integer. Received: groups={quoted(groups)}.")
        if filters % groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={quoted(groups)}, filters={quoted(filters)}."
            )
        self.refuse_strides_and_dilation()
        self.filters = filters
        self.groups = groups
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        channels = self.input_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. Received "
                f"groups={self.groups}, but the input has {channels} channels (full input shape is {input_shape})."
            )
        self.compute_output_shape(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self.build_bias(input_shape)

    def lower(self) -> list[ops.Op]:
        bias = self.bias.value if self.bias is not None else None
        activation = self._lowered_activation
        strides, dilation = self.strides[0], self.dilation_rate[0]
        return [ops.ConvolutionOp(self.kernel.value, bias, activation, strides, dilation, self.groups, self.padding)]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, self.rank + 2)
        if x is not None and self.native:
            return [graph.add_row(self.lower(), x.number)]
        plane = self.rank == 2 and self.data_format == "channels_last" and self.groups == max(self.dilation_rate) == 1
        if x is None or not plane or self.kernel_size[0] > MOST_ROWS:
            return None
        activation = self._lowered_activation
        if activation.function is not None:
            return None
        bias = self.bias.value if self.bias is not None else None
        strides = cast("tuple[int, int]", self.strides)
        op = ops.PlaneConvolutionOp(self.kernel.value, bias, activation, strides, self.padding)
        return [graph.add(op, x.number)]

    def convolved(self, x: np.ndarray) -> np.ndarray:
        axes = self.axes(x)
        if self.groups == 1:
            return product_of_windows(x, axes, self.products[0], self.filters)
        filters = self.filters // self.groups
        parts = zip(np.split(x, self.groups, axis=-1), self.products, strict=True)
        return np.concatenate([product_of_windows(part, axes, product, filters) for part, product in parts], axis=-1)

    def convolved_with_gradient(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        axes, kernel = self.axes(x), self.kernel.value
        filters = self.filters // self.groups
        xs = np.split(x, self.groups, axis=-1)
        parts = [slice(first, first + filters) for first in range(0, self.filters, filters)]
        bias = None if self.bias is None else self.bias.value
        calls = [
            product_with_gradient(of_group, axes, kernel[..., part], None if bias is None else bias[part])
            for of_group, part in zip(xs, parts, strict=True)
        ]

        def backward(d: np.ndarray) -> Any:
            found = [of_group(d[..., part]) for (_, of_group), part in zip(calls, parts, strict=True)]
            dx, d_kernel = (np.concatenate(pieces, axis=-1) for pieces in list(zip(*found, strict=True))[:2])
            of_weights = {"kernel": d_kernel}
            if self.use_bias:
                of_weights["bias"] = np.concatenate([of_bias for _, _, of_bias in found])
            return dx, of_weights

        return np.concatenate([z for z, _ in calls], axis=-1), backward

    def lower_products(self) -> list[Callable[[], list[ops.Op]]]:
        filters = self.filters // self.groups
        parts = [slice(first, first + filters) for first in range(0, self.filters, filters)]
        return [partial(self._lower_group, part) for part in parts]

    def _lower_group(self, part: slice) -> list[ops.Op]:
        kernel = self.kernel.value
        return self.dense(kernel if self.groups == 1 else kernel[..., part], part)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            **weight_config(self, "kernel"),
        }


@register
class Conv1D(_Conv):
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

    rank = 1
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same", "causal")

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return self.past_problem(shape, in_time)


@register
class Conv2D(_Conv):
    """`Conv1D` over two axes: `(batch, rows, columns, channels)`.

    Args:
        kernel_size, strides, dilation_rate: Integers for both axes, or pairs.
        padding: `valid` or `same`.
        data_format: `channels_last`, or `channels_first` for `(batch, channels, rows, columns)`. None: `channels_last`.
        kernel_initializer: Initializer of the kernel `(*kernel_size, channels/groups, filters)`.
        filters, groups, activation, use_bias, bias_initializer: As for `Conv1D`.
        kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint: As for `Conv1D`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 2


@register
class Conv3D(_Conv):
    """`Conv2D` over three axes: `(batch, depth, rows, columns, channels)`.

    Args:
        kernel_size, strides, dilation_rate: Integers for all axes, or triples.
        filters, padding, data_format, groups, activation, use_bias: As for `Conv2D`.
        kernel_initializer, bias_initializer: As for `Conv2D`.
        kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint: As for `Conv2D`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 3


Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
