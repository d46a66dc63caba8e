"""Every dialect of a saved model's config → today's, driven by the tables of `dialects.py`.

The result is plain data:

    {"class_name": "Sequential", "config": {"name", "trainable", "dtype", "layers": [LAYER, …]}}
    {"class_name": "Functional", "config": {"name", "trainable", "layers", "input_layers", "output_layers"}}
    LAYER = {"class_name", "config", "registered_name"?, "build_config"?, "name"?, "inbound_nodes"?}

`registered_name` is there for classes that are not Keras' own. Classes that `dialects.KNOWN` does not list, Lambda
among them, keep their config as it was: who may be built is decided by the layers, not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from fastlstm.printable import printable, shown
from fastlstm.saving.budget import Budget
from fastlstm.saving.dialects import (
    CLASSES,
    COMMON_KEYS,
    DROPPED,
    DROPPED_IN,
    IMPLIED,
    JOINED,
    KERAS2_MASKS,
    KEYS,
    KNOWN,
    MERGE_MODES,
    OBJECT_CLASSES,
    OBJECT_KEYS,
    OLD_DEFAULTS,
    PREPROCESSING,
    UNUSED,
    VALUES,
)
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.graph import calls_in, count_calls_as_today, node, output_entry
from fastlstm.saving.hard_sigmoid import OLD_HARD_SIGMOID, is_hard_sigmoid
from fastlstm.saving.operations import operations, without_masks
from fastlstm.saving.policies import policy_name, take_stored_form
from fastlstm.saving.shapes import first_input_shape
from fastlstm.saving.version import parse_version

_KERAS_MODULES = ("keras.", "tf_keras.", "tensorflow.keras.", "tensorflow.python.keras.", "builtins.")

Config = dict[str, Any]


def normalise(
    model: Config, keras_version: str | None, budget: Budget | None = None, refused: list[str] | None = None
) -> Config:
    """Bring a serialized model to today's dialect.

    Args:
        model: The JSON of `config.json` or of the attribute `model_config`, as `parse_json` gives it.
        keras_version: The version that wrote it; None counts as old.
        budget: What the load may take; None for what any may.
        refused: Gets the texts of the errors of layers, which are then left out of their models instead.

    Returns:
        The model as this module's docstring shows it.

    Raises:
        ValueError: A setting that changes results and that has no counterpart today; names the layer and the key. Or
            more layers or calls than a load may make.
    """
    budget = budget or Budget(0)
    dialect = _Dialect(keras_version, budget, model, refused)
    normal = dialect.layer(model, "the model")
    budget.take("calls of layers", calls_in(normal), "The model")
    return normal


def stored_classes(model: Config) -> dict[str, str]:
    """Layer name → class as written, for the layers whose class has another name today, or may have one: the caller's.

    Args:
        model: The model as written.
    """
    return {
        entry["config"]["name"]: entry["class_name"].rpartition(">")[2]
        for entry in entries(model)
        if isinstance(entry["config"].get("name"), str) and (entry["class_name"] in CLASSES or _is_unknown(entry))
    }


def entries(data: Any) -> Iterator[Config]:
    """Every `{"class_name": str, "config": dict}` at any depth, but among what layers are called on: there are none."""
    pending = [data]
    while pending:
        container = pending.pop()
        values = container
        if type(container) is dict:
            if isinstance(container.get("class_name"), str) and isinstance(container.get("config"), dict):
                yield container
            values = [value for key, value in container.items() if key != "inbound_nodes"]
        for value in values:
            if type(value) is dict or type(value) is list:
                pending.append(value)


def _is_unknown(entry: Config) -> bool:
    """Whether a class is none of Keras', so far as its name tells."""
    name = entry["class_name"].rpartition(">")[2]
    return bool(_foreign_name(entry)) or name not in (*KNOWN, "Functional", "InputLayer", "Sequential")


def _makes_masks(entry: Config) -> bool:
    return entry["class_name"] == "Masking" or bool(entry["config"].get("mask_zero"))


