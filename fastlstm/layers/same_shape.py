"""`SameShape`: the base of layers whose output has the shape of their input, and which let masks pass."""

from __future__ import annotations

from collections.abc import Sequence

from fastlstm.layers.layer import Layer


class SameShape(Layer):
    """A layer from one shape to the same, one step of time to the same step."""

    supports_masking = True

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return tuple(input_shape)
