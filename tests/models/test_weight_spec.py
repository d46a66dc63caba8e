from fastlstm import Input, Sequential
from fastlstm.layers import LSTM, Dense
from fastlstm.models.weight_spec import weight_spec


def test_follows_the_weights():
    inner = Sequential([Dense(4, name="a"), Dense(3, use_bias=False, name="b")], name="inner")
    model = Sequential([Input((5, 3)), inner, LSTM(2, name="c")], name="m")
    spec = weight_spec(model)
    flat = list(spec.flatten())
    assert [(item.name, item.shape) for item in flat] == [(weight.name, weight.shape) for weight in model.weights]
    assert all(item.trainable for item in flat)
    (attribute, layers), *others = spec.children
    assert (attribute, others) == ("layers", [])
    assert [(layer.name, layer.class_name) for layer in layers] == [("inner", "Sequential"), ("c", "LSTM")]
    (attribute, cell), *others = layers[1].children
    assert (attribute, cell.class_name, others) == ("cell", "LSTMCell", [])


def test_frozen_layers():
    inner = Sequential([Dense(4), Dense(3)])
    model = Sequential([Input((5, 3)), inner, LSTM(2)])
    model.layers[1].trainable = False
    assert [item.trainable for item in weight_spec(model).flatten()] == [True] * 4 + [False] * 3
    inner.layers[0].trainable = False
    assert [item.trainable for item in weight_spec(model).flatten()] == [False] * 2 + [True] * 2 + [False] * 3
    model.trainable = False
    assert not any(item.trainable for item in weight_spec(model).flatten())
