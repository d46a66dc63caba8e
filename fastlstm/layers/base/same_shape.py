"""Bases of layers whose output has the shape of their input, and which let masks pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.base.layer import Layer


def axes_problem(axes: int | Sequence[int], shape: Sequence[int | None]) -> str | None:
    """Return why a layer that works along axes cannot run step by step: one of them is time; None if none is."""
    along = [axes] if isinstance(axes, int) else axes
    return f"axis={axes} includes the time steps." if any(axis % len(shape) == 1 for axis in along) else None


def is_last_axis(axes: Sequence[int], shape: Sequence[int | None]) -> bool:
    """Return whether the axes are the last one of the shape alone, whose size is known."""
    return [axis % len(shape) for axis in axes] == [len(shape) - 1] and shape[-1] is not None


def values_problem(shape: Sequence[int | None], *values: Any) -> str | None:
    """Return why a layer with values that broadcast to its inputs cannot run step by step; None if it can."""
    place = len(shape) - 1
    sizes = [size[-place] for size in map(np.shape, values) if len(size) >= place]
    return "it has values for every time step." if any(size != 1 for size in sizes) else None


class SameShape(Layer):
    """A layer from one shape to the same, one step of time to the same step."""

    supports_masking = True

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)


class MaskedSinceKeras3(SameShape):
    """A layer that lets masks pass in Keras 3, but not in Keras 2.

    Args:
        keras2_masks: Boolean, whether masks end here.
        **kwargs: As for `Layer`.

    Differs from Keras: `keras2_masks`, for models that Keras 2 wrote.
    """

    def __init__(self, keras2_masks: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keras2_masks = keras2_masks
        self.supports_masking: bool = not keras2_masks

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **({"keras2_masks": True} if self.keras2_masks else {})}
