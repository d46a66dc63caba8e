"""Cells for what Keras has none: the LSTM of ONNX with peepholes, three activations and limits; a graph of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm import activations
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, register, serialize
from fastlstm.layers.rnn.states import zero_states

if TYPE_CHECKING:
    from fastlstm.layers.base.variable import Variable

Function = Callable[[np.ndarray], np.ndarray]


@register
class PeepholeLSTMCell(Layer):
    """One step of an LSTM whose gates may see the cell's state.

    `i = f(z_i + p_i * c)`, `f = f(z_f + p_f * c)`, `c' = f * c + i * g(z_c)`, `h' = f(z_o + p_o * c') * h(c')`, of
    `z = x @ kernel + h @ recurrent_kernel + bias`, with the gates i, f, c, o side by side.

    Args:
        units: Positive integer.
        activations_of: Names of the activations of the gates, of the candidate and of the output.
        clip: Float, the limit of what the activations are given; None for none.
        input_forget: Boolean, whether the forget gate is `1 - i`.
        **kwargs: As for `Layer`.
    """

    def __init__(
        self,
        units: int,
        activations_of: Sequence[str] = ("sigmoid", "tanh", "tanh"),
        clip: float | None = None,
        input_forget: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activations_of: list[str] = list(activations_of)
        self.clip = clip
        self.input_forget = input_forget
        self.state_size: list[int] = [units, units]
        self.output_size = units

    def build(self, input_shape: Shape) -> None:
        columns = 4 * self.units
        self.kernel: Variable = self.add_weight((input_shape[-1], columns), "glorot_uniform", name="kernel")
        self.recurrent_kernel: Variable = self.add_weight((self.units, columns), "orthogonal", name="recurrent_kernel")
        self.bias: Variable = self.add_weight((columns,), "zeros", name="bias")
        self.peepholes: Variable = self.add_weight((3 * self.units,), "zeros", name="peepholes")

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        """Return zeros."""
        return zero_states(self.state_size, batch_size)

    def call(self, inputs: np.ndarray, states: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return `(output, [h, c])`.

        Args:
            inputs: `(batch, features)`.
            states: h and c, each `(batch, units)`.
        """
        h, c = states
        f, g, last = (activations.get(name) for name in self.activations_of)
        z = inputs @ self.kernel.value + h @ self.recurrent_kernel.value + self.bias.value
        z_i, z_f, z_c, z_o = np.split(z, 4, axis=-1)
        p_i, p_o, p_f = np.split(self.peepholes.value, 3)
        i = f(self._limited(z_i + p_i * c))
        forget = 1 - i if self.input_forget else f(self._limited(z_f + p_f * c))
        c = forget * c + i * g(self._limited(z_c))
        h = f(self._limited(z_o + p_o * c)) * last(self._limited(c))
        return h, [h, c]

    def _limited(self, z: np.ndarray) -> np.ndarray:
        return z if self.clip is None else np.clip(z, -self.clip, self.clip)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "activations_of": self.activations_of, "clip": self.clip}
        return {**super().get_config(), **own, "input_forget": self.input_forget}


@register
class GraphCell(Layer):
    """One step that is a model: states and parts of the input to new states, and an output behind them.

    Args:
        model: Its inputs are the states `(batch, units)`, and then the parts; its outputs the new states, and then the
            output if it has one, else the first state is the output.
        widths: Features of each part; 0 for a part of one number without an axis.
        dtypes: Of the parts.
        **kwargs: As for `Layer`.
    """

    def __init__(self, model: Any, widths: Sequence[int], dtypes: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        made: Any = deserialize(model) if isinstance(model, dict) else model
        self.model = made
        self.widths: list[int] = list(widths)
        self.dtypes: list[str] = list(dtypes)
        self.state_size: list[int] = [tensor.shape[1] for tensor in self.model.inputs[: -len(self.widths)]]
        self.output_size: int = self.model.outputs[-1].shape[1]

    def named_children(self) -> tuple[tuple[str, Layer], ...]:
        return (("model", self.model),)

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        """Return zeros."""
        return zero_states(self.state_size, batch_size)

    def call(self, inputs: np.ndarray, states: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return `(output, states)`.

        Args:
            inputs: `(batch, features)`, the parts side by side.
            states: Each `(batch, units)`.
        """
        parts, first = [], 0
        for width, dtype in zip(self.widths, self.dtypes, strict=True):
            part = inputs[:, first : first + width] if width else inputs[:, first]
            parts.append(part.astype(dtype, copy=False))
            first += max(width, 1)
        outputs = self.model([*states, *parts])
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        return outputs[-1], outputs[: len(self.state_size)]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        return (input_shape[0], self.output_size)

    def get_config(self) -> dict[str, Any]:
        own = {"model": serialize(self.model), "widths": self.widths, "dtypes": self.dtypes}
        return {**super().get_config(), **own}
