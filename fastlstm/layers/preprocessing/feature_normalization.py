"""`Normalization`: features brought to mean 0 and variance 1 by what was seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.arguments import check_numbers
from fastlstm.engine import ops
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.same_shape import MaskedSinceKeras3, axes_problem
from fastlstm.layers.base.serialization import register
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable


@register
class Normalization(MaskedSinceKeras3):
    """`(inputs - mean) / sqrt(variance)` with fixed values for each position of some axes.

    Args:
        axis: Integer, several, or None: one mean and variance for all.
        mean, variance: Numbers or arrays; None for weights, which `adapt` sets.
        invert: Boolean, `inputs * sqrt(variance) + mean` instead.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.

    Differs from Keras: the weight `count` is float32.
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis: tuple[int, ...] = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: mean={quoted(mean)} and variance={quoted(variance)}"
            )
        for name, value in (("mean", mean), ("variance", variance)):
            if value is not None:
                check_numbers(**{name: value})
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. "
                f"Received: mean shape {np.shape(mean)} and variance shape {np.shape(variance)}"
            )
        if np.ndim(mean) > len(self.axis):
            raise ValueError(
                "The rank of `mean` must be less than or equal to the number of axes "
                f"({len(self.axis)}). Received: mean shape {np.shape(mean)} for axis {self.axis}"
            )
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.adapt_mean: Variable = None  # type: ignore[assignment]  # until `build`
        self.adapt_variance: Variable = None  # type: ignore[assignment]  # until `build`
        self.count: Variable | None = None
        self._kept_axes: tuple[int, ...] = ()

    def build(self, input_shape: Shape) -> None:
        ndim = len(input_shape)
        if any(not -ndim <= axis < ndim for axis in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). "
                f"Received inputs with ndim={quoted(ndim)}, while axis={self.axis}"
            )
        self._kept_axes = tuple(sorted(axis % ndim for axis in self.axis))
        sizes = [input_shape[axis] for axis in self._kept_axes]
        if None in sizes:
            raise ValueError(
                f"All `axis` values to be kept must have a known shape. Received axis={self.axis}, "
                f"inputs.shape={input_shape}, with unknown axis at index {self._kept_axes[sizes.index(None)]}"
            )
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(sizes, "zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(sizes, "ones", trainable=False, name="variance")
            self.count = self.add_weight((), "zeros", trainable=False, name="count")

    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of the data, building the layer first if need be.

        Args:
            data: Array, or an iterable of arrays (or of tuples that begin with one): batches, which may differ in size.

        Raises:
            ValueError: When there is no batch, the shape does not fit, or mean and variance were given as arguments.
        """
        if self.input_mean is not None:
            raise ValueError(f"Normalization '{self.name}' was given its mean and variance: it cannot be adapted.")
        batches = [data] if hasattr(data, "shape") else data
        count, mean, square = 0, 0.0, 0.0
        for batch in batches:
            x = np.asarray(batch[0] if isinstance(batch, tuple) else batch)
            self.build(x.shape)
            axes = tuple(axis for axis in range(x.ndim) if axis not in self._kept_axes)
            if [x.shape[axis] for axis in self._kept_axes] != list(self.adapt_mean.shape):
                raise ValueError(
                    f"The layer was built with input_shape={self._build_shape}, but adapt() is being called with data "
                    f"with an incompatible shape, data.shape={x.shape}"
                )
            # Chan et al., 1983: the moments of a union from those of its parts.
            size = x.size // max(self.adapt_mean.size, 1)
            if size == 0:
                continue
            shift = x.mean(axis=axes, dtype=np.float64) - mean
            count += size
            mean = mean + shift * (size / count)
            square = square + x.var(axis=axes, dtype=np.float64) * size + shift**2 * (size * (count - size) / count)
        if count == 0:
            raise ValueError("adapt() received an empty iterable (no batches). Expected at least one batch.")
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(square / count)

    @property
    def lowers(self) -> bool:
        shape = self._build_shape
        return shape is not None and shape[-1] is not None and self._kept_axes in ((), (len(shape) - 1,))

    def lower(self) -> list[ops.Op]:
        ndim = len(self._build_shape)
        require_array((8, self._build_shape[-1]), f"Normalization '{self.name}'")
        mean, scale = (np.resize(value, self._build_shape[-1]) for value in self._mean_and_scale(ndim))
        if self.invert:
            return [ops.AffineOp(np.zeros_like(mean), scale, mean)]
        return [ops.AffineOp(mean, (1 / scale.astype(np.float64)).astype(np.float32), np.zeros_like(mean))]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return axes_problem(self.axis, shape) if in_time else None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        mean, scale = self._mean_and_scale(inputs.ndim)
        return mean + inputs * scale if self.invert else (inputs - mean) / scale

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        _, scale = self._mean_and_scale(inputs.ndim)
        return self.call(inputs), lambda d: (d * scale if self.invert else d / scale, ())

    def _mean_and_scale(self, ndim: int) -> tuple[np.ndarray, np.ndarray]:
        given = self.input_mean is not None
        mean = self._aligned(self.input_mean if given else self.adapt_mean.value, ndim)
        variance = self._aligned(self.input_variance if given else self.adapt_variance.value, ndim)
        return mean, np.maximum(np.sqrt(variance), np.float32(1e-7))

    def _aligned(self, values: Any, ndim: int) -> np.ndarray:
        """Return the values with the kept axes where the inputs have them."""
        array = np.asarray(values, np.float32)
        shape = [1] * ndim
        for axis, size in zip(self._kept_axes[::-1], array.shape[::-1], strict=False):
            shape[axis] = size
        return array.reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": np.array(self.input_mean).tolist(),
            "variance": np.array(self.input_variance).tolist(),
        }
