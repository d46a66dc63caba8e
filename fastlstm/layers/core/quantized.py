"""Layers that Keras 3's `quantize("int8")` made: their inputs are rounded to 8 bits, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.core.dense import Dense
from fastlstm.layers.core.einsum_dense import EinsumDense

_EPSILON = np.float32(1e-7)


def _rounded(x: np.ndarray, axes: Any) -> np.ndarray:
    """The inputs as multiples of a 127th of their greatest absolute value over some axes."""
    scale = np.float32(127) / (np.abs(x).max(axis=axes, keepdims=True) + _EPSILON)
    return np.clip(np.round(x * scale), -127, 127) / scale


@register
class QuantizedDense(Dense):
    """A Dense of whose file the kernel is in integers; the arguments are those of Dense.

    The kernel is kept as floats; training is refused, as is a file for Keras.
    """

    stored_class: ClassVar[str] = "Dense"
    rounds_inputs: ClassVar[bool] = True
    lowers: ClassVar[bool] = False

    def integer_weights(self) -> dict[Variable, str]:
        return {}

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        x = np.asarray(inputs, np.float32)
        y = _rounded(x, -1).reshape(-1, x.shape[-1]) @ self.kernel.value
        y = y if self.bias is None else y + self.bias.value
        return self.activation(y.reshape(*x.shape[:-1], self.units))


@register
class QuantizedEinsumDense(EinsumDense):
    """An EinsumDense of whose file the kernel is in integers; the arguments are those of EinsumDense.

    The kernel is kept as floats; training is refused, as is a file for Keras.
    """

    stored_class: ClassVar[str] = "EinsumDense"
    rounds_inputs: ClassVar[bool] = True

    def call(self, inputs: np.ndarray) -> np.ndarray:
        terms, _, output = self.equation.replace(" ", "").partition("->")
        own = terms.partition(",")[0]
        # What stands behind `...` counts from the end.
        before, dots, after = own.partition("...")
        places = {letter: place for place, letter in enumerate(before)}
        places |= {letter: place - len(after) for place, letter in enumerate(after)} if dots else {}
        axes = tuple(place for letter, place in places.items() if letter not in output)
        return super().call(_rounded(np.asarray(inputs, np.float32), axes))
