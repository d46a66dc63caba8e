"""`Dense`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm import constraints, initializers, regularizers
from fastlstm.engine import layouts_of, ops
from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.printable import quoted


@register
class Dense(Layer):
    """`activation(inputs @ kernel + bias)` on the last axis of inputs of any rank from 2.

    Args:
        units: Positive integer, size of the output's last axis.
        activation: Activation of the output; None is linear.
        use_bias: Boolean, whether there is a bias.
        kernel_initializer: Initializer of the kernel `(features, units)`.
        bias_initializer: Initializer of the bias `(units,)`.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        lora_rank, lora_alpha, quantization_config: Only None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    supports_masking = True

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(units, int) or units <= 0:
            raise ValueError(
                f"Received an invalid value for `units`, expected a positive integer. Received: units={quoted(units)}"
            )
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        extras = {"lora_rank": lora_rank, "lora_alpha": lora_alpha, "quantization_config": quantization_config}
        for argument, value in extras.items():
            if value is not None:
                raise ValueError(f"Dense '{self.name}': the argument `{argument}` is not supported.")
        self.units = units
        self.activation: Callable[[np.ndarray], np.ndarray] = activation_layer.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer: Any = initializers.get(kernel_initializer)
        self.bias_initializer: Any = initializers.get(bias_initializer)
        self.kernel_regularizer: Any = regularizers.get(kernel_regularizer)
        self.bias_regularizer: Any = regularizers.get(bias_regularizer)
        self.kernel_constraint: Any = constraints.get(kernel_constraint)
        self.bias_constraint: Any = constraints.get(bias_constraint)
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.bias: Variable | None = None
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Shape) -> None:
        features = input_shape[-1]
        self.kernel = self.add_weight(
            (features, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec: InputSpec = InputSpec(min_ndim=2, axes={-1: features})

    def lower(self) -> list[ops.Op]:
        activation = activation_layer.lower_activation(self.activation, self.units)
        kernel: Any = self.kernel.operand
        return [ops.DenseOp(kernel, self.bias.value if self.bias is not None else None, activation)]

    def integer_weights(self) -> dict[Variable, str]:
        return {self.kernel: layouts_of(ops.DenseOp(None, None))["kernel"]}  # type: ignore[arg-type]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activation_layer.serialize_activation(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }
