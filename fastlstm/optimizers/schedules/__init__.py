"""Learning rates that change from step to step, as `keras.optimizers.schedules` defines them."""

from __future__ import annotations

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

serialize = _REGISTRY.serialize
deserialize = _REGISTRY.deserialize
