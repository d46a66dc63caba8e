"""`GroupedQueryAttention` (Ainslie et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.attention.heads import HeadedAttention, scaled
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.serialization import register
from fastlstm.layers.core.einsum_dense import EinsumDense


@register
class GroupedQueryAttention(HeadedAttention):
    """As `MultiHeadAttention`, with fewer heads of keys and values than of queries, each of which serves a group.

    Args:
        head_dim: Positive integer, size of each head.
        num_query_heads: Positive integer.
        num_key_value_heads: Positive integer, by which `num_query_heads` can be divided.
        dropout, use_bias, sliding_window, flash_attention: As for `MultiHeadAttention`.
        kernel_initializer, bias_initializer: Initializers of the weights.
        kernel_regularizer, bias_regularizer, activity_regularizer: Kept for configs and training.
        kernel_constraint, bias_constraint: Kept for configs and training.
        use_gate, seed: As for `MultiHeadAttention`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    keras_name = "GroupQueryAttention"

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
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
        super().__init__(dict(locals()), **kwargs)
        if num_query_heads % num_key_value_heads:
            raise ValueError("`num_query_heads` must be divisible by `num_key_value_heads`.")
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads

    def named_children(self) -> tuple[tuple[str, EinsumDense], ...]:
        # So they are called in Keras' files.
        return tuple((f"_{name}", child) for name, child in super().named_children())

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        self.check_shapes(value_shape, key_shape)
        key_shape = value_shape if key_shape is None else key_shape
        queries, pairs = [self.num_query_heads, self.head_dim], [self.num_key_value_heads, self.head_dim]
        self.query_dense: EinsumDense = self.project("query", "bqm,muh->bquh", queries, query_shape, "uh")
        self.key_dense: EinsumDense = self.project("key", "bkm,mvh->bkvh", pairs, key_shape, "vh")
        if self.use_gate:
            self.gate_dense: EinsumDense | None = self.project(
                "gate", "bqm,muh->bquh", queries, query_shape, "uh", activation="sigmoid"
            )
        self.value_dense: EinsumDense = self.project("value", "bkm,mvh->bkvh", pairs, value_shape, "vh")
        means, features = (None, None, *queries), [query_shape[-1]]
        self.output_dense: EinsumDense = self.project("attention_output", "bquh,uhm->bqm", features, means, "m")

    def attend(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        mask: np.ndarray | None,
        training: bool,
        fused: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        group = self.num_query_heads // self.num_key_value_heads
        key, value = np.repeat(key, group, axis=2), np.repeat(value, group, axis=2)
        scores = scaled(query, self.head_dim).transpose(0, 2, 1, 3) @ key.transpose(0, 2, 3, 1)
        weights, used = self.weights_of(scores, mask, 1, training, fused)
        return (used @ value.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3), weights

    def compute_output_shape(
        self, query_shape: Sequence[int | None], value_shape: Sequence[int | None], key_shape: Any = None
    ) -> Shape:
        self.check_shapes(tuple(value_shape), key_shape)
        return tuple(query_shape)

    def scores_shape(self, query_shape: Shape, value_shape: Shape) -> Shape:
        return (query_shape[0], self.num_query_heads, query_shape[1], value_shape[1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
        }
