"""`Embedding`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import regularizers
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValues, one_value
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.printable import quoted

# Inputs are float32, in which every integer up to here is exact.
_MOST_IDS = 2**24


@register
class Embedding(Layer):
    """A row of a table for each id: inputs of any shape to `(*shape, output_dim)`.

    Ids are cut to integers; negative ones count from the table's end.

    Args:
        input_dim: Positive integer, number of rows of the table.
        output_dim: Positive integer, size of a row.
        embeddings_initializer: Initializer of the table `(input_dim, output_dim)`.
        embeddings_regularizer, embeddings_constraint: Kept for configs and training.
        mask_zero: Boolean, whether steps whose id is 0 are masked.
        weights: The table's first value, alone or in a list; None for the initializer's.
        lora_rank, lora_alpha, quantization_config: Only None.
        **kwargs: As for `Layer`; also `input_length`, which is deprecated and changes nothing.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.

    Differs from Keras: `input_dim` is at most 2**24.
    """

    takes_ids = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        _check_size("input_dim", input_dim)
        _check_size("output_dim", output_dim)
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", stacklevel=2)
        super().__init__(**kwargs)
        extras = {"lora_rank": lora_rank, "lora_alpha": lora_alpha, "quantization_config": quantization_config}
        for argument, value in extras.items():
            if value is not None:
                raise ValueError(f"Embedding '{self.name}': the argument `{argument}` is not supported.")
        if input_dim > _MOST_IDS:
            raise ValueError(
                f"Embedding '{self.name}': ids are read as float32, so `input_dim` can be at most {_MOST_IDS}. "
                f"Received: input_dim={quoted(input_dim)}"
            )
        self.input_dim = input_dim
        self.output_dim = output_dim
        set_weight_arguments(self, "embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking: bool = bool(mask_zero)
        self.makes_masks: bool = self.supports_masking
        self._embeddings: Variable | None = None
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [np.asarray(weights)])

    def build(self, input_shape: Shape = (None,)) -> None:
        self._embeddings = add_weight(self, "embeddings", (self.input_dim, self.output_dim))

    @property
    def embeddings(self) -> Variable:
        """The table.

        Raises:
            AttributeError: When the layer is not built.
        """
        if self._embeddings is None:
            raise AttributeError("You must build the layer before accessing `embeddings`.")
        return self._embeddings

    def lower(self) -> list[ops.Op]:
        return [ops.EmbeddingOp(self.embeddings.value, f"Embedding '{self.name}'")]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, 2)
        return None if x is None else [graph.add_row(self.lower(), x.number)]

    def lower_mask(self, graph: Graph, inputs: int, outputs: int) -> int | None:
        return graph.add(ops.IdsMaskOp(), inputs)

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return None

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> np.ndarray | None:
        return np.asarray(inputs) != 0 if self.mask_zero else None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            **weight_config(self, "embeddings"),
            "mask_zero": self.mask_zero,
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "quantization_config": None,
        }


def _check_size(name: str, size: Any) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={quoted(size)} (of type {type(size).__name__})."
        )
