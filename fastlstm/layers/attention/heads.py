"""What the attention layers of several heads have in common: projections, masks, the weighted means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import activations, regularizers
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.weight_arguments import set_weight_arguments, weight_config
from fastlstm.layers.core.einsum_dense import EinsumDense
from fastlstm.layers.regularization.dropout import Dropout
from fastlstm.printable import quoted

# What Keras 2 adds to masked scores.
_KERAS_2_MASKED = np.float32(-1e9)


class HeadedAttention(Layer):
    """An attention layer that projects query, key and value to several heads.

    Args:
        arguments: Those that `MultiHeadAttention` and `GroupedQueryAttention` share, by name.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    supports_masking = True
    # Before Keras 2.10, the masks that query and value carry were nothing to the layer.
    ignores_masks: bool = False

    def __init__(self, arguments: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(activity_regularizer=arguments["activity_regularizer"], **kwargs)
        window = arguments["sliding_window"]
        if window is not None and (not isinstance(window, int) or window <= 0):
            raise ValueError(
                f"`sliding_window` must be `None` or a positive integer. Received: sliding_window={window}"
            )
        self.dropout: Any = arguments["dropout"]
        self.use_bias: Any = arguments["use_bias"]
        self.use_gate: Any = arguments["use_gate"]
        self.sliding_window = window
        self.flash_attention: bool = bool(arguments["flash_attention"])
        self.seed: Any = arguments["seed"]
        if self.flash_attention and self.dropout > 0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. "
                "Please set dropout to 0.0 to use flash attention."
            )
        for kind in ("kernel", "bias"):
            set_weight_arguments(
                self, kind, *(arguments[f"{kind}_{role}"] for role in ("initializer", "regularizer", "constraint"))
            )
        self.query_dense: EinsumDense = None  # type: ignore[assignment]  # until `build`
        self.key_dense: EinsumDense = None  # type: ignore[assignment]  # until `build`
        self.gate_dense: EinsumDense | None = None
        self.value_dense: EinsumDense = None  # type: ignore[assignment]  # until `build`
        self.output_dense: EinsumDense = None  # type: ignore[assignment]  # until `build`
        self._dropout = Dropout(self.dropout, seed=self.seed, name="dropout")

    def named_children(self) -> tuple[tuple[str, EinsumDense], ...]:
        names = ("query_dense", "key_dense", "gate_dense", "value_dense", "output_dense")
        return tuple((name, getattr(self, name)) for name in names if getattr(self, name) is not None)

    def project(
        self, name: str, equation: str, sizes: Sequence[int | None], shape: Shape, axes: str, **more: Any
    ) -> Any:
        """Return a built projection.

        Args:
            name: Its name.
            equation: As for `EinsumDense`.
            sizes: Of the last axes of its outputs.
            shape: Of its inputs.
            axes: Those of the outputs that have a bias, if the layer has biases.
            **more: Further arguments of `EinsumDense`.
        """
        weights = {
            f"{kind}_{role}": getattr(self, f"{kind}_{role}")
            for kind in ("kernel", "bias")
            for role in ("initializer", "regularizer", "constraint")
        }
        free = len(equation.rpartition("->")[2]) - 1 - len(sizes)
        bias_axes = axes if self.use_bias else None
        made = EinsumDense(equation, (*[None] * free, *sizes), bias_axes=bias_axes, name=name, **weights, **more)
        self.build_child(made, shape)
        return made

    def call(
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
    ) -> Any:
        """Return the means; with `return_attention_scores` also the weights of the means, by heads.

        Args:
            query: `(batch, queries, features)`.
            value: `(batch, steps, channels)`.
            key: `(batch, steps, channels of the keys)`, by default the value.
            query_mask, value_mask, key_mask: Which steps count, `(batch, queries)` or `(batch, steps)`; or None.
            attention_mask: `(batch, queries, steps)`: which values a query sees; or None.
            return_attention_scores: Boolean.
            training: Boolean.
            use_causal_mask: Boolean, whether a query sees only the values up to its own step.

        Raises:
            ValueError: When the shapes do not fit.
        """
        key = value if key is None else key
        query, key, value = as_float32(query), as_float32(key), as_float32(value)
        masks = (query_mask, value_mask, key_mask)
        mask = self._mask(query.shape[1], value.shape[1], masks, attention_mask, use_causal_mask)
        gate = self.gate_dense.call(query) if self.gate_dense is not None else None
        heads = (self.query_dense.call(query), self.key_dense.call(key), self.value_dense.call(value))
        if self.flash_attention and return_attention_scores:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. Please disable flash "
                "attention to access attention scores."
            )
        # Keras has a kernel that masks otherwise where nobody asks for the scores.
        fused = not (self.dropout > 0 or return_attention_scores or heads[0].ndim != 4)
        means, weights = self.attend(*heads, mask, bool(training), fused)
        if gate is not None:
            means = means * gate
        outputs = self.output_dense.call(means)
        return (outputs, weights) if return_attention_scores else outputs

    def attend(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        mask: np.ndarray | None,
        training: bool,
        fused: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted means of the values, and the weights, for projections that have an axis of heads.

        Args:
            query, key, value: The projections.
            mask: Which values a query sees, in as many axes or fewer; or None.
            training: Whether weights are dropped.
            fused: Whether a query that sees nothing gets the mean of all values, rather than zeros.
        """
        raise NotImplementedError(f"{type(self).__name__} has no attention.")

    def weights_of(self, scores: np.ndarray, mask: np.ndarray | None, axes: int, training: bool, fused: bool) -> Any:
        """Return the weights `(weights, weights as they are used)` from the scores; dropout makes the second ones.

        Args:
            scores: Their last axes are those that the weights sum to 1 over.
            mask: As for `attend`.
            axes: How many axes these are.
            training, fused: As for `attend`.
        """
        seen = None if mask is None else self._seen(mask, scores.ndim, axes)
        if seen is not None:
            scores = self._masked(scores, seen)
        weights = activations.softmax(scores, axis=tuple(range(-axes, 0)))
        if seen is not None and not fused and not self.keras2_masks:
            weights = np.where(seen, weights, np.float32(0))
        return weights, self._dropout.call(weights, training=True) if training and self.dropout > 0 else weights

    def _seen(self, mask: Any, rank: int, axes: int) -> np.ndarray:
        """A mask as booleans, with axes for the heads and for what else comes before the queries."""
        seen = np.asarray(mask)
        seen = seen if seen.dtype == bool else seen != 0
        while seen.ndim < rank:
            seen = np.expand_dims(seen, -2 * axes - 1)
        return seen

    @property
    def keras2_masks_matter(self) -> bool:  # type: ignore[override]
        """Whether Keras 2 and Keras 3 give queries that see nothing different means, where there are masks."""
        with_scores = any(node.kwargs.get("return_attention_scores") for node in self.nodes)
        ranks = {len(node.inputs[0].shape) for node in self.nodes}
        return self.ignores_masks or self.dropout > 0 or with_scores or ranks != {3}

    def _masked(self, scores: np.ndarray, seen: np.ndarray) -> np.ndarray:
        if self.keras2_masks:
            return scores + np.where(seen, np.float32(0), _KERAS_2_MASKED)
        return np.where(seen, scores, np.float32(-0.7 * np.finfo(np.float32).max))

    def _mask(self, queries: int, steps: int, masks: Sequence[Any], attention_mask: Any, causal: bool) -> Any:
        """All masks as one, of `(batch, queries, steps)` as far as they need it; None if there is none."""
        query_mask, value_mask, key_mask = (None, None, None) if self.ignores_masks else masks
        found = [] if attention_mask is None else [np.asarray(attention_mask).astype(bool)]
        if query_mask is not None:
            found.append(np.asarray(query_mask).astype(bool)[..., np.newaxis])
        found += [
            np.asarray(mask).astype(bool)[..., np.newaxis, :] for mask in (value_mask, key_mask) if mask is not None
        ]
        if causal:
            found.append(np.tri(queries, steps, dtype=bool)[np.newaxis])
        if self.sliding_window is not None:
            apart = np.abs(np.arange(queries)[:, np.newaxis] - np.arange(steps))
            found.append((apart < self.sliding_window)[np.newaxis])
        mask = None
        for each in found:
            mask = each if mask is None else mask & each
        return mask

    def output_shapes(self, shapes: Sequence[Shape], arguments: Any) -> Any:
        shape = self.compute_output_shape(*shapes)
        if not arguments.get("return_attention_scores"):
            return shape
        return shape, self.scores_shape(shapes[0], shapes[1])

    def scores_shape(self, query_shape: Shape, value_shape: Shape) -> Shape:
        """Return the shape of the weights."""
        raise NotImplementedError(f"{type(self).__name__} has no scores.")

    def check_shapes(self, value_shape: Shape, key_shape: Shape | None) -> None:
        """Raise Keras' ValueError if there are not as many keys as values."""
        if key_shape is not None and tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                "All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={quoted(value_shape)} and key_shape={quoted(key_shape)}"
            )

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
            "seed": self.seed,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            **weight_config(self, "kernel", "bias"),
        }
        kept = {"keras2_masks": self.keras2_masks, "ignores_masks": self.ignores_masks}
        return config | {name: value for name, value in kept.items() if value}


def scaled(query: Any, size: int) -> Any:
    """Return the queries divided by the square root of the size of a head."""
    return query * np.float32(1 / math.sqrt(size))
