"""Native activations: against float64, at the edges, and the same bits on every instruction set."""

import numpy as np
import pytest

from fastlstm.engine import activate, kernel_names, reference
from fastlstm.engine.ops import ACTIVATIONS, Activation

PARAMETERS = {
    "relu": (0.25, 4.5, 0.5),
    "elu": (0.7,),
    "celu": (1.3,),
    "hard_shrink": (0.4,),
    "soft_shrink": (0.4,),
    "squareplus": (3.0,),
}
ROWS = ("softmax", "log_softmax")
# These add or subtract numbers near each other and lose bits near their zeros: there the bound is absolute.
CANCELLING = {"gelu", "gelu_tanh", "hard_sigmoid_keras2", "mish", "selu", "tanh_shrink", "squareplus", "log_softmax"}


def native(name):
    return Activation(name, tuple(np.float32(p) for p in PARAMETERS.get(name, ())))


def expected(name, x):
    return reference.ACTIVATIONS[name](x.astype(np.float64), *(np.float64(p) for p in native(name).parameters))


def samples(low, high, n=200_000):
    rng = np.random.default_rng(7)
    near_zero = rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-30, 0, n)
    return np.concatenate([rng.uniform(low, high, n), near_zero]).astype(np.float32)


def ulps(y, exact):
    return np.abs(y - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)


@pytest.mark.parametrize(("name", "low", "high"), [("sigmoid", -87, 30), ("tanh", -12, 12), ("exponential", -87, 88)])
@pytest.mark.parametrize("isa", kernel_names())
def test_within_3_5_ulp(name, low, high, isa):
    x = samples(low, high)
    assert ulps(activate(x, native(name), isa), expected(name, x)).max() <= 3.5


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in ROWS])
def test_elementwise_matches_float64(name):
    x = samples(-20, 20, 20_000)
    np.testing.assert_allclose(
        activate(x, native(name)), expected(name, x), rtol=2e-6, atol=1e-6 if name in CANCELLING else 1e-30
    )


@pytest.mark.parametrize("units", [1, 2, 7, 15, 16, 17, 33, 100])
@pytest.mark.parametrize("name", ROWS)
def test_rows_match_float64(name, units):
    x = (np.random.default_rng(units).standard_normal((5, 3, units)) * 3).astype(np.float32)
    y = activate(x, native(name))
    assert y.shape == x.shape
    np.testing.assert_allclose(y, expected(name, x), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_same_bits_on_every_isa_and_at_every_length(name):
    x = samples(-30, 30, 500)
    shape = (-1, 10) if name in ROWS else (-1,)
    whole = [activate(x.reshape(shape), native(name), isa).ravel() for isa in kernel_names()]
    for y in whole[1:]:
        np.testing.assert_array_equal(y, whole[0])
    if name not in ROWS:
        for n in (1, 7, 8, 9, 15, 16, 17, 31, 33):
            np.testing.assert_array_equal(activate(x[:n], native(name)), whole[0][:n])


@pytest.mark.parametrize("isa", kernel_names())
def test_saturation_is_exact(isa):
    x = np.array([-np.inf, -1e30, -104, 104, 1e30, np.inf], dtype=np.float32)
    assert activate(x, native("sigmoid"), isa).tolist() == [0, 0, 0, 1, 1, 1]
    assert activate(x, native("tanh"), isa).tolist() == [-1, -1, -1, 1, 1, 1]
    assert activate(x, native("hard_sigmoid"), isa).tolist() == [0, 0, 0, 1, 1, 1]
    assert activate(x, native("exponential"), isa).tolist() == [0, 0, 0, np.inf, np.inf, np.inf]
    assert activate(x, Activation("relu", (0.0, np.inf, 0.0)), isa).tolist() == [0, 0, 0, 104, np.float32(1e30), np.inf]


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_gives_nan_in_its_row_only(name, isa):
    x = np.ones((3, 17), dtype=np.float32)
    x[1] = np.nan
    y = activate(x, native(name), isa)
    assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()


def test_tanh_is_odd():
    x = samples(-12, 12, 5000)
    np.testing.assert_array_equal(activate(-x, native("tanh")), -activate(x, native("tanh")))


def test_input_is_not_changed():
    x = samples(-5, 5, 10)
    before = x.copy()
    activate(x, native("tanh"))
    np.testing.assert_array_equal(x, before)


def test_unknown_names_and_wrong_parameters_are_refused():
    x = np.zeros(3, dtype=np.float32)
    with pytest.raises(ValueError, match="no activation 'cosine'"):
        activate(x, Activation("cosine"))
    with pytest.raises(ValueError, match="takes the parameters"):
        activate(x, Activation("elu"))
    with pytest.raises(ValueError, match="No kernels called"):
        activate(x, Activation("tanh"), isa="sse9")
