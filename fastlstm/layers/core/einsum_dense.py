"""`EinsumDense`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm import regularizers
from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable

_FORMS = re.compile(r"(0?)([a-zA-Z]+)(0?),([a-zA-Z]+)->(0?)([a-zA-Z]+)(0?)")

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@register
class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: String with the axes of the inputs, of the kernel and of the outputs, e.g. `abc,cd->abd`; the axes
            that inputs and outputs share may be `...` at the beginning or the end.
        output_shape: Integer or tuple: the outputs' shape without the batch and what `...` stands for, None for sizes
            that are those of the inputs.
        activation: Activation of the output; None is linear.
        bias_axes: String with the axes of the outputs that have a bias, None for none.
        kernel_initializer, bias_initializer: Initializers of the weights.
        kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint: Kept for configs and training.
        lora_rank, lora_alpha, quantization_config: Only None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (
            ("lora_rank", lora_rank),
            ("lora_alpha", lora_alpha),
            ("quantization", quantization_config),
        ):
            if value is not None:
                raise ValueError(f"EinsumDense '{self.name}': the argument `{name}` is not supported.")
        self.equation = equation
        self.partial_output_shape: tuple[int] | tuple[int | None, ...] = (
            (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        )
        self.bias_axes = bias_axes
        self.activation: Callable[[np.ndarray], np.ndarray] = activation_layer.get(activation)
        set_weight_arguments(self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        set_weight_arguments(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.bias: Variable | None = None

    def build(self, input_shape: Shape) -> None:
        kernel_shape, bias_shape, _ = self._shapes(input_shape)
        self.kernel = add_weight(self, "kernel", kernel_shape)
        if bias_shape is not None:
            self.bias = add_weight(self, "bias", bias_shape)

    def call(self, inputs: np.ndarray) -> np.ndarray:
        y = self._product(inputs)
        if self.bias is not None:
            y = y + self.bias.value
        return self.activation(y)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        z = self._product(inputs)
        z = z if self.bias is None else z + self.bias.value
        y, of_activation = activation_layer.with_gradient(self.activation, np.ascontiguousarray(z), self.name)

        def backward(d: np.ndarray) -> Any:
            dz = of_activation(d)
            of_inputs, of_kernel = _backwards(self.equation, inputs.ndim)
            found = {"kernel": np.einsum(of_kernel, inputs, dz, optimize=True)}
            if self.bias is not None:
                shape = (1,) * (dz.ndim - self.bias.ndim) + self.bias.shape
                others = tuple(axis for axis, size in enumerate(shape) if size == 1)
                found["bias"] = dz.sum(axis=others).reshape(self.bias.shape)
            return np.einsum(of_inputs, dz, self.kernel.value, optimize=True), self.in_order(**found)

        return y, backward

    def _product(self, x: np.ndarray) -> np.ndarray:
        kernel = self.kernel.value
        _, own, after, weight, _, output, _ = _terms(self.equation)
        summed = len([axis for axis in weight if axis in own])
        kept = own[: len(own) - summed]
        # Most equations sum over the last axes of the inputs and the first ones of the kernel: a product of matrices.
        if not after and own == kept + weight[:summed] and output == kept + weight[summed:]:
            size = math.prod(kernel.shape[:summed])
            rows = x.reshape(-1, size) @ kernel.reshape(size, -1)
            return rows.reshape(*x.shape[: x.ndim - summed], *kernel.shape[summed:])
        return np.einsum(self.equation, x, kernel, optimize=True)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        return self._shapes(input_shape)[2]

    def _shapes(self, input_shape: Sequence[int | None]) -> tuple[list[int | None], list[int | None] | None, Shape]:
        """The shapes of kernel, bias (or None) and outputs."""
        before, own, after, weight, _, output, _ = _terms(self.equation)
        elided = len(input_shape) - len(own)
        if elided < 0 or (elided and not before and not after):
            raise ValueError(f"The inputs of '{self.equation}' have {len(own)} axes. Received: shape {input_shape}")
        first = elided if before else 0
        sizes = dict(zip(own, input_shape[first : first + len(own)], strict=True))
        rest = list(input_shape[len(own) :]) if after else []
        # The batch and what is elided before are the inputs'.
        given = [input_shape[0], *(input_shape[1:first] if before and first else ()), *self.partial_output_shape]
        given = given[len(given) - len(output) :] if before and elided else given
        if len(given) != len(output):
            raise ValueError(f"`output_shape` {self.partial_output_shape} does not fit the equation '{self.equation}'.")
        made = dict(zip(output, given, strict=True))
        for axis in output:
            if made[axis] is None or axis in sizes:
                made[axis] = self._agreed(axis, sizes.get(axis), made[axis])
        unknown = [axis for axis in weight if axis not in sizes and axis not in made]
        if unknown:
            raise ValueError(
                f"Weight dimension '{unknown[0]}' did not have a match in either the input spec '{own}' or the output "
                f"spec '{output}'. For this layer, the weight must be fully specified."
            )
        kernel = [sizes[axis] if axis in sizes else made[axis] for axis in weight]
        shape = (*input_shape[:first], *(made[axis] for axis in output), *rest)
        return kernel, self._bias_shape(output, made, len(rest)), shape

    def _agreed(self, axis: str, size: int | None, given: int | None) -> int | None:
        if size is not None and given is not None and size != given:
            raise ValueError(
                f"Input shape and output shape do not match at shared dimension '{axis}'. Input shape is {size}, and "
                f"output shape is {given}."
            )
        return size if given is None else given

    def _bias_shape(self, output: str, made: dict[str, int | None], after: int) -> list[int | None] | None:
        if not self.bias_axes:
            return None
        for axis in self.bias_axes:
            if axis not in output:
                raise ValueError(
                    f"Bias dimension '{axis}' was requested, but is not part of the output spec '{output}'"
                )
        axes = output[min(map(output.index, self.bias_axes)) :]
        return [made[axis] if axis in self.bias_axes else 1 for axis in axes] + [1] * after

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activation_layer.serialize_activation(self.activation),
            "bias_axes": self.bias_axes,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            **weight_config(self, "kernel", "bias"),
            "quantization_config": None,
        }


def _backwards(equation: str, rank: int) -> tuple[str, str]:
    """The equations of the gradients by the inputs, of `rank` axes, and by the kernel."""
    terms, _, output = equation.replace(" ", "").partition("->")
    own, weight = terms.split(",")
    elided = _LETTERS.translate(str.maketrans("", "", own + weight + output))
    elided = elided[: rank - len(own.replace("...", ""))]
    own, output = own.replace("...", elided), output.replace("...", elided)
    return f"{output},{weight}->{own}", f"{own},{output}->{weight}"


def _terms(equation: str) -> tuple[str, ...]:
    """The parts of an equation, `0` or nothing for `...` before and behind the axes of inputs and outputs."""
    match = _FORMS.fullmatch(equation.replace("...", "0"))
    if match is None or match[1] != match[5] or match[3] != match[7] or (match[1] and match[3]):
        raise ValueError(
            f"Invalid einsum equation '{equation}'. Equations must be in the form [X],[Y]->[Z], ...[X],[Y]->...[Z], or "
            "[X]...,[Y]->[Z]...."
        )
    return match.groups()
