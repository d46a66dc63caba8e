"""Trains the model of `fastlstm demo` with real Keras 3 and writes it to fastlstm/demo/airline.keras.

Run by hand, never by the tests: `pip install . keras tensorflow-cpu && python tests/data/make_airline_demo.py`

The data: international airline passengers per month in thousands, 1949 to 1960: series G of Box, Jenkins & Reinsel,
"Time Series Analysis: Forecasting and Control". What the model sees and gives is defined in fastlstm.demo. The training
never sees the last two years. Epochs and noise were compared on 1957 and 1958 (`--years 8`), but the test errors of the
variants were printed beside them: the figures of the demo show that the model works, they are no blind benchmark.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from fastlstm import demo

TARGET = Path(__file__).parents[2] / "fastlstm" / "demo" / "airline.keras"
UNITS, EPOCHS, LEARNING_RATE, BATCH_SIZE, SEED = 24, 200, 0.01, 32, 1
NOISE = 0.03  # on the inputs, in training only: against overfitting


def training_set(passengers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All windows of the series as the model sees them, and the growth that followed each."""
    samples = np.lib.stride_tricks.sliding_window_view(passengers, demo.WINDOW + 1)
    x = np.concatenate([demo.model_input(s[:-1]) for s in samples])
    return x, np.log(samples[:, -1:] / samples[:, :1]).astype("float32")


def train(passengers: np.ndarray) -> keras.Sequential:
    keras.utils.set_random_seed(SEED)
    layers = [keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.LSTM(UNITS), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((demo.WINDOW, 1)), *layers], name="airline")
    x, y = training_set(passengers)
    steps = EPOCHS * -(-len(x) // BATCH_SIZE)
    trainer = keras.Sequential([keras.Input((demo.WINDOW, 1)), keras.layers.GaussianNoise(NOISE), *layers])
    trainer.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)), loss="mse")
    trainer.fit(x, y, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)
    return model  # shares its layers with the trainer; never compiled, so its file carries no optimizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=int, help="train on that many years, forecast the next two, write nothing")
    years = parser.parse_args().years
    months, passengers = demo.load_series()
    known = len(passengers) - demo.HORIZON if years is None else 12 * years
    series = passengers[: known + demo.HORIZON]
    model = train(series[:known])
    result = demo.forecast(model, months[: len(series)], series)
    print(f"model           RMSE {result.rmse:.1f}, MAPE {result.mape:.1f} %")
    print(f"seasonal naive  RMSE {result.naive_rmse:.1f}, MAPE {result.naive_mape:.1f} %")
    if years is None:
        model.save(TARGET)
        print(f"wrote {TARGET} ({TARGET.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
