"""Objects named by a string, a dict or themselves: the `get`, `serialize` and `deserialize` of the Keras-like modules.

A module such as `fastlstm.initializers` owns one `Registry`: a table from every accepted name to a class or function.
Nothing outside that table and the caller's `custom_objects` is ever looked up, so a config from a file cannot import,
evaluate or unpickle anything.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from fastlstm.object_registration import get_custom_objects, get_registered_name, get_registered_object
from fastlstm.printable import quoted, shown
from fastlstm.records import Record

_KERAS_PACKAGES = frozenset({"keras", "keras_core", "tf_keras", "tensorflow", "fastlstm", "builtins"})


@functools.lru_cache(maxsize=1024)
def snake_case(name: str) -> str:
    """Return Keras' snake-case form of a class name: `GlorotUniform` is `glorot_uniform`, `L1L2` is `l1l2`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def named(*classes: type) -> dict[str, type]:
    """Return the table of the classes under their own and their snake-case names."""
    return {name: cls for cls in classes for name in (cls.__name__, snake_case(cls.__name__))}


def serialize_object(obj: Any) -> dict[str, Any]:
    """Return Keras 3's dict of an object that has `get_config`.

    The rooms of this package mirror Keras', so `fastlstm.initializers` is written as `keras.initializers`.
    """
    cls = type(obj)
    package, *rooms = cls.__module__.split(".")
    ours = package == "fastlstm"
    # The one room inside another.
    depth = 2 if rooms[1:2] == ["schedules"] else 1
    return {
        "module": ".".join(["keras", *rooms[:depth]]) if ours else cls.__module__,
        "class_name": cls.__name__,
        "config": obj.get_config(),
        "registered_name": None if ours else get_registered_name(cls),
    }


def missing_names(module: str, names: str, instead: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module that mirrors one of Keras, which tells what Keras has and it has not.

    Args:
        module: The module's own name.
        names: Those of Keras that are missing, separated by spaces.
        instead: What to do in place of using some of them, and of using names that only older Kerases have.
    """
    missing, instead = frozenset(names.split()), instead or {}
    mirrored = module.replace("fastlstm", "keras", 1)

    def getattr_of_module(name: str) -> Any:
        if name in missing:
            raise refusal(
                f"'{module}' has no '{name}', which {mirrored} has: {instead.get(name, 'it is not supported')}."
            )
        if name in instead:
            raise refusal(f"'{module}' has no '{name}', which older Kerases have: {instead[name]}.")
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return getattr_of_module


def refusal(text: str) -> AttributeError | ImportError:
    """Return what the `__getattr__` of a module raises.

    An ImportError where `from module import name` asks for the name: of an AttributeError it would not show the text.
    """
    asking: FrameType | None = sys._getframe(1)
    while asking is not None and asking.f_code.co_name in ("__getattr__", "getattr_of_module"):
        asking = asking.f_back
    imports = asking is not None and asking.f_code.co_name == "_handle_fromlist"
    return (ImportError if imports else AttributeError)(text)


class Registry(Record):
    """The names of one module.

    Args:
        noun: What its objects are called in the errors, e.g. `initializer`.
        objects: Every accepted name, aliases included, with its class or function.
        obsolete_keys: Config keys that older Keras versions wrote and that mean nothing today.
    """

    noun: str
    objects: Mapping[str, Any]
    obsolete_keys: frozenset[str] = frozenset()

    def get(self, identifier: Any) -> Any:
        """Return the object that the identifier names.

        Args:
            identifier: None (returned as it is), a name, a serialized dict, a class (called without arguments) or a
                callable (returned as it is).

        Raises:
            ValueError: When it is none of these, or names nothing known.
            TypeError: When a dict's config does not fit its class.
        """
        if identifier is None:
            return None
        if isinstance(identifier, (str, dict)):
            return self.deserialize(identifier)
        if inspect.isclass(identifier):
            return identifier()
        if callable(identifier):
            return identifier
        raise self._unknown(identifier)

    def deserialize(self, config: str | dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Return the object of a name or of a dict of Keras 1, 2 or 3.

        Args:
            config: A name; `{"class_name": …, "config": {…}}`; or `{"class_name": "function", "config": name}`.
            custom_objects: Further classes and functions by name; they come before the built-in ones.

        Raises:
            ValueError: When it names nothing known.
            TypeError: When the config does not fit its class.
        """
        name, arguments = self._name_and_arguments(config)
        own = {**get_custom_objects(), **(custom_objects or {})}
        obj = get_registered_object(name, own)
        if obj is None and isinstance(config, dict) and isinstance(config.get("registered_name"), str):
            obj = get_registered_object(config["registered_name"], own)
        if obj is None and is_of_keras(config, name):
            obj = self.objects.get(name)
        if obj is None or (arguments and not inspect.isclass(obj)):
            raise self._unknown(config)
        if not inspect.isclass(obj):
            return obj
        if obj is self.objects.get(name):
            arguments = {key: value for key, value in arguments.items() if key not in self.obsolete_keys}
        try:
            return obj.from_config(arguments)
        except (AttributeError, KeyError, TypeError) as error:
            raise TypeError(
                f"{obj.__name__} could not be deserialized from config={shown(config)}: {error!r}"
            ) from error

    def serialize(self, obj: Any) -> str | dict[str, Any] | None:
        """Return what `get` turns back into the object: a name for a built-in function, else a dict.

        Args:
            obj: None, a function or an object with `get_config`.

        Raises:
            ValueError: For a lambda, a function with the name of a built-in one, and whatever else has no name.
        """
        if obj is None:
            return None
        if hasattr(obj, "get_config"):
            return serialize_object(obj)
        name = getattr(obj, "__name__", "<lambda>")
        if self.objects.get(name) is obj:
            return name
        # Under a built-in's name it would come back as the built-in.
        if not callable(obj) or name == "<lambda>" or name in self.objects:
            raise ValueError(f"This {self.noun} has no name of its own, so it cannot be serialized: {shown(obj)}")
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}

    def _name_and_arguments(self, config: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Split a config into the name to look up and the arguments of its class (none for a function)."""
        if isinstance(config, str):
            return config, {}
        name = config.get("class_name") if isinstance(config, dict) else None
        arguments = config.get("config", {}) if name else None
        if name == "function":
            name, arguments = arguments, {}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise self._unknown(config)
        return name, arguments

    def _unknown(self, identifier: Any) -> ValueError:
        return ValueError(f"Could not interpret {self.noun} identifier: {quoted(identifier)}")


def is_of_keras(config: str | dict[str, Any], name: str) -> bool:
    """Tell a built-in object's config from that of somebody's own class or function of the same name."""
    if isinstance(config, str):
        return True
    package = str(config.get("module") or "keras").partition(".")[0]
    return package in _KERAS_PACKAGES and config.get("registered_name") in (None, "function", name)
