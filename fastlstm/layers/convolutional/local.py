"""`LocallyConnected1D`, which Keras had until version 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.base.argument_validation import standardize_tuple
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.layers.convolutional.windows import place_windows


@register
class LocallyConnected1D(Layer):
    """A convolution over time with weights of its own for every window.

    Args:
        filters: Positive integer.
        kernel_size, strides: Integers, or lists of one.
        padding: `valid`; `same` with `implementation=2`.
        data_format: Only `channels_last` or None.
        activation: Identifier.
        use_bias: Boolean.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
            bias_constraint: Identifiers.
        implementation: 1, a matrix for each window, or 2, one from all steps of the inputs to all of the outputs.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    before_keras_3 = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refused = {
            "padding": padding != "valid" and (padding, implementation) != ("same", 2),
            "data_format": data_format not in (None, "channels_last"),
            "implementation": implementation not in (1, 2),
        }
        for name, value in refused.items():
            if value:
                raise ValueError(f"LocallyConnected1D '{self.name}': this value of `{name}` is not supported.")
        self.filters = filters
        self.kernel_size: tuple[int, ...] = standardize_tuple(kernel_size, 1, "kernel_size")
        self.strides: tuple[int, ...] = standardize_tuple(strides, 1, "strides")
        self.padding = padding
        self.activation: Callable[[np.ndarray], np.ndarray] = activation_layer.get(activation)
        self.use_bias = use_bias
        self.implementation = implementation
        set_weight_arguments(self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        set_weight_arguments(self, "bias", bias_initializer, bias_regularizer, bias_constraint)
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.bias: Variable | None = None
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        _, steps, channels = input_shape
        if steps is None or channels is None:
            raise ValueError(f"Axis 1 and 2 of input should be fully-defined. Found shape: {input_shape}")
        count = self._count(steps)
        if count <= 0:
            raise ValueError(f"Layer '{self.name}' has no window in inputs of shape {input_shape}.")
        one = (count, self.kernel_size[0] * channels, self.filters)
        self.kernel = add_weight(
            self, "kernel", one if self.implementation == 1 else (steps, channels, count, self.filters)
        )
        if self.use_bias:
            self.bias = add_weight(self, "bias", (count, self.filters))
        self.input_spec: InputSpec = InputSpec(ndim=3, axes={1: steps, -1: channels})

    def _count(self, steps: int) -> int:
        return place_windows(steps, self.kernel_size[0], self.strides[0], 1, self.padding).count

    def call(self, inputs: np.ndarray) -> np.ndarray:
        x, kernel = np.asarray(inputs, np.float32), self.kernel.value
        size, stride = self.kernel_size[0], self.strides[0]
        if self.implementation == 1:
            y = np.stack(
                [x[:, t * stride : t * stride + size].reshape(len(x), -1) @ part for t, part in enumerate(kernel)],
                axis=1,
            )
        else:
            windows = place_windows(x.shape[1], size, stride, 1, self.padding)
            first = np.arange(windows.count) * stride - windows.before
            distance = np.arange(x.shape[1])[:, np.newaxis] - first
            seen = ((distance >= 0) & (distance < size)).astype(np.float32)
            y = np.tensordot(x, kernel * seen[:, np.newaxis, :, np.newaxis], 2)
        return self.activation(y if self.bias is None else y + self.bias.value)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch, steps, _ = input_shape
        return (batch, None if steps is None else self._count(steps), self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": activation_layer.serialize_activation(self.activation),
            "use_bias": self.use_bias,
            **weight_config(self, "kernel", "bias"),
            "implementation": self.implementation,
        }
