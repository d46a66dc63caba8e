"""`Wrapper`: the base of layers around one layer."""

from __future__ import annotations

from typing import Any

from fastlstm.arguments import explained
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, register, serialize


@register
class Wrapper(Layer):
    """A layer around another one; a subclass says in `call` what it does with it.

    Args:
        layer: The layer inside.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `layer` is no layer.
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Layer {layer} supplied to Wrapper isn't a supported layer type. Please ensure wrapped layer is a "
                "valid Keras layer."
            )
        super().__init__(**kwargs)
        self.layer = layer

    def named_children(self) -> tuple[tuple[str, Layer], ...]:
        return (("layer", self.layer),)

    def build(self, input_shape: Shape) -> None:
        self.build_child(self.layer, input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    @explained
    def from_config(cls, config: dict[str, Any]) -> Wrapper:
        inner = deserialize({**config["layer"], "build_config": None})
        return cls(inner, **{name: value for name, value in config.items() if name != "layer"})
