"""The hard sigmoid of Keras 1 and 2, `clip(0.2 x + 0.5, 0, 1)`: a name of its own here, layers in files for Keras 3.

A layer, and so a model, may be an activation in Keras 3, whose own `hard_sigmoid` is another function.
"""

from __future__ import annotations

from typing import Any

OLD_HARD_SIGMOID = "hard_sigmoid_keras2"
_SLOPE, _OFFSET = 0.2, 0.5
_PLAIN_RELU = {"max_value": 1.0, "negative_slope": 0.0, "threshold": 0.0}


def _layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


_AS_LAYERS = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {
        "name": OLD_HARD_SIGMOID,
        "layers": [
            _layer("Rescaling", name="rescaling", scale=_SLOPE, offset=_OFFSET),
            _layer("ReLU", name="re_lu", **_PLAIN_RELU),
        ],
    },
    "registered_name": None,
}


def as_layers(config: Any) -> Any:
    """Return a serialized model with the function as layers wherever it is an activation."""
    if isinstance(config, dict):
        return {
            key: _AS_LAYERS if key.endswith("activation") and item == OLD_HARD_SIGMOID else as_layers(item)
            for key, item in config.items()
        }
    return [as_layers(item) for item in config] if isinstance(config, (list, tuple)) else config


def is_hard_sigmoid(activation: dict[str, Any]) -> bool:
    """Return whether a serialized activation is the function as layers."""
    config = activation.get("config")
    layers = config.get("layers") if activation.get("class_name") == "Sequential" and isinstance(config, dict) else None
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return False
    found = [(layer.get("class_name"), layer.get("config")) for layer in layers]
    found = [(name, config) for name, config in found if name != "InputLayer"]
    if [name for name, _ in found] != ["Rescaling", "ReLU"] or not all(isinstance(config, dict) for _, config in found):
        return False
    (_, rescaling), (_, relu) = found
    plain = all(relu.get(key) == value for key, value in _PLAIN_RELU.items())
    return plain and (rescaling.get("scale"), rescaling.get("offset")) == (_SLOPE, _OFFSET)
