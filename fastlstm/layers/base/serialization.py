"""Layers as dicts: a registry of classes by name, and nothing else that a file could name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, TypeVar

from fastlstm.layers.base.layer import Layer
from fastlstm.layers.symbolic import operation
from fastlstm.object_registration import custom_object_scope, get_registered_name, get_registered_object
from fastlstm.printable import printable, shown

_LONGEST = 1000  # characters of an error that quotes a config

# Modules of Keras 3 whose classes are operations; some have the names of layers.
_OPERATIONS = ("keras.src.ops.", "keras.ops.", "keras.src.activations.")

_KERAS_PACKAGES = (None, "keras", "tf_keras", "tensorflow", "fastlstm")

_classes: dict[str, type[Layer]] = {}
# Classes that few models need, by the modules that register them.
LATER = {
    **dict.fromkeys(("QuantizedDense", "QuantizedEinsumDense"), "core.quantized"),
    **dict.fromkeys(("CenterCrop", "RandomBrightness", "RandomContrast", "RandomFlip"), "preprocessing.images"),
    **dict.fromkeys(("RandomRotation", "RandomTranslation", "RandomZoom", "Resizing"), "preprocessing.images"),
    "LocallyConnected1D": "convolutional.local",
    "SpectralNormalization": "normalization.spectral",
}

_Class = TypeVar("_Class", bound=type[Layer])


class LayerConfigError(ValueError):
    """A layer's dict that cannot become a layer.

    Args:
        text: The reason, with the layer's name; what it quotes is escaped, and shortened where it is long.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text, _LONGEST, lines=True))


def register(cls: _Class) -> _Class:
    """Make a class known to `deserialize`, by its name; or by `keras_name` if Keras' files have another one."""
    _classes[_name_of(cls)] = cls
    return cls


def _name_of(cls: type[Layer]) -> str:
    return cls.__dict__.get("keras_name", cls.__name__)


def load_later(class_name: str) -> Any:
    """Return one of the classes in `LATER`, loading its module if nobody has."""
    importlib.import_module(f"fastlstm.layers.{LATER[class_name]}")
    return _classes[class_name]


def is_registered(class_name: Any) -> bool:
    """Return whether `deserialize` knows a class of this name."""
    return isinstance(class_name, str) and class_name in _classes


def serialize(layer: Layer) -> dict[str, Any]:
    """Return Keras 3's dict of a layer.

    Args:
        layer: A layer or a model.
    """
    cls = type(layer)
    name = _name_of(cls)
    known = _classes.get(name) is cls or isinstance(layer, operation.Operation)
    inner = known and layer.keras_module.startswith("keras.src.")
    config = {
        "module": layer.keras_module if known else cls.__module__,
        "class_name": name,
        "config": layer.get_config(),
        "registered_name": (name if inner else None) if known else get_registered_name(cls),
    }
    if layer.get_build_config():
        config["build_config"] = layer.get_build_config()
    return config


def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """Return a new layer, built if its dict says for what shape, without the weights it once had.

    Args:
        config: Dict with `class_name` and `config`.
        custom_objects: Classes and functions of the caller's own by name, for this layer and those inside it.

    Raises:
        ValueError: When it is no layer's dict, names a class that is neither one of this package nor the caller's, or
            has arguments that the class does not accept.
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return deserialize(config)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict) or "class_name" not in config:
        raise ValueError(
            "`keras.layers.deserialize` was passed a `config` object that is not a `keras.layers.Layer`. "
            f"Received: {_shortened(config)}"
        )
    cls = _class_of(config)
    arguments = dict(config["config"])
    try:
        layer = cls.from_config(arguments)
        if isinstance(config.get("build_config"), dict) and not layer.built:
            layer.build_from_config(config["build_config"])
    except LayerConfigError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RuntimeError) as error:
        raise LayerConfigError(
            f"Layer '{arguments.get('name')}' (class {cls.__name__}) could not be made from its config: {error}"
        ) from error
    return layer


def _class_of(config: dict[str, Any]) -> type[Layer]:
    class_name, registered = config["class_name"], config.get("registered_name")
    name = config["config"].get("name", config.get("name"))
    module = config.get("module")
    what = f"Layer '{name}' (class {_shortened(class_name)})"
    own = _own_class(registered, class_name)
    if own is not None:
        return own
    if isinstance(class_name, str) and class_name in LATER:
        load_later(class_name)
    package = module.partition(".")[0] if isinstance(module, str) else module
    if (registered is not None and registered != class_name) or package not in _KERAS_PACKAGES:
        raise LayerConfigError(_how_to_give(what, class_name, registered, None if registered else module))
    if isinstance(module, str) and module.startswith(_OPERATIONS):
        found = operation.find(class_name)
        if found is None:
            raise LayerConfigError(f"Operation '{name}' ({module}.{_shortened(class_name)}) is not supported.")
        return found
    # A legacy file of Keras 3 leaves the module out.
    found = operation.find(class_name) if module is None and not is_registered(class_name) else None
    if found is not None:
        return found
    if not is_registered(class_name) or (registered is not None and module is None):
        raise LayerConfigError(
            f"{what} is not supported. The supported classes are: {', '.join(sorted(_classes))}. If it is a class of "
            f"your own, give it: load_model(path, custom_objects={{{_shortened(class_name)!r}: …}})"
        )
    return _classes[class_name]


def _own_class(registered: Any, class_name: Any) -> Any:
    """The class that the caller gave for a name, None if there is none."""
    for name in (registered, class_name):
        if isinstance(name, str):
            # A file of Keras 2, or of another module, says package>name where the caller may say name.
            found = get_registered_object(name) or get_registered_object(name.rpartition(">")[2])
            if found is not None:
                return found
    return None


def _how_to_give(what: str, class_name: Any, registered: Any, module: Any) -> str:
    name = _shortened(class_name)
    known_as = f" (registered as {_shortened(registered)})" if registered else ""
    known_as = f" of the module {_shortened(module)}" if module not in _KERAS_PACKAGES else known_as
    return (
        f"{what} is a custom class{known_as}: give the class, "
        f"with a `call` in NumPy, as `custom_objects`. For example:\n\nclass {name}(fastlstm.layers.Layer):\n"
        "    def call(self, inputs):\n        ...  # NumPy arrays in and out\n\n"
        f'load_model(path, custom_objects={{"{name}": {name}}})'
    )


def _shortened(value: Any) -> str:
    return printable(value) if isinstance(value, str) else shown(value)
