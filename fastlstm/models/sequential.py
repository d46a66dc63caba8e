"""`Sequential`: layers in a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastlstm.layers.arrays import too_many_inputs
from fastlstm.layers.input_layer import InputLayer
from fastlstm.layers.input_spec import Shape, standardize_shape
from fastlstm.layers.keras_tensor import KerasTensor
from fastlstm.layers.layer import Layer
from fastlstm.layers.serialization import deserialize, register, serialize
from fastlstm.models.model import Model


@register
class Sequential(Model, builds_once=False):
    """A model whose layers each take what the one before gives.

    Args:
        layers: Layers to add; the first one may be an `Input`.
        trainable: Boolean, whether training changes the weights.
        name: String; None makes one.

    Raises:
        ValueError: When the layers do not fit together.
    """

    def __init__(self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        self._layers: list[Layer] = []
        super().__init__(trainable=trainable, name=name)
        for layer in layers or ():
            self.add(layer, rebuild=False)
        self._rebuild()

    # Layers

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Add a layer at the end; where the input shape is known, its weights are made now.

        Args:
            layer: A layer, or an `Input` as the first one.
            rebuild: Boolean, whether to build now what can be built.

        Raises:
            ValueError: When it is no layer, its name is taken, or it does not fit; the model is then as it was.
        """
        if isinstance(layer, KerasTensor) and isinstance(layer.origin, InputLayer):
            layer = layer.origin
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `keras.Layer` can be added to a Sequential model. "
                f"Received: {layer} (of type {type(layer)})"
            )
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. "
                f"Name '{layer.name}' is already the name of a layer in this model. "
                "Update the `name` argument to pass a unique name."
            )
        before, was_built = list(self._layers), self.built
        if isinstance(layer, InputLayer):
            self._check_first(layer)
        elif not before and layer.input_batch_shape is not None:
            self._layers.append(InputLayer(batch_shape=layer.input_batch_shape))
        self._layers.append(layer)
        try:
            self._layers_changed(rebuild)
        except Exception:
            self._layers = before
            self._layers_changed(rebuild=was_built)
            raise

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it.

        Args:
            rebuild: Boolean, whether to build the rest now, if it can be.

        Raises:
            IndexError: When there is no layer.
        """
        if not self._layers:
            raise IndexError("list index out of range")
        layer = self._layers.pop()
        self._layers_changed(rebuild)
        return layer

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input's; a copy of the list."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and `pop()` to change the "
            "layers in this model."
        )

    def leaves(self) -> list[Layer]:
        return [leaf for layer in self.layers for leaf in (layer.leaves() if isinstance(layer, Model) else (layer,))]

    def named_children(self) -> tuple[tuple[str, tuple[Layer, ...]], ...]:
        return (("layers", tuple(self.layers)),)

    def _check_first(self, layer: InputLayer) -> None:
        if self.symbolic_input is not None:
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape "
                f"{self.symbolic_input.shape}. You cannot add a different Input layer to it."
            )
        if self._layers:
            raise ValueError(
                f"The Input layer '{layer.name}' should be the first layer of Sequential model '{self.name}', "
                f"which has {len(self._layers)} layers already."
            )

    def _layers_changed(self, rebuild: bool) -> None:
        self.built = False
        self._plan = self._output = None
        if rebuild:
            self._rebuild()

    def _rebuild(self) -> None:
        """Build if the input shape is known: from an input layer, or from a first layer that is a model."""
        if len(self._layers) < 2:
            return
        first = self._layers[0]
        if isinstance(first, InputLayer):
            self.build(first.batch_shape)
        elif isinstance(first, Sequential) and first.symbolic_input is not None:
            self.build(first.symbolic_input.shape)

    # Shapes

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Create the weights of all layers.

        Args:
            input_shape: Shape with the batch, None where unknown; without it nothing happens.

        Raises:
            ValueError: When there are no layers, they do not fit, or the model was built for another shape.
        """
        if input_shape is None:
            return
        shape = standardize_shape(input_shape)
        if not self.layers:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        tensor = self.symbolic_input
        if tensor is not None and tensor.shape != shape:
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape {tensor.shape}. "
                f"You cannot build it with input_shape {shape}"
            )
        if tensor is None:
            tensor = InputLayer(batch_shape=shape).output
        self._build_layers(tensor)
        if self.symbolic_input is None:
            self._layers.insert(0, tensor.origin)
        self._input = tensor
        self._build_shape = shape
        self.built = True

    def _build_layers(self, tensor: KerasTensor) -> None:
        """Build the layers one after the other, each for what the one before gives."""
        value: Any = tensor
        for layer in self.layers:
            if isinstance(value, list):
                raise too_many_inputs(layer.name, len(value), ", ".join(map(repr, value)))
            layer.check_input_shape(value.shape)
            if not (isinstance(layer, Model) and layer.built):
                self.build_child(layer, value.shape)
            layer._input = value
            shapes = layer.compute_output_shape(value.shape)
            if shapes and isinstance(shapes[0], tuple):
                value = [KerasTensor(shape, origin=layer) for shape in shapes]
            else:
                value = KerasTensor(shapes, origin=layer)
            layer._output = value
        self._output = value

    @property
    def symbolic_input(self) -> KerasTensor | None:
        first = self._layers[0] if self._layers else None
        return first.output if isinstance(first, InputLayer) else None

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs, once the input shape is known."""
        self._require_shapes("inputs")
        return [self.symbolic_input]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs, once the input shape is known."""
        self._require_shapes("outputs")
        return list(self._output) if isinstance(self._output, list) else [self._output]

    @property
    def input_shape(self) -> Shape:
        """Shape of the input with the batch, once it is known."""
        self._require_shapes("input shape")
        return self.symbolic_input.shape

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch, or a tuple of shapes, once the input shape is known."""
        self._require_shapes("output shape")
        shapes = tuple(tensor.shape for tensor in self.outputs)
        return shapes if isinstance(self._output, list) else shapes[0]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        shape: Any = tuple(input_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def _require_shapes(self, what: str) -> None:
        if not self.built:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")

    def check_input_shape(self, shape: Sequence[int | None]) -> None:
        for layer in self.leaves():
            layer.check_input_shape(shape)
            shape = layer.compute_output_shape(shape)

    # Configs

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "layers": [serialize(layer) for layer in self._layers]}
        if self.built:
            config["build_input_shape"] = self._build_shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Sequential:
        """Return a new model from `get_config()`, without the weights it once had.

        Args:
            config: Dict with `name` and `layers`.
            custom_objects: Only None or empty.

        Raises:
            ValueError: When the config cannot be honoured.
        """
        if not isinstance(config, dict) or "name" not in config or "layers" not in config:
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and 'layers' keys. "
                f"Received: config={config}"
            )
        model = cls(name=config["name"], trainable=config.get("trainable", True))
        for layer in config["layers"]:
            model.add(deserialize(layer, custom_objects), rebuild=False)
        model._rebuild()
        if not model.built and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        return model
