"""Where old configs kept the shape of a model's input: on its first layer, under half a dozen names."""

from __future__ import annotations

from typing import Any

_SEQUENCE_INPUT = {
    "AtrousConvolution1D",
    "Bidirectional",
    "Conv1D",
    "Convolution1D",
    "CuDNNGRU",
    "CuDNNLSTM",
    "GRU",
    "LSTM",
    "RNN",
    "SimpleRNN",
    "TimeDistributedDense",
}

Shape = list[int | None]


def first_input_shape(written: dict[str, Any], layer: dict[str, Any], model_configs: list[Any]) -> Shape | None:
    """The shape, batch included, of what goes into the first layer of a Sequential that has no InputLayer.

    Args:
        written: The first layer as the file has it.
        layer: The same layer in today's dialect.
        model_configs: Where the model itself may hold `build_input_shape` or `input_shape`.

    Returns:
        The shape, or None where the file does not say it.
    """
    config = written.get("config")
    if isinstance(config, dict) and (shape := _own_shape(written["class_name"], config)):
        return shape
    nested = layer["config"].get("layers") or [{}]
    if nested[0].get("class_name") == "InputLayer":  # the first layer is a model
        return nested[0]["config"].get("batch_shape")
    wrapped = config.get("layer") if isinstance(config, dict) else None
    if (
        written["class_name"] == "Bidirectional"
        and isinstance(wrapped, dict)
        and (shape := _own_shape(wrapped["class_name"], wrapped["config"]))
    ):
        return shape
    candidates = [(written.get("build_config") or {}).get("input_shape")]
    candidates += [each.get(key) for each in model_configs for key in ("build_input_shape", "input_shape")]
    return next((shape for shape in candidates if _is_shape(shape)), None)


def _own_shape(class_name: str, config: dict[str, Any]) -> Shape | None:
    for key in ("batch_input_shape", "batch_shape"):
        if _is_shape(config.get(key)):
            return config[key]
    if _is_shape(config.get("input_shape")):
        return [None, *config["input_shape"]]
    length, features = config.get("input_length"), config.get("input_dim")
    if class_name == "Embedding":  # whose input_dim is the size of the vocabulary
        return None if length is None else [None, *(length if isinstance(length, list) else [length])]
    if features is None:
        return None
    return [None, length, features] if class_name in _SEQUENCE_INPUT else [None, features]


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(size is None or type(size) is int for size in value)
