"""ArrayForm: what an array has to be to be run as it is."""

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, layers
from fastlstm.engine import ArrayForm


def unaligned(shape):
    size = int(np.prod(shape))
    return np.zeros(4 * size + 1, np.uint8)[1:].view(np.float32).reshape(shape)


class Subclass(np.ndarray):
    pass


READ_ONLY = np.zeros((2, 5, 3), np.float32)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("x", "fits"),
    [
        (np.zeros((2, 5, 3), np.float32), True),
        (np.zeros((2, 0, 3), np.float32), True),
        (READ_ONLY, True),
        (np.zeros((2, 5, 4), np.float32), False),
        (np.zeros((3, 5, 3), np.float32), False),
        (np.zeros((5, 3), np.float32), False),
        (np.zeros((2, 5, 3, 1), np.float32), False),
        (np.float32(1.0), False),
        (np.zeros((2, 5, 3)), False),
        (np.zeros((2, 5, 3), ">f4"), False),
        (np.zeros((2, 5, 3), np.int32), False),
        (np.zeros((2, 5, 6), np.float32)[..., ::2], False),
        (np.zeros((3, 5, 2), np.float32).T, False),
        (np.zeros((2, 5, 3), np.float32).view(Subclass), False),
        (unaligned((2, 5, 3)), False),
        ([[[0.0] * 3] * 5] * 2, False),
        (None, False),
    ],
)
def test_fits(x, fits):
    assert ArrayForm((2, None, 3)).fits(x) is fits


def test_more_axes_than_numpy_has_are_refused():
    with pytest.raises(ValueError, match="at most"):
        ArrayForm((None,) * 1000)


def models():
    inputs = Input((5, 3))
    yield Sequential([Input((5, 3)), layers.LSTM(4)])
    yield Model(inputs, layers.LSTM(4)(inputs))


@pytest.mark.parametrize("model", list(models()), ids=["Sequential", "Functional"])
def test_what_does_not_fit_is_converted_or_refused(model):
    x = np.random.default_rng(0).standard_normal((2, 5, 3), np.float32)
    expected = model.predict_on_batch(x)
    for same in (x.astype(np.float64), x.astype(">f4"), np.asfortranarray(x), x.view(Subclass)):
        np.testing.assert_array_equal(model.predict_on_batch(same), expected)
        np.testing.assert_array_equal(model(np.asanyarray(same)), expected)
    for wrong in (x[..., :2].copy(), np.zeros((2, 5, 3, 2), np.float32)):
        for call in (model, model.predict_on_batch):
            with pytest.raises(ValueError, match=r"incompatible|expected shape|ndim"):
                call(wrong)
    np.testing.assert_array_equal(model.predict_on_batch(x), expected)


def test_a_functional_model_keeps_to_its_timesteps():
    _, model = models()
    with pytest.raises(ValueError, match="expected shape"):
        model.predict_on_batch(np.zeros((2, 6, 3), np.float32))
