"""The functions of `keras.utils` that LSTM scripts use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fastlstm.backend import clear_session, is_keras_tensor, standardize_dtype
from fastlstm.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from fastlstm.identifiers import missing_names
from fastlstm.object_registration import (
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from fastlstm.older_modules import give_older_modules
from fastlstm.utils.data import pack_x_y_sample_weight, unpack_x_y_sample_weight
from fastlstm.utils.files import get_file
from fastlstm.utils.numerical import normalize, to_categorical
from fastlstm.utils.plotting import model_to_dot, plot_model
from fastlstm.utils.progbar import Progbar
from fastlstm.utils.py_dataset import PyDataset
from fastlstm.utils.rng import set_random_seed
from fastlstm.utils.sequences import pad_sequences
from fastlstm.utils.splitting import split_dataset
from fastlstm.utils.text_files import text_dataset_from_directory
from fastlstm.utils.timeseries import timeseries_dataset_from_array

CustomObjectScope = custom_object_scope
Sequence = PyDataset

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]

_missing: Callable[[str], Any] = missing_names(
    __name__,
    """
    Config FeatureSpace array_to_img audio_dataset_from_directory bounding_boxes deserialize_keras_object
    get_source_inputs image_dataset_from_directory img_to_array legacy load_img save_img
    serialize_keras_object
    """,
)

_OLDER_MODULES = "data_utils generic_utils np_utils vis_utils"
give_older_modules(sys.modules[__name__], _OLDER_MODULES)


def __getattr__(name: str) -> Any:
    return sys.modules[__name__] if name in _OLDER_MODULES.split() else _missing(name)
