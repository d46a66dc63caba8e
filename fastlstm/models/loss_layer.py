"""Losses of this package that a user's loss calls on symbolic tensors: layers of two inputs there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.layers.base.layer import Layer
from fastlstm.layers.symbolic.keras_tensor import is_keras_tensor
from fastlstm.losses.differentiable import RECORDING, Pullback, at_one_rank, of_one_dtype

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

Function = Callable[..., tuple[np.ndarray, Pullback]]


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


def record_losses() -> None:
    """Have calls of losses on symbolic tensors recorded."""

    def takes(y_true: Any, y_pred: Any) -> bool:
        return is_keras_tensor(y_true) or is_keras_tensor(y_pred)

    def call(function: Function, y_true: Any, y_pred: Any) -> Any:
        return _LossLayer(function)([y_true, y_pred])

    RECORDING.takes, RECORDING.call = takes, call
