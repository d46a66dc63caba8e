"""The optimizers that are compared with real Keras: their arguments, the variables and the gradients."""

from __future__ import annotations

import numpy as np

STEPS = 25
SHAPES = {"kernel": (3, 4), "bias": (5,), "scale": ()}

OPTIMIZERS: list[tuple[str, dict]] = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True, "clipnorm": 0.5}),
    ("RMSprop", {"learning_rate": 0.02}),
    ("RMSprop", {"learning_rate": 0.02, "momentum": 0.5, "centered": True, "rho": 0.8}),
    ("Adam", {"learning_rate": 0.03}),
    ("Adam", {"learning_rate": 0.03, "amsgrad": True, "epsilon": 1e-4, "global_clipnorm": 0.7}),
    ("Adam", {"learning_rate": 0.03, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 7}),
    ("Adam", {"learning_rate": 0.03, "gradient_accumulation_steps": 3, "clipvalue": 0.3, "use_ema": True}),
    ("Adam", {"learning_rate": 0.03, "loss_scale_factor": 4.0, "weight_decay": 0.1}),
    ("AdamW", {"learning_rate": 0.03, "weight_decay": 0.05, "beta_1": 0.8}),
    ("Adamax", {"learning_rate": 0.03}),
    ("Nadam", {"learning_rate": 0.03}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adadelta", {"learning_rate": 2.0, "epsilon": 1e-3}),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 0.02,
            "l2_regularization_strength": 0.03,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.2,
        },
    ),
    ("Lion", {"learning_rate": 0.01, "weight_decay": 0.02}),
    ("Lamb", {"learning_rate": 0.02}),
    ("Adafactor", {"learning_rate": 0.1, "weight_decay": 0.01}),
]

# Class, its arguments, the steps at which it is asked.
SCHEDULES: list[tuple[str, dict]] = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.8}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.8, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [4, 11], "values": [0.1, 0.05, 0.01]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "power": 0.5, "cycle": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 16, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 16, "warmup_target": 0.1, "warmup_steps": 5}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5, "m_mul": 0.9}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5, "t_mul": 1.0, "alpha": 0.1}),
]


def numbers(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from -1 to 1 that are the same in every version of NumPy."""
    count = int(np.prod(shape))
    mixed = (np.arange(count, dtype=np.int64) * 7919 + seed * 104729) % 1009
    return (mixed / 504.0 - 1).astype(np.float32).reshape(shape)


def start() -> list[np.ndarray]:
    return [numbers(seed, shape) for seed, shape in enumerate(SHAPES.values(), 1)]


def gradients(step: int) -> list[np.ndarray]:
    return [numbers(17 * step + seed, shape) for seed, shape in enumerate(SHAPES.values(), 5)]
