"""Adam with a mean of squares for each row and each column, in place of one for each number (Shazeer, 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.optimizers.optimizer import Optimizer
from fastlstm.optimizers.state import name_of, path_of

_ONE = np.float32(1)


class Adafactor(Optimizer):
    """Steps in proportion to the size of a variable, by factored means of squared gradients.

    Args:
        learning_rate: As for `Optimizer`; at most `1 / sqrt(step)` is taken.
        beta_2_decay: Float; `step**beta_2_decay` is the part of the means that is new.
        epsilon_1: Float, added to squared gradients.
        epsilon_2: Float, the smallest size of a variable that counts.
        clip_threshold: Float, the largest root mean square of a step before it is scaled.
        relative_step: Boolean, kept: in Keras the bound of the learning rate holds either way.
        *common, **further: As for `Optimizer`, after `learning_rate`.
    """

    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        *common: Any,
        **further: Any,
    ) -> None:
        super().__init__(learning_rate, *common, **further)
        check_numbers(
            beta_2_decay=beta_2_decay, epsilon_1=epsilon_1, epsilon_2=epsilon_2, clip_threshold=clip_threshold
        )
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._means = [tuple(self._added_means(variable)) for variable in variables]

    def _added_means(self, variable: Any) -> list[np.ndarray]:
        shape, name = tuple(variable.shape), name_of(variable)
        if len(shape) < 2:
            # Keras lists these two for vectors too, and does not use them.
            arrays = [(name, np.zeros((), np.int32))] * 2
        else:
            arrays = [(name, np.zeros(kept, np.float32)) for kept in (shape[:-1], (*shape[:-2], shape[-1]))]
        arrays.append((f"{path_of(variable)}_velocity", np.zeros(shape, np.float32)))
        return [self.add_state(name, array.copy()).value for name, array in arrays]

    def begin_step(self, learning_rate: np.float32) -> None:
        step = np.float32(int(np.asarray(self.iterations)) + 1)
        self._rate = np.minimum(learning_rate, _ONE / np.sqrt(step))
        self._stays = _ONE - np.float32(float(step) ** self.beta_2_decay)

    def update_variable(self, value: np.ndarray, gradient: np.ndarray, place: int) -> None:
        rows, columns, v = self._means[place]
        stays, comes = self._stays, _ONE - self._stays
        squares = gradient * gradient + np.float32(self.epsilon_1)
        if value.ndim >= 2:
            for mean, axis in ((rows, -1), (columns, -2)):
                mean *= stays
                mean += comes * np.mean(squares, axis=axis)
            part = rows / np.mean(rows, axis=-1, keepdims=True)
            np.multiply(part[..., np.newaxis], columns[..., np.newaxis, :], out=v)
        else:
            v *= stays
            v += comes * squares
        update = gradient / np.sqrt(v)
        update /= np.maximum(_ONE, _root_mean_square(update) / np.float32(self.clip_threshold))
        value -= np.maximum(np.float32(self.epsilon_2), _root_mean_square(value)) * self._rate * update

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }


def _root_mean_square(x: np.ndarray) -> np.float32:
    return np.sqrt(np.mean(x * x))
