"""Random numbers as `keras.random` gives them out: by an integer seed, a `SeedGenerator` or the global seed.

Every draw is made by a NumPy PCG64 generator of its own, seeded with the pair `(seed, step)`. Equal seeds repeat; the
numbers themselves are not Keras', whose own differ from backend to backend.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastlstm.arguments import explained
from fastlstm.printable import quoted

_WORD = 2**64
# How many generators were made, one for every draw.
_draws = 0
# None until somebody sets it: NumPy imports its generators when they are first used, and predicting uses none.
_global_seeds: np.random.Generator | None = None


def set_global_seed(seed: int) -> None:
    """Make every draw without a seed of its own repeat from here on.

    Args:
        seed: Integer from 0 to `2**32 - 1`.

    Raises:
        ValueError: For anything else.
    """
    global _global_seeds
    if not isinstance(seed, int):
        raise ValueError(
            f"Expected `seed` argument to be an integer. Received: seed={quoted(seed)} (of type {type(seed)})"
        )
    if not 0 <= seed < 2**32:
        raise ValueError("Seed must be between 0 and 2**32 - 1")
    _global_seeds = np.random.default_rng(seed)


def draws_made() -> int:
    """Return how many draws were made so far: two calls of a function that gave equal numbers made none between."""
    return _draws


def make_default_seed() -> int:
    """Return the next seed of the global sequence, for an object that was given none."""
    if _global_seeds is None:
        return 1 + int.from_bytes(os.urandom(8), "little") % (10**9 - 1)
    return int(_global_seeds.integers(1, 10**9))


class SeedGenerator:
    """A sequence of seeds: every draw made with it differs from the one before.

    Args:
        seed: Integer; None takes one from the global seed.
        name: String, kept for the config.

    Raises:
        ValueError: When `seed` is neither an integer nor None.

    Differs from Keras: generators without a name are not numbered.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is not None and not isinstance(seed, int):
            raise ValueError(f"Argument `seed` must be an integer. Received: seed={quoted(seed)}")
        self.name: str = name or "seed_generator"
        self._initial_seed = seed
        self._seed = make_default_seed() if seed is None else seed
        self._step = 0

    def next(self) -> tuple[int, int]:
        """Return the pair `(seed, step)` of the next draw."""
        pair = self._seed, self._step
        self._step += 1
        return pair

    def get_config(self) -> dict[str, Any]:
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


Seed = int | SeedGenerator | None


@explained
def normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike | None = None, seed: Seed = None
) -> np.ndarray:
    """Draw from the normal distribution.

    Args:
        shape: Shape of the result.
        mean: Float, mean of the distribution.
        stddev: Float, its standard deviation.
        dtype: A floating dtype; None is float32.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `dtype` is not a floating one or `seed` is of another type.
    """
    dtype, draw_dtype = _dtypes(dtype)
    z = _generator(seed).standard_normal(shape, dtype=draw_dtype)
    return (z * stddev + mean).astype(dtype)


@explained
def uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: DTypeLike | None = None, seed: Seed = None
) -> np.ndarray:
    """Draw from the uniform distribution between `minval` and `maxval`.

    Args:
        shape: Shape of the result.
        minval: Float, lower bound.
        maxval: Float, upper bound.
        dtype: A floating dtype; None is float32.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `dtype` is not a floating one or `seed` is of another type.
    """
    dtype, draw_dtype = _dtypes(dtype)
    u = _generator(seed).random(shape, dtype=draw_dtype)
    return (u * (maxval - minval) + minval).astype(dtype)


@explained
def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike | None = None, seed: Seed = None
) -> np.ndarray:
    """Draw from the normal distribution, again and again where a value is over two `stddev` away from `mean`.

    Args:
        shape: Shape of the result.
        mean: Float, mean of the distribution.
        stddev: Float, its standard deviation before truncation.
        dtype: A floating dtype; None is float32.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `dtype` is not a floating one or `seed` is of another type.
    """
    dtype, draw_dtype = _dtypes(dtype)
    generator = _generator(seed)
    z = generator.standard_normal(shape, dtype=draw_dtype)
    while (outside := np.abs(z) > 2).any():
        z[outside] = generator.standard_normal(np.count_nonzero(outside), dtype=draw_dtype)
    return (z * stddev + mean).astype(dtype)


@explained
def randint(
    shape: Sequence[int], minval: int, maxval: int, dtype: DTypeLike = "int32", seed: Seed = None
) -> np.ndarray:
    """Draw integers from `minval` to `maxval - 1`, each as likely as another.

    Args:
        shape: Shape of the result.
        minval: Integer, lower bound (inclusive).
        maxval: Integer, upper bound (exclusive).
        dtype: An integer dtype.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `dtype` is not an integer one, there is nothing between the bounds, or `seed` is of another
            type.
    """
    if np.dtype(dtype).kind not in "iu":
        raise ValueError(f"`keras.random.randint` requires an integer `dtype`. Received: dtype={quoted(dtype)} ")
    return _generator(seed).integers(minval, maxval, shape, dtype=dtype)


