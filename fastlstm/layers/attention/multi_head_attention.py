"""`MultiHeadAttention` (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm import activations
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.attention.heads import HeadedAttention, scaled
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValue, GraphValues, unmasked_values_in
from fastlstm.layers.base.serialization import register
from fastlstm.layers.core.einsum_dense import EinsumDense
from fastlstm.layers.symbolic.calling import named_arguments
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@register
class MultiHeadAttention(HeadedAttention):
    """The means of the values, weighted by the softmax of the products of queries and keys, for several heads.

    Called on query, value and, if it is another tensor, key; see `call`.

    Args:
        num_heads: Positive integer.
        key_dim: Positive integer, size of each head of queries and keys.
        value_dim: Positive integer, size of each head of values; None for `key_dim`.
        dropout: Float from 0 to 1, of the weights of the mean, in training.
        use_bias: Boolean, whether the projections have biases.
        output_shape: Integer or tuple: the last axes of the outputs; None for that of the queries.
        attention_axes: Integers, the axes over which queries and values meet; None for all but the first and the last.
        sliding_window: Positive integer: a query sees values up to so many steps away, less one; None for no limit.
        flash_attention: Boolean or None; changes no result here.
        kernel_initializer, bias_initializer: Initializers of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        use_gate: Boolean, whether the means are multiplied by a sigmoid of the queries.
        seed: Integer, or None.
        **kwargs: As for `Layer`; also `keras2_masks` and `ignores_masks`, booleans of models of older versions.

    Differs from Keras: a `query_mask` that is given counts; Keras 3 heeds only the mask that the query carries.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        shared = dict(locals())
        for name, value, optional in (
            ("num_heads", num_heads, ""),
            ("key_dim", key_dim, ""),
            ("value_dim", value_dim, " or `None`"),
        ):
            if (value is not None or not optional) and (not isinstance(value, int) or value <= 0):
                raise ValueError(
                    f"Received an invalid value for argument `{name}`, expected a positive integer{optional}. "
                    f"Received: {name}={quoted(value)}"
                )
        keras2_masks, ignores_masks = kwargs.pop("keras2_masks", False), kwargs.pop("ignores_masks", False)
        super().__init__(shared, **kwargs)
        self.keras2_masks: bool = keras2_masks
        self.ignores_masks: bool = ignores_masks
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim: int = value_dim or key_dim
        self._output_shape = _output_sizes(output_shape)
        if attention_axes is not None and not isinstance(attention_axes, (int, list, tuple)):
            raise ValueError(
                f"`attention_axes` must be an int, list, or tuple. Received: attention_axes={quoted(attention_axes)}"
            )
        axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.attention_axes = None if axes is None else tuple(axes)

    @property
    def erases_masks(self) -> bool:  # type: ignore[override]
        """Whether later calls do not see the masks of its inputs: in Keras 3 a call takes them away."""
        return not self.keras2_masks

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        self.check_shapes(value_shape, key_shape)
        key_shape = value_shape if key_shape is None else key_shape
        heads = self.num_heads
        rank = len(value_shape)
        axes = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(axis if axis >= 0 else rank + axis for axis in axes)
        self.query_dense: EinsumDense = self.project("query", *_projection(query_shape, [heads, self.key_dim]))
        self.key_dense: EinsumDense = self.project("key", *_projection(key_shape, [heads, self.key_dim]))
        if self.use_gate:
            gate = _projection(query_shape, [heads, self.value_dim])
            self.gate_dense: EinsumDense | None = self.project("gate", *gate, activation="sigmoid")
        self.value_dense: EinsumDense = self.project("value", *_projection(value_shape, [heads, self.value_dim]))
        means = (*query_shape[:-1], heads, self.value_dim)
        sizes = self._output_shape or (query_shape[-1],)
        self.output_dense: EinsumDense = self.project("attention_output", *_projection(means, sizes, summed=2))

    def attend(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        mask: np.ndarray | None,
        training: bool,
        fused: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        query, axes = scaled(query, self.key_dim), self.attention_axes
        if query.ndim == 4 and axes == (1,):
            scores = query.transpose(0, 2, 1, 3) @ key.transpose(0, 2, 3, 1)
            weights, used = self.weights_of(scores, mask, 1, training, fused)
            return (used @ value.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3), weights
        assert axes is not None
        product, combination = _equations(query.ndim, axes)
        scores = np.einsum(product, key, query, optimize=True)
        weights, used = self.weights_of(scores, mask, len(axes), training, fused)
        return np.einsum(combination, used, value, optimize=True), weights

    def call_with_gradient(
        self,
        query: np.ndarray,
        value: np.ndarray,
        key: np.ndarray | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Any, Backward]:
        query, value = as_float32(query), as_float32(value)
        keys = value if key is None else as_float32(key)
        masks = (query_mask, value_mask, key_mask)
        mask = self._mask(query.shape[1], value.shape[1], masks, attention_mask, use_causal_mask)
        denses = {"query": self.query_dense, "key": self.key_dense, "value": self.value_dense}
        if self.gate_dense is not None:
            denses["gate"] = self.gate_dense
        given = {"query": query, "key": keys, "value": value, "gate": query}
        calls = {name: dense.call_with_gradient(given[name]) for name, dense in denses.items()}
        heads = {name: made for name, (made, _) in calls.items()}
        fused = not (self.dropout > 0 or return_attention_scores or query.ndim != 3)
        means, weights, of_means = self._attend_with_gradient(heads, mask, bool(training), fused)
        gated = means if "gate" not in heads else means * heads["gate"]
        outputs, of_output = self.output_dense.call_with_gradient(gated)

        def backward(d: Any) -> Any:
            d_outputs, d_weights = d if return_attention_scores else (d, None)
            d_gated, of_weights = of_output(d_outputs)
            d_heads = of_means(d_gated * heads["gate"] if "gate" in heads else d_gated, d_weights)
            if "gate" in heads:
                d_heads["gate"] = d_gated * means
            found = {name: way(d_heads[name]) for name, (_, way) in calls.items()}
            d_query = found["query"][0] + found["gate"][0] if "gate" in found else found["query"][0]
            d_key, d_value = found["key"][0], found["value"][0]
            of_others = {"value": d_value + d_key} if key is None else {"value": d_value, "key": d_key}
            parts = [found[name][1] for name in ("query", "key", "gate", "value") if name in found]
            return d_query, [*(one for part in parts for one in part), *of_weights], of_others

        return ((outputs, weights) if return_attention_scores else outputs), backward

    def _attend_with_gradient(
        self, heads: dict[str, np.ndarray], mask: Any, training: bool, fused: bool
    ) -> tuple[np.ndarray, np.ndarray, Callable[..., dict[str, np.ndarray]]]:
        """Return what `attend` does, and the way from the gradients by both to those by the projections."""
        query, key, value = scaled(heads["query"], self.key_dim), heads["key"], heads["value"]
        axes = cast("tuple[int, ...]", self.attention_axes)
        product, combination = _equations(query.ndim, axes)
        last = tuple(range(-len(axes), 0))
        scores = np.einsum(product, key, query, optimize=True)
        seen = None if mask is None else self._seen(mask, scores.ndim, len(axes))
        shares = activations.softmax(scores if seen is None else self._masked(scores, seen), axis=last)
        erased = seen if not fused and not self.keras2_masks else None
        weights = shares if erased is None else np.where(erased, shares, np.float32(0))
        drops = training and self.dropout > 0
        used, of_dropout = self._dropout.call_with_gradient(weights, training=True) if drops else (weights, None)
        means = np.einsum(combination, used, value, optimize=True)
        (of_key, of_query), (of_used, of_value) = _of_both(product), _of_both(combination)

        def backward(d: np.ndarray, d_weights: np.ndarray | None) -> dict[str, np.ndarray]:
            d_used = np.einsum(of_used, d, value, optimize=True)
            d_shares = d_used if of_dropout is None else of_dropout(d_used)[0]
            d_shares = d_shares if d_weights is None else d_shares + d_weights
            d_shares = d_shares if erased is None else np.where(erased, d_shares, np.float32(0))
            d_scores = shares * (d_shares - (d_shares * shares).sum(axis=last, keepdims=True))
            if seen is not None and not self.keras2_masks:
                d_scores = np.where(seen, d_scores, np.float32(0))
            return {
                "query": scaled(np.einsum(of_query, d_scores, key, optimize=True), self.key_dim),
                "key": np.einsum(of_key, d_scores, query, optimize=True),
                "value": np.einsum(of_value, d, used, optimize=True),
            }

        return means, weights, backward

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        named = named_arguments(self, args[0], args[1:], kwargs)
        query, value = named.pop("query", None), named.pop("value", None)
        key = named.pop("key", None) or value
        causal, values = named.pop("use_causal_mask", False), unmasked_values_in([query, value, key], 3)
        if values is None or any(named.values()) or self.sliding_window or self.attention_axes != (1,):
            return None
        if (causal and None in (query.shape[1], value.shape[1])) or len(self.output_dense.kernel.shape) != 3:
            return None
        projected = (self.query_dense, query), (self.key_dense, key), (self.value_dense, value)
        q, k, v = (graph.add(ops.HeadsOp(self.num_heads), _lower_projection(graph, *one)) for one in projected)
        q = graph.add(ops.MergeOp("multiply", np.full((1, 1), scaled(np.float32(1), self.key_dim), np.float32)), q)
        scores = graph.add(ops.ProductOp(True), q, k)
        if causal:
            seen = np.tri(query.shape[1], value.shape[1], dtype=bool)
            unseen = np.where(seen, np.float32(0), np.float32(-0.7 * np.finfo(np.float32).max))
            scores = graph.add(ops.MergeOp("add", unseen), scores)
        weights = graph.add(ops.ActivationOp(ops.Activation("softmax")), scores)
        means = graph.add(ops.HeadsOp(self.num_heads, back=True), graph.add(ops.ProductOp(False), weights, v))
        if self.gate_dense is not None:
            gate = _lower_projection(graph, self.gate_dense, query, ops.Activation("sigmoid"))
            means = graph.add(ops.MergeOp("multiply"), means, gate)
        return [_lower_projection(graph, self.output_dense, GraphValue(means, query.shape), joined=2)]

    def compute_output_shape(
        self, query_shape: Sequence[int | None], value_shape: Sequence[int | None], key_shape: Any = None
    ) -> Shape:
        self.check_shapes(tuple(value_shape), key_shape)
        return (*query_shape[:-1], *(self._output_shape or query_shape[-1:]))

    def scores_shape(self, query_shape: Shape, value_shape: Shape) -> Shape:
        axes = self.attention_axes or tuple(range(1, len(query_shape) - 1))
        batch = [size for at, size in enumerate(query_shape[:-1]) if at not in axes]
        return (*batch, self.num_heads, *(query_shape[at] for at in axes), *(value_shape[at] for at in axes))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "output_shape": self._output_shape,
            "attention_axes": self.attention_axes,
        }


