"""`Sequential`: layers in a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, cast

import numpy as np

from fastlstm.engine import ArrayForm
from fastlstm.layers.base.arrays import too_many_inputs
from fastlstm.layers.base.input_spec import Shape, standardize_shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, register, serialize
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.base.variable import CHANGES
from fastlstm.layers.core.input_layer import InputLayer
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.layers.symbolic.node import Node
from fastlstm.layers.symbolic.shape_inference import inferred_output_shape
from fastlstm.models import inputs as data
from fastlstm.models.calls import Calls, Slot
from fastlstm.models.model import Model
from fastlstm.printable import quoted


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

    takes_structures = False

    def __init__(self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        self._layers: list[Layer] = []
        self._calls: list[Node] = []
        self._output: Any = None
        super().__init__(trainable=trainable, name=name)
        self._extend(layers or ())
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
        self._add(layer, rebuild, {other.name for other in self._layers})

    def _extend(self, layers: Iterable[Any]) -> None:
        """Add layers at the end without building any."""
        names: set[str] = set()
        for layer in layers:
            self._add(layer, False, names)
            names.update(added.name for added in self._layers[-2:])

    def _add(self, layer: Any, rebuild: bool, names: Set[str]) -> None:
        """Add a layer that has none of these names, those of the layers before it."""
        if isinstance(layer, KerasTensor) and isinstance(layer.origin, InputLayer):
            layer = layer.origin
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `keras.Layer` can be added to a Sequential model. "
                f"Received: {quoted(layer)} (of type {type(layer)})"
            )
        if layer.name in names:
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
        self._output = None
        self._forget_calls()
        CHANGES.count(self)
        if rebuild:
            self._rebuild()

    def _rebuild(self) -> None:
        """Build if the input shape is known: from an input layer, or from a first layer that is a model."""
        if len(self._layers) < 2:
            return
        first = self._layers[0]
        if isinstance(first, InputLayer):
            self.build(first.batch_shape)
        elif isinstance(first, Model) and first.built and len(first.inputs) == 1:
            self.build(first.inputs[0].shape)

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
            first = self.layers[0]
            tensor = InputLayer(batch_shape=shape, dtype=first.raw_dtype if first.takes_raw else None).output
        self._call_layers(tensor)
        if self.symbolic_input is None:
            self._layers.insert(0, tensor.origin)
        self._build_shape = shape
        self.built: bool = True

    def _call_layers(self, tensor: KerasTensor) -> None:
        """Call the layers one after the other, each on what the one before gives, which builds them."""
        self._forget_calls()
        value: Any = tensor
        for layer in self.layers:
            if not isinstance(value, KerasTensor):
                tensors = flatten(value)
                raise too_many_inputs(layer.name, len(tensors), ", ".join(map(repr, tensors)))
            if not layer.built:
                layer._scope = self.path
            value = layer(value)
            self._calls.append(layer.nodes[-1])
            if any(one is not other for one, other in zip(flatten(value), layer.nodes[-1].outputs, strict=True)):
                raise ValueError(
                    f"Layer '{layer.name}' (of type {type(layer).__name__}) does something in a `__call__` of its own, "
                    "which a Sequential model does not run: override `call`."
                )
        self._output = value

    def _forget_calls(self) -> None:
        for node in self._calls:
            node.layer.nodes.remove(node)
        self._calls.clear()

    def expand(self, calls: Calls, inputs: Sequence[Slot]) -> Sequence[Slot]:
        slots = inputs
        *before, last = self.layers
        for layer in before:
            slots = calls.add(layer, (slots[0],), {}, 1)
        return calls.add(last, (slots[0],), {}, len(self.outputs))

    def prepared(self, inputs: Any, rows: int | None = None) -> np.ndarray:
        tensor = self.symbolic_input
        x = data.model_input(inputs, tensor, self.name, self.takes_raw)
        if x.ndim == 0:
            raise ValueError("The inputs need a batch axis. Received a single number.")
        if not self.built:
            concrete = (len(x) if rows is None else min(len(x), rows), *x.shape[1:])
            self.build(concrete if tensor is None else tensor.shape)
            tensor = self.symbolic_input
        shape = tensor.shape  # type: ignore[union-attr]  # it is built
        if x.ndim == len(shape) and x.shape[-1] == shape[-1]:
            return x
        x = data.fit_rank(x, tensor)  # type: ignore[arg-type]
        self.check_input_shape(x.shape)
        return np.ascontiguousarray(x)

    def prepared_for_epochs(self, inputs: Any, rows: int | None = None) -> np.ndarray:
        tensor = self.symbolic_input
        if not self.built and tensor is None:
            x = data.model_input(inputs, tensor, self.name, self.takes_raw)
            self.build((None, *x.shape[1:]))
        return self.prepared(inputs, rows)

    @property
    def takes_raw(self) -> bool:  # type: ignore[override]
        """Whether the first layer takes the input as it is."""
        first = next((layer for layer in self._layers if not isinstance(layer, InputLayer)), None)
        return first is not None and first.takes_raw

    def _input_forms(self) -> Sequence[ArrayForm]:
        if self.takes_raw:
            return ()
        *others, width = cast(KerasTensor, self.symbolic_input).shape
        sizes = [None] * len(others)
        return () if width is None else (ArrayForm((*sizes, width)),)

    @property
    def symbolic_input(self) -> KerasTensor | None:
        first = self._layers[0] if self._layers else None
        return first.output if isinstance(first, InputLayer) else None

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs, once the input shape is known."""
        self._require_shapes("inputs")
        return [cast(KerasTensor, self.symbolic_input)]

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs, once the input shape is known."""
        self._require_shapes("outputs")
        return flatten(self._output)

    @property
    def input(self) -> KerasTensor:
        """The symbolic input, once the input shape is known."""
        return self.inputs[0]

    @property
    def output(self) -> Any:
        """The symbolic output, or a list of them, once the input shape is known."""
        outputs = self.outputs
        return outputs[0] if isinstance(self._output, KerasTensor) else outputs

    @property
    def input_shape(self) -> Shape:
        """Shape of the input with the batch, once it is known."""
        self._require_shapes("input shape")
        return cast(KerasTensor, self.symbolic_input).shape

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch, or a tuple of shapes, once the input shape is known."""
        self._require_shapes("output shape")
        shapes = tuple(tensor.shape for tensor in self.outputs)
        return shapes[0] if isinstance(self._output, KerasTensor) else shapes

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        shape: Any = tuple(input_shape)
        for layer in self.layers:
            shape = _shape_after(layer, shape)
        return shape

    def _require_shapes(self, what: str) -> None:
        if not self.built:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")

    def check_input_shape(self, shape: Sequence[int | None]) -> None:
        for layer in self.layers:
            layer.check_input_shape(shape)
            shape = _shape_after(layer, shape)

    # Configs

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "layers": [serialize(layer) for layer in self._layers]}
        if self.built:
            config["build_input_shape"] = self._build_shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Sequential:
        """Return a new model from `get_config()`, without the weights it once had.

        Args:
            config: Dict with `name` and `layers`.
            custom_objects: As for `load_model`.

        Raises:
            ValueError: When the config cannot be honoured.
        """
        if not isinstance(config, dict) or "name" not in config or "layers" not in config:
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and 'layers' keys. "
                f"Received: config={quoted(config)}"
            )
        model = cls(name=config["name"], trainable=config.get("trainable", True))
        model._extend(deserialize(layer, custom_objects) for layer in config["layers"])
        model._rebuild()
        if not model.built and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        return model

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_calls": [], "_output": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.built:
            self._call_layers(cast(KerasTensor, self.symbolic_input))


def _shape_after(layer: Layer, shape: Any) -> Any:
    """The shape of what a layer gives; found out by a trial where it does not say."""
    if layer.says_output_shape:
        return layer.compute_output_shape(shape)
    return inferred_output_shape(layer, KerasTensor(shape, name=""))
