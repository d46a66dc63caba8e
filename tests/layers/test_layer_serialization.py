import json

import pytest

from fastlstm import Sequential, layers


def test_round_trip():
    layer = layers.LSTM(3, name="a")
    layer.build((None, 5, 2))
    config = json.loads(json.dumps(layers.serialize(layer)))
    assert (config["module"], config["class_name"], config["registered_name"]) == ("keras.layers", "LSTM", None)
    assert config["build_config"] == {"input_shape": [None, 5, 2]}
    again = layers.deserialize(config)
    assert again.built
    assert again.get_config() == layer.get_config()
    assert "build_config" not in layers.serialize(layers.Dropout(0.5))
    assert layers.serialize(Sequential([layer]))["module"] == "keras"


@pytest.mark.parametrize(
    "layer",
    [
        *(layers.LSTM(3), layers.GRU(3), layers.SimpleRNN(3), layers.ConvLSTM2D(2, 3)),
        *(layers.MultiHeadAttention(2, 3), layers.EinsumDense("abc,cd->abd", (None, 4))),
    ],
    ids=lambda layer: layer.name,
)
def test_a_regularizer_of_outputs_is_in_configs_where_keras_has_none_too(layer):
    config = layer.get_config()
    assert config["activity_regularizer"] is None
    again = type(layer).from_config({**config, "activity_regularizer": "l2"})
    assert again.get_config()["activity_regularizer"]["class_name"] == "L2"
    assert "activity_regularizer" not in layers.Dense(3).get_config()


def dense(**changes):
    return {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 3}, **changes}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("Dense", "was passed a `config` object that is not a `keras.layers.Layer`. Received: Dense"),
        (None, "Received: None"),
        ({"class_name": "Dense"}, "is not a `keras.layers.Layer`"),
        (dense(config=[1]), "is not a `keras.layers.Layer`"),
        (dense(class_name="Lambda"), "Layer 'd' (class Lambda) holds Python code"),
        (
            dense(class_name="Foo"),
            "Layer 'd' (class Foo) is not supported. The supported classes are: ",
        ),
        (dense(class_name=["os", "system"]), "is not supported"),
        (dense(class_name="Functional"), "The config of a functional model should have ['layers', 'input_layers'"),
        (dense(registered_name="mine>Dense"), "is a custom class (registered as mine>Dense)"),
        (dense(module="os.path"), "is a custom class of the module os.path"),
        (dense(module={"a": 1}), "is a custom class of the module"),
        (dense(module=None, registered_name="Dense"), "is not supported"),
        (dense(config={"name": "d"}), "Layer 'd' (class Dense) could not be made from its config"),
        (dense(config={"name": "d", "units": "x"}), "Layer 'd' (class Dense) could not be made from its config"),
        (
            dense(config={"name": "d", "units": 3, "foo": 1}),
            "Unrecognized keyword arguments passed to Dense: {'foo': 1}",
        ),
        (dense(config={"name": "d", "units": 3, "dtype": "float64"}), "The dtype policy 'float64' is not supported"),
        (dense(build_config={"input_shape": [None, None]}), "must be fully-defined"),
        (dense(build_config={"input_shape": "abc"}), "could not be made from its config"),
        (
            dense(config={"name": "d", "units": 3, "activation": dense(class_name="Mystery")}),
            "(class Mystery) is not supported",
        ),
    ],
    ids=lambda value: "",
)
def test_refused(config, message):
    with pytest.raises(ValueError) as error:
        layers.deserialize(config)
    assert message in str(error.value)


def test_modules_of_every_keras_are_accepted():
    for module in ("keras", "keras.src.layers.core.dense", "tf_keras.layers", None):
        assert layers.deserialize(dense(module=module)).units == 3