@explained
def categorical(logits: ArrayLike, num_samples: int, dtype: DTypeLike = "int32", seed: Seed = None) -> np.ndarray:
    """Draw classes, row by row, with probabilities `softmax(logits)`.

    Args:
        logits: `(batch, classes)`, the logarithms of the probabilities, up to a constant of each row.
        num_samples: Integer, number of draws for each row.
        dtype: Dtype of the result.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Returns:
        `(batch, num_samples)`.

    Raises:
        ValueError: When `logits` has another rank or `seed` is of another type.
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2:
        raise ValueError(
            f"`logits` should be a 2-D tensor with shape [batch_size, num_classes]. Received: logits={quoted(logits)}"
        )
    cumulative = np.cumsum(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1)
    u = _generator(seed).random((len(logits), num_samples)) * cumulative[:, -1:]
    classes = [np.searchsorted(row, drawn, side="right") for row, drawn in zip(cumulative, u, strict=True)]
    return np.array(classes, dtype).reshape(len(logits), num_samples)


@explained
def binomial(
    shape: Sequence[int], counts: ArrayLike, probabilities: ArrayLike, dtype: DTypeLike | None = None, seed: Seed = None
) -> np.ndarray:
    """Draw from the binomial distribution.

    Args:
        shape: Shape of the result.
        counts: Numbers of trials; broadcasts to `shape`.
        probabilities: Those of a success; broadcasts to `shape`.
        dtype: A floating dtype; None is float32.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When an argument is out of range, `dtype` is not a floating one or `seed` is of another type.
    """
    return _generator(seed).binomial(np.asarray(counts), np.asarray(probabilities), shape).astype(_dtypes(dtype)[0])


@explained
def gamma(shape: Sequence[int], alpha: ArrayLike, dtype: DTypeLike | None = None, seed: Seed = None) -> np.ndarray:
    """Draw from the gamma distribution of scale 1.

    Args:
        shape: Shape of the result.
        alpha: Its parameter; broadcasts to `shape`.
        dtype: A floating dtype; None is float32.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `alpha` is negative, `dtype` is not a floating one or `seed` is of another type.
    """
    return _generator(seed).gamma(np.asarray(alpha), 1.0, shape).astype(_dtypes(dtype)[0])


@explained
def beta(
    shape: Sequence[int], alpha: ArrayLike, beta: ArrayLike, dtype: DTypeLike | None = None, seed: Seed = None
) -> np.ndarray:
    """Draw from the beta distribution.

    Args:
        shape: Shape of the result.
        alpha: Its first parameter; broadcasts to `shape`.
        beta: Its second parameter; broadcasts to `shape`.
        dtype: A floating dtype; None is float32.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When a parameter is not positive, `dtype` is not a floating one or `seed` is of another type.
    """
    return _generator(seed).beta(np.asarray(alpha), np.asarray(beta), shape).astype(_dtypes(dtype)[0])


@explained
def shuffle(x: ArrayLike, axis: int = 0, seed: Seed = None) -> np.ndarray:
    """Return `x` with what it holds along an axis in a random order.

    Args:
        x: Array.
        axis: Integer.
        seed: Integer (the same order at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `seed` is of another type.
    """
    return _generator(seed).permutation(np.asarray(x), axis=axis)


@explained
def dropout(
    inputs: ArrayLike, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None
) -> np.ndarray:
    """Return `inputs` with some values set to 0 and the others divided by the probability of being kept.

    Args:
        inputs: Array.
        rate: Float from 0 to 1, the probability of a 0.
        noise_shape: Shape in which is drawn, 1 along axes whose values go together and None for a size of `inputs`;
            None draws for each value.
        seed: Integer (the same numbers at every call), `SeedGenerator`, or None for the global seed.

    Raises:
        ValueError: When `seed` is of another type.
    """
    inputs = np.asarray(inputs)
    if rate <= 0 or rate >= 1:
        return inputs.copy() if rate <= 0 else np.zeros_like(inputs)
    given = inputs.shape if noise_shape is None else noise_shape
    sizes = [known if size is None else size for size, known in zip(given, inputs.shape, strict=True)]
    kept = _generator(seed).random(sizes, dtype=np.float32) >= rate
    return np.where(kept, inputs / inputs.dtype.type(1 - rate), inputs.dtype.type(0))


def _dtypes(dtype: DTypeLike | None) -> tuple[np.dtype, np.dtype]:
    """Return the dtype of the result and the one to draw in."""
    result = np.dtype(np.float32 if dtype is None else dtype)
    if result.kind != "f":
        raise ValueError(f"Random values have a floating point dtype. Received: dtype={quoted(dtype)}")
    return result, np.dtype(np.float64 if result.itemsize > 4 else np.float32)


def _generator(seed: Seed) -> np.random.Generator:
    global _draws
    _draws += 1
    if isinstance(seed, SeedGenerator):
        seed, step = seed.next()
    elif seed is None:
        seed, step = make_default_seed(), 0
    elif isinstance(seed, int):
        step = 0
    else:
        raise ValueError(
            "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
            f"Received: seed={quoted(seed)} (of type {type(seed)})"
        )
    return np.random.Generator(np.random.PCG64([seed % _WORD, step]))
