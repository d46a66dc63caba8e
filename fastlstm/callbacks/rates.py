"""Callbacks that set the learning rate, the weights, or an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from fastlstm.callbacks.callback import Callback, Logs
from fastlstm.callbacks.monitor import learning_rate_of
from fastlstm.config import print_message


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: `schedule(epoch, learning_rate)` or `schedule(epoch)` returns the new rate as a float.
        verbose: 1 for a message, 0 for none.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        if not hasattr(optimizer, "learning_rate"):
            raise ValueError('Optimizer must have a "learning_rate" attribute.')
        try:
            rate = self.schedule(epoch, learning_rate_of(optimizer))
        except TypeError:
            # A function of the epoch alone.
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.float32, np.float64)):
            raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print_message(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["learning_rate"] = learning_rate_of(self.model.optimizer)


class TerminateOnNaN(Callback):
    """Ends training at a loss that is not finite.

    Args:
        raise_error: Boolean, whether to raise a RuntimeError, rather than to end with a message.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        print_message(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True


class SwapEMAWeights(Callback):
    """Tests and predicts with the moving averages of the weights, which an optimizer with `use_ema=True` keeps.

    Args:
        swap_on_epoch: Boolean, whether the model has the averages after each epoch too, and to its end.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._has_averages = False

    def _swap(self, wanted: bool) -> None:
        """Exchange weights and averages, unless the model has what is wanted."""
        if self._has_averages is not wanted:
            self._optimizer().swap_averages()
            self._has_averages = wanted

    def _optimizer(self) -> Any:
        optimizer = self.model.optimizer
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. "
                f"Received: use_ema={getattr(optimizer, 'use_ema', None)}"
            )
        return optimizer

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch and not self._has_averages:
            self._swap(True)
            if epoch == cast("dict[str, Any]", self.params)["epochs"] - 1:
                self._optimizer().keep_averages()

    def on_test_begin(self, logs: Logs = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Logs = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._swap(False)
