"""Losses of a user's own, which are traced; losses of this package that they call are layers of two inputs there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.gradient import Gradients
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.core.lambda_layer import Lambda
from fastlstm.layers.symbolic.keras_tensor import is_keras_tensor
from fastlstm.losses.differentiable import RECORDING, Pullback, at_one_rank, of_one_dtype
from fastlstm.losses.loss import Loss
from fastlstm.models.training_plan import TracedCalls

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

Function = Callable[..., tuple[np.ndarray, Pullback]]


def _traced_loss(function: Callable[[Any, Any], Any]) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, Any]]:
    """Return a function of `(y_true, y_pred)` that gives the values of a loss, and the way back to `y_pred`.

    Args:
        function: Returns the values.
    """
    calls = TracedCalls(Lambda(lambda pair: function(*pair), name="loss"), (False, True))

    def values_and_pullback(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Any]:
        values, backward, _ = calls.run([y_true, y_pred], {})

        def pullback(d_values: np.ndarray) -> np.ndarray:
            gradients = Gradients(*backward(d_values))
            if gradients.others:
                raise NotImplementedError(
                    "The loss uses weights that training changes, and has no gradient by them here: let regularizers "
                    "say what it asks of them, or freeze the layers that it calls (`trainable = False`)."
                )
            gradient = gradients.inputs[1]
            return np.zeros_like(y_pred) if gradient is None else gradient

        return as_float32(values), pullback

    return values_and_pullback


class _LossLayer(Layer):
    """The values of a loss; their gradient is by the second input."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self._function = at_one_rank(function)

    def call(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return self._function(*of_one_dtype(*inputs))[0]

    def call_with_gradient(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Backward]:
        values, pullback = self._function(*of_one_dtype(*inputs))
        return values, lambda d: ([None, pullback(d)], ())


def trace_losses() -> None:
    """Have losses of a user's own traced, and the losses of this package recorded that they call."""

    def takes(y_true: Any, y_pred: Any) -> bool:
        return is_keras_tensor(y_true) or is_keras_tensor(y_pred)

    def call(function: Function, y_true: Any, y_pred: Any) -> Any:
        return _LossLayer(function)([y_true, y_pred])

    Loss.tracer = staticmethod(_traced_loss)
    RECORDING.takes, RECORDING.call = takes, call
