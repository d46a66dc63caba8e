"""Merges of several values, with what masks change about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm import layers
from fastlstm.onnx.writing.builder import BOOL, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, writes
from fastlstm.onnx.writing.normalizing import unit_length


def _of_one_rank(b: Builder, inputs: Sequence[Value]) -> list[Value]:
    """The values with axes of size 1 after the batch where others have more axes."""
    rank = max(value.ndim for value in inputs)
    return [b.expand_dims(x, *range(1, 1 + rank - x.ndim)) if x.ndim < rank else x for x in inputs]


@writes(layers.Add)
def write_add(call: Call) -> Outputs:
    """Write sums."""
    return call.b.add(*_of_one_rank(call.b, call.inputs))


@writes(layers.Subtract)
def write_subtract(call: Call) -> Outputs:
    """Write a difference."""
    return call.b.sub(*_of_one_rank(call.b, call.inputs))


@writes(layers.Average)
def write_average(call: Call) -> Outputs:
    """Write a mean."""
    b = call.b
    return b.div(b.add(*_of_one_rank(b, call.inputs)), b.number(len(call.inputs)))


def _masks_over_features(call: Call) -> list[Value | None]:
    """The masks of the inputs, broadcast over features; none for inputs of fewer axes."""
    masks = call.kwargs.get("mask")
    if masks is None or call.layer.keras2_masks:
        return [None] * len(call.inputs)
    rank = max(x.ndim for x in call.inputs)
    return [
        None if mask is None or x.ndim < rank else with_features(call.b, mask, x)
        for x, mask in zip(call.inputs, masks, strict=True)
    ]


def with_features(b: Builder, mask: Value, x: Value) -> Value:
    """Return a mask with a last axis where its value has one more."""
    return b.expand_dims(mask, -1) if mask.ndim < x.ndim else mask


@writes(layers.Multiply)
def write_multiply(call: Call) -> Outputs:
    """Write products, in which what is masked counts as 1."""
    b, masks = call.b, _masks_over_features(call)
    if all(valid is None for valid in masks):
        return b.mul(*_of_one_rank(b, call.inputs))
    pairs = zip(call.inputs, masks, strict=True)
    y = b.mul(*_of_one_rank(b, [x if valid is None else b.where(valid, x, b.number(1)) for x, valid in pairs]))
    there = [valid for valid in masks if valid is not None]
    return y if len(there) < len(masks) else b.where(b.both("Or", there), y, b.number(0))


@writes(layers.Maximum, layers.Minimum)
def write_extreme(call: Call) -> Outputs:
    """Write the greatest or smallest values, of those that are not masked."""
    b, masks = call.b, _masks_over_features(call)
    op = "Max" if isinstance(call.layer, layers.Maximum) else "Min"
    first, *rest = _of_one_rank(b, call.inputs)
    y, y_valid = first, masks[0]
    for x, valid in zip(rest, masks[1:], strict=True):
        x = x if valid is None else b.where(valid, x, y)
        y = y if y_valid is None else b.where(y_valid, y, x)
        y_valid = None if valid is None or y_valid is None else b.both("Or", [y_valid, valid])
        y = b.elementwise(op, y, x)
    return y


@writes(layers.Concatenate)
def write_concatenate(call: Call) -> Outputs:
    """Write a concatenation."""
    return call.b.concat(call.inputs, call.layer.axis)


def merged_mask(b: Builder, layer: Any, inputs: Sequence[Value], masks: Sequence[Value | None]) -> Value | None:
    """Return the mask of a merge, from those of its inputs."""
    there = [mask for mask in masks if mask is not None]
    if not there:
        return None
    if isinstance(layer, layers.Concatenate):
        over_features = [
            b.expand(b.constant(True) if mask is None else with_features(b, mask, x), b.sizes(x), x.shape)
            for x, mask in zip(inputs, masks, strict=True)
        ]
        joined = b.cast(b.concat(over_features, layer.axis), "int32")
        return b.cast(b.reduce("Min" if layer.keras2_masks else "Max", joined, [-1]), BOOL)
    if layer.keras2_masks:
        return b.both("And", there)
    return b.both("Or", there) if len(there) == len(inputs) else None


@writes(layers.Dot)
def write_dot(call: Call) -> Outputs:
    """Write the product over one axis of each value."""
    b, layer, inputs = call.b, call.layer, list(call.inputs)
    first, second = layer._axes([x.shape for x in inputs])
    shape = layer.compute_output_shape([x.shape for x in inputs])
    if layer.normalize:
        inputs = [unit_length(b, x, [axis], 1e-7) for x, axis in zip(inputs, (first, second), strict=True)]
    rows, columns = b.moved(inputs[0], first, -1), b.moved(inputs[1], second, 1)
    sizes = [b.size(rows, 0)]
    sizes += [b.sizes(rows, 1, rows.ndim - 1)] if rows.ndim > 2 else []
    sizes += [b.sizes(columns, 2)] if columns.ndim > 2 else []
    if len(sizes) == 1:
        sizes.append(b.ints(1))
    rows = _as_matrices(b, rows, rows.ndim - 1)
    columns = _as_matrices(b, columns, 2)
    return b.reshaped(b.matmul(rows, columns), b.concat(sizes, 0), shape)


def _as_matrices(b: Builder, x: Value, last: int) -> Value:
    """`x` with three axes: the batch, those before `last`, those from there on."""
    if x.ndim == 3:
        return x
    if x.ndim == 2:
        return b.expand_dims(x, last)
    if last == 2:
        return b.reshape(x, (0, 0, -1), (*x.shape[:2], None))
    vector = b.concat([b.size(x, 0), b.ints(-1), b.size(x, -1)], 0)
    return b.reshaped(x, vector, (x.shape[0], None, x.shape[-1]))
