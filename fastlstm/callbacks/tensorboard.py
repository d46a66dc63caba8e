"""The callback that writes what TensorBoard shows."""

from __future__ import annotations

import os
import time
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.callbacks import event_file
from fastlstm.callbacks.callback import Callback, Logs
from fastlstm.callbacks.event_file import EventFile
from fastlstm.printable import quoted


class TensorBoard(Callback):
    """Writes metrics and weights of training to files that TensorBoard reads.

    They are in the folders `train` and `validation` of `log_dir`: the metrics of epochs as `epoch_…`, those of batches
    as `batch_…`, those of every evaluation by the number of training steps as `evaluation_…_vs_iterations`.

    Args:
        log_dir: Path of a folder.
        histogram_freq: After how many epochs to write histograms of the weights; 0: never.
        write_graph: Boolean, whether to write the model's config, which TensorBoard draws.
        write_images: Not supported: False.
        write_steps_per_second: Boolean, whether to write how many batches a second takes.
        update_freq: `"epoch"`, `"batch"`, or after how many batches to write the metrics of the last one.
        profile_batch: Not supported: 0.
        embeddings_freq: Not supported: 0.
        embeddings_metadata: Not read without `embeddings_freq`.

    Raises:
        ValueError: When an argument is not supported.
    """

    def __init__(
        self,
        log_dir: str | PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        if profile_batch:
            raise ValueError(f"Profiling is not available. Received: profile_batch={quoted(profile_batch)} (must be 0)")
        if write_images or embeddings_freq:
            raise ValueError(
                "Images of weights and embeddings are not written. "
                f""
                f"Received: write_images={quoted(write_images)}, embeddings_freq={embeddings_freq} (leave them out)"
            )
        self.log_dir: str = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq: Any = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._files: dict[str, EventFile] = {}
        self._batches = {"train": 0, "validation": 0}
        self._began = {"epoch": 0.0, "batch": 0.0}
        self._iterations_before = 0

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self.on_train_end()
        if self.write_graph and type(model).__name__ in ("Functional", "Sequential"):
            try:
                text = model.to_json()
            except Exception as error:
                warnings.warn(f"Model failed to serialize as JSON. Ignoring... {error}", stacklevel=2)
            else:
                self._file("train").add([event_file.document("keras", text, "graph_keras_model", b"1")], 0)

    def _file(self, folder: str) -> EventFile:
        if folder not in self._files:
            self._files[folder] = EventFile(Path(self.log_dir) / folder)
        return self._files[folder]

    def _write(self, folder: str, scalars: dict[str, Any], step: int) -> None:
        values = [event_file.scalar(tag, float(value)) for tag, value in scalars.items() if np.ndim(value) == 0]
        if values:
            self._file(folder).add(values, step)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._batches["train"] = 0

    def on_train_end(self, logs: Logs = None) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._iterations_before = int(self.model.optimizer.iterations)
        self._began["epoch"] = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batches["train"] += 1
        self._began["batch"] = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        step = self._batches["train"]
        if self.update_freq == "epoch" or step % self.update_freq:
            return
        scalars = {f"batch_{name}": value for name, value in (logs or {}).items()}
        if self.write_steps_per_second:
            scalars["batch_steps_per_second"] = 1 / max(time.perf_counter() - self._began["batch"], 1e-9)
        self._write("train", scalars, step)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._batches["validation"] += 1

    def on_test_end(self, logs: Logs = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        written = self.update_freq == "epoch" or self._batches["validation"] % self.update_freq == 0
        if optimizer is not None and written:
            scalars = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
            self._write("validation", scalars, int(optimizer.iterations))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        train = {f"epoch_{name}": value for name, value in logs.items() if not name.startswith("val_")}
        train["epoch_learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            done = int(self.model.optimizer.iterations) - self._iterations_before
            train["epoch_steps_per_second"] = done / max(time.perf_counter() - self._began["epoch"], 1e-9)
        self._write("train", train, epoch)
        validation = {f"epoch_{name[4:]}": value for name, value in logs.items() if name.startswith("val_")}
        self._write("validation", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            weights = [weight for layer in self.model.layers for weight in layer.weights]
            histograms = [event_file.histogram(f"{one.path}/histogram", np.asarray(one)) for one in weights]
            self._file("train").add(histograms, epoch)
