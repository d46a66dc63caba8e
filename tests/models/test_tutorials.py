"""The programs that users start from, with nothing but the import changed."""

import numpy as np
import pytest

from fastlstm.engine import reference
from fastlstm.layers import LSTM, Dense
from fastlstm.models import Sequential
from networks import randomized

pytestmark = pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")

DATA = np.array([0.1, 0.2, 0.3]).reshape((1, 3, 1))


def through_the_oracle(model, x):
    """What the float64 equations give for LSTM and Dense layers."""
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, Dense):
            x = x @ weights[0].astype("f8") + weights[1]
            continue
        outputs, _, _ = reference.lstm(x, *weights)
        x = outputs if layer.return_sequences else outputs[:, -1]
    return x


def test_one_lstm():
    model = Sequential()
    model.add(LSTM(1, input_shape=(3, 1)))
    model.compile(optimizer="adam", loss="mse")
    randomized(model)
    y = model.predict(DATA)
    assert y.shape == (1, 1)
    np.testing.assert_allclose(y, through_the_oracle(model, DATA), atol=1e-6)


def test_one_lstm_with_sequences():
    model = Sequential()
    model.add(LSTM(1, input_shape=(3, 1), return_sequences=True))
    model.compile(optimizer="adam", loss="mse")
    randomized(model)
    y = model.predict(DATA)
    assert y.shape == (1, 3, 1)
    np.testing.assert_allclose(y, through_the_oracle(model, DATA), atol=1e-6)


@pytest.mark.parametrize("depth", [2, 4])
def test_stacked(depth):
    model = Sequential()
    model.add(LSTM(5, return_sequences=True, input_shape=(3, 1)))
    for _ in range(depth - 2):
        model.add(LSTM(5, return_sequences=True))
    model.add(LSTM(5))
    model.add(Dense(1))
    model.compile(optimizer="adam", loss="mean_squared_error", metrics=["mae"])
    randomized(model)
    np.testing.assert_allclose(model.predict(DATA), through_the_oracle(model, DATA), rtol=1e-5, atol=1e-6)


def test_stacked_without_sequences():
    model = Sequential()
    model.add(LSTM(1, input_shape=(3, 1)))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        model.add(LSTM(1))


def test_a_window_over_a_series():
    series = np.sin(np.arange(60) / 5)
    windows = np.stack([series[i : i + 12] for i in range(48)])[:, :, None]
    model = Sequential([LSTM(8, activation="relu", input_shape=(12, 1)), Dense(1)])
    model.compile("adam", "mse")
    y = model.predict(windows, verbose=0)
    assert y.shape == (48, 1)
    rows = np.concatenate([model.predict(window[None], verbose=0) for window in windows])
    np.testing.assert_allclose(rows, y, rtol=1e-6, atol=1e-7)
