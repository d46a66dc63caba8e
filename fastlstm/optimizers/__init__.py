"""Optimizers, as `keras.optimizers` defines them: they change float32 arrays in place by their gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from fastlstm.arguments import explained
from fastlstm.identifiers import Registry, missing_names
from fastlstm.older_modules import give_older_modules
from fastlstm.optimizers import schedules
from fastlstm.optimizers.adafactor import Adafactor
from fastlstm.optimizers.adagrad import Adadelta, Adagrad, RMSprop
from fastlstm.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from fastlstm.optimizers.ftrl import Ftrl
from fastlstm.optimizers.optimizer import Optimizer
from fastlstm.optimizers.sgd import SGD, Lion
from fastlstm.printable import quoted

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_CLASSES = (SGD, RMSprop, Adam, AdamW, Adamax, Nadam, Adagrad, Adadelta, Adafactor, Ftrl, Lion, Lamb)
_REGISTRY = Registry("optimizer", {cls.__name__.lower(): cls for cls in _CLASSES})

serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize


@explained
def deserialize(config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the optimizer of a dict.

    Args:
        config: `{"class_name": …, "config": {…}}`; the case of the name is all one.
        custom_objects: Further classes by name; they come before the built-in ones.

    Raises:
        ValueError: When it names nothing known, or an argument is not valid.
        TypeError: When the config does not fit its class.
    """
    name = config.get("class_name")
    if isinstance(name, str) and name.lower() in _REGISTRY.objects and name not in (custom_objects or {}):
        config = {**config, "class_name": name.lower()}
    return _REGISTRY.deserialize(config, custom_objects)


@explained
def get(identifier: Any) -> Any:
    """Return the optimizer that the identifier names.

    Args:
        identifier: None (returned as it is), a name in any case, a serialized dict or an optimizer (returned as it is).

    Raises:
        ValueError: When it is none of these, or names nothing known.
    """
    named = {"class_name": identifier, "config": {}} if isinstance(identifier, str) else identifier
    found = deserialize(named) if isinstance(named, dict) else named
    if found is None or isinstance(found, Optimizer):
        return found
    raise ValueError(f"Could not interpret optimizer identifier: {quoted(identifier)}")


# Keras 2.9 to 2.15 had two kinds of optimizers with the same updates, those of one kind in a module below.
_OLDER_MODULES = "experimental legacy"
give_older_modules(sys.modules[__name__], _OLDER_MODULES)
_missing = missing_names(__name__, "LossScaleOptimizer MultiOptimizer Muon OptimizerMap ScheduleFreeAdamW")


def __getattr__(name: str) -> Any:
    return sys.modules[__name__] if name in _OLDER_MODULES.split() else _missing(name)
