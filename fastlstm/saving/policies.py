"""Dtype policies of any version, and the weights in integers and low-rank updates (LoRA) that go with some of them."""

from __future__ import annotations

import json
from typing import Any

from fastlstm.saving.errors import SavedModelError

Config = dict[str, Any]

# Layers whose matrix Keras 3 quantizes, with the class here that rounds its inputs as Keras does.
_QUANTIZED = {"Dense": "QuantizedDense", "EinsumDense": "QuantizedEinsumDense", "Embedding": "Embedding"}
_WITH_LORA = {*_QUANTIZED, "Conv1D", "Conv2D", "Conv3D"}
_QUANTIZED_POLICIES = {"Int4DTypePolicy", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy"}


def policy_name(value: Any, where: str) -> str:
    """Return the name of a dtype policy in any form; integers of Keras' `quantize` are named `int8_from_float32`.

    Raises:
        ValueError: A form that is not read.
    """
    if isinstance(value, dict):
        config = value.get("config") or {}
        if value.get("class_name") == "DTypePolicyMap":
            return _of_map(config, where)
        if value.get("class_name") in _QUANTIZED_POLICIES and "name" not in config:
            return f"{config.get('mode')}_from_{config.get('source_name')}"
        value = config.get("name")
    if not isinstance(value, str):
        raise SavedModelError(f"{where} has no readable dtype policy.")
    return value


def _of_map(config: Config, where: str) -> str:
    """The default of a map from the paths of layers to policies: all floats are computed alike."""
    policies = config.get("policy_map") or {}
    if not isinstance(policies, dict) or "_from_" in json.dumps(policies) or "Quantized" in json.dumps(policies):
        raise SavedModelError(
            f"{where} has a dtype policy per layer (DTypePolicyMap) with integers, which is not supported."
        )
    return policy_name(config.get("default_policy") or "float32", where)


def take_stored_form(class_name: str, config: Config, where: str) -> tuple[str, Config, Config]:
    """Return the class that a layer is here, its config as that of floats, and how its weights are stored.

    The form has `quantized` (`int8` or `int4`) where the matrix is stored in integers, `lora_scale` where it may have
    a low-rank update beside it, and the `equation` of the layer if it has one. (A SpectralNormalization has a form of
    its own: `repeats_matrix`, as Keras 3 writes that of the layer inside before its own variable.)

    Raises:
        ValueError: A quantization that is not read.
    """
    if class_name not in _WITH_LORA:
        return class_name, config, {}
    config = dict(config)
    form: Config = {}
    rank, alpha = config.pop("lora_rank", None), config.pop("lora_alpha", None)
    if rank:
        form["lora_scale"] = (rank if alpha is None else alpha) / rank
    policy = policy_name(config["dtype"], where) if config.get("dtype") is not None else ""
    how, _, source = policy.partition("_from_")
    mode = how.partition("/")[0]
    if not source or class_name not in _QUANTIZED:
        return class_name, config, form
    settings = (config.pop("quantization_config", None) or {}).get("config") or {}
    if mode not in ("int4", "int8"):
        raise SavedModelError(f"{where} ({class_name}) is quantized by '{how}', which is not supported.")
    form["quantized"] = mode
    if class_name == "EinsumDense":
        form["equation"] = config.get("equation")
    rounds = mode == "int8" if not settings else settings.get("activation_quantizer") is not None
    _check_quantizers(settings, where)
    return _QUANTIZED[class_name] if rounds else class_name, config | {"dtype": source}, form


def _check_quantizers(settings: Config, where: str) -> None:
    """Refuse inputs that are rounded otherwise than Keras does by itself."""
    quantizer = settings.get("activation_quantizer")
    if quantizer is None:
        return
    given = quantizer.get("config") or {}
    if quantizer.get("class_name") != "AbsMaxQuantizer" or list(given.get("value_range", ())) != [-127, 127]:
        raise SavedModelError(f"{where} rounds its inputs by {quantizer.get('class_name')}, which is not supported.")
