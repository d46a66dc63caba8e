import numpy as np
import pytest

from fastlstm import Input, Sequential, clone_model
from fastlstm.layers import LSTM, Dense, Dropout

X = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)


def test_clone_has_new_weights():
    model = Sequential([Input((5, 3)), LSTM(4, activation="relu", name="a"), Dropout(0.5), Dense(2)], name="m")
    model.compile("adam", "mse")
    clone = clone_model(model)
    assert (clone.name, clone.built, clone.compiled) == ("m", True, False)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert np.abs(clone.get_weights()[0] - model.get_weights()[0]).max() > 1e-3
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(X), model(X))
    assert not clone_model(Sequential([LSTM(2)])).built


def test_other_input():
    model = Sequential([Input((5, 3)), LSTM(4)])
    for tensors in (Input((7, 2)), [Input((7, 2))]):
        clone = clone_model(model, input_tensors=tensors)
        assert (clone.input_shape, clone.weights[0].shape) == ((None, 7, 2), (2, 16))


def test_clone_function():
    inner = Sequential([Dense(3, name="inside")], name="inner")
    model = Sequential([Input((3,)), inner, Dense(4, name="last")])

    def double(layer):
        return Dense(2 * layer.units, name=layer.name) if isinstance(layer, Dense) else layer

    clone = clone_model(model, clone_function=double, recursive=True)
    assert clone.get_layer("inner").get_layer("inside").units == 6
    assert clone.output_shape == (None, 8)
    assert inner.get_layer("inside").units == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"foo": 1}, "Unexpected keyword argument(s): ('foo',)"),
        (
            {"input_tensors": 3},
            "Argument `input_tensors` must be a KerasTensor. Received invalid value: input_tensors=3",
        ),
        ({"call_function": len}, "`call_function` argument is not supported with Sequential models."),
        ({"recursive": True}, "`recursive=True` needs a `clone_function`."),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        clone_model(Sequential([Input((3,)), Dense(2)]), **arguments)
    assert message in str(error.value)
    with pytest.raises(ValueError, match="Expected `model` argument"):
        clone_model(3)
