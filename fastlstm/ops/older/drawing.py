"""Random tensors of an older `keras.backend`; the numbers are those of `fastlstm.random`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm import backend, random
from fastlstm.ops.older.registry import defined
from fastlstm.ops.older.variables import variable


def _tensor(array: Any) -> Any:
    return np.asarray(array).view(backend.Tensor)


@defined
def random_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Draw from the normal distribution."""
    return _tensor(random.normal(shape, mean, stddev, dtype, seed))


@defined
def random_uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Draw from the uniform distribution between two bounds."""
    return _tensor(random.uniform(shape, minval, maxval, dtype, seed))


@defined
def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Draw from the normal distribution, no further than two `stddev` from `mean`."""
    return _tensor(random.truncated_normal(shape, mean, stddev, dtype, seed))


@defined
def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    """Draw ones with a probability, and zeros else."""
    return _tensor((random.uniform(shape, seed=seed) <= p).astype(backend.standardize_dtype(dtype)))


@defined
def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> backend.Variable:
    """Return a variable drawn from the normal distribution."""
    return variable(random.normal(shape, mean, scale, seed=seed), dtype, name)


@defined
def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: Any = None
) -> backend.Variable:
    """Return a variable drawn from the uniform distribution."""
    return variable(random.uniform(shape, low, high, seed=seed), dtype, name)


@defined
def dropout(x: Any, level: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Return a tensor of which some values are 0, and the others as much larger."""
    return _tensor(random.dropout(x, level, noise_shape, seed))
