"""`TimeDistributed`: one layer for every time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.arrays import as_float32, carried_mask
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValue, GraphValues, fold_of, one_value
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.wrapper import Wrapper
from fastlstm.layers.symbolic.calling import call_parameters
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class TimeDistributed(Wrapper):
    """A layer applied to every time step of `(batch, timesteps, ...)` by itself.

    Args:
        layer: The layer, which gets inputs `(batch, ...)`.
        keras2_masks: Boolean, whether the outputs carry the mask that the layer inside makes of its inputs; where it
            makes none, a step counts if anything in it does. As in Keras 1 and 2.
        ignores_masks: Boolean, whether the layer inside gets no mask, and the outputs carry that of the inputs, as
            before Keras 2.2.3.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `layer` is no layer.

    Differs from Keras 3, in which the outputs carry the mask of the inputs: `keras2_masks` and `ignores_masks`, for
    models of older versions.
    """

    supports_masking = True

    def __init__(self, layer: Layer, keras2_masks: bool = False, ignores_masks: bool = False, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. "
                f"Received: {quoted(layer)}"
            )
        super().__init__(layer, **kwargs)
        self.keras2_masks: bool = keras2_masks
        self.ignores_masks: bool = ignores_masks

    def check_input_shape(self, shape: Sequence[int | None]) -> None:
        self.layer.check_input_shape(_step_shape(shape))

    def build(self, input_shape: Shape) -> None:
        self.build_child(self.layer, _step_shape(input_shape))

    def call(self, inputs: np.ndarray, training: bool | None = None, mask: Any = None) -> np.ndarray:
        """Return the outputs `(batch, timesteps, ...)`.

        Args:
            inputs: `(batch, timesteps, ...)`.
            training: Boolean, for the layer inside.
            mask: `(batch, timesteps, ...)`, for the layer inside if it takes one; or None.

        Raises:
            ValueError: When a shape does not fit.
        """
        if mask is not None:
            mask = self._inner_mask(np.asarray(mask), inputs.shape)
        if not training and self.lowers:
            return self.chain.run(inputs)
        if self.layer.stateful:
            # Its states go from step to step, so the steps cannot be rows of one batch.
            steps = range(inputs.shape[1])
            outputs = [self._inner(inputs[:, t].copy(), None if mask is None else mask[:, t], training) for t in steps]
            return np.stack(outputs, axis=1)
        batch, timesteps = inputs.shape[:2]
        rows = batch * timesteps
        row_mask = None if mask is None else mask.reshape(rows, *mask.shape[2:])
        output = self._inner(inputs.reshape(rows, *inputs.shape[2:]), row_mask, training)
        return output.reshape(batch, timesteps, *output.shape[1:])

    @property
    def native_in_training(self) -> bool:
        return self.native and self.layer.native_in_training

    def call_with_gradient(
        self, inputs: np.ndarray, training: bool | None = None, mask: Any = None
    ) -> tuple[np.ndarray, Backward]:
        if mask is not None:
            mask = self._inner_mask(np.asarray(mask), inputs.shape)
        if self.native_in_training:
            return self.training_chain.run(inputs)
        if self.layer.stateful:
            raise NotImplementedError(f"Training cannot go through '{self.name}': its layer inside is stateful.")
        batch, timesteps = inputs.shape[:2]
        rows = inputs.reshape(batch * timesteps, *inputs.shape[2:])
        given = {"mask": None if mask is None else mask.reshape(len(rows), *mask.shape[2:]), "training": training}
        parameters = call_parameters(type(self.layer))
        arguments = {name: value for name, value in given.items() if name in parameters and value is not None}
        output, of_layer = self.layer.call_with_gradient(rows, **arguments)

        def backward(d: np.ndarray) -> Any:
            d_rows, d_weights, *_ = of_layer(d.reshape(output.shape))
            return None if d_rows is None else d_rows.reshape(inputs.shape), d_weights

        return output.reshape(batch, timesteps, *output.shape[1:]), backward

    def check_gradient(self) -> None:
        super().check_gradient()
        self.layer.check_gradient()

    def _inner_mask(self, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
        """The mask for the layer inside, None if it gets none."""
        _check_mask_shape(mask.shape, shape)
        return None if self.ignores_masks else mask

    def _inner(self, inputs: np.ndarray, mask: np.ndarray | None, training: bool | None) -> np.ndarray:
        parameters = call_parameters(type(self.layer))
        given = {"mask": mask, "training": training}
        arguments = {name: value for name, value in given.items() if name in parameters and value is not None}
        output = self.layer.call(inputs, **arguments)
        if isinstance(output, (tuple, list)):
            raise ValueError(f"The layer inside '{self.name}' should have one output. Received: {self.layer}")
        return as_float32(output)

    @property
    def lowers(self) -> bool:
        return self.layer.native and all(isinstance(op, ops.RowOp) for op in self.layer.lower())

    def lower(self) -> list[ops.Op]:
        return self.layer.lower()

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        """Every step becomes a row of the layer inside, whose ops then work on all of them."""
        x = one_value(args, kwargs, 3, 4, 5)
        if x is None or not self.layer.joins or self.layer.stateful or (x.mask is not None and not self.lowers):
            return None
        width, before = fold_of(x.shape) if x.rank > 3 else x.shape[2], graph.recurrent
        if width is None:
            return None
        inside = x.number if x.rank == 3 else graph.add(ops.FoldOp(width), x.number)
        if x.rank == 3:
            return [graph.add_row(self.lower(), inside)] if self.lowers else None
        found = self.layer.lower_call(graph, (GraphValue(inside, _step_shape(x.shape)),), {})
        if found is None or len(found) != 1 or graph.recurrent > before:
            return None
        return [graph.add(ops.UnfoldOp(), cast(int, found[0]))]

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if not self.keras2_masks or self.ignores_masks:
            return previous_mask
        mask = None if previous_mask is None else np.asarray(previous_mask)
        rows = int(np.prod(inputs.shape[:2]))
        row_mask = None if mask is None else mask.reshape(rows, *mask.shape[2:])
        found = self._mask_inside(np.reshape(inputs, (rows, *inputs.shape[2:])), row_mask)
        if found is not None:
            return np.reshape(found, (*inputs.shape[:2], *np.shape(found)[1:]))
        return mask if mask is None or mask.ndim == 2 else mask.any(axis=tuple(range(2, mask.ndim)))

    def _mask_inside(self, inputs: np.ndarray, mask: np.ndarray | None) -> Any:
        """The mask of what the layer inside gives for rows of inputs."""
        if self.layer.expands:  # a model
            return carried_mask(self.layer(inputs, mask=mask))
        return self.layer.compute_mask(inputs, mask) if self.layer.supports_masking else None

    @property
    def makes_masks(self) -> bool:  # type: ignore[override]
        return self.keras2_masks and not self.ignores_masks and self.layer.makes_masks

    @property
    def passes_masks(self) -> bool:
        if not self.keras2_masks or self.ignores_masks:
            return True
        return self.lowers or (self.layer.passes_masks and not self.layer.expands)

    @property
    def keras2_masks_matter(self) -> bool:  # type: ignore[override]
        """Whether the layer inside has anything to do with masks."""
        if self.ignores_masks:
            return "mask" in call_parameters(type(self.layer))
        return not self.passes_masks

    def get_config(self) -> dict[str, Any]:
        kept = {"keras2_masks": self.keras2_masks, "ignores_masks": self.ignores_masks}
        return {**super().get_config(), **{name: value for name, value in kept.items() if value}}

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return "the layer inside it is stateful." if in_time and self.layer.stateful else None

    @property
    def says_output_shape(self) -> bool:
        return self.layer.says_output_shape

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch, *output = self.layer.compute_output_shape(_step_shape(input_shape))
        return (batch, input_shape[1], *output)


def _step_shape(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """The shape that the layer inside gets."""
    if not isinstance(shape, (tuple, list)) or len(shape) < 3:
        raise ValueError(
            f"`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, received: {shape}"
        )
    return (shape[0], *shape[2:])


def _check_mask_shape(mask_shape: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if len(mask_shape) < 2:
        raise ValueError(
            "The `mask` passed to the `TimeDistributed` layer must be at least 2D (e.g., `(batch_size, timesteps)`), "
            f"but it has {len(mask_shape)} dimension(s) with shape {mask_shape}."
        )
    if mask_shape[:2] != shape[:2]:
        raise ValueError(
            f"The `mask` passed to the `TimeDistributed` layer has a shape {mask_shape} that is incompatible with the "
            f"input shape {shape}. The first two dimensions of the mask (batch size and timesteps) must match the "
            f"input's first two dimensions. Expected mask shape prefix: ({shape[0]}, {shape[1]})."
        )
