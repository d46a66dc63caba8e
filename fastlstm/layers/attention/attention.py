"""`Attention` (Luong et al., 2015) and `AdditiveAttention` (Bahdanau et al., 2015)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm import activations
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValue, GraphValues, unmasked_values_in
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.regularization.dropout import Dropout
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable

# What is taken from the scores of masked values, as in Keras.
_MASKED = np.float32(1e9)


@register
class Attention(Layer):
    """The mean of the values, weighted by the softmax of the scores between query and keys.

    Called on `[query, value]` or `[query, value, key]`: query `(batch, queries, features)`, value
    `(batch, steps, channels)`, key `(batch, steps, features)`, by default the value. Returns
    `(batch, queries, channels)`.

    Args:
        use_scale: Boolean, whether the scores have a weight as a factor.
        score_mode: `dot`: `query @ key.T`, or `concat`: `concat_score_weight * sum(tanh(scale * (query + key)))`.
        dropout: Float from 0 to 1, of the weights of the mean, in training.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    supports_masking = True

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                "Invalid value for argument score_mode. Expected one of {'dot', 'concat'}. "
                f"Received: score_mode={quoted(score_mode)}"
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        self.scale: Variable | None = None
        self.concat_score_weight: Variable = None  # type: ignore[assignment]  # until `build`, of that `score_mode`
        self._dropout = Dropout(dropout, seed=seed, name="dropout")

    def build(self, input_shape: Sequence[Shape]) -> None:
        self._check_inputs(input_shape)
        self.build_child(self._dropout, input_shape[0])
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    def call(
        self,
        inputs: Sequence[np.ndarray],
        mask: Sequence[Any] | None = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Return the means; with `return_attention_scores` also the weights, `(batch, queries, steps)`.

        Args:
            inputs: `[query, value]` or `[query, value, key]`.
            mask: `[query mask, value mask]`, each `(batch, steps)` or None; or None. Masked queries give 0, masked
                values do not count.
            training: Boolean.
            return_attention_scores: Boolean.
            use_causal_mask: Boolean, whether a query sees only the values up to its own step.

        Raises:
            ValueError: When inputs or masks are not two or three.
        """
        outputs, weights, _ = self._attended(inputs, mask, training, use_causal_mask)
        return (outputs, weights) if return_attention_scores else outputs

    def call_with_gradient(
        self,
        inputs: Sequence[np.ndarray],
        mask: Sequence[Any] | None = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Any, Backward]:
        outputs, weights, backward = self._attended(inputs, mask, training, use_causal_mask)
        if return_attention_scores:
            return (outputs, weights), lambda d: backward(*d)
        return outputs, backward

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        values = unmasked_values_in(args[0], 3) if len(args) == 1 else None
        named = dict(kwargs)
        returns_scores, causal = named.pop("return_attention_scores", False), named.pop("use_causal_mask", False)
        if values is None or named:
            return None
        query, value = values[:2]
        key = values[2] if len(values) > 2 else value
        scores = self._lower_scores(graph, query, key)
        if scores is None or (causal and None in (query.shape[1], key.shape[1])):
            return None
        if causal:
            seen = (query.shape[1] or 0, key.shape[1] or 0)
            require_array(seen, f"The mask of {type(self).__name__} '{self.name}'")
            unseen = np.where(np.tri(*seen, dtype=np.bool_), np.float32(0), -_MASKED)
            scores = graph.add(ops.MergeOp("add", unseen), scores)
        weights = graph.add(ops.ActivationOp(ops.Activation("softmax")), scores)
        outputs = graph.add(ops.ProductOp(False), weights, value.number)
        return [outputs, weights] if returns_scores else [outputs]

    def _lower_scores(self, graph: Graph, query: GraphValue, key: GraphValue) -> int | None:
        """Add what `_scores` returns."""
        scale = None if self.scale is None else self.scale.value.reshape(1, 1)
        if self.score_mode == "concat":
            factor = self._ones(query.shape[-1])
            factor = None if factor is None else factor * self.concat_score_weight.value
            return _lower_sums(graph, query, key, scale, factor)
        products = graph.add(ops.ProductOp(True), query.number, key.number)
        return products if scale is None else graph.add(ops.MergeOp("multiply", scale), products)

    def _ones(self, features: int | None) -> np.ndarray | None:
        """A factor for every feature, None where nobody knows how many there are."""
        if features is None:
            return None
        require_array((features, 1), f"{type(self).__name__} '{self.name}'")
        return np.ones((features, 1), np.float32)

    def _attended(
        self, inputs: Sequence[np.ndarray], mask: Sequence[Any] | None, training: bool, use_causal_mask: bool
    ) -> tuple[np.ndarray, np.ndarray, Callable[..., Any]]:
        """Return the outputs, the weights, and the way from gradients by both to those by the inputs."""
        self._check_inputs(inputs, mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = mask[:2] if mask else (None, None)
        scores, of_scores = self._scores(query, key)
        valid = None if value_mask is None else np.asarray(value_mask, bool)[..., np.newaxis, :]
        if use_causal_mask:
            causal = np.tri(*scores.shape[-2:], dtype=np.bool_)
            valid = causal if valid is None else valid & causal
        if valid is not None:
            scores = np.where(valid, scores, scores - _MASKED)
        shares = activations.softmax(scores)
        weights = shares
        of_dropout: Callable[[Any], tuple[Any, ...]] = lambda d: (d,)  # noqa: E731
        if training and self.dropout > 0:
            weights, of_dropout = self._dropout.call_with_gradient(shares, training=True)
        queries = None if query_mask is None else np.asarray(query_mask, bool)[..., np.newaxis]
        outputs = weights @ value
        if queries is not None:
            outputs = np.where(queries, outputs, np.float32(0))

        def backward(d: np.ndarray, d_weights: np.ndarray | None = None) -> Any:
            if queries is not None:
                d = np.where(queries, d, np.float32(0))
            d_shares = of_dropout(d @ value.swapaxes(-2, -1) + (0 if d_weights is None else d_weights))[0]
            d_scores = shares * (d_shares - (d_shares * shares).sum(axis=-1, keepdims=True))
            d_query, d_key, of_weights = of_scores(d_scores)
            d_value = weights.swapaxes(-2, -1) @ d
            d_inputs = [d_query, d_value + d_key] if len(inputs) == 2 else [d_query, d_value, d_key]
            return d_inputs, self.in_order(**of_weights)

        return outputs, weights, backward

    def _scores(self, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        """Return `(batch, queries, steps)`, and the way to the gradients by query, key, and weights by name."""
        self._require_scores(query, key, self.score_mode == "concat")
        if self.score_mode == "dot":
            return self._products(query, key)
        sums = query[..., :, np.newaxis, :] + key[..., np.newaxis, :, :]
        scale, factor = None if self.scale is None else self.scale.value, self.concat_score_weight.value
        activated = np.tanh(sums if scale is None else sums * scale)
        totals = activated.sum(axis=-1)

        def backward(d: np.ndarray) -> Any:
            found = {"concat_score_weight": (d * totals).sum()}
            d_sums = (d * factor)[..., np.newaxis] * (1 - activated * activated)
            if scale is not None:
                found["scale"] = (d_sums * sums).sum()
                d_sums = d_sums * scale
            return d_sums.sum(axis=-2), d_sums.sum(axis=-3), found

        return factor * totals, backward

    def _products(self, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        products = query @ key.swapaxes(-2, -1)
        scale = None if self.scale is None else self.scale.value

        def backward(d: np.ndarray) -> Any:
            found = {} if scale is None else {"scale": (d * products).sum()}
            d = d if scale is None else d * scale
            return d @ key, d.swapaxes(-2, -1) @ query, found

        return products if scale is None else products * scale, backward

    def _require_scores(self, query: np.ndarray, key: np.ndarray, of_features: bool) -> None:
        """Raise MemoryError unless there is memory for a score of every query and step, or for one of every feature."""
        shape = (*query.shape[:-1], key.shape[-2], *(query.shape[-1:] if of_features else ()))
        require_array(shape, f"{type(self).__name__} '{self.name}'")

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        self._check_inputs(inputs, mask)
        of_query = None if mask is None else mask[0]
        return of_query.astype(bool) if isinstance(of_query, np.ndarray) else of_query

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        self._check_inputs(input_shape)
        return (*input_shape[0][:-1], input_shape[1][-1])

    def output_shapes(self, shapes: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
        output = self.compute_output_shape(*shapes)
        if not arguments.get("return_attention_scores"):
            return output
        query, value = shapes[0][:2]
        return output, (*query[:-1], value[-2])

    def _check_inputs(self, inputs: Any, mask: Any = None) -> None:
        name = type(self).__name__
        if not isinstance(inputs, list):
            raise ValueError(
                f"{name} layer must be called on a list of inputs, namely [query, value] or [query, value, key]. "
                f"Received: inputs={quoted(inputs)}."
            )
        if len(inputs) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts inputs list of length 2 or 3, namely [query, value] or [query, value, key]. "
                f"Received length: {len(inputs)}."
            )
        if any(isinstance(item, dict) for item in inputs):
            raise ValueError(f"{name} layer takes arrays, not dicts of them. Received: inputs={quoted(inputs)}.")
        if mask is None:
            return
        if not isinstance(mask, list):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: mask={quoted(mask)}."
            )
        if len(mask) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts mask list of length 2 or 3. "
                f"Received: inputs={quoted(inputs)}, mask={quoted(mask)}."
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@register
class AdditiveAttention(Attention):
    """As `Attention`, with the scores `sum(scale * tanh(query + key))` over the features.

    Args:
        use_scale: Boolean, whether there is a weight `scale (features,)`.
        dropout, seed: As for `Attention`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Sequence[Shape]) -> None:
        self._check_inputs(input_shape)
        self.build_child(self._dropout, input_shape[0])
        if self.use_scale:
            self.scale: Variable | None = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def _lower_scores(self, graph: Graph, query: GraphValue, key: GraphValue) -> int | None:
        factor = self._ones(query.shape[-1]) if self.scale is None else self.scale.value.reshape(-1, 1)
        return _lower_sums(graph, query, key, None, factor)

    def _scores(self, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
        self._require_scores(query, key, of_features=True)
        activated = np.tanh(query[..., :, np.newaxis, :] + key[..., np.newaxis, :, :])
        scale = None if self.scale is None else self.scale.value

        def backward(d: np.ndarray) -> Any:
            d = d[..., np.newaxis]
            found = {} if scale is None else {"scale": (d * activated).reshape(-1, activated.shape[-1]).sum(axis=0)}
            d_sums = (d if scale is None else d * scale) * (1 - activated * activated)
            return d_sums.sum(axis=-2), d_sums.sum(axis=-3), found

        return (activated if scale is None else activated * scale).sum(axis=-1), backward

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config


def _lower_sums(
    graph: Graph, query: GraphValue, key: GraphValue, scale: np.ndarray | None, factors: np.ndarray | None
) -> int | None:
    """Add, for every query and step, the sum of the features' `tanh(scale * (query + key)) * factors`."""
    if factors is None:
        return None
    sums = graph.add(ops.PairsOp(), query.number, key.number)
    if scale is not None:
        sums = graph.add(ops.MergeOp("multiply", scale), sums)
    tanh = ops.ActivationOp(ops.Activation("tanh"))
    return graph.add(ops.UnfoldOp(), graph.add_row([tanh, ops.DenseOp(factors.astype(np.float32), None)], sums))
