"""Random numbers as `keras.random` gives them out: by an integer seed, a `SeedGenerator` or the global seed.

Every draw is made by a NumPy PCG64 generator of its own, seeded with the pair `(seed, step)`. Equal seeds repeat; the
numbers themselves are not Keras', whose own differ from backend to backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_WORD = 2**64
_global_seeds = np.random.default_rng()


def set_global_seed(seed: int) -> None:
    """Make every draw without a seed of its own repeat from here on.

    Args:
        seed: Integer from 0 to `2**32 - 1`.

    Raises:
        ValueError: For anything else.
    """
    global _global_seeds
    if not isinstance(seed, int):
        raise ValueError(f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})")
    if not 0 <= seed < 2**32:
        raise ValueError("Seed must be between 0 and 2**32 - 1")
    _global_seeds = np.random.default_rng(seed)


def make_default_seed() -> int:
    """Return the next seed of the global sequence, for an object that was given none."""
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
            raise ValueError(f"Argument `seed` must be an integer. Received: seed={seed}")
        self.name = name or "seed_generator"
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


def normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike = None, seed: Seed = None
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


def uniform(
    shape: Sequence[int], minval: float = 0.0, maxval: float = 1.0, dtype: DTypeLike = None, seed: Seed = None
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


def truncated_normal(
    shape: Sequence[int], mean: float = 0.0, stddev: float = 1.0, dtype: DTypeLike = None, seed: Seed = None
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


def _dtypes(dtype: DTypeLike) -> tuple[np.dtype, np.dtype]:
    """Return the dtype of the result and the one to draw in."""
    result = np.dtype(np.float32 if dtype is None else dtype)
    if result.kind != "f":
        raise ValueError(f"Random values have a floating point dtype. Received: dtype={dtype}")
    return result, np.dtype(np.float64 if result.itemsize > 4 else np.float32)


def _generator(seed: Seed) -> np.random.Generator:
    if isinstance(seed, SeedGenerator):
        seed, step = seed.next()
    elif seed is None:
        seed, step = make_default_seed(), 0
    elif isinstance(seed, int):
        step = 0
    else:
        raise ValueError(
            "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
            f"Received: seed={seed} (of type {type(seed)})"
        )
    return np.random.Generator(np.random.PCG64([seed % _WORD, step]))
