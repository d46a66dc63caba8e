"""Callbacks that write files."""

from __future__ import annotations

import csv
import json
import os
import shutil
import warnings
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.callbacks.callback import Callback, Logs
from fastlstm.callbacks.monitor import MonitorCallback
from fastlstm.config import print_message
from fastlstm.printable import quoted


class _EveryBatches:
    """Tells after which batches to save.

    Args:
        save_freq: `"epoch"` for none, or a number of batches.
    """

    def __init__(self, save_freq: Any) -> None:
        self._save_freq = save_freq
        self._seen = 0
        self._last_batch = -1

    def is_due(self, batch: int) -> bool:
        """Count up to a batch of an epoch, and return whether to save now."""
        if self._save_freq == "epoch":
            return False
        self._seen += batch + 1 if batch <= self._last_batch else batch - self._last_batch
        self._last_batch = batch
        if self._seen < self._save_freq:
            return False
        self._seen = 0
        return True


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or batches.

    Args:
        filepath: Path, in which `{epoch}`, `{batch}` and names of metrics are replaced.
        monitor: Name of the metric that says which model is best.
        verbose: 1 for messages, 0 for none.
        save_best_only: Boolean, whether to save only what is better than all before.
        save_weights_only: Boolean; the path has to end in `.weights.h5` then, in `.keras` or `.h5` otherwise.
        mode: `"min"`, `"max"` or `"auto"`.
        save_freq: `"epoch"`, or an integer number of batches.
        initial_value_threshold: Number that the first model has to be better than, or None.

    Raises:
        ValueError: When the path ends otherwise, or `save_freq` is neither of these.
    """

    def __init__(
        self,
        filepath: str | PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath: str = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
        self._batches = _EveryBatches(save_freq)
        if save_weights_only and not self.filepath.endswith(".weights.h5"):
            raise ValueError(
                "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in "
                f"`.weights.h5` (Keras weights format). Received: filepath={self.filepath}"
            )
        if not save_weights_only and not self.filepath.endswith((".keras", ".h5")):
            raise ValueError(
                f"The filepath provided must end in `.keras` (Keras model format). Received: filepath={self.filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._current_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._batches.is_due(batch):
            self._save(self._current_epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._is_wanted(epoch, logs, path):
            return
        if os.path.isdir(path):
            raise OSError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an existing directory: "
                f"{path}"
            )
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        self._tell(epoch, f"finished saving model to {path}")

    def _is_wanted(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        if not self.save_best_only:
            self._tell(epoch, f"saving model to {path}")
            return True
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=4)
            return True
        if np.ndim(current) > 0:
            warnings.warn(
                f"Can save best model only when `monitor` is a scalar value. "
                f"Received: {quoted(current)}. Falling back to "
                "`save_best_only=False`.",
                stacklevel=4,
            )
            return True
        if self.monitor_op is None:
            self._set_monitor_op()
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            self._tell(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._tell(epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}")
        self.best = current
        return True

    def _tell(self, epoch: int, message: str) -> None:
        if self.verbose > 0:
            print_message(f"\nEpoch {epoch + 1}: {message}")

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        numbers = {"epoch": epoch + 1} | ({} if batch is None or "batch" in logs else {"batch": batch + 1})
        try:
            return self.filepath.format(**numbers, **logs)
        except KeyError as error:
            raise KeyError(f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}') from error


class BackupAndRestore(Callback):
    """Saves weights and the epoch, from which training goes on if it was interrupted; removes them at its end.

    Args:
        backup_dir: Folder, for this training alone.
        save_freq: `"epoch"`, or an integer number of batches.
        double_checkpoint: Boolean, whether to keep the save before the last one, which is taken if that is damaged.
        delete_checkpoint: Boolean, whether to remove the folder at the end.

    Raises:
        ValueError: When the folder has no name, or `save_freq` is neither of these.
    """

    def __init__(
        self,
        backup_dir: str | PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"Invalid value for argument `save_freq`. "
                f"Received: save_freq={quoted(save_freq)}. Expected either 'epoch' or "
                "an integer value."
            )
        self.backup_dir: str = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._batches = _EveryBatches(save_freq)
        self._current_epoch = 0
        self._batch = 0
        folder = Path(self.backup_dir)
        self._files = (folder / "latest.weights.h5", folder / "training_metadata.json")

    def on_train_begin(self, logs: Logs = None) -> None:
        try:
            self._restore()
        except (OSError, ValueError):
            if not self._before(self._files[0]).exists():
                raise
            for file in self._files:
                if self._before(file).exists():
                    shutil.copyfile(self._before(file), file)
                else:
                    file.unlink(missing_ok=True)
            self._restore()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._current_epoch = epoch + 1
        self._batch = 0
        if self.save_freq == "epoch":
            self._backup()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batch = batch
        if self._batches.is_due(batch):
            self._backup()

    def on_train_end(self, logs: Logs = None) -> None:
        if self.delete_checkpoint and os.path.exists(self.backup_dir):
            shutil.rmtree(self.backup_dir)

    def _restore(self) -> None:
        if not self.model.built:
            raise ValueError(
                "To use the BackupAndRestore callback, you model must be built before you call `fit()`. Model "
                f"{self.model} is unbuilt. You can build it beforehand by calling it on a batch of data."
            )
        weights, metadata = self._files
        if weights.exists():
            optimizer = self.model.optimizer
            if optimizer is not None and not optimizer.built:
                optimizer.build(self.model.trainable_variables)
            self.model.load_weights(str(weights))
        if metadata.exists():
            self.model._initial_epoch = json.loads(metadata.read_text(encoding="utf-8"))["epoch"]

    def _backup(self) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        weights, metadata = self._files
        if self.double_checkpoint:
            for file in self._files:
                if file.exists():
                    shutil.copyfile(file, self._before(file))
        self.model.save_weights(str(weights), overwrite=True)
        progress = {"epoch": self._current_epoch, "batch": self._batch}
        metadata.write_text(json.dumps(progress), encoding="utf-8")

    def _before(self, file: Path) -> Path:
        return file.with_name(f"{file.name}.bkp")


class CSVLogger(Callback):
    """Writes a line with the metrics for each epoch.

    Args:
        filename: Path.
        separator: String between the columns.
        append: Boolean, whether to go on with the file if it is there.
    """

    def __init__(self, filename: str | PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename: str = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self.csv_file: Any = None
        self._writer: Any = None
        self._with_header = True

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()
        self._with_header = not (self.append and os.path.exists(self.filename) and os.path.getsize(self.filename))
        self.csv_file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self.keys = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            # With `validation_freq` the first epoch may be without, the later ones with validation.
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
            self._writer = csv.DictWriter(
                self.csv_file, fieldnames=["epoch", *self.keys], delimiter=self.sep, lineterminator="\n"
            )
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{key: _as_cell(logs.get(key, "NA")) for key in self.keys}})
        self.csv_file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def _close(self) -> None:
        if self.csv_file is not None and not self.csv_file.closed:
            self.csv_file.close()


def _as_cell(value: Any) -> Any:
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'