class _Dialect:
    """The dialect of one version of Keras.

    Args:
        keras_version: For example `"2.2.4-tf"`; None counts as old.
        budget: What the load may take.
        model: The model as written.
        refused: As for `normalise`.
    """

    def __init__(self, keras_version: str | None, budget: Budget, model: Config, refused: list[str] | None) -> None:
        self._refused = refused
        version = parse_version(keras_version)
        if version and version >= (2, 2) and keras_version and keras_version.endswith("-tf"):
            version = max(version, (2, 3, 0))  # TensorFlow 2.0 and 2.1 call themselves 2.2.4-tf
        self._version = version
        self._before_3 = version is None or version < (3, 0)
        self._keras2_masks = self._before_3 and any(map(_makes_masks, entries(model)))
        self._budget = budget

    def layer(self, entry: Any, where: str) -> Config:
        """One layer, cell or model with everything below it."""
        if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
            raise SavedModelError(f"The config of {where} should be an object with a class_name.")
        self._budget.take("layers", 1, where)
        written, config = entry["class_name"], entry.get("config")
        class_name: str = CLASSES.get(written) or written
        if class_name == "Sequential" and isinstance(config, list):  # Keras 1 to 2.2.2
            config = {"name": entry.get("name") or "sequential", "layers": config}
        if not isinstance(config, dict):
            raise SavedModelError(f"The config of {where} ({written}) should be an object.")
        for name in (config.get("name"), entry.get("name")):
            if isinstance(name, str):
                self._budget.check("characters in a name", len(name), f"The name {shown(name)}")
        name = config.get("name") or entry.get("name")
        where = f"layer '{printable(str(name))}'" if name else where
        if isinstance(config.get("name"), str):  # before Keras 3, names could have slashes
            config = config | {"name": config["name"].replace("/", "_")}
        registered = _foreign_name(entry)
        if registered:
            class_name = class_name.rpartition(">")[2]
        if _is_unknown(entry):
            # What every recurrent layer of Keras 2 wrote, also one of a class that is somebody's own.
            config = {key: value for key, value in config.items() if key != "time_major" or value}
        if class_name in PREPROCESSING and not registered:
            raise SavedModelError(
                f"{where} (class {class_name}) prepares data for a network, which is not supported: do it before, and "
                "save the rest of the model."
            )
        if class_name == "InputLayer":
            config = _input_layer(config, where)
        elif class_name == "Sequential" and not registered:
            config = self._sequential(config, entry, where)
        elif class_name == "Functional" and not registered:
            config = self._functional(config, where)
        elif not registered:
            class_name, config = self._settings(written, class_name, config, where)
        result = {"class_name": class_name, "config": config}
        if registered:
            result["registered_name"] = registered
        if entry.get("build_config"):
            result["build_config"] = entry["build_config"]
        return result

    # --- models

    def _sequential(self, config: Config, entry: Config, where: str) -> Config:
        written = _layer_list(config, where)
        layers = self._each(self.layer, written, where)
        if layers and layers[0]["class_name"] != "InputLayer":
            shape = first_input_shape(written[0], layers[0], [config, entry.get("build_config") or {}])
            if shape is not None:
                name = f"{layers[0]['config'].get('name', 'sequential')}_input"
                first = {"batch_shape": shape, "dtype": "float32", "name": name}
                layers.insert(0, {"class_name": "InputLayer", "config": first})
        return _model_settings(config) | {"layers": layers}

    def _functional(self, config: Config, where: str) -> Config:
        written = _layer_list(config, where)
        names = {layer.get("name") for layer in written if isinstance(layer, dict)}
        graph = {
            "layers": self._each(partial(self._in_graph, names), written, where),
            "input_layers": output_entry(config.get("input_layers"), self._before_3),
            "output_layers": output_entry(config.get("output_layers"), self._before_3),
        }
        if self._before_3:
            count_calls_as_today(graph)
        return _model_settings(config) | graph

    def _each(
        self, normal: Callable[[Any, str], Config | list[Config]], written: list[Any], where: str
    ) -> list[Config]:
        """The layers of a model, without those that are refused where that is noted."""
        layers = []
        for number, layer in enumerate(written):
            try:
                made = normal(layer, f"layer {number} of {where}")
                layers += made if isinstance(made, list) else [made]
            except SavedModelError as error:
                if self._refused is None:
                    raise
                self._refused.append(str(error))
        return layers

    def _in_graph(self, names: set[Any], layer: Any, where: str) -> list[Config]:
        """A layer with its calls, or the operations in its place."""
        found = operations(layer, _named(layer), self._budget) if isinstance(layer, dict) else None
        if found is not None:
            return found
        normal = self.layer(layer, where)
        nodes = layer.get("inbound_nodes") or []
        normal["name"] = layer.get("name") or normal["config"].get("name")
        settings = (normal["class_name"], names, self._before_3, self._keras2_masks)
        normal["inbound_nodes"] = [node(item, *settings) for item in nodes]
        return [*without_masks(normal, names), normal] if self._keras2_masks else [normal]

    # --- layers

    def _settings(self, written: str, class_name: str, config: Config, where: str) -> tuple[str, Config]:
        if written == "Merge":
            class_name, config = _merge(config, where)
        if class_name not in KNOWN:
            return class_name, config
        config = _renamed(config, KEYS.get(written, KEYS.get(class_name, {}))) | IMPLIED.get(written, {})
        for before, classes, key, value in OLD_DEFAULTS:
            absent = class_name in classes and key not in config
            if absent and (self._version < before if self._version else key == "reset_after"):
                config[key] = value
        if class_name in ("LSTM", "ConvLSTM2D") and "forget_bias_init" in config:
            config["unit_forget_bias"] = config.pop("forget_bias_init") in ("one", "ones")
        if class_name == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
            config["axis"] = config["axis"][0]
        written_class = class_name
        class_name, config, form = take_stored_form(class_name, config, where)
        kept: Config = {"stored_form": form} if form else {}
        for key, value in config.items():
            if _keeps(written_class, key, value, where):
                kept[key] = self._value(key, value, where)
        of_heads = class_name == "MultiHeadAttention" and self._before_3
        if (self._keras2_masks and class_name in KERAS2_MASKS) or of_heads:
            kept["keras2_masks"] = True
            if class_name == "TimeDistributed" and (self._version or (0,)) < (2, 2, 3):
                kept["ignores_masks"] = True
        return class_name, kept

    def _value(self, key: str, value: Any, where: str) -> Any:
        if key in ("activation", "recurrent_activation"):
            return self._activation(value, where)
        if key in ("layer", "backward_layer", "cell") and value is not None:
            if isinstance(value, list):
                value = {"class_name": "StackedRNNCells", "config": {"cells": value}}
            return self.layer(value, f"{key} of {where}")
        if key == "cells":
            return [self.layer(cell, f"cell {number} of {where}") for number, cell in enumerate(value)]
        if key.endswith(("_initializer", "_regularizer", "_constraint")):
            return _plain_object(value)
        if key == "dtype":
            return policy_name(value, where)
        if key == "seed" and isinstance(value, dict):  # a serialized SeedGenerator
            return value.get("config", {}).get("seed")
        return value

    def _activation(self, value: Any, where: str) -> Any:
        if isinstance(value, dict):
            if value.get("class_name", "__lambda__") == "__lambda__":
                raise SavedModelError(f"The activation of {where} holds Python code, which is never run from a file.")
            if value.get("class_name") == "function" or isinstance(value.get("config"), str):
                value = value.get("config")
            elif is_hard_sigmoid(value):
                return OLD_HARD_SIGMOID
            else:
                return self.layer(value, f"the activation of {where}")
        return OLD_HARD_SIGMOID if value == "hard_sigmoid" and self._before_3 else value


