"""Callbacks that watch one metric."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from fastlstm.callbacks.callback import Callback, Logs
from fastlstm.config import print_message
from fastlstm.printable import quoted


class MonitorCallback(Callback):
    """Base class of the callbacks that watch one metric.

    Args:
        monitor: Its name in the logs.
        mode: `"min"`, `"max"`, or `"auto"` for what is better by the metric itself.
        baseline: Number that the metric has to improve upon, or None.
        min_delta: Number, by how much at least.
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta: float = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def _set_monitor_op(self) -> None:
        """Find out whether the metric is to fall or to rise, once the model's metrics are there."""
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._direction()
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but Keras isn't able to "
                "automatically determine whether that metric should be maximized or minimized. Pass `mode='max'` in "
                "order to monitor based on the highest metric value, or pass `mode='min'` in order to use the lowest "
                "value."
            )
        self.monitor_op = operator.gt if direction == "up" else operator.lt
        if direction != "up":
            self.min_delta *= -1

    def _direction(self) -> str | None:
        name = self.monitor.removeprefix("val_")
        direction = "down" if name == "loss" else None
        for group in getattr(self.model, "metrics", ()):
            # Those that `compile` was given are in an object of their own.
            for metric in getattr(group, "metrics", ()):
                if metric.name == name and getattr(metric, "_direction", None) is not None:
                    direction = metric._direction
        return direction

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        improves = cast("Callable[[Any, Any], bool]", self.monitor_op)
        return reference is None or bool(improves(value - self.min_delta, reference))


class EarlyStopping(MonitorCallback):
    """Ends training once a metric does not get better any more.

    Args:
        monitor: Name of the metric.
        min_delta: Number, by how much it has to get better.
        patience: Integer, number of epochs to wait for that.
        verbose: 1 for a message, 0 for none.
        mode: `"min"`, `"max"` or `"auto"`.
        baseline: Number to get better than, or None.
        restore_best_weights: Boolean, whether the model gets the weights of the best epoch at the end.
        start_from_epoch: Integer, number of epochs that do not count.
    """

    wait: int

    stopped_epoch: int

    best_epoch: int

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.wait = 0
        self.stopped_epoch = 0
        self.restore_best_weights = restore_best_weights
        self.best_weights: list[np.ndarray] | None = None
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best: Any = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        # The first epoch is never the last one.
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_message(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print_message(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Logs) -> Any:
        """Return the metric, None, with a warning, if it is not there."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. Available metrics are: "
                f"{','.join(logs or ())}",
                stacklevel=2,
            )
        return value


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate once a metric does not get better any more.

    Args:
        monitor: Name of the metric.
        factor: Float below 1, of the learning rate.
        patience: Integer, number of epochs to wait for the metric to get better.
        verbose: 1 for a message, 0 for none.
        mode: `"min"`, `"max"` or `"auto"`.
        min_delta: Number, by how much the metric has to get better.
        cooldown: Integer, number of epochs after a change that do not count.
        min_lr: Float, lowest learning rate.
        **kwargs: As in Keras, taken and not looked at.

    Raises:
        ValueError: When `factor` is not below 1.
    """

    wait: int

    cooldown_counter: int

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={quoted(factor)}")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.monitor_op is None:
            self._set_monitor_op()
        logs = {} if logs is None else logs
        logs["learning_rate"] = learning_rate_of(self.model.optimizer)
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. Available "
                f"metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best: Any = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, epoch: int) -> bool:
        """Lower the learning rate, if it may go lower, and return whether it did."""
        rate = learning_rate_of(self.model.optimizer)
        if rate <= np.float32(self.min_lr):
            return False
        rate = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = rate
        if self.verbose > 0:
            print_message(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        return True

    def in_cooldown(self) -> bool:
        """Return whether epochs do not count at present."""
        return self.cooldown_counter > 0


def learning_rate_of(optimizer: Any) -> float:
    """Return the learning rate of an optimizer's next step."""
    return float(np.asarray(optimizer.learning_rate))
