"""`predict(x, out=…)`: outputs go where they are wanted, batch by batch."""

import numpy as np
import pytest

from fastlstm.layers import LSTM, Dense
from networks import network, random


@pytest.mark.parametrize("rows", [1, 31, 32, 70])
def test_outputs_go_where_they_are_wanted(tmp_path, rows):
    model, x = network(LSTM(6), Dense(2)), random(rows, 5, 3)
    np.save(tmp_path / "x.npy", x.astype("float64"))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, (rows, 2))
    assert model.predict(mapped, verbose=0, out=out) is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0))


def test_out_of_several_outputs():
    model, x = network(LSTM(6, return_sequences=True, return_state=True)), random(70, 5, 3)
    expected = model.predict(x, verbose=0)
    out = [np.empty_like(y) for y in expected]
    assert model.predict(x, batch_size=9, verbose=0, out=out) is out
    for y, other in zip(out, expected, strict=True):
        np.testing.assert_array_equal(y, other)


@pytest.mark.parametrize(
    "out",
    [
        np.empty((5, 3), np.float32),
        np.empty((4, 2), np.float32),
        np.empty((5, 2)),
        np.broadcast_to(np.float32(0), (5, 2)),
        [[0.0, 0.0]] * 5,
        "y.npy",
    ],
)
def test_out_that_does_not_fit(out):
    with pytest.raises(ValueError, match=r"`out` should be writable float32 arrays of shapes \[\(5, 2\)\]"):
        network(LSTM(6), Dense(2)).predict(random(5, 4, 3), verbose=0, out=out)


def test_out_is_for_arrays():
    model, x, out = network(LSTM(6), Dense(2)), random(5, 4, 3), np.empty((5, 2), np.float32)
    for given, options, words in (
        ((batch for batch in [(x,)]), {}, "generator"),
        (list(x), {}, "list"),
        (x, {"steps": 1}, "`steps`"),
    ):
        with pytest.raises(ValueError, match=words):
            model.predict(given, verbose=0, out=out, **options)