def _named(layer: Config) -> str:
    return f"layer '{printable(str(layer.get('name')))}'"


def _layer_list(config: Config, where: str) -> list[Any]:
    layers = config.get("layers")
    if not isinstance(layers, list):
        raise SavedModelError(f"The config of {where} should hold a list of layers.")
    return layers


def _model_settings(config: Config) -> Config:
    kept = {key: config[key] for key in ("name", "trainable") if config.get(key) is not None}
    return kept | ({"dtype": policy_name(config["dtype"], "the model")} if config.get("dtype") is not None else {})


def _input_layer(config: Config, where: str) -> Config:
    # A ragged input is one that takes sequences of different lengths, as `predict` does of every model.
    if config.get("sparse"):
        raise SavedModelError(f"{where} (InputLayer) has sparse={config['sparse']!r}; only dense inputs are supported.")
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    dtype = config.get("dtype") or config.get("input_dtype") or "float32"
    kept = {"batch_shape": shape, "dtype": policy_name(dtype, where), "name": config.get("name")}
    return {key: value for key, value in kept.items() if value is not None}


def _foreign_name(entry: Config) -> str | None:
    """How a class that is not Keras' own calls itself, or None for Keras' own."""
    class_name, module, registered = entry["class_name"], entry.get("module"), entry.get("registered_name")
    if registered and registered != class_name:
        return str(registered)
    if ">" in class_name:  # how legacy files name registered classes
        return class_name
    if module and not f"{module}.".startswith(_KERAS_MODULES):
        return f"{module}>{class_name}"
    return None


