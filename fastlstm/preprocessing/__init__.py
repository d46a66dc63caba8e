"""Sequences and texts as `keras.preprocessing` of Keras 2 and 3 makes them into numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.identifiers import missing_names
from fastlstm.preprocessing import sequence, text
from fastlstm.utils.text_files import text_dataset_from_directory
from fastlstm.utils.timeseries import timeseries_dataset_from_array

__all__ = ["sequence", "text", "text_dataset_from_directory", "timeseries_dataset_from_array"]

__getattr__: Callable[[str], Any] = missing_names(__name__, "image image_dataset_from_directory")
