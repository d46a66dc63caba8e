"""Attention, of products and exponentials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers
from fastlstm.layers.attention.heads import HeadedAttention
from fastlstm.layers.attention.multi_head_attention import _equations
from fastlstm.onnx.writing.activations import over_axes
from fastlstm.onnx.writing.builder import BOOL, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, writes
from fastlstm.onnx.writing.products import einsum


def _causal(b: Builder, queries: Value, steps: Value) -> Value:
    """Where the first axis of one is not before that of another, `(1, queries, steps)`."""
    first, second = (b.arange(b.size(x, 1), x.shape[1]) for x in (queries, steps))
    return b.compare("GreaterOrEqual", b.expand_dims(first, 0, 2), b.expand_dims(second, 0, 1))


@writes(layers.Attention, layers.AdditiveAttention)
def write_attention(call: Call) -> Outputs:
    """Write the means of the values, weighted by the softmax of the scores."""
    b, layer = call.b, call.layer
    query, value = call.inputs[:2]
    key = call.inputs[2] if len(call.inputs) > 2 else value
    masks = call.kwargs.get("mask") or (None, None)
    scores = _scores(b, layer, query, key)
    valid = [] if masks[1] is None else [b.expand_dims(b.cast(masks[1], BOOL), 1)]
    if call.kwargs.get("use_causal_mask"):
        valid.append(_causal(b, query, key))
    if valid:
        scores = b.where(b.both("And", valid), scores, b.sub(scores, b.number(1e9)))
    weights = b.op("Softmax", scores, axis=-1)
    outputs = b.matmul(weights, value)
    if masks[0] is not None:
        outputs = b.where(b.expand_dims(b.cast(masks[0], BOOL), -1), outputs, b.number(0))
    return [outputs, weights] if call.kwargs.get("return_attention_scores") else outputs


def _scores(b: Builder, layer: Any, query: Value, key: Value) -> Value:
    additive = isinstance(layer, layers.AdditiveAttention)
    scale = None if layer.scale is None else b.weight(layer.scale)
    if not additive and layer.score_mode == "dot":
        products = b.matmul(query, b.transpose(key, (0, 2, 1)))
        return products if scale is None else b.mul(products, scale)
    sums = b.add(b.expand_dims(query, 2), b.expand_dims(key, 1))
    if additive:
        activated = b.op("Tanh", sums)
        return b.reduce("Sum", activated if scale is None else b.mul(activated, scale), [-1])
    activated = b.op("Tanh", sums if scale is None else b.mul(sums, scale))
    return b.mul(b.weight(layer.concat_score_weight), b.reduce("Sum", activated, [-1]))


@writes(HeadedAttention)
def write_headed_attention(call: Call) -> Outputs:
    """Write attention of several heads."""
    b, layer = call.b, call.layer
    given = dict(
        zip(("value", "key", "query_mask", "value_mask", "key_mask", "attention_mask"), call.args, strict=False)
    )
    given = {"query": call.inputs, **given, **call.kwargs}
    query, value = given["query"], given["value"]
    key = value if given.get("key") is None else given["key"]
    mask = _mask(b, layer, query, value, given)
    heads = [
        call.inner(part, x)
        for part, x in ((layer.query_dense, query), (layer.key_dense, key), (layer.value_dense, value))
    ]
    scores_asked = bool(given.get("return_attention_scores"))
    fused = not (layer.dropout > 0 or scores_asked or heads[0].ndim != 4)
    means, weights = _attend(b, layer, heads, mask, fused)
    if layer.gate_dense is not None:
        means = b.mul(means, call.inner(layer.gate_dense, query))
    outputs = call.inner(layer.output_dense, means)
    return [outputs, weights] if scores_asked else outputs


def _mask(b: Builder, layer: Any, query: Value, value: Value, given: dict[str, Any]) -> Value | None:
    """All masks as one; see `HeadedAttention._mask`."""
    found = []
    if given.get("attention_mask") is not None:
        mask = given["attention_mask"]
        found.append(b.cast(mask if isinstance(mask, Value) else b.constant(np.asarray(mask)), BOOL))
    if not layer.ignores_masks:
        for name, axis in (("query_mask", -1), ("value_mask", 1), ("key_mask", 1)):
            mask = given.get(name)
            if mask is not None:
                found.append(b.expand_dims(b.cast(mask, BOOL), axis if axis == -1 else mask.ndim - 1))
    if given.get("use_causal_mask"):
        found.append(_causal(b, query, value))
    if layer.sliding_window is not None:
        first, second = (b.arange(b.size(x, 1), x.shape[1]) for x in (query, value))
        apart = b.op("Abs", b.sub(b.expand_dims(first, 0, 2), b.expand_dims(second, 0, 1)))
        found.append(b.compare("Less", apart, layer.sliding_window))
    return b.both("And", found) if found else None


def _attend(b: Builder, layer: Any, heads: Sequence[Value], mask: Value | None, fused: bool) -> tuple[Value, Value]:
    query, key, value = heads
    size = layer.head_dim if isinstance(layer, layers.GroupQueryAttention) else layer.key_dim
    query = b.mul(query, b.number(1 / math.sqrt(size)))
    if isinstance(layer, layers.GroupQueryAttention):
        group = layer.num_query_heads // layer.num_key_value_heads
        key, value = (_repeated(b, x, group) for x in (key, value))
        axes: Sequence[int] = (1,)
    else:
        axes = layer.attention_axes
    if query.ndim == 4 and tuple(axes) == (1,):
        scores = b.matmul(b.transpose(query, (0, 2, 1, 3)), b.transpose(key, (0, 2, 3, 1)))
        weights = _weights(b, layer, scores, mask, 1, fused)
        means = b.matmul(weights, b.transpose(value, (0, 2, 1, 3)))
        return b.transpose(means, (0, 2, 1, 3)), weights
    product, combination = _equations(query.ndim, axes)
    letters = dict(zip(product.split(",")[0], key.shape, strict=True)) | dict(
        zip(product.split(",")[1].split("->")[0], query.shape, strict=True)
    )
    scores = einsum(b, product, [key, query], tuple(letters[letter] for letter in product.split("->")[1]))
    weights = _weights(b, layer, scores, mask, len(axes), fused)
    return einsum(b, combination, [weights, value], (*query.shape[:-1], value.shape[-1])), weights


def _repeated(b: Builder, x: Value, times: int) -> Value:
    """`x` with each head repeated."""
    batch, steps, heads, size = x.shape
    wide = b.expand_dims(x, 3)
    sizes = b.concat([b.sizes(x, 0, 2), b.ints(heads, times, size)], 0)
    wide = b.expand(wide, sizes, (batch, steps, heads, times, size))
    return b.reshape(wide, (0, 0, heads * times, size), (batch, steps, heads * times, size))  # type: ignore[operator]


def _weights(b: Builder, layer: Any, scores: Value, mask: Value | None, axes: int, fused: bool) -> Value:
    """The weights of the scores; see `HeadedAttention.weights_of`."""
    if mask is not None:
        while mask.ndim < scores.ndim:
            mask = b.expand_dims(mask, mask.ndim - 2 * axes)
        if layer.keras2_masks:
            scores = b.add(scores, b.where(mask, b.number(0), b.number(-1e9)))
        else:
            scores = b.where(mask, scores, b.number(-0.7 * float(np.finfo(np.float32).max)))
    weights = over_axes(b, "Softmax", scores, tuple(range(-axes, 0)))
    if mask is not None and not fused and not layer.keras2_masks:
        weights = b.where(mask, weights, b.number(0))
    return weights
