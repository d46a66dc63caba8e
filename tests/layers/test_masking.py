import numpy as np
import pytest

from fastlstm.layers import Masking
from fastlstm.layers.base.arrays import carried_mask

X = np.random.default_rng(3).normal(size=(2, 5, 3)).astype(np.float32)


@pytest.mark.parametrize("value", [0.0, -1, 0.1, -np.inf, [0.5, 2.0, -1.0], np.array([1.0, 2.0, 3.0])])
def test_masked_steps_become_zero(value):
    x = X.copy()
    x[0, 1] = x[1, 3:] = value
    x[1, 0, 0] = np.float32(value).flat[0]  # one feature alone masks nothing
    y = Masking(value)(x)
    expected = x.copy()
    expected[0, 1] = expected[1, 3:] = 0
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(carried_mask(y), [[1, 0, 1, 1, 1], [1, 1, 1, 0, 0]])


def test_nan_masks_nothing():
    x = X.copy()
    x[0, 1] = np.nan
    y = Masking(float("nan"))(x)
    np.testing.assert_array_equal(y, x)
    assert carried_mask(y).all()


def test_nan_in_the_input_is_valid():
    x = np.zeros((1, 2, 3), np.float32)
    x[0, 1, 2] = np.nan
    np.testing.assert_array_equal(carried_mask(Masking()(x)), [[False, True]])


def test_config_holds_a_list():
    assert Masking(np.array([1.0, 2.0])).get_config()["mask_value"] == [1.0, 2.0]
