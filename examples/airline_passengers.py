"""Forecasting the airline passengers with an LSTM: the tutorial that everybody starts from, in seconds on a CPU.

    python examples/airline_passengers.py [plot.png]

Only the imports differ from the same script for Keras: put `keras` for `fastlstm` in all but that of `demo`.

The data are the months from 1949 to 1960 (series G of Box & Jenkins). The years to 1956 are trained on, 1957 and 1958
choose the epoch, 1959 and 1960 are forecast once, a month ahead and two years ahead, beside the naive forecast: last
year's month.
"""

import csv
import sys

import numpy as np

from fastlstm import demo  # the folder of the CSV
from fastlstm.callbacks import EarlyStopping
from fastlstm.layers import LSTM, Dense, Input
from fastlstm.models import Sequential
from fastlstm.utils import set_random_seed

LOOK_BACK = 12
VALIDATED, TESTED = 24, 24


def create_dataset(dataset, look_back):
    """Windows of `look_back` months, each with the month after it."""
    x = [dataset[i : i + look_back] for i in range(len(dataset) - look_back)]
    return np.array(x)[..., None], np.array(dataset[look_back:])[:, None]


def rmse(actual, forecast):
    return float(np.sqrt(np.mean((np.ravel(actual) - np.ravel(forecast)) ** 2)))


set_random_seed(7)

# load the dataset
with open(demo.FOLDER / "airline_passengers.csv", encoding="ascii", newline="") as file:
    passengers = np.array([float(row["passengers"]) for row in csv.DictReader(file)])

# make it stationary: how much more than in the same month a year before, as logarithms
logarithms = np.log(passengers)
growth = (logarithms[12:] - logarithms[:-12]).astype("float32")
known = len(growth) - TESTED
trained = known - VALIDATED

# scale it by the years that are trained on
mean, deviation = growth[:trained].mean(), growth[:trained].std()
dataset = (growth - mean) / deviation


def inverse(scaled, year_before):
    return year_before * np.exp(np.ravel(scaled) * deviation + mean)


# split into train, validation and test
train_x, train_y = create_dataset(dataset[:trained], LOOK_BACK)
validation_x, validation_y = create_dataset(dataset[trained - LOOK_BACK : known], LOOK_BACK)
test_x, test_y = create_dataset(dataset[known - LOOK_BACK :], LOOK_BACK)

# create and fit the LSTM network
model = Sequential()
model.add(Input((LOOK_BACK, 1)))
model.add(LSTM(32))
model.add(Dense(1))
model.compile(loss="mean_squared_error", optimizer="adam")
history = model.fit(
    train_x,
    train_y,
    epochs=200,
    batch_size=8,
    verbose=0,
    validation_data=(validation_x, validation_y),
    callbacks=[EarlyStopping(patience=30, restore_best_weights=True)],
)
best = int(np.argmin(history.history["val_loss"])) + 1
print(f"{len(history.epoch)} epochs, of which the one of the least validation loss is number {best}")

# make predictions: a month ahead, and two years ahead with the forecasts as the input
actual, year_before = passengers[-TESTED:], passengers[-TESTED - 12 : -12]
month_ahead = inverse(model.predict(test_x, verbose=0), year_before)
window, years_ahead = dataset[known - LOOK_BACK : known], list(passengers[-TESTED - 12 : -TESTED])
for _ in range(TESTED):
    step = model.predict(window[None, -LOOK_BACK:, None], verbose=0)
    window = np.append(window, step)
    years_ahead.append(inverse(step, years_ahead[-12]).item())

# compare with last year's months
naive = np.resize(passengers[-TESTED - 12 : -TESTED], TESTED)
print(f"RMSE a month ahead, thousands:   LSTM {rmse(actual, month_ahead):5.1f}, naive {rmse(actual, year_before):5.1f}")
print(f"RMSE two years ahead, thousands: LSTM {rmse(actual, years_ahead[12:]):5.1f}, naive {rmse(actual, naive):5.1f}")

# plot them
if len(sys.argv) > 1:
    import matplotlib.pyplot as plt

    months = np.arange(len(passengers))
    plt.plot(months, passengers, label="passengers")
    plt.plot(months[-TESTED:], month_ahead, label="forecast a month ahead")
    plt.plot(months[-TESTED:], years_ahead[12:], label="forecast two years ahead")
    plt.legend()
    plt.savefig(sys.argv[1])
