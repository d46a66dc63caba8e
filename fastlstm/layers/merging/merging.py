"""Layers of several inputs: their base, and those that go element by element; see concatenate.py and dot_product.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.building import overrides
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValues, values_of_one_mask
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

Masks = Sequence[Any] | None


class Merge(Layer):
    """A layer of a list of inputs.

    Args:
        keras2_masks: Boolean, whether masks count as in Keras 1 and 2: they change no values, and a step of the output
            is valid where it is in all inputs that have a mask.
        **kwargs: As for `Layer`.

    Differs from Keras: `keras2_masks`, for models that Keras 1 and 2 wrote.
    """

    supports_masking = True

    def __init__(self, keras2_masks: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keras2_masks = keras2_masks

    def build(self, input_shape: Sequence[Shape]) -> None:
        self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """Return the shape of the output.

        Args:
            input_shape: The shapes of the inputs, with the batch; None where unknown.

        Raises:
            ValueError: When they do not fit together.
        """
        if not input_shape or not isinstance(input_shape[0], (tuple, list)):
            raise ValueError(
                "A merge layer should be called on a list of inputs. "
                f"Received: input_shape={quoted(input_shape)} (not a list of shapes)"
            )
        batches = {shape[0] for shape in input_shape} - {None}
        if len(batches) > 1:
            raise ValueError(
                "Cannot merge tensors with different batch sizes. "
                f"Received tensors with shapes {[tuple(shape) for shape in input_shape]}"
            )
        rest = functools.reduce(_broadcast_shape, (tuple(shape[1:]) for shape in input_shape))
        return (batches.pop() if batches else None, *rest)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> np.ndarray | None:
        """Return where any input is valid; None if one has no mask.

        Raises:
            ValueError: When the masks are not one for each input.
        """
        if previous_mask is None:
            return None
        check_masks(inputs, previous_mask)
        there = [mask for mask in previous_mask if mask is not None]
        if self.keras2_masks:
            return functools.reduce(np.logical_and, there) if there else None
        return functools.reduce(np.logical_or, there) if len(there) == len(inputs) else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **({"keras2_masks": True} if self.keras2_masks else {})}


class _Elementwise(Merge):
    """A merge by a function of two arrays; inputs with fewer axes get new ones after the batch.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]]
    # What the engine has for it.
    kind: ClassVar[str]

    @property
    def joins(self) -> bool:
        return not overrides(type(self), ("call", "__call__", "compute_mask"), over="kind")

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        values = values_of_one_mask(args[0], 2, 3) if len(args) == 1 and not kwargs else None
        # A masked value is 1 in a product, and none of those of which one is the greatest or least.
        differs = self.kind in ("multiply", "maximum", "minimum") and not self.keras2_masks
        if values is None or (differs and values[0].mask is not None):
            return None
        return [graph.add(ops.MergeOp(self.kind), *(x.number for x in values))]

    def call(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> np.ndarray:
        arrays = _of_one_rank(inputs)
        require_array(np.broadcast_shapes(*(x.shape for x in arrays)), f"{type(self).__name__} '{self.name}'")
        return functools.reduce(type(self).function, arrays[1:], arrays[0].copy())

    @property
    def has_gradient(self) -> bool:
        return not overrides(type(self), ("call", "__call__"), over="_slopes")

    def call_with_gradient(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> tuple[np.ndarray, Backward]:
        y = self.call(inputs, mask)
        arrays = _of_one_rank(inputs)
        masks = _masks_over_features(inputs, None if self.keras2_masks else mask)

        def backward(d: np.ndarray) -> Any:
            return [_summed(one, x.shape) for one, x in zip(self._slopes(d, arrays, masks), inputs, strict=True)], ()

        return y, backward

    def _slopes(
        self, d: np.ndarray, arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        """Return the gradients by the inputs, in the output's shape.

        Args:
            d: By the output.
            arrays, masks: What `_of_one_rank` and `_masks_over_features` return.
        """
        raise NotImplementedError


@register
class Add(_Elementwise):
    """The sum of the inputs.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = np.add
    kind = "add"

    def _slopes(
        self, d: np.ndarray, arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        return [d] * len(arrays)


@register
class Subtract(_Elementwise):
    """The first of two inputs minus the second.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = np.subtract
    kind = "subtract"

    def _slopes(
        self, d: np.ndarray, arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        return [d, -d]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shape = super().compute_output_shape(input_shape)
        if len(input_shape) != 2:
            raise ValueError(
                f"A `Subtract` layer should be called on exactly 2 inputs. Received: input_shape={list(input_shape)}"
            )
        return shape


@register
class Average(_Elementwise):
    """The mean of the inputs.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = np.add
    kind = "average"

    def call(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> np.ndarray:
        return super().call(inputs, mask) / np.float32(len(inputs))

    def _slopes(
        self, d: np.ndarray, arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        return [d / np.float32(len(arrays))] * len(arrays)


@register
class Multiply(_Elementwise):
    """The product of the inputs, each 1 where it is masked; 0 where all are.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = np.multiply
    kind = "multiply"

    def call(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> np.ndarray:
        masks = _masks_over_features(inputs, None if self.keras2_masks else mask)
        if all(valid is None for valid in masks):
            return super().call(inputs)
        pairs = zip(inputs, masks, strict=True)
        y = super().call([x if valid is None else np.where(valid, x, np.float32(1)) for x, valid in pairs])
        seen = [valid for valid in masks if valid is not None]
        return np.where(functools.reduce(np.logical_or, seen), y, np.float32(0)) if len(seen) == len(masks) else y

    def _slopes(
        self, d: np.ndarray, arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        pairs = list(zip(arrays, masks, strict=True))
        factors = [x if valid is None else np.where(valid, x, np.float32(1)) for x, valid in pairs]
        slopes = []
        for number, (_, valid) in enumerate(pairs):
            of_others = functools.reduce(np.multiply, factors[:number] + factors[number + 1 :], d)
            slopes.append(of_others if valid is None else np.where(valid, of_others, np.float32(0)))
        return slopes


class _Extreme(_Elementwise):
    """`Maximum` or `Minimum`: where one of two is masked, the other counts alone.

    Args:
        **kwargs: As for `Layer`.
    """

    def call(self, inputs: Sequence[np.ndarray], mask: Masks = None) -> np.ndarray:
        masks = _masks_over_features(inputs, None if self.keras2_masks else mask)
        first, *rest = _of_one_rank(inputs)
        y, y_valid = first.copy(), masks[0]
        for x, valid in zip(rest, masks[1:], strict=True):
            x = x if valid is None else np.where(valid, x, y)
            y = y if y_valid is None else np.where(y_valid, y, x)
            y_valid = None if valid is None or y_valid is None else y_valid | valid
            y = type(self).function(y, x)
        return y

    def _slopes(
        self, d: np.ndarray, arrays: Sequence[np.ndarray], masks: Sequence[np.ndarray | None]
    ) -> Sequence[np.ndarray]:
        # How much of each value of the output comes from the inputs so far; of two that are equal, from the first.
        y, y_valid = arrays[0], masks[0]
        shares = [np.ones(d.shape, np.float32)]
        for x, valid in zip(arrays[1:], masks[1:], strict=True):
            from_x = np.ones(d.shape, bool) if valid is None else valid
            from_y = np.ones(d.shape, bool) if y_valid is None else y_valid
            taken = np.where(from_x, x, y)
            before = np.where(from_y, y, taken)
            y = type(self).function(before, taken)
            y_valid = None if valid is None or y_valid is None else y_valid | valid
            new = from_x & ~((y == before) & from_y)
            shares = [np.where(new, np.float32(0), share) for share in shares] + [new.astype(np.float32)]
        return [d * share for share in shares]


@register
class Maximum(_Extreme):
    """The greatest of the inputs; where one of two is masked, the other counts alone.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = np.maximum
    kind = "maximum"


@register
class Minimum(_Extreme):
    """The least of the inputs; where one of two is masked, the other counts alone.

    Args:
        **kwargs: As for `Layer`.
    """

    function: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = np.minimum
    kind = "minimum"


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Add(**kwargs)(inputs)`."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Subtract(**kwargs)(inputs)`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Multiply(**kwargs)(inputs)`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Average(**kwargs)(inputs)`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Maximum(**kwargs)(inputs)`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Return `Minimum(**kwargs)(inputs)`."""
    return Minimum(**kwargs)(inputs)


def _broadcast_shape(a: Shape, b: Shape) -> Shape:
    """Return the shape of an elementwise result, without the batch, as Keras computes it."""
    if len(a) < len(b):
        a, b = b, a
    missing = len(a) - len(b)
    shape = list(a[:missing])
    for ours, theirs in zip(a[missing:], b, strict=True):
        if None in (ours, theirs):
            shape.append(None)
        elif 1 not in (ours, theirs) and ours != theirs:
            raise ValueError(f"Inputs have incompatible shapes. Received shapes {quoted(a)} and {b}")
        else:
            shape.append(theirs if ours == 1 else ours)
    return tuple(shape)


def _of_one_rank(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the inputs with new axes after the batch where they have fewer than others."""
    rank = max(x.ndim for x in inputs)
    return [x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:]) for x in inputs]


def _summed(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient by an input of this shape, summed over the axes along which it was repeated."""
    new = gradient.ndim - len(shape)
    repeated = [new + axis for axis, size in enumerate(shape) if size == 1 < gradient.shape[new + axis] and axis > 0]
    axes = (*range(1, 1 + new), *repeated)
    return gradient.sum(axis=axes, keepdims=True).reshape(shape) if axes else gradient


def _masks_over_features(inputs: Sequence[np.ndarray], masks: Masks) -> list[np.ndarray | None]:
    """Return the masks in the shapes of the inputs; None where an input has none, or gets new axes."""
    rank = max(x.ndim for x in inputs)
    return [
        None if mask is None or x.ndim < rank else np.broadcast_to(with_features(mask, x), x.shape)
        for x, mask in zip(inputs, masks or [None] * len(inputs), strict=True)
    ]


def with_features(mask: Any, x: np.ndarray) -> np.ndarray:
    """Return a mask of steps with an axis for the features, unless it has one."""
    mask = np.asarray(mask, bool)
    return mask[..., np.newaxis] if mask.ndim < x.ndim else mask


def check_masks(inputs: Any, masks: Any) -> None:
    if not isinstance(masks, (tuple, list)):
        raise ValueError(f"`mask` should be a list. Received: mask={masks}")
    if not isinstance(inputs, (tuple, list)):
        raise ValueError(f"`inputs` should be a list. Received: inputs={quoted(inputs)}")
    if len(masks) != len(inputs):
        raise ValueError(
            "The lists `inputs` and `mask` should have the same length. "
            f"Received: inputs={quoted(inputs)} of length {len(inputs)}, and mask={masks} of length {len(masks)}"
        )
