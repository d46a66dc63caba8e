"""Layers that disturb their inputs in training and otherwise return them, and `ActivityRegularization`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm import random, regularizers
from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import standardize_data_format
from fastlstm.layers.base.data_format import shape_of
from fastlstm.layers.base.input_spec import InputSpec
from fastlstm.layers.base.same_shape import SameShape
from fastlstm.layers.base.serialization import register
from fastlstm.layers.regularization.dropout import Dropout
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.random import SeedGenerator

# Of SELU (Klambauer et al., 2017): the value that it tends to for great negative inputs.
_LEAST_SELU = -1.6732632423543772 * 1.0507009873554805


class _SpatialDropout(Dropout):
    """`Dropout` of whole channels.

    Args:
        rank: Axes between batch and channels.
        rate, seed, **kwargs: As for `Dropout`.
        data_format: Where the channels are; None for last.
    """

    def __init__(self, rank: int, rate: float, data_format: str | None, seed: int | None, **kwargs: Any) -> None:
        self.data_format: str = standardize_data_format(data_format)
        noise_shape = shape_of(None, (1,) * rank, None, self.data_format)
        super().__init__(rate, noise_shape=noise_shape, seed=seed, **kwargs)
        self.input_spec: InputSpec = InputSpec(ndim=rank + 2)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}


@register
class SpatialDropout1D(_SpatialDropout):
    """`Dropout` of whole channels: `(batch, timesteps, channels)`.

    Args:
        rate: Float from 0 to 1.
        seed: Integer, or None.
        name: String, or None.
        dtype: As for `Layer`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(1, rate, "channels_last", seed, name=name, dtype=dtype, **kwargs)


class _SpatialDropoutND(_SpatialDropout):
    rank: ClassVar[int]

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(self.rank, rate, data_format, seed, name=name, dtype=dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


@register
class SpatialDropout2D(_SpatialDropoutND):
    """`Dropout` of whole channels: `(batch, rows, columns, channels)`.

    Args:
        rate: Float from 0 to 1.
        data_format: `channels_last`, or `channels_first` for `(batch, channels, rows, columns)`. None: `channels_last`.
        seed: Integer, or None.
        name: String, or None.
        dtype: As for `Layer`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 2


@register
class SpatialDropout3D(_SpatialDropoutND):
    """`Dropout` of whole channels: `(batch, depth, rows, columns, channels)`.

    Args:
        rate, data_format, seed, name, dtype, **kwargs: As for `SpatialDropout2D`.

    Raises:
        ValueError: When an argument is not valid.
    """

    rank = 3


class _Noise(SameShape):
    """The identity; in training, `inputs * factor + offset` with what `_drawn` returns.

    Args:
        seed: Integer, or None.
        **kwargs: As for `Layer`.
    """

    def __init__(self, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator: SeedGenerator = random.SeedGenerator(seed)

    def call(self, inputs: np.ndarray, training: bool = False) -> np.ndarray:
        return self.call_with_gradient(inputs, training)[0]

    def call_with_gradient(self, inputs: np.ndarray, training: bool = False) -> tuple[np.ndarray, Backward]:
        if not training:
            return inputs.copy(), lambda d: (d, ())
        factor, offset = self._drawn(inputs)
        return inputs * factor + offset, lambda d: (d * factor, ())

    def _drawn(self, inputs: np.ndarray) -> tuple[Any, Any]:
        raise NotImplementedError

    def lower(self) -> list[ops.Op]:
        return []

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@register
class GaussianNoise(_Noise):
    """The identity; in training, with normal noise added.

    Args:
        stddev: Float from 0 to 1, of the noise.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        _check_fraction("stddev", stddev)
        self.stddev = stddev

    def _drawn(self, inputs: np.ndarray) -> tuple[Any, Any]:
        return np.float32(1), random.normal(inputs.shape, 0.0, self.stddev, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev}


@register
class GaussianDropout(_Noise):
    """The identity; in training, times normal noise of mean 1 and variance `rate / (1 - rate)`.

    Args:
        rate: Float from 0 to 1.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        _check_fraction("rate", rate)
        self.rate = rate

    def _drawn(self, inputs: np.ndarray) -> tuple[Any, Any]:
        stddev = math.sqrt(self.rate / (1.0 - self.rate))
        return random.normal(inputs.shape, 1.0, stddev, seed=self.seed_generator), np.float32(0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


@register
class AlphaDropout(_Noise):
    """The identity; in training, SELU's least value with probability `rate`, scaled to keep mean and variance.

    Args:
        rate: Float from 0 to 1.
        noise_shape: Shape of the pattern of what is dropped, which is repeated to the inputs' shape; None at an axis,
            or None alone, takes the inputs' size.
        seed: Integer, or None.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, **kwargs)
        _check_fraction("rate", rate)
        self.rate = rate
        self.noise_shape = noise_shape

    def _drawn(self, inputs: np.ndarray) -> tuple[Any, Any]:
        if self.rate == 0:
            return np.float32(1), np.float32(0)
        wishes = self.noise_shape or inputs.shape
        shape = [size if wish is None else wish for wish, size in zip(wishes, inputs.shape, strict=True)]
        kept = random.uniform(shape, seed=self.seed_generator) >= self.rate
        a = ((1 - self.rate) * (1 + self.rate * _LEAST_SELU**2)) ** -0.5
        b = -a * _LEAST_SELU * self.rate
        return np.where(kept, np.float32(a), np.float32(0)), np.where(kept, b, a * _LEAST_SELU + b).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape}


@register
class ActivityRegularization(SameShape):
    """The identity, with a penalty on its values kept for configs and training.

    Args:
        l1: Float, not negative, factor of the sum of absolute values.
        l2: Float, not negative, factor of the sum of squares.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2

    def lower(self) -> list[ops.Op]:
        return []

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]
        return {**config, "l1": self.l1, "l2": self.l2}


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a float value between 0 and 1. "
            f"Received: {name}={quoted(value)}"
        )
