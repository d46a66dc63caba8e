"""Learning rates that change from step to step, as `keras.optimizers.schedules` defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.identifiers import Registry
from fastlstm.optimizers.schedules.learning_rate_schedule import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

_CLASSES = (
    *(CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay),
)
_REGISTRY = Registry("learning rate schedule", {cls.__name__: cls for cls in _CLASSES})

serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize
deserialize: Callable[..., Any] = _REGISTRY.deserialize
