"""`SpectralNormalization`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from fastlstm.initializers import TruncatedNormal
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.base.wrapper import Wrapper


@register
class SpectralNormalization(Wrapper):
    """A layer whose matrix is divided by its largest singular value in every call in training.

    Args:
        layer: A layer with a `kernel` or with `embeddings`.
        power_iterations: Positive integer, steps of the power method in a call.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid; in `build`, when the layer has no such matrix.
    """

    stored_form: Mapping[str, Any] = MappingProxyType({"repeats_matrix": True})

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                f"`power_iterations` should be greater than zero. Received: `power_iterations={power_iterations}`"
            )
        self.power_iterations = power_iterations
        self.kernel: Variable = None  # type: ignore[assignment]  # until `build`
        self.vector_u: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        for name in ("kernel", "embeddings"):
            if getattr(self.layer, name, None) is not None:
                self.kernel = getattr(self.layer, name)
                break
        else:
            raise ValueError(f"{type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings'")
        size = self.kernel.shape[-1]
        self.vector_u = self.add_weight((1, size), TruncatedNormal(stddev=0.02), trainable=False, name="vector_u")

    def call(self, inputs: np.ndarray, training: bool | None = None) -> np.ndarray:
        if training and self.kernel.value.any():
            self._normalize()
        return self.layer(inputs)

    def _normalize(self) -> None:
        weights = self.kernel.value.reshape(-1, self.kernel.shape[-1])
        u = self.vector_u.value
        for _ in range(self.power_iterations):
            v = u @ weights.T
            v = v / np.sqrt(np.maximum((v * v).sum(), 1e-12))
            u = v @ weights
            u = u / np.sqrt(np.maximum((u * u).sum(), 1e-12))
        sigma = v @ weights @ u.T
        self.vector_u.assign(u)
        self.kernel.assign((weights / sigma).reshape(self.kernel.shape))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power_iterations": self.power_iterations}
