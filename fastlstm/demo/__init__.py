"""The demo: a stacked LSTM forecasts the last two years of the classic airline passengers series.

The data are international airline passengers per month in thousands, 1949 to 1960: series G of Box, Jenkins & Reinsel,
"Time Series Analysis: Forecasting and Control". The model (two LSTM layers and a Dense) was trained by Keras on 1949 to
1958, by tests/data/make_airline_demo.py of the source distribution.

The model sees the logarithms of 12 months, relative to the last of them, and gives the growth of the next month over
the same month a year earlier (as a logarithm). The forecast uses nothing after 1958: from its second month on, the
model's own forecasts are its input. The naive forecast repeats the last known year.
"""

from __future__ import annotations

import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastlstm.models import Model

FOLDER = Path(__file__).parent
# The file that Keras wrote.
MODEL = FOLDER / "airline.keras"
WINDOW = 12
HORIZON = 24
TIMED_PREDICTIONS = 20


@dataclass(frozen=True)
class Forecast:
    """The last HORIZON months of the series, and what was forecast for them without seeing any of them."""

    months: list[str]
    actual: np.ndarray
    forecast: np.ndarray
    naive: np.ndarray
    seconds_per_prediction: float

    @property
    def rmse(self) -> float:
        return root_mean_square_error(self.actual, self.forecast)

    @property
    def naive_rmse(self) -> float:
        return root_mean_square_error(self.actual, self.naive)

    @property
    def mape(self) -> float:
        return mean_absolute_percentage_error(self.actual, self.forecast)

    @property
    def naive_mape(self) -> float:
        return mean_absolute_percentage_error(self.actual, self.naive)


@dataclass(frozen=True)
class KerasTime:
    """What `model.predict(window())` took when both were measured side by side, in seconds."""

    keras: float
    fastlstm: float
    keras_version: str
    processor: str
    date: str


def run() -> Forecast:
    """Forecasts the last two years with the packaged model."""
    months, passengers = load_series()
    return forecast(load_airline_model(), months, passengers)


def load_series() -> tuple[list[str], np.ndarray]:
    """The months ("1949-01" …) and their passengers in thousands, shape (144,)."""
    with (FOLDER / "airline_passengers.csv").open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["month"] for row in rows], np.array([float(row["passengers"]) for row in rows])


def load_airline_model() -> Model:
    """The packaged model, opened by fastlstm."""
    from fastlstm.models import load_model

    return load_model(MODEL)


def keras_time() -> KerasTime:
    """The figures of `python -m bench demo`, which wrote them where they are packaged."""
    result = json.loads((FOLDER / "keras_time.json").read_text(encoding="utf-8"))
    median = {key: 1e-6 * float(np.median(rounds)) for key, rounds in result["microseconds"].items()}
    return KerasTime(
        keras=median["keras_predict"],
        fastlstm=median["fastlstm"],
        keras_version=result["versions"]["keras_predict"]["keras"],
        processor=result["machine"]["processor"],
        date=result["date"],
    )


def window() -> np.ndarray:
    """The last WINDOW months of the series as the model's input, shape (1, WINDOW, 1), float32."""
    return model_input(load_series()[1][-WINDOW:])


def model_input(passengers: np.ndarray) -> np.ndarray:
    """Passengers of WINDOW months → the model's input, shape (1, WINDOW, 1)."""
    return np.log(passengers / passengers[-1]).reshape(1, WINDOW, 1).astype("float32")


def forecast(model: Any, months: list[str], passengers: np.ndarray) -> Forecast:
    """Forecasts the last HORIZON months of a series from the months before them.

    Args:
        model: anything with Keras' `predict`, input (1, WINDOW, 1), output (1, 1).
        months: the names of the months.
        passengers: the series, shape (len(months),).
    """
    known = list(passengers[:-HORIZON])
    for _ in range(HORIZON):
        year = np.array(known[-WINDOW:])
        growth = model.predict(model_input(year), verbose=0)[0, 0]
        known.append(float(year[0] * np.exp(growth)))
    last_year = passengers[-HORIZON - 12 : -HORIZON]
    return Forecast(
        months=months[-HORIZON:],
        actual=passengers[-HORIZON:],
        forecast=np.array(known[-HORIZON:]),
        naive=np.resize(last_year, HORIZON),
        seconds_per_prediction=time_prediction(model, model_input(last_year)),
    )


def time_prediction(model: Any, x: np.ndarray) -> float:
    """The median time of `model.predict(x)`, in seconds."""
    seconds = []
    for _ in range(TIMED_PREDICTIONS):
        start = time.perf_counter()
        model.predict(x, verbose=0)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def root_mean_square_error(actual: np.ndarray, forecast: np.ndarray) -> float:
    return float(np.sqrt(np.mean((forecast - actual) ** 2)))


def mean_absolute_percentage_error(actual: np.ndarray, forecast: np.ndarray) -> float:
    return float(100 * np.mean(np.abs(forecast / actual - 1)))
