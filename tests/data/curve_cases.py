"""Networks, optimizers and batches of which the losses of twenty epochs are compared with real Keras'."""

from __future__ import annotations

import numpy as np
from trained_cases import values

EPOCHS = 20
OPTIMIZERS = {
    "adam": ("Adam", {"learning_rate": 0.01}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.005}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.05}),
}


def series():
    x = values((32, 12, 2), 1)
    return x, 0.5 * (x[:, -1, :1] - x[:, -3, 1:])


def tutorial(keras):
    layers = keras.layers
    lstms = [layers.LSTM(9, return_sequences=True) for _ in range(3)]
    return keras.Sequential([layers.Input((12, 2)), *lstms, layers.LSTM(9), layers.Dense(1)]), *series(), "mse"


def masked(keras):
    layers = keras.layers
    x, y = series()
    for row in range(len(x)):
        x[row, 12 - row % 7 :] = 0.0
    return (
        keras.Sequential([layers.Input((12, 2)), layers.Masking(), layers.LSTM(7), layers.Dense(1)]),
        x,
        y,
        "mae",
    )


def bidirectional(keras):
    layers = keras.layers
    inner = layers.Bidirectional(layers.LSTM(5, return_sequences=True))
    outer = layers.Bidirectional(layers.GRU(4), merge_mode="sum")
    return keras.Sequential([layers.Input((12, 2)), inner, outer, layers.Dense(1)]), *series(), "huber"


def encoder_decoder(keras):
    layers = keras.layers
    past, known = layers.Input((12, 2)), layers.Input((5, 1))
    _, *states = layers.LSTM(8, return_state=True)(past)
    decoded = layers.LSTM(8, return_sequences=True)(known, initial_state=states)
    model = keras.Model([past, known], layers.TimeDistributed(layers.Dense(1))(decoded))
    x, y = series()
    future = np.repeat(y[:, None], 5, axis=1) * values((32, 5, 1), 3)
    return model, [x, values((32, 5, 1), 2)], future, "mse"


def stateful(keras):
    layers = keras.layers
    first, last = layers.LSTM(6, stateful=True, return_sequences=True), layers.LSTM(6, stateful=True)
    model = keras.Sequential([layers.Input(batch_shape=(8, 12, 2)), first, last, layers.Dense(1)])
    return model, *series(), "mse"


def embedding(keras):
    layers = keras.layers
    ids = (np.abs(values((32, 12), 5)) * 9).astype(np.int32)
    model = keras.Sequential(
        [layers.Input((12,)), layers.Embedding(10, 6, mask_zero=True), layers.LSTM(8), layers.Dense(3, "softmax")]
    )
    return model, ids, (ids[:, 0] + ids[:, -1]) % 3, "sparse_categorical_crossentropy"


def recognizer(keras):
    """Labels somewhere in a sequence, with none and with too many for the steps among them."""
    layers = keras.layers
    rows = [layers.Bidirectional(layers.LSTM(6, return_sequences=True)), layers.Dense(5)]
    x, _ = series()
    labels = (np.abs(values((32, 4), 7)) * 3.99).astype(np.int32) + 1
    labels[np.arange(4) >= np.arange(32)[:, None] % 5] = 0
    return keras.Sequential([layers.Input((12, 2)), *rows]), x, labels, "ctc"


NETWORKS = (tutorial, masked, bidirectional, encoder_decoder, stateful, embedding, recognizer)


def losses_of(keras, network, optimizer: str) -> list[float]:
    """The losses of the epochs.

    Args:
        keras: Keras or fastlstm.
        network: One of `NETWORKS`.
        optimizer: One of `OPTIMIZERS`.
    """
    model, x, y, loss = network(keras)
    model.set_weights([values(weight.shape, seed, 0.4) for seed, weight in enumerate(model.get_weights(), 2)])
    class_name, arguments = OPTIMIZERS[optimizer]
    model.compile(getattr(keras.optimizers, class_name)(**arguments), loss=loss, jit_compile=False)
    return model.fit(x, y, batch_size=8, epochs=EPOCHS, shuffle=False, verbose=0).history["loss"]
