"""Callbacks, as `keras.callbacks` defines them: what is done at the beginning and end of epochs and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.callbacks.callback import Callback, CallbackList, History, LambdaCallback
from fastlstm.callbacks.files import BackupAndRestore, CSVLogger, ModelCheckpoint
from fastlstm.callbacks.monitor import EarlyStopping, MonitorCallback, ReduceLROnPlateau
from fastlstm.callbacks.progress import ProgbarLogger
from fastlstm.callbacks.rates import LearningRateScheduler, SwapEMAWeights, TerminateOnNaN
from fastlstm.callbacks.tensorboard import TensorBoard
from fastlstm.identifiers import missing_names

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__: Callable[[str], Any] = missing_names(__name__, "OrbaxCheckpoint RemoteMonitor")
