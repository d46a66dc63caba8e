"""Initializers: the starting values of weights, as `keras.initializers` defines them.

Every one is called as `initializer(shape, dtype=None)` and returns a float32 array unless told another dtype. One that
was seeded with an integer, or with nothing, gives the same values at every call; one seeded with a `SeedGenerator`
gives new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastlstm.identifiers import Registry, named
from fastlstm.initializers.constant_initializers import Constant, Identity, Ones, Zeros
from fastlstm.initializers.initializer import Initializer, as_dtype
from fastlstm.initializers.random_initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)
from fastlstm.printable import quoted

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

_REGISTRY = Registry(
    "initializer",
    {
        **named(Constant, Zeros, Ones, Identity, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling),
        **named(GlorotUniform, GlorotNormal, LecunUniform, LecunNormal, HeUniform, HeNormal, Orthogonal),
        "zero": Zeros,
        "one": Ones,
        "normal": RandomNormal,
        "uniform": RandomUniform,
        "IdentityInitializer": Identity,
        "OrthogonalInitializer": Orthogonal,
    },
    # tf.keras before 2.2 wrote the dtype of the weight into the config.
    obsolete_keys=frozenset({"dtype"}),
)


def get(identifier: Any) -> Any:
    """Return the initializer that the identifier names.

    Args:
        identifier: None, a name, a serialized dict, a class, a callable `(shape, dtype=None)`, or an array that is
            the weight's value.

    Raises:
        ValueError: When it is none of these, or names nothing known.
    """
    return _from_array(identifier) if isinstance(identifier, np.ndarray) else _REGISTRY.get(identifier)


def _from_array(array: np.ndarray) -> Any:
    def initialize(shape: Sequence[int], dtype: DTypeLike | None = None) -> np.ndarray:
        if tuple(shape) != array.shape:
            raise ValueError(
                f"Expected `shape` to be {array.shape} for direct tensor as initializer. Received shape={quoted(shape)}"
            )
        return array.astype(as_dtype(dtype))

    return initialize


serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize
deserialize: Callable[..., Any] = _REGISTRY.deserialize

constant = Constant
zeros = Zeros
ones = Ones
identity = IdentityInitializer = Identity
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
he_uniform = HeUniform
he_normal = HeNormal
orthogonal = OrthogonalInitializer = Orthogonal
