"""`Conv1DTranspose`, `Conv2DTranspose` and `Conv3DTranspose`: what a convolution's gradient does to its outputs.

Along an axis, position `q*stride + r` of the output is the sum over `m` of `inputs[q - m] @ kernel[r + m*stride]`. So
all `stride` positions of one `q` read the same window of the inputs, and are the channels of one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import standardize_tuple
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.layers.convolutional.base import Convolution, check_positive
from fastlstm.layers.convolutional.product import product_of_windows, product_with_gradient
from fastlstm.layers.convolutional.windows import Axis
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.variable import Variable


def place_transposed(
    length: int, size: int, stride: int, dilation: int, padding: str, extra: int | None
) -> tuple[Axis, int, int]:
    """Return the windows along an axis, and which positions of what they give are the output: `(axis, first, length)`.

    Args:
        length: Of the axis.
        size, stride, dilation, padding: Of the convolution.
        extra: `output_padding`; None for the length from which a convolution of that padding gives `length`.
    """
    span = (size - 1) * dilation + 1
    if padding == "valid":
        output, first = (length - 1) * stride + span + (max(stride - span, 0) if extra is None else extra), 0
    else:
        output = length * stride if extra is None else (length - 1) * stride + span % 2 + extra
        first = max((length - 1) * stride + span - output, 0) // 2
    count, reach = -(-(first + output) // stride), -(-size // stride)
    axis = Axis(count, (reach - 1) * dilation, max(count - length, 0), reach, 1, dilation)
    return axis, first, output


def _inside(placed: Sequence[tuple[Axis, int, int]]) -> tuple[slice, ...]:
    """Where the output lies in what the windows give."""
    return (slice(None), *(slice(first, first + length) for _, first, length in placed))


class _ConvTranspose(Convolution):
    """A transposed convolution over any number of axes; `Conv1DTranspose` tells of the arguments."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        if output_padding is not None:
            output_padding = standardize_tuple(output_padding, self.rank, "output_padding", allow_zero=True)
        check_positive("filters", filters)
        for number, (extra, stride) in enumerate(zip(output_padding or (), self.strides, strict=False)):
            if extra >= stride:
                raise ValueError(
                    "`output_padding` must be strictly less than `strides` for all dimensions. At dimension "
                    f"{number}, `output_padding` is {extra} but `strides` is {stride}. Received: "
                    f"output_padding={quoted(output_padding)}, strides={self.strides}"
                )
        self.refuse_strides_and_dilation()
        self.filters = filters
        self.output_padding = output_padding
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, self.filters, self.input_channels(input_shape)))
        self.build_bias(input_shape)

    def convolved(self, x: np.ndarray) -> np.ndarray:
        placed = [place_transposed(*of_axis) for of_axis in self._of_axes(x.shape[1:-1])]
        y = product_of_windows(x, [axis for axis, _, _ in placed], self.products[0], prod(self.strides) * self.filters)
        return self._positions(y)[_inside(placed)]

    def convolved_with_gradient(self, x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        placed = [place_transposed(*of_axis) for of_axis in self._of_axes(x.shape[1:-1])]
        many = prod(self.strides)
        bias = None if self.bias is None else np.tile(self.bias.value, many)
        y, way = product_with_gradient(x, [axis for axis, _, _ in placed], self._wide_kernel(), bias)
        counts = y.shape[1:-1]
        wide_shape = (len(x), *map(mul, counts, self.strides), self.filters)

        def backward(d: np.ndarray) -> Any:
            wide = np.zeros(wide_shape, np.float32)
            wide[_inside(placed)] = d
            pairs = chain(*zip(counts, self.strides, strict=True))
            wide = wide.reshape(len(x), *pairs, self.filters)
            back = (0, *(1 + int(axis) for axis in np.argsort(self._in_pairs)), wide.ndim - 1)
            dx, d_kernel, d_bias = way(wide.transpose(back).reshape(y.shape))
            of_weights = {"kernel": self._of_kernel(d_kernel)}
            if d_bias is not None:
                of_weights["bias"] = d_bias.reshape(many, self.filters).sum(axis=0)
            return dx, of_weights

        return self._positions(y)[_inside(placed)], backward

    def _positions(self, y: np.ndarray) -> np.ndarray:
        """`(batch, *counts, *strides, filters)` as `(batch, *positions, filters)`."""
        counts = y.shape[1:-1]
        y = y.reshape(len(y), *counts, *self.strides, self.filters)
        y = y.transpose(0, *(1 + axis for axis in self._in_pairs), y.ndim - 1)
        return y.reshape(len(y), *map(mul, counts, self.strides), self.filters)

    @property
    def _in_pairs(self) -> list[int]:
        """The order that brings two axes of every dimension beside each other, from all first and all second ones."""
        return [axis for number in range(self.rank) for axis in (number, self.rank + number)]

    def lower(self) -> list[ops.Op]:
        # Zeros at the ends, windows, their positions one after the other, and of these the output. What each of them
        # has more than the input does not depend on the input's length; any will do.
        (stride,), length = self.strides, self.kernel_size[0]
        axis, first, output = place_transposed(*next(self._of_axes([length])))
        dense = cast("ops.DenseOp", self._lower()[0])
        kernel = dense.kernel.reshape(axis.size, -1, stride * self.filters)
        lowered: list[ops.Op] = [
            ops.StepsOp(axis.before, axis.count - length),
            ops.ConvolutionOp(kernel, dense.bias, dense.activation, dilation=axis.dilation),
            ops.ReshapeOp(3, (-1, self.filters)),
            ops.StepsOp(-first, first + output - axis.count * stride),
        ]
        if self.fused_activation() is None:  # it acts along the channels
            lowered.append(ops.ActivationOp(self._lowered_activation))
        return lowered

    def lower_products(self) -> list[Callable[[], list[ops.Op]]]:
        return [self._lower]

    def _lower(self) -> list[ops.Op]:
        kernel = self._wide_kernel()
        return self.dense(kernel.reshape(-1, kernel.shape[-1]), times=prod(self.strides))

    @property
    def _reaches(self) -> list[int]:
        """How many positions of the input each output reads along every axis."""
        return [-(-size // stride) for size, stride in zip(self.kernel_size, self.strides, strict=True)]

    @property
    def _kernel_order(self) -> list[int]:
        """The axes of a kernel in pairs of reach and stride, in the order in which they are of a product."""
        first, second = range(0, 2 * self.rank, 2), range(1, 2 * self.rank, 2)
        return [*first, 2 * self.rank + 1, *second, 2 * self.rank]

    def _wide_kernel(self) -> np.ndarray:
        """Return the kernel of the product with windows, `(*reaches, channels, positions*filters)`."""
        kernel, reaches = self.kernel.value, self._reaches
        *sizes, filters, channels = kernel.shape
        shape = (*map(mul, reaches, self.strides), filters, channels)
        require_array(shape, f"{type(self).__name__} '{self.name}'")
        wide = np.zeros(shape, np.float32)
        wide[tuple(map(slice, sizes))] = kernel
        wide = wide.reshape(*chain(*zip(reaches, self.strides, strict=True)), filters, channels)
        # A window's first position is that of the greatest m.
        wide = np.flip(wide, tuple(range(0, 2 * self.rank, 2))).transpose(self._kernel_order)
        return wide.reshape(*reaches, channels, prod(self.strides) * filters)

    def _of_kernel(self, d: np.ndarray) -> np.ndarray:
        """Return the gradient by the kernel, of that by `_wide_kernel`."""
        *sizes, filters, channels = self.kernel.shape
        d = d.reshape(*self._reaches, channels, *self.strides, filters).transpose(np.argsort(self._kernel_order))
        d = np.flip(d, tuple(range(0, 2 * self.rank, 2)))
        return d.reshape(*map(mul, self._reaches, self.strides), filters, channels)[tuple(map(slice, sizes))]

    def _of_axes(self, lengths: Sequence[int | None]) -> Iterator[tuple[Any, ...]]:
        """Yield what `place_transposed` takes for every axis."""
        extras = self.output_padding or (None,) * self.rank
        sizes = zip(lengths, self.kernel_size, self.strides, self.dilation_rate, extras, strict=True)
        for *of_axis, extra in sizes:
            yield *of_axis, self.padding, extra

    def output_lengths(self, lengths: Sequence[int | None]) -> list[int | None]:
        return [None if of_axis[0] is None else place_transposed(*of_axis)[2] for of_axis in self._of_axes(lengths)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "output_padding": self.output_padding,
            **weight_config(self, "kernel"),
        }


@register
class Conv1DTranspose(_ConvTranspose):
    """A transposed convolution over time: `(batch, timesteps, channels)`.

    Args:
        filters: Positive integer, channels of the output.
        kernel_size: Steps of the output that one step of the input adds to.
        strides: Steps of the output from where one step of the input adds to where the next one does.
        padding: `valid`, or `same`: `strides` times as many steps.
        output_padding: More steps at the end, fewer than `strides`; None for the length that `padding` says.
        data_format, dilation_rate, activation, use_bias: As for `Conv1D`.
        kernel_initializer: Initializer of the kernel `(kernel_size, filters, channels)`.
        bias_initializer: Initializer of the bias `(filters,)`.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 1


@register
class Conv2DTranspose(_ConvTranspose):
    """A transposed convolution over two axes: `(batch, rows, columns, channels)`.

    Args:
        kernel_size, strides, output_padding, dilation_rate: Integers for both axes, or pairs.
        filters, padding, data_format, activation, use_bias: As for `Conv1DTranspose`.
        kernel_initializer: Initializer of the kernel `(*kernel_size, filters, channels)`.
        bias_initializer: Initializer of the bias `(filters,)`.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 2


@register
class Conv3DTranspose(_ConvTranspose):
    """A transposed convolution over three axes: `(batch, depth, rows, columns, channels)`.

    Args:
        kernel_size, strides, output_padding, dilation_rate: Integers for all axes, or triples.
        filters, padding, data_format, activation, use_bias: As for `Conv1DTranspose`, `data_format` before
            `output_padding`.
        kernel_initializer, bias_initializer: As for `Conv2DTranspose`.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, output_padding, data_format, *args, **kwargs)


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
