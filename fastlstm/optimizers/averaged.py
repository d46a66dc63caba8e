"""Moving averages of the variables that an optimizer changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fastlstm.optimizers.state import OptimizerState, array_of, assign


class Averaged(OptimizerState):
    """The part of an optimizer that keeps, and gives, the moving averages of its variables."""

    ema_momentum: float
    ema_overwrite_frequency: int | None

    def update_averages(self, values: Sequence[np.ndarray], places: Sequence[int]) -> None:
        """Take a step's new values into the averages, or the averages over into the values.

        Args:
            values: Those of some variables.
            places: Which variables these are.
        """
        steps = int(np.asarray(self.iterations))
        momentum = np.float32(self.ema_momentum if steps else 0)
        averages = self.cut(cast(np.ndarray, self.averages))
        for value, place in zip(values, places, strict=True):
            averages[place] *= momentum
            averages[place] += (np.float32(1) - momentum) * value
        if self.ema_overwrite_frequency and (steps + 1) % self.ema_overwrite_frequency == 0:
            for value, place in zip(values, places, strict=True):
                value[...] = averages[place]

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Set variables to their moving averages, if there are any.

        Args:
            var_list: The variables of the state, in order.

        Raises:
            ValueError: When they are not as many.
        """
        if not self.use_ema:
            return
        if len(var_list) != len(self.ranges):
            raise ValueError(
                f"The length of model variables ({len(var_list)}) to override does not match the length of model "
                f"variables stored in the optimizer ({len(self.ranges)}). Please check if the optimizer was called on "
                "your model."
            )
        for variable, average in zip(var_list, self.cut(cast(np.ndarray, self.averages)), strict=True):
            assign(variable, average)

    def swap_averages(self) -> None:
        """Exchange the variables and their moving averages."""
        for variable, average in zip(self._trainable_variables, self.cut(cast(np.ndarray, self.averages)), strict=True):
            value = array_of(variable).copy()
            assign(variable, average)
            average[...] = value

    def keep_averages(self) -> None:
        """Set the moving averages to the variables."""
        for variable, average in zip(self._trainable_variables, self.cut(cast(np.ndarray, self.averages)), strict=True):
            average[...] = array_of(variable)