def _merge(config: Config, where: str) -> tuple[str, Config]:
    """Keras 1's Merge layer is a class per mode today."""
    mode = config.get("mode")
    if mode not in MERGE_MODES or config.get("layers"):
        raise SavedModelError(f"{where} (Merge of Keras 1) has the mode {mode!r} or layers of its own; not supported.")
    kept: Config = {key: config[key] for key in ("name", "trainable") if key in config}
    if mode == "concat":
        kept["axis"] = config.get("concat_axis", -1)
    elif mode in ("dot", "cos"):
        kept |= {"axes": config.get("dot_axes", -1), "normalize": mode == "cos"}
    return MERGE_MODES[mode], kept


def _renamed(config: Config, names: dict[str, str]) -> Config:
    config = {names.get(key, key): value for key, value in config.items()}
    for today, choices in JOINED.items():
        for keys in choices:
            if all(key in config for key in keys):
                config[today] = [config.pop(key) for key in keys]
    return {key: _today(key, value) for key, value in config.items()}


def _today(key: str, value: Any) -> Any:
    return VALUES[key].get(value, value) if key in VALUES and isinstance(value, str) else value


def _keeps(class_name: str, key: str, value: Any, where: str) -> bool:
    """Whether a key survives.

    Raises:
        ValueError: It is unknown and not null, so that it may change results.
    """
    if key in KNOWN[class_name] or (key in COMMON_KEYS and key not in DROPPED_IN.get(class_name, ())):
        return not (key in ("dtype", "backward_layer") and value is None)
    if value is None or key in DROPPED or key in DROPPED_IN.get(class_name, ()) or value in UNUSED.get(key, ()):
        return False
    raise SavedModelError(
        f"{where} ({class_name}) was saved with {key}={shown(value)}, which is not supported and may change its "
        "results."
    )


def _plain_object(value: Any) -> Any:
    """An initializer, regularizer or constraint: a string, or `{"class_name", "config"}`."""
    if not isinstance(value, dict):
        return value
    if "class_name" in value:
        name, config = value["class_name"], value.get("config") or {}
    else:  # Keras 1 wrote one flat object
        name, config = value.get("name"), {key: item for key, item in value.items() if key != "name"}
    if not isinstance(config, dict):
        return config  # a plain function, by its name
    config = {OBJECT_KEYS.get(name, {}).get(key, key): item for key, item in config.items()}
    config = {key: item for key, item in config.items() if key != "dtype" and (item is not None or key == "seed")}
    if isinstance(config.get("seed"), dict):
        config["seed"] = config["seed"].get("config", {}).get("seed")
    plain_object = {"class_name": OBJECT_CLASSES.get(name, name), "config": config}
    foreign = _foreign_name(value | {"class_name": name})
    return plain_object | ({"registered_name": foreign} if foreign else {})