def _output_sizes(output_shape: Any) -> tuple[int, ...] | None:
    if not output_shape:
        return None
    if not isinstance(output_shape, (int, list, tuple)):
        raise ValueError(
            f"Invalid `output_shape`: {output_shape}. When specified, the `output_shape` should be of type tuple, "
            "list, or int."
        )
    return (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)


def _projection(
    shape: Shape, sizes: Sequence[int | None], summed: int = 1
) -> tuple[str, Sequence[int | None], Shape, str]:
    """The arguments of a projection from the last axes of a shape to others: equation, sizes, shape, bias axes."""
    letters = iter(_LETTERS)
    free, bound, made = (
        "".join(next(letters) for _ in range(count)) for count in (len(shape) - summed, summed, len(sizes))
    )
    return f"{free}{bound},{bound}{made}->{free}{made}", sizes, shape, made


def _equations(rank: int, axes: Sequence[int]) -> tuple[str, str]:
    """The equations of scores and means where queries and values meet over these axes; the heads are last but one."""
    target = _LETTERS[:rank]
    others = iter(_LETTERS[rank:])
    source = "".join(next(others) if at in axes else target[at] for at in range(rank))
    batch = [target[at] for at in range(rank - 1) if at not in axes]
    scores = "".join([*batch, *(target[at] for at in axes), *(source[at] for at in axes)])
    return f"{source},{target}->{scores}", f"{scores},{source}->{target}"


def _of_both(equation: str) -> tuple[str, str]:
    """The equations of the gradients by both factors, of the gradient by the result and the other factor."""
    terms, _, output = equation.partition("->")
    first, second = terms.split(",")
    return f"{output},{second}->{first}", f"{output},{first}->{second}"


def _lower_projection(
    graph: Graph, dense: Any, x: GraphValue, activation: ops.Activation = ops.LINEAR, joined: int = 1
) -> int:
    """Add a projection; of its kernel's axes the first `joined` are those of the input."""
    kernel = dense.kernel.value
    bias = None if dense.bias is None else dense.bias.value.reshape(-1)
    op = ops.DenseOp(kernel.reshape(math.prod(kernel.shape[:joined]), -1), bias, activation)
    return graph.add(op, x.number)
