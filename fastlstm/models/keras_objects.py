"""Any of Keras' objects as plain data, and back: `keras.saving.serialize_keras_object` and its counterpart."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import numpy as np

from fastlstm.identifiers import serialize_object
from fastlstm.layers.base import dtype_policy, serialization
from fastlstm.layers.base.layer import Layer
from fastlstm.object_registration import custom_object_scope, get_registered_name, get_registered_object
from fastlstm.printable import quoted

_PLAIN = (str, int, float, bool)
_ROOMS = ("activations", "constraints", "initializers", "losses", "metrics", "optimizers", "random", "regularizers")


def serialize_keras_object(obj: Any) -> Any:
    """Return plain data from which `deserialize_keras_object` makes the object again.

    Args:
        obj: A layer, model, loss, metric, optimizer, initializer …, a function, plain data, or a structure of them.

    Raises:
        TypeError: When an object has no `get_config`.
        ValueError: For a lambda: nothing in a file is ever executed.
    """
    if obj is None or isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, (list, tuple)):
        return type(obj)(map(serialize_keras_object, obj))
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        return {"class_name": "__slice__", "config": {"start": obj.start, "stop": obj.stop, "step": obj.step}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, Layer):
        return serialization.serialize(obj)
    if isinstance(obj, dtype_policy.DTypePolicy):
        return dtype_policy.serialize(obj)
    if hasattr(obj, "get_config"):
        return _with_plain_config(serialize_object(obj))
    return _serialized_function(obj)


def _with_plain_config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "config": serialize_keras_object(config["config"])}


def _serialized_function(obj: Any) -> dict[str, Any]:
    if not isinstance(obj, FunctionType):
        raise TypeError(
            f"Cannot serialize object {obj} of type {type(obj)}. To be serializable, a class must implement the "
            "`get_config()` method."
        )
    name = get_registered_name(obj)
    if name == "<lambda>":
        raise ValueError(f"A lambda has no name under which it could be found again: {obj}")
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return the object of plain data.

    Args:
        config: As `serialize_keras_object`, here or in Keras, returned it.
        custom_objects: Classes and functions of the caller's own by name, or None.
        safe_mode: As for `load_model`: nothing that a config holds is ever executed.

    Raises:
        TypeError: When it is no such data.
        ValueError: When it names nothing known, or a lambda.
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return deserialize_keras_object(config, safe_mode=safe_mode)
    if isinstance(config, str):
        found = get_registered_object(config)
        return config if found is None else found
    if config is None or isinstance(config, _PLAIN):
        return config
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(item) for item in config]
    if not isinstance(config, Mapping):
        raise TypeError(f"Could not parse config: {config}")
    if "class_name" not in config or "config" not in config:
        return {key: deserialize_keras_object(value) for key, value in config.items()}
    inner = config["config"] if config["config"] is not None else {}
    plain: Any = _PLAIN_CLASSES.get(config["class_name"])
    return _of_a_room(config) if plain is None else plain(inner)


def _of_a_room(config: Mapping[str, Any]) -> Any:
    """The object of a dict that names a class or function."""
    class_name, module = config["class_name"], str(config.get("module") or "")
    if class_name == "__lambda__":
        raise ValueError(
            "Requested the deserialization of a Python lambda. Nothing that a config holds is ever executed: pass the "
            "function itself in `custom_objects`."
        )
    if class_name == "DTypePolicy":
        return dtype_policy.get(dict(config))
    if class_name == "function":
        return _function(config)
    package, _, rest = module.partition(".")
    room = rest.removeprefix("src.").partition(".")[0] if package in ("keras", "tf_keras", "fastlstm") else ""
    if room == "optimizers" and "schedules" in module:
        room = "optimizers.schedules"
    own = get_registered_object(config.get("registered_name") or class_name)
    if inspect.isclass(own) and not issubclass(own, Layer):
        of_caller: Any = own
        return of_caller.from_config(dict(config["config"]))
    if room.partition(".")[0] in _ROOMS:
        return importlib.import_module(f"fastlstm.{room}").deserialize(dict(config))
    return serialization.deserialize(dict(config))


def _function(config: Mapping[str, Any]) -> Any:
    if not isinstance(config["config"], str):
        raise TypeError(f"Expected 'config' to be a str for a function. Received: {quoted(config)}")
    for room in ("activations", "losses", "metrics"):
        module = importlib.import_module(f"fastlstm.{room}")
        try:
            # Names of metrics are those of classes there.
            return getattr(module, "FUNCTIONS", module).deserialize(dict(config))
        except ValueError:
            continue
    raise ValueError(
        f"Could not locate function '{config['config']}'. Pass it in `custom_objects`. Received: {quoted(config)}"
    )


_PLAIN_CLASSES = {
    "__tensor__": lambda inner: np.array(inner["value"], inner["dtype"]),
    "__numpy__": lambda inner: np.array(inner["value"], inner["dtype"]),
    "__bytes__": lambda inner: inner["value"].encode("utf-8"),
    "__slice__": lambda inner: slice(inner["start"], inner["stop"], inner["step"]),
    "__ellipsis__": lambda inner: Ellipsis,
}
