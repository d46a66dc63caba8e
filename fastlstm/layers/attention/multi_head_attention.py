"""`MultiHeadAttention` (Vaswani et al., 2017)."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.attention.heads import HeadedAttention, scaled
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValue, GraphValues, unmasked_values_in
from fastlstm.layers.base.serialization import register
from fastlstm.layers.core.einsum_dense import EinsumDense
from fastlstm.layers.symbolic.calling import named_arguments


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
                    f"Received: {name}={value}"
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
                f"`attention_axes` must be an int, list, or tuple. Received: attention_axes={attention_axes}"
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
        self.query_dense = self.project("query", *_projection(query_shape, [heads, self.key_dim]))
        self.key_dense = self.project("key", *_projection(key_shape, [heads, self.key_dim]))
        if self.use_gate:
            gate = _projection(query_shape, [heads, self.value_dim])
            self.gate_dense: EinsumDense | None = self.project("gate", *gate, activation="sigmoid")
        self.value_dense = self.project("value", *_projection(value_shape, [heads, self.value_dim]))
        means = (*query_shape[:-1], heads, self.value_dim)
        sizes = self._output_shape or (query_shape[-1],)
        self.output_dense = self.project("attention_output", *_projection(means, sizes, summed=2))

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
    letters = iter(string.ascii_lowercase)
    free, bound, made = (
        "".join(next(letters) for _ in range(count)) for count in (len(shape) - summed, summed, len(sizes))
    )
    return f"{free}{bound},{bound}{made}->{free}{made}", sizes, shape, made


def _equations(rank: int, axes: Sequence[int]) -> tuple[str, str]:
    """The equations of scores and means where queries and values meet over these axes; the heads are last but one."""
    target = string.ascii_lowercase[:rank]
    others = iter(string.ascii_lowercase[rank:])
    source = "".join(next(others) if at in axes else target[at] for at in range(rank))
    batch = [target[at] for at in range(rank - 1) if at not in axes]
    scores = "".join([*batch, *(target[at] for at in axes), *(source[at] for at in axes)])
    return f"{source},{target}->{scores}", f"{scores},{source}->{target}"


def _lower_projection(
    graph: Graph, dense: Any, x: GraphValue, activation: ops.Activation = ops.LINEAR, joined: int = 1
) -> int:
    """Add a projection; of its kernel's axes the first `joined` are those of the input."""
    kernel = dense.kernel.value
    bias = None if dense.bias is None else dense.bias.value.reshape(-1)
    op = ops.DenseOp(kernel.reshape(math.prod(kernel.shape[:joined]), -1), bias, activation)
    return graph.add(op, x.number)
