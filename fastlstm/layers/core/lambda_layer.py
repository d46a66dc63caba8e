"""`Lambda`: a function of the caller's as a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import LayerConfigError, register
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.symbolic.calling import parameters_of
from fastlstm.object_registration import get_registered_name, get_registered_object
from fastlstm.printable import quoted


@register
class Lambda(Layer):
    """`function(inputs, **arguments)`.

    Args:
        function: Takes a float32 array (or a structure of them) and returns one; it is given `mask` and `training` if
            it takes them.
        output_shape: Shape of the output without the batch, or a function of the input's shape; None finds it out by
            calling `function` on zeros.
        mask: Mask of the output, or a function `mask(inputs, mask)`; None: none.
        arguments: Dict of further arguments of `function`.
        **kwargs: As for `Layer`.

    Differs from Keras: the code of a function is neither written to files nor read from them. A loaded `Lambda` runs
    the function that the caller gives: `load_model(path, custom_objects={"name": function})` with the name of the layer
    or of the function.
    """

    traces = True

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"Argument `function` should be callable. Received: function={quoted(function)}")
        self.function = function
        self.arguments: dict[str, Any] = dict(arguments or {})
        self._output_shape = output_shape
        self.mask = mask
        self.supports_masking: bool = mask is not None

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        given = {"mask": mask, "training": training}
        taken = {name: value for name, value in given.items() if name in parameters_of(self.function)}
        return self.function(inputs, **{**self.arguments, **taken})

    @property
    def says_output_shape(self) -> bool:
        return self._output_shape is not None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        return (flatten(input_shape)[0], *self._output_shape)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        name = getattr(self.function, "__name__", "<lambda>")
        if name == "<lambda>" or callable(self.mask) or callable(self._output_shape):
            raise ValueError(
                f"Lambda '{self.name}' holds a function without a name, whose code is not written to files: give it a "
                "function made with `def` (and no function as `mask` or `output_shape`), or write a subclass of Layer."
            )
        function = {
            "class_name": "function",
            "config": name,
            "registered_name": get_registered_name(self.function),
            "module": "builtins",
        }
        mask = None if self.mask is None else np.asarray(self.mask).tolist()
        shape = {"output_shape": self._output_shape, "mask": mask, "arguments": self.arguments}
        return {**super().get_config(), "function": function, **shape}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Lambda:
        config = dict(config)
        names = [config.get("name"), *_names_of(config.pop("function", None))]
        found = [get_registered_object(name) for name in names if isinstance(name, str)]
        function = next((one for one in found if one is not None), None)
        if function is None:
            raise LayerConfigError(
                f"Layer '{names[0]}' (class Lambda) holds Python code, which is never run from a file. Give the "
                f'function, of NumPy arrays: load_model(path, custom_objects={{"{names[0]}": function}})'
            )
        shape, mask = config.pop("output_shape", None), config.pop("mask", None)
        kept = {name: config[name] for name in ("name", "trainable", "dtype", "arguments") if name in config}
        plain = isinstance(shape, (list, tuple)) and all(size is None or isinstance(size, int) for size in shape)
        # What the file says of the shape or the mask by code is found out by calling the function.
        return cls(function, shape if plain else None, None if isinstance(mask, (str, dict)) else mask, **kept)


def _names_of(function: Any) -> list[Any]:
    """The names under which a config of any Keras refers to a function."""
    if isinstance(function, dict) and function.get("class_name") == "function":
        return [function.get("registered_name"), function.get("config")]
    return [function]
