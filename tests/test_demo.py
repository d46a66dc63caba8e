"""The demo keeps its promise: the packaged model beats the seasonal-naive forecast of years that it never saw."""

import numpy as np
import pytest

from fastlstm import demo


@pytest.fixture(scope="module")
def forecast():
    return demo.run()


def test_series_is_complete():
    months, passengers = demo.load_series()
    assert months == [f"{year}-{month:02d}" for year in range(1949, 1961) for month in range(1, 13)]
    assert passengers.shape == (144,)
    assert passengers.sum() == 40363  # mean 280.3 of series G
    assert (passengers.min(), passengers.max(), passengers[-1]) == (104, 622, 432)


def test_forecasts_the_last_two_years(forecast):
    months, passengers = demo.load_series()
    assert forecast.months == months[120:]
    assert (forecast.months[0], forecast.months[-1]) == ("1959-01", "1960-12")
    np.testing.assert_array_equal(forecast.actual, passengers[120:])
    np.testing.assert_array_equal(forecast.naive, np.tile(passengers[108:120], 2))
    assert forecast.forecast.shape == (24,)


def test_beats_the_naive_forecast(forecast):
    # As Keras computed them when the model was trained; the naive ones follow from the data alone.
    assert forecast.rmse == pytest.approx(27.4, abs=0.05)
    assert forecast.mape == pytest.approx(4.8, abs=0.05)
    assert forecast.naive_rmse == pytest.approx(77.0, abs=0.05)
    assert forecast.naive_mape == pytest.approx(15.5, abs=0.05)
    assert forecast.rmse < forecast.naive_rmse / 2
    assert forecast.seconds_per_prediction > 0


def test_uses_nothing_of_the_years_it_forecasts(forecast):
    months, passengers = demo.load_series()
    passengers[120:] = np.arange(1, 25)
    blind = demo.forecast(demo.load_airline_model(), months, passengers)
    np.testing.assert_array_equal(blind.forecast, forecast.forecast)


def test_model_input_is_relative_to_the_last_month():
    window = np.arange(1.0, 13.0)
    x = demo.model_input(window)
    assert x.shape == (1, 12, 1) and x.dtype == np.float32
    np.testing.assert_allclose(x[0, :, 0], np.log(window) - np.log(12.0), rtol=1e-6)
    np.testing.assert_array_equal(demo.model_input(64 * window), x)


def test_errors_of_a_forecast():
    forecast = demo.Forecast(["a", "b"], np.array([10.0, 20.0]), np.array([13.0, 16.0]), np.array([10.0, 30.0]), 1.0)
    assert forecast.rmse == pytest.approx(np.sqrt(12.5))
    assert forecast.mape == pytest.approx(25.0)
    assert forecast.naive_rmse == pytest.approx(np.sqrt(50.0))
    assert forecast.naive_mape == pytest.approx(25.0)
