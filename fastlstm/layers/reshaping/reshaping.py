"""Layers that only move values: `Flatten`, `Reshape`, `Permute` and `RepeatVector`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.argument_validation import standardize_data_format
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.joining import GraphValues, one_value
from fastlstm.layers.base.layer import LATER_STEPS, Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.symbolic.keras_tensor import is_symbolic
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class Flatten(Layer):
    """All axes but the batch as one; `(batch,)` becomes `(batch, 1)`.

    Args:
        data_format: `channels_last`, or `channels_first`: axis 1 becomes the last one before. None: `channels_last`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `data_format` is not valid.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format: str = standardize_data_format(data_format)
        self.input_spec: InputSpec = InputSpec(min_ndim=1)

    @property
    def lowers(self) -> bool:
        return self.built and _axes_in(self) == 3 and self.data_format == "channels_last"

    def lower(self) -> list[ops.Op]:
        return [ops.ReshapeOp(3, (-1,))]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, 2, 3, 4, 5)
        if x is None or self.data_format != "channels_last":
            return None
        return [graph.add(ops.ReshapeOp(min(x.rank, 3), (-1,)), x.number)]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        x = np.moveaxis(inputs, 1, -1) if self.data_format == "channels_first" and inputs.ndim > 1 else inputs
        shape: tuple[Any, ...] = self.compute_output_shape(inputs.shape)
        return x.copy().reshape(shape)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        def backward(d: np.ndarray) -> Any:
            if self.data_format != "channels_first" or inputs.ndim < 2:
                return d.reshape(inputs.shape), ()
            return np.moveaxis(d.reshape(np.moveaxis(inputs, 1, -1).shape), -1, 1), ()

        return self.call(inputs), backward

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return "it takes the time steps together." if in_time else None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], None if None in input_shape[1:] else math.prod(cast("Sequence[int]", input_shape[1:])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


@register
class Reshape(Layer):
    """Another shape for each row, in the order of the values.

    Args:
        target_shape: Shape without the batch; one size may be -1, which takes what is left.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When the shape is not valid, or not one for the inputs' size.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape: tuple[int, ...] = tuple(target_shape)
        if any(size < -1 for size in self.target_shape):
            raise ValueError(
                "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single unknown "
                f"dimension. Received: target_shape={self.target_shape}."
            )
        if self.target_shape.count(-1) > 1:
            raise ValueError(
                "There must be at most one unknown dimension (-1) in `target_shape`. "
                f"Received: target_shape={self.target_shape}."
            )

    @property
    def lowers(self) -> bool:
        sizes = len(self.target_shape) in (1, 2) and 0 not in self.target_shape
        return self.built and sizes and _axes_in(self) in (2, 3)

    def lower(self) -> list[ops.Op]:
        return [ops.ReshapeOp(_axes_in(self), self.target_shape)]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, 2, 3, 4, 5)
        if x is None or not self.target_shape or 0 in self.target_shape:
            return None
        first, *rest = self.compute_output_shape(x.shape)[1:]
        if None in rest:
            return None
        shape = (-1,) if not rest else (-1 if first is None else first, math.prod(cast("Sequence[int]", rest)))
        return [graph.add(ops.ReshapeOp(min(x.rank, 3), shape), x.number)]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        shape: tuple[Any, ...] = self.compute_output_shape(inputs.shape)
        return inputs.reshape(shape).copy()

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        return self.call(inputs), lambda d: (d.reshape(inputs.shape), ())

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return "it takes the time steps together." if in_time else None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch, *sizes = input_shape
        target = self.target_shape
        if None in sizes:
            return (batch, *(None if size == -1 else size for size in target))
        total, known = math.prod(cast("Sequence[int]", sizes)), math.prod(size for size in target if size != -1)
        received = f"Received: input_shape={tuple(sizes)}, target_shape={target}"
        if -1 not in target:
            if total != known:
                raise ValueError(f"The total size of the tensor must be unchanged. {received}")
            return (batch, *target)
        if known == 0 or total % known:
            raise ValueError(
                "The total size of the tensor must be unchanged, however, the input size cannot by divided by the "
                f"specified dimensions in target_shape. {received}"
            )
        return (batch, *(total // known if size == -1 else size for size in target))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


@register
class Permute(Layer):
    """Another order of the axes after the batch.

    Args:
        dims: The axes in their new order, from 1.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When `dims` is not a permutation of 1 to its length.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims: tuple[int, ...] = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` must be "
                f"consecutive and start from 1. Received dims={quoted(dims)}"
            )
        self.input_spec: InputSpec = InputSpec(ndim=len(self.dims) + 1)

    @property
    def lowers(self) -> bool:
        return self.dims == (2, 1)

    def lower(self) -> list[ops.Op]:
        return [ops.PermuteOp()]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return LATER_STEPS

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.transpose(0, *self.dims).copy()

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        return self.call(inputs), lambda d: (d.transpose(np.argsort((0, *self.dims))), ())

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


@register
class RepeatVector(Layer):
    """`(batch, features)` to `(batch, n, features)`.

    Args:
        n: Positive integer.
        **kwargs: As for `Layer`.

    Raises:
        TypeError: When `n` is not an integer.
        ValueError: When it is not positive.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n: int = checked_count("n", n)
        self.input_spec: InputSpec = InputSpec(ndim=2)

    def lower(self) -> list[ops.Op]:
        return [ops.StepsOp(size=self.n, from_row=True)]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return LATER_STEPS

    def call(self, inputs: np.ndarray) -> np.ndarray:
        require_array((len(inputs), self.n, inputs.shape[1]), f"RepeatVector '{self.name}'")
        return np.repeat(inputs[:, np.newaxis], self.n, axis=1)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        return self.call(inputs), lambda d: (d.sum(axis=1), ())

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], self.n, input_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}


def _axes_in(layer: Layer) -> int:
    """How many axes the inputs have, in all calls of the layer; 0 if that differs."""
    inputs = (node.args[0] for node in layer.nodes if node.args)
    found = {len(tensor.shape) for tensor in inputs if is_symbolic(tensor, (), {})} | {len(layer._build_shape)}
    return found.pop() if len(found) == 1 else 0


def checked_count(name: str, count: Any) -> int:
    """Return a positive integer.

    Args:
        name: The argument's name, for the errors.
        count: What was given for it.

    Raises:
        TypeError: When it is not an integer.
        ValueError: When it is not positive.
    """
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"Expected an integer value for `{name}`, got {type(count)}.")
    if count <= 0:
        raise ValueError(f"Argument `{name}` should be a positive integer. Received: {name}={quoted(count)}")
    return count
