"""Initializers that draw from a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fastlstm import random
from fastlstm.arguments import check_numbers, explained, sizes
from fastlstm.identifiers import Registry, serialize_object
from fastlstm.initializers.initializer import Initializer, as_dtype
from fastlstm.printable import quoted
from fastlstm.random import Seed, SeedGenerator

# The standard deviation of the standard normal distribution cut off at two sigma.
_TRUNCATED_STDDEV = 0.87962566103423978

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")

_SEEDS = Registry("seed", {"SeedGenerator": SeedGenerator})


class RandomInitializer(Initializer):
    """Base class of the initializers that draw.

    Args:
        seed: Integer, `SeedGenerator` (or its serialized dict), or None for a seed from the global one, drawn now.

    Raises:
        ValueError: When `seed` is of another type.
    """

    def __init__(self, seed: Seed | dict[str, Any] = None) -> None:
        if isinstance(seed, dict):
            seed = _SEEDS.deserialize(seed)
        if seed is not None and not isinstance(seed, (int, SeedGenerator)):
            raise ValueError(
                "`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. "
                f"Received: seed={quoted(seed)}"
            )
        self._given_seed = seed
        self.seed: int | SeedGenerator = random.make_default_seed() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        seed = self._given_seed
        return {"seed": serialize_object(seed) if isinstance(seed, SeedGenerator) else seed}


class RandomNormal(RandomInitializer):
    """Normal distribution.

    Args:
        mean: Float, its mean.
        stddev: Float, its standard deviation.
        seed: Integer, `SeedGenerator` or None.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        check_numbers(mean=mean, stddev=stddev)
        self.mean = mean
        self.stddev = stddev

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Normal distribution without the values over two `stddev` away from `mean`.

    Args:
        mean: Float, its mean.
        stddev: Float, its standard deviation before truncation.
        seed: Integer, `SeedGenerator` or None.
    """

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(RandomInitializer):
    """Uniform distribution.

    Args:
        minval: Float, lower bound (inclusive).
        maxval: Float, upper bound (exclusive).
        seed: Integer, `SeedGenerator` or None.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        check_numbers(minval=minval, maxval=maxval)
        self.minval = minval
        self.maxval = maxval

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Zero mean and variance `scale / n`, where n is counted from the weight's shape.

    Args:
        scale: Positive float.
        mode: What n is: `fan_in` (inputs of a unit), `fan_out` (outputs) or `fan_avg` (their mean).
        distribution: `truncated_normal`, `untruncated_normal` or `uniform`; `normal`, as older files write, is
            `truncated_normal`.
        seed: Integer, `SeedGenerator` or None.
        input_axes: Axes of the shape that count as inputs, or None; used when both are given.
        output_axes: Axes of the shape that count as outputs, or None.

    Raises:
        ValueError: When `scale`, `mode` or `distribution` is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        check_numbers(scale=scale)
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={quoted(scale)}")
        if mode not in _MODES:
            raise ValueError(f"Invalid `mode` argument: {quoted(mode)}. Please use one of {_MODES}")
        if isinstance(distribution, str):
            distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(
                f"Invalid `distribution` argument: {quoted(distribution)}. Please use one of {_DISTRIBUTIONS}"
            )
        super().__init__(seed)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, stddev, dtype, self.seed)
        return random.truncated_normal(shape, 0.0, stddev / _TRUNCATED_STDDEV, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _NamedScaling(VarianceScaling):
    """A `VarianceScaling` with a name of its own for its `(scale, mode, distribution)`."""

    recipe: ClassVar[tuple[float, str, str]]

    def __init__(
        self,
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self.recipe, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_NamedScaling):
    """Uniform within `sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010)."""

    recipe: ClassVar[tuple[float, str, str]] = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal of variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010)."""

    recipe: ClassVar[tuple[float, str, str]] = (1.0, "fan_avg", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform within `sqrt(3 / fan_in)` (Klambauer et al., 2017)."""

    recipe: ClassVar[tuple[float, str, str]] = (1.0, "fan_in", "uniform")


class LecunNormal(_NamedScaling):
    """Truncated normal of variance `1 / fan_in` (Klambauer et al., 2017)."""

    recipe: ClassVar[tuple[float, str, str]] = (1.0, "fan_in", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform within `sqrt(6 / fan_in)` (He et al., 2015)."""

    recipe: ClassVar[tuple[float, str, str]] = (2.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal of variance `2 / fan_in` (He et al., 2015)."""

    recipe: ClassVar[tuple[float, str, str]] = (2.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A random matrix whose rows (if they are fewer) or columns are orthogonal and of length `gain`.

    All axes but the last count as one. Source: Saxe et al., 2014.

    Args:
        gain: Float, factor of the matrix.
        seed: Integer, `SeedGenerator` or None.
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None) -> None:
        super().__init__(seed)
        check_numbers(gain=gain)
        self.gain = gain

    @explained
    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        shape = sizes(shape)
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={quoted(shape)} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(random.normal((max(rows, columns), min(rows, columns)), dtype=np.float64, seed=self.seed))
        # A factor with positive diagonal is unique: this makes q uniform over the orthogonal matrices.
        q *= np.copysign(1.0, np.diag(r))
        matrix = q.T if rows < columns else q
        return (self.gain * matrix).reshape(shape).astype(as_dtype(dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


@explained
def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Return `(fan_in, fan_out)`, the inputs and outputs of one unit of a weight.

    Args:
        shape: Shape of the weight. The last two axes are inputs and outputs, those before them the receptive field.
        input_axes: Axes that count as inputs instead, or None; used when both are given.
        output_axes: Axes that count as outputs instead, or None.
    """
    shape = sizes(shape)
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field
