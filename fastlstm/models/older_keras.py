"""What older versions of Keras meant by names and defaults, where a model or its weights come from them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastlstm.layers.base.serialization import serialize
from fastlstm.saving.config import entries
from fastlstm.saving.hard_sigmoid import OLD_HARD_SIGMOID
from fastlstm.saving.version import parse_version

if TYPE_CHECKING:
    from fastlstm.models.predictor import Predictor
    from fastlstm.saving.model_file import ModelFile

_NEW = "hard_sigmoid"
HARD_SIGMOIDS = {"keras2": OLD_HARD_SIGMOID, "keras3": _NEW}
# Layers whose `recurrent_activation` was a hard sigmoid unless told otherwise, before a version of Keras.
_HARD_GATES = (((2, 3), {"LSTM", "GRU", "LSTMCell", "GRUCell"}), ((3, 0), {"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}))


def with_hard_sigmoid(config: Any, name: str) -> Any:
    """Return the config with `name` for every hard sigmoid."""
    if isinstance(config, dict):
        return {
            key: name if key.endswith("activation") and _is_hard_sigmoid(item) else with_hard_sigmoid(item, name)
            for key, item in config.items()
        }
    return [with_hard_sigmoid(item, name) for item in config] if isinstance(config, list) else config


def _is_hard_sigmoid(activation: Any) -> bool:
    return isinstance(activation, str) and activation in HARD_SIGMOIDS.values()


def warn_of_other_functions(model: Predictor, file: ModelFile) -> None:
    """Warn where weights come from a Keras that would have run the layers with another function.

    Args:
        model: The model that takes the weights.
        file: Where they come from.
    """
    written = file.keras_version or ""
    version = parse_version(written)
    if version is None or version >= (3, 0):
        return
    layer = _first_with(model, _NEW)
    if layer is not None:
        warnings.warn(
            f"{file.name} was written by Keras {written}, whose hard_sigmoid is clip(0.2 x + 0.5, 0, 1). Layer "
            f"'{layer}' uses Keras 3's, clip(x / 6 + 0.5, 0, 1), so the outputs will differ. Use "
            f"'{OLD_HARD_SIGMOID}' for the old one.",
            stacklevel=4,
        )
    if not file.may_name(OLD_HARD_SIGMOID):
        return
    # TensorFlow 2.0 and 2.1 call themselves 2.2.4-tf.
    version = (2, 3, 0) if version >= (2, 2) and written.endswith("-tf") else version
    soft = {class_name for before, names in _HARD_GATES if version < before for class_name in names}
    for leaf in model.leaves():
        for entry in entries(serialize(leaf)):
            if entry["class_name"] in soft and entry["config"].get("recurrent_activation") == "sigmoid":
                warnings.warn(
                    f"{file.name} was written by Keras {written}, where the `recurrent_activation` of "
                    f"{entry['class_name']} was hard_sigmoid, clip(0.2 x + 0.5, 0, 1), unless told otherwise. Layer "
                    f"'{leaf.name}' has 'sigmoid', Keras' default since then. If the model was made without the "
                    f"argument, pass recurrent_activation='{OLD_HARD_SIGMOID}': the outputs are wrong without it.",
                    stacklevel=4,
                )
                return


def _first_with(model: Predictor, activation: str) -> str | None:
    """Return the name of the first layer whose config names the activation, None if there is none."""
    for layer in model.leaves():
        if activation in _strings(layer.get_config()):
            return layer.name
    return None


def _strings(nested: Any) -> Iterator[str]:
    """The strings of a config, but for the layers' names."""
    if isinstance(nested, str):
        yield nested
    elif isinstance(nested, dict):
        for key, item in nested.items():
            if key != "name":
                yield from _strings(item)
    elif isinstance(nested, (list, tuple)):
        for item in nested:
            yield from _strings(item)
