"""Small networks and how they are trained, for comparisons over files with real Keras."""

from __future__ import annotations

import numpy as np

EPOCHS = 5
CASES = {
    "adam": ("Adam", {"learning_rate": 0.02, "amsgrad": True}),
    "sgd": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "clipnorm": 1.0}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "centered": True}),
    "adamw": ("AdamW", {"learning_rate": 0.02, "weight_decay": 0.1, "use_ema": True, "ema_momentum": 0.9}),
    "nadam": ("Nadam", {"learning_rate": 0.02}),
}


def values(shape: tuple[int, ...], seed: int, scale: float = 1.0) -> np.ndarray:
    """Numbers that are the same in every version of NumPy."""
    mixed = (np.arange(int(np.prod(shape)), dtype=np.int64) * 7919 + seed * 104729) % 1009
    return (scale * (mixed / 504.0 - 1)).astype(np.float32).reshape(shape)


def batches() -> tuple[np.ndarray, np.ndarray]:
    x = values((24, 5, 2), 1)
    return x, (x[:, -1, :1] - x[:, 0, 1:]) * 0.5


def make_model(keras, name: str):
    """A compiled model with weights of its own: what is not trained first, is in the middle.

    Args:
        keras: Keras or fastlstm.
        name: Of the case.
    """
    layers = keras.layers
    frozen = layers.Dense(3, activation="tanh", name="frozen")
    frozen.trainable = False
    model = keras.Sequential(
        [layers.Input((5, 2)), layers.LSTM(3, name="foo"), frozen, layers.Dense(1, name="head")], name="model"
    )
    weights = model.get_weights()
    model.set_weights([values(weight.shape, seed, 0.5) for seed, weight in enumerate(weights, 2)])
    class_name, arguments = CASES[name]
    optimizer = getattr(keras.optimizers, class_name)(**arguments)
    model.compile(optimizer, loss="mse", metrics=["mae"])
    return model
