"""Input specs: what a layer asks of the shape of its input."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from fastlstm.printable import quoted
from fastlstm.records import Record

Shape = tuple[int | None, ...]

_MAX_NDIM = 64  # NumPy's; 32 before its version 2


class InputSpec(Record):
    """What a layer expects.

    Args:
        ndim: Exact number of dimensions, or None.
        min_ndim: Least number of dimensions, or None.
        axes: Size by axis.
    """

    ndim: int | None
    min_ndim: int | None
    axes: Mapping[int, int | None]

    def __init__(
        self, ndim: int | None = None, min_ndim: int | None = None, axes: Mapping[int, int | None] | None = None
    ) -> None:
        super().__init__(ndim, min_ndim, {} if axes is None else axes)

    def check(self, shape: Sequence[int | None], layer_name: str) -> None:
        """Raise Keras' ValueError if `shape` (batch included, None for unknown) does not fit."""
        shape = tuple(shape)
        ndim = len(shape)
        problem = None
        if self.ndim is not None and ndim != self.ndim:
            problem = f"expected ndim={self.ndim}, found ndim={quoted(ndim)}. Full shape received: {shape}"
        elif self.min_ndim is not None and ndim < self.min_ndim:
            problem = f"expected min_ndim={self.min_ndim}, found ndim={quoted(ndim)}. Full shape received: {shape}"
        else:
            for axis, size in self.axes.items():
                if shape[axis] is not None and shape[axis] != size:
                    problem = (
                        f"expected axis {axis} of input shape to have value {size}, "
                        f"but received input with shape {shape}"
                    )
        if problem:
            raise ValueError(
                f"Input 0 with name 'None' of layer '{layer_name}' is incompatible with the layer: {problem}"
            )


def standardize_shape(shape: object) -> Shape:
    """Return `shape` as a tuple of ints and Nones.

    Raises:
        ValueError: With Keras' text, when it is no shape.
    """
    if not hasattr(shape, "__iter__"):
        raise ValueError(f"Cannot convert '{shape}' to a shape.")
    dimensions, plain = tuple(shape), True
    for dimension in dimensions:
        if dimension is None or (type(dimension) is int and 0 <= dimension <= sys.maxsize):
            continue
        plain = False
        if isinstance(dimension, str) or not hasattr(dimension, "__index__"):
            raise ValueError(
                f"Cannot convert '{dimensions}' to a shape. Found invalid dimension '{dimension}' of type "
                f"'{type(dimension)}'. "
            )
        if dimension < 0:
            raise ValueError(f"Cannot convert '{dimensions}' to a shape. Negative dimensions are not allowed.")
        if dimension > sys.maxsize:
            raise ValueError(f"Cannot convert '{dimensions}' to a shape. No array is that large.")
    if len(dimensions) > _MAX_NDIM:
        raise ValueError(
            f"Cannot convert a list of {len(dimensions)} to a shape. Arrays have {_MAX_NDIM} axes at most."
        )
    return dimensions if plain else tuple(None if dimension is None else int(dimension) for dimension in dimensions)
