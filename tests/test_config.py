import numpy as np
import pytest

from fastlstm import backend, config
from fastlstm.backend import Variable
from fastlstm.layers import Flatten, Input, MaxPooling1D


@pytest.fixture
def settings():
    yield
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")


def test_floatx():
    config.set_floatx("float32")
    with pytest.raises(NotImplementedError, match="`floatx` 'float16' is not supported"):
        backend.set_floatx("float16")
    with pytest.raises(ValueError, match="Unknown `floatx` value: int8"):
        config.set_floatx("int8")
    assert config.floatx() == backend.floatx() == "float32"
    assert config.backend() == backend.backend() == "numpy"


def test_epsilon(settings):
    assert config.epsilon() == 1e-7
    config.set_epsilon(1e-3)
    assert backend.epsilon() == 1e-3
    with pytest.raises(ValueError):
        config.set_epsilon("a")


def test_image_data_format(settings):
    config.set_image_data_format("Channels_First")
    assert backend.image_data_format() == "channels_first"
    assert MaxPooling1D().data_format == Flatten().data_format == "channels_first"
    assert MaxPooling1D(data_format="channels_last").data_format == "channels_last"
    with pytest.raises(ValueError, match="Received: data_format=foo"):
        config.set_image_data_format("foo")


def test_dtypes():
    for dtype, name in (
        (None, "float32"),
        (int, "int64"),
        ("int", "int64"),
        (float, "float32"),
        (np.int8, "int8"),
        ("bool", "bool"),
    ):
        assert backend.standardize_dtype(dtype) == name
    assert backend.standardize_dtype(np.dtype("float16")) == "float16"
    with pytest.raises(ValueError, match="Invalid dtype: foo"):
        backend.standardize_dtype("foo")
    assert backend.is_float_dtype("bfloat16")
    assert backend.is_int_dtype("uint8")
    assert not backend.is_float_dtype("int32")
    assert not backend.is_int_dtype("bool")


def test_keras_tensors():
    assert backend.is_keras_tensor(Input((3,)))
    assert not backend.is_keras_tensor(np.zeros(3))


def test_variables():
    backend.clear_session()
    v = Variable([1.0, 2.0])
    assert (v.name, v.path, v.dtype, v.shape, v.ndim, len(v)) == ("variable", "variable", "float32", (2,), 1, 2)
    array = v.value
    v.assign([3, 4])
    v.assign_add(1)
    v.assign_sub([0.5, 0])
    assert v.value is array
    np.testing.assert_array_equal(v.numpy(), [3.5, 5])
    np.testing.assert_array_equal(v + v, [7, 10])
    np.testing.assert_array_equal(1 - v, [-2.5, -4])
    np.testing.assert_array_equal(v == [3.5, 0], [True, False])
    np.testing.assert_array_equal(np.asarray(v, np.float64), v)
    assert np.asarray(v) is not array
    assert v.__array__(copy=False) is array  # what NumPy 2 calls for `asarray(v, copy=False)`
    assert v[1] == 5
    assert {v: 1}[v] == 1
    assert float(Variable(2.5)) == 2.5
    assert int(Variable(2, name="two")) == 2
    assert Variable(np.float64(2.5)).dtype == "float64"
    assert Variable([1, 2]).dtype == "int64"
    made = Variable(lambda shape, dtype: np.full(shape, 7, dtype), (2, 3), "int32")
    assert (made.dtype, made.value.tolist()) == ("int32", [[7] * 3] * 2)
    assert "path=two" in repr(Variable(2, name="two"))
    for attempt, error, message in (
        (lambda: v.assign([1]), ValueError, "must match. variable.shape=(2,), Received: value.shape=(1,)"),
        (lambda: Variable(1, name="a/b"), ValueError, "cannot contain character `/`. Received: name=a/b"),
        (lambda: Variable(np.zeros), ValueError, "the `shape` argument should be specified"),
        (lambda: float(v), TypeError, "Only scalar arrays can be converted to Python scalars. Got: shape=(2,)"),
        (lambda: bool(v), TypeError, "cannot be used as a boolean"),
        (lambda: v.__array__(np.int8, copy=False), ValueError, "cannot be given out as int8 uncopied"),
    ):
        with pytest.raises(error) as raised:
            attempt()
        assert message in str(raised.value)
