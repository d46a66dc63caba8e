import json

import numpy as np
import pytest

import fastlstm
from fastlstm import activations, initializers, layers, losses, metrics, optimizers, saving
from fastlstm.saving import deserialize_keras_object, serialize_keras_object


def round_trip(obj, **kwargs):
    return deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(obj))), **kwargs)


@pytest.mark.parametrize(
    "obj",
    [
        layers.LSTM(3, name="a"),
        fastlstm.Sequential([layers.Input((3,)), layers.Dense(2)], name="s"),
        losses.Huber(0.5),
        metrics.Precision(top_k=2, name="p"),
        optimizers.Adam(0.25, name="o"),
        optimizers.schedules.CosineDecay(0.5, 3),
        initializers.Constant(0.5),
        fastlstm.regularizers.L2(0.5),
        fastlstm.constraints.MaxNorm(3),
        layers.LSTM(3).dtype_policy,
    ],
    ids=lambda obj: type(obj).__name__,
)
def test_objects(obj):
    config = serialize_keras_object(obj)
    assert config["class_name"] == type(obj).__name__
    assert config["module"].startswith("keras")
    again = round_trip(obj)
    assert type(again) is type(obj)
    assert again.get_config() == obj.get_config()


def test_plain_data():
    data = {"a": [1, 2.5, "x", None, True], "b": {"c": np.float32(0.5), "d": np.array(3)}}
    assert round_trip(data) == {"a": [1, 2.5, "x", None, True], "b": {"c": 0.5, "d": 3}}
    np.testing.assert_array_equal(round_trip(np.arange(3, dtype="int8")), np.arange(3))
    assert round_trip(np.arange(3, dtype="int8")).dtype == "int8"
    assert round_trip(b"ab") == b"ab"
    assert round_trip(slice(1, None, 2)) == slice(1, None, 2)
    assert round_trip(...) is ...
    assert round_trip((losses.Hinge(), 1))[0].name == "hinge"
    tensor = {"class_name": "__tensor__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}
    np.testing.assert_array_equal(deserialize_keras_object(tensor), [1, 2])


def test_functions():
    assert round_trip(activations.tanh) is activations.tanh
    assert round_trip(losses.huber) is losses.huber
    assert round_trip(metrics.binary_accuracy) is metrics.binary_accuracy
    of_keras = {"module": "builtins", "class_name": "function", "config": "mean_squared_error"}
    assert deserialize_keras_object(of_keras) is losses.mean_squared_error


@saving.register_keras_serializable("tests", "twice")
def twice(x):
    return 2 * x


@saving.register_keras_serializable("tests")
class Double(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.full(shape, 2, dtype)


def test_ones_own():
    assert serialize_keras_object(Double())["registered_name"] == "tests>Double"
    assert type(round_trip(Double())) is Double
    assert round_trip(twice) is twice

    class Triple(Double):
        pass

    def thrice(x):
        return 3 * x

    assert type(round_trip(Triple(), custom_objects={"Triple": Triple})) is Triple
    assert round_trip(thrice, custom_objects={"thrice": thrice}) is thrice
    with pytest.raises(ValueError, match=r"Could not locate function 'thrice'. Pass it in `custom_objects`"):
        round_trip(thrice)


def test_refused():
    with pytest.raises(TypeError, match="To be serializable, a class must implement the `get_config"):
        serialize_keras_object(object())
    with pytest.raises(ValueError, match="A lambda has no name"):
        serialize_keras_object(lambda x: x)
    with pytest.raises(ValueError, match="Requested the deserialization of a Python lambda"):
        deserialize_keras_object({"class_name": "__lambda__", "config": {"value": ["a"]}})
    with pytest.raises(TypeError, match="Could not parse config"):
        deserialize_keras_object(object())
    with pytest.raises(TypeError, match="Expected 'config' to be a str for a function"):
        deserialize_keras_object({"class_name": "function", "config": 3})
    with pytest.raises(ValueError, match="is not supported"):
        deserialize_keras_object({"module": "keras.layers", "class_name": "Foo", "config": {"name": "a"}})
    for module in ("os", "keras.utils", "keras.src.utils.file_utils"):
        with pytest.raises(ValueError):
            deserialize_keras_object({"module": module, "class_name": "get_file", "config": {}})
    with pytest.raises(ValueError, match="Could not locate function"):
        deserialize_keras_object({"module": "keras.utils", "class_name": "function", "config": "get_file"})
