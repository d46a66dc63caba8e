"""The config of a layer of a user's own that does not say it: the arguments that it was made with."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from fastlstm.layers.base.structure import flatten

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer


def is_own(definition: Any) -> bool:
    """Return whether a class or function is a user's own, rather than of this package."""
    return (definition.__module__ or "").partition(".")[0] != "fastlstm"


def own_config(layer: Layer, base: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments from which the class makes an equal layer.

    Args:
        layer: A layer whose class has a constructor of its own, and no `get_config`.
        base: What all layers are made from; of this only what the constructor takes.

    Raises:
        NotImplementedError: With Keras' text, when an argument is no plain data.
    """
    args, kwargs = layer._given
    signature = inspect.signature(type(layer).__init__)
    bound = dict(signature.bind(layer, *args, **kwargs).arguments)
    config: dict[str, Any] = {}
    takes_all = False
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_all = True
            config |= bound.get(parameter.name, {})
        elif parameter.kind is parameter.VAR_POSITIONAL or parameter.name in bound:
            config[parameter.name] = bound.get(parameter.name)
    if any(not isinstance(leaf, (str, int, float, bool, type(None))) for leaf in flatten(config)):
        name = type(layer).__name__
        raise NotImplementedError(
            f"Object {name} was created by passing non-serializable argument values in `__init__()`, and therefore "
            "the object must override `get_config()` in order to be serializable. Please implement `get_config()`.\n\n"
            f"Example:\n\nclass {name}(keras.layers.Layer):\n    def __init__(self, arg1, arg2, **kwargs):\n"
            "        super().__init__(**kwargs)\n        self.arg1 = arg1\n        self.arg2 = arg2\n\n"
            "    def get_config(self):\n        config = super().get_config()\n"
            '        config.update({"arg1": self.arg1, "arg2": self.arg2})\n        return config'
        )
    taken = base if takes_all else {key: base[key] for key in base if key in signature.parameters}
    return {**taken, **config}
