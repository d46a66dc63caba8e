import copy
import pickle

import numpy as np
import pytest

from fastlstm import Input, Sequential, backend
from fastlstm.layers import LSTM, Activation, Dense, Dropout, InputLayer, Layer
from fastlstm.layers.base import input_arguments

X = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
INPUT_SHAPE_WARNING = "ignore:Do not pass an `input_shape`:UserWarning"


def stacked(**kwargs):
    return Sequential([Input((5, 3)), LSTM(4, return_sequences=True), Dropout(0.2), LSTM(6), Dense(2)], **kwargs)


def message_of(error):
    return str(error.value)


def test_with_an_input_builds_at_once():
    model = Sequential(name="m")
    model.add(Input((5, 3)))
    assert not model.built
    model.add(LSTM(4, return_sequences=True, name="a"))
    assert model.built
    assert [weight.path for weight in model.weights] == [
        f"m/a/lstm_cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")
    ]
    assert (model.input_shape, model.output_shape) == ((None, 5, 3), (None, 5, 4))
    weights = model.get_weights()
    model.add(LSTM(2, name="b"))
    assert model.output_shape == (None, 2)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])
    assert [layer.name for layer in model.layers] == ["a", "b"]
    assert [tensor.shape for tensor in (*model.inputs, *model.outputs)] == [(None, 5, 3), (None, 2)]
    assert [model.get_layer("a").input.shape, model.get_layer("a").output.shape] == [(None, 5, 3), (None, 5, 4)]
    assert model.pop().name == "b"
    assert (model.output_shape, len(model.weights)) == ((None, 5, 4), 3)
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.layers[0](X))


def test_deferred_build():
    model = Sequential([LSTM(4, return_sequences=True), Dense(2)], name="d")
    assert (model.built, model.weights, hasattr(model, "input_shape")) == (False, [], False)
    for attribute, words in {
        "inputs": "inputs",
        "outputs": "outputs",
        "input_shape": "input shape",
        "output_shape": "output shape",
    }.items():
        with pytest.raises(AttributeError) as error:
            getattr(model, attribute)
        assert message_of(error) == f"Sequential model 'd' has no defined {words} yet."
    model.build()
    assert not model.built
    y = model(X)
    assert (model.built, model.input_shape, model.output_shape) == (True, (4, 5, 3), (4, 5, 2))
    np.testing.assert_array_equal(model(X[:2, :3]), y[:2, :3])
    with pytest.raises(ValueError) as error:
        model.build((None, 5, 3))
    assert message_of(error) == (
        "Sequential model 'd' has already been configured to use input shape (4, 5, 3). "
        "You cannot build it with input_shape (None, 5, 3)"
    )


def test_predict_builds_for_its_batches():
    model = Sequential([LSTM(2)])
    model.predict(X, batch_size=3, verbose=0)
    assert model.input_shape == (3, 5, 3)


@pytest.mark.filterwarnings(INPUT_SHAPE_WARNING)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: LSTM(4, input_shape=(5, 3)), (None, 5, 3)),
        (lambda: LSTM(4, batch_input_shape=(2, 5, 3)), (2, 5, 3)),
        (lambda: LSTM(4, input_dim=3, input_length=5), (None, 5, 3)),
        (lambda: LSTM(4, input_dim=3), (None, None, 3)),
        (lambda: Dense(4, input_dim=3), (None, 3)),
        (lambda: Dense(4, input_shape=[3]), (None, 3)),
    ],
)
def test_input_shape_on_the_first_layer(layer, shape):
    model = Sequential([layer()])
    assert (model.built, model.input_shape) == (True, shape)
    inner = Sequential([Input(shape[1:]), Dense(3)])
    inner.add(layer())
    assert inner.input_shape == (None, *shape[1:])


def test_input_shape_warns(monkeypatch):
    monkeypatch.setattr(input_arguments, "_warned", False)  # it comes once a process
    with pytest.warns(UserWarning, match=r"prefer using an `Input\(shape\)` object as the first layer") as warnings:
        LSTM(4, input_shape=(5, 3))
    assert warnings[0].filename == __file__


def test_stack_without_return_sequences():
    problem = "incompatible with the layer: expected ndim=3, found ndim=2. Full shape received: "
    with pytest.raises(ValueError) as error:
        Sequential([Input((5, 3)), LSTM(4), LSTM(2, name="b")])
    assert message_of(error) == f"Input 0 with name 'None' of layer 'b' is {problem}(None, 4)"
    model = Sequential([Input((5, 3)), LSTM(4)])
    y = model(X)
    with pytest.raises(ValueError, match=problem.split(":")[0]):
        model.add(LSTM(2))
    assert len(model.layers) == 1
    np.testing.assert_array_equal(model(X), y)
    for run in (lambda model: model(X), lambda model: model.predict(X), lambda model: model.predict_on_batch(X)):
        with pytest.raises(ValueError) as error:
            run(Sequential([LSTM(4), LSTM(2)]))
        assert f"{problem}(4, 4)" in message_of(error)


def test_refused_layers():
    model = stacked(name="m")
    name = model.layers[0].name
    cases = {
        3: "Only instances of `keras.Layer` can be added to a Sequential model. Received: 3 (of type <class 'int'>)",
        Dense(2, name=name): (
            "All layers added to a Sequential model should have unique names. "
            f"Name '{name}' is already the name of a layer in this model. "
            "Update the `name` argument to pass a unique name."
        ),
        InputLayer((3,)): (
            "Sequential model 'm' has already been configured to use input shape (None, 5, 3). "
            "You cannot add a different Input layer to it."
        ),
    }
    for layer, message in cases.items():
        with pytest.raises(ValueError) as error:
            model.add(layer)
        assert message_of(error) == message
    with pytest.raises(ValueError, match="should be the first layer of Sequential model"):
        Sequential([LSTM(2)]).add(Input((5, 3)))
    with pytest.raises(AttributeError, match=r"Use `add\(\)` and `pop\(\)` to change the layers"):
        model.layers = []
    with pytest.raises(ValueError, match=r'"d" expects 1 input\(s\), but it received 3 input tensors'):
        Sequential([Input((5, 3)), LSTM(4, return_state=True), Dense(2, name="d")])
    with pytest.raises(ValueError, match="the batch size must be static"):
        Sequential([Input((5, 3)), LSTM(4, stateful=True)])
    with pytest.raises(IndexError, match="list index out of range"):
        Sequential().pop()


def test_no_layers():
    model = Sequential(name="e")
    for run in (lambda: model(X), lambda: model.predict(X), lambda: model.build((None, 5, 3))):
        with pytest.raises(ValueError) as error:
            run()
        assert message_of(error) == (
            "Sequential model e cannot be built because it has no layers. Call `model.add(layer)`."
        )


def test_names():
    backend.clear_session()
    assert [Sequential().name, Sequential().name, Sequential(name="x").name] == ["sequential", "sequential_1", "x"]
    assert repr(stacked(name="r")) == "<Sequential name=r, built=True>"


def test_get_layer():
    model = Sequential([LSTM(2, name="a"), Dense(2, name="b")])
    assert model.get_layer("b") is model.get_layer(index=-1) is model.layers[1]
    for arguments, message in (
        ({"name": "zz"}, "No such layer: zz. Existing layers are: ['a', 'b']."),
        ({"index": 99}, "Was asked to retrieve layer at index 99 but model only has 2 layers."),
        ({}, "Provide either a layer name or layer index at `get_layer`."),
        ({"name": "a", "index": 1}, "Provide only a layer name or a layer index. Received: index=1, name=a."),
    ):
        with pytest.raises(ValueError) as error:
            model.get_layer(**arguments)
        assert message_of(error) == message


def test_weights():
    model = stacked(name="m")
    y = model(X)
    weights = [weight + 1 for weight in model.get_weights()]
    model.set_weights(weights)
    assert np.abs(model(X) - y).max() > 1e-3
    assert model.count_params() == sum(weight.size for weight in weights)
    with pytest.raises(ValueError) as error:
        model.set_weights(weights[:2])
    assert "on layer 'm' with a weight list of length 2, but the layer was expecting 8 weights." in message_of(error)
    with pytest.raises(ValueError) as error:
        model.set_weights([weight.T for weight in weights])
    assert message_of(error) == ("Layer m weight shape (3, 16) is not compatible with provided weight shape (16, 3).")
    model.layers[0].trainable = False
    assert len(model.trainable_weights) == 5
    model.trainable = False
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (0, 8)


def test_changes_are_seen_wherever_they_are_made():
    model, twin = stacked(), stacked()
    twin.set_weights(model.get_weights())
    y = model(X)
    model.layers[0].cell.recurrent_kernel.assign(np.zeros((4, 16)))
    changed = model(X)
    assert np.abs(changed - y).max() > 1e-5
    np.testing.assert_array_equal(twin(X), y)
    model.layers[-1].activation = np.negative
    np.testing.assert_array_equal(model(X), -changed)
    model.layers[0].set_weights(twin.layers[0].get_weights())
    np.testing.assert_array_equal(model(X), -y)
    model.layers[2].go_backwards = True
    assert np.abs(model(X) + y).max() > 1e-5
    model.add(Activation("exponential"))
    assert (model(X) > 0).all()


def test_nested_equals_flat():
    inner = Sequential([LSTM(4, return_sequences=True), Dense(3, "relu")], name="inner")
    nested = Sequential([Input((5, 3)), inner, LSTM(2, name="last")], name="outer")
    flat = Sequential([Input((5, 3)), LSTM(4, return_sequences=True), Dense(3, "relu"), LSTM(2)])
    flat.set_weights(nested.get_weights())
    mask = np.array([[1, 1, 0, 1, 0]] * 4)
    np.testing.assert_array_equal(nested(X), flat(X))
    np.testing.assert_array_equal(nested(X, mask=mask), flat(X, mask=mask))
    assert nested.weights[0].path.startswith("outer/inner/lstm")
    again = Sequential.from_config(nested.get_config())
    assert [layer.name for layer in again.layers] == ["inner", "last"]
    again.set_weights(nested.get_weights())
    np.testing.assert_array_equal(again(X), nested(X))
    assert Sequential([Sequential([Input((5, 3)), LSTM(4)]), Dense(2)]).built


def test_layers_added_to_a_nested_model_are_run():
    inner = Sequential([Dense(3)])
    model = Sequential([Input((5, 3)), inner, Dense(2)])
    y = model(X)
    inner.add(Activation("relu"))
    np.testing.assert_array_equal(model(X), model.layers[1](np.maximum(inner.layers[0](X), 0)))
    inner.pop()
    np.testing.assert_array_equal(model(X), y)


def test_activation_that_leaves_the_engine():
    model = Sequential([Input((5, 3)), Dense(4), Activation("linear")])
    y = model(X)
    model.layers[1].activation = lambda x: x - x.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(model(X), y - y.mean(axis=(1, 2), keepdims=True), rtol=1e-6, atol=1e-6)
    model.layers[1].activation = np.negative
    np.testing.assert_array_equal(model(X), -y)


class Doubled(Layer):
    def call(self, inputs):
        return 2 * inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


def test_layers_in_numpy_between_native_ones():
    lstm, dense = LSTM(4, return_sequences=True), Dense(2)
    model = Sequential([Input((5, 3)), lstm, Doubled(name="doubled"), dense])
    y = model(X)
    np.testing.assert_array_equal(y, dense(2 * lstm(X)))
    mask = np.array([[1, 1, 0, 1, 1]] * 4)
    with pytest.warns(UserWarning, match=r"Layer 'doubled' \(of type Doubled\) was passed an input with a mask"):
        masked = model(X, mask=mask)
    np.testing.assert_array_equal(masked, dense(2 * lstm(X, mask=mask)))


class Witness(Layer):
    """Keeps the mask that it is given."""

    supports_masking = True
    seen = None

    def call(self, inputs, mask=None):
        self.seen = mask
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)


@pytest.mark.parametrize("training", [False, True])
def test_masks_reach_layers_in_numpy(training):
    mask = np.array([[1, 1, 0, 1, 1]] * 4, bool)
    first, last = Witness(), Witness()
    model = Sequential([Input((5, 3)), Dense(3), LSTM(4, return_sequences=True), first, LSTM(4), Dense(2), last])
    model(X, mask=mask, training=training)
    np.testing.assert_array_equal(first.seen, mask)
    assert last.seen is None


def test_masks_pass_through_native_layers():
    first, second = LSTM(4, return_sequences=True), LSTM(2)
    model = Sequential([Input((5, 3)), first, Dropout(0.5), Dense(3), Activation("relu"), second])
    mask = np.array([[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 1]])
    hidden = np.maximum(model.layers[2](first(X, mask=mask)), 0)
    np.testing.assert_array_equal(model(X, mask=mask), second(hidden, mask=mask))
    assert np.abs(model(X, mask=mask) - model(X)).max() > 1e-4


def test_training():
    model = Sequential([Input((5, 3)), LSTM(4, return_sequences=True), Dropout(0.5, seed=1), Dense(50, use_bias=False)])
    assert np.abs(model(X, training=True) - model(X, training=True)).max() > 1e-4
    np.testing.assert_array_equal(model(X, training=False), model(X))
    model.add(LSTM(2, recurrent_dropout=0.1))
    assert model(X, training=True).shape == (len(X), 2)


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
def test_copies(again):
    model = stacked()
    model.compile("adam", "mse")
    y = model(X)
    twin = again(model)
    np.testing.assert_array_equal(twin(X), y)
    twin.set_weights([0 * weight for weight in twin.get_weights()])
    np.testing.assert_array_equal(model(X), y)
    assert not twin(X).any()
    assert twin.layers[0].output.shape == (None, 5, 4)


def test_from_config():
    model = stacked(name="m")
    again = Sequential.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(X), model(X))
    assert not Sequential.from_config(Sequential([LSTM(2)]).get_config()).built
    for config in ({"layers": []}, {"name": "a"}):
        with pytest.raises(ValueError, match="must be a dictionary containing the 'name' and 'layers' keys"):
            Sequential.from_config(config)


def test_stateful():
    model = Sequential(
        [Input((5, 3), batch_size=4), LSTM(4, stateful=True, return_sequences=True), LSTM(2, stateful=True)]
    )
    plain = Sequential([Input((None, 3)), LSTM(4, return_sequences=True), LSTM(2)])
    plain.set_weights(model.get_weights())
    first, second = model.predict(X, verbose=0), model(X)
    np.testing.assert_array_equal(first, plain(X))
    np.testing.assert_array_equal(second, plain(np.concatenate([X, X], axis=1)))
    model.reset_states()
    np.testing.assert_array_equal(model(X), first)
    model.reset_states()
    both = model.predict(np.concatenate([X, X]), batch_size=4, verbose=0)
    np.testing.assert_array_equal(both, np.concatenate([first, second]))
    for batch in (X[:2], np.concatenate([X, X[:2]])):
        with pytest.raises(ValueError, match=r"(?s)Expected batch size: 4\n- Received batch size: 2"):
            model.predict(batch, batch_size=4, verbose=0)


def test_called_on_an_input():
    model = stacked()
    assert model(Input((5, 3))).shape == (None, 2)
    deferred = Sequential([LSTM(4), Dense(2)])
    assert deferred(Input((5, 3))).shape == (None, 2) and deferred.input_shape == (None, 5, 3)
    with pytest.raises(ValueError, match="expects 1 input"):
        model([Input((5, 3)), Input((5, 3))])


def test_calls_do_not_pile_up():
    model = Sequential([Input((5, 3)), LSTM(4, return_sequences=True, name="a")])
    for number in range(4):
        model.add(Dense(2, name=f"d{number}"))
    assert [len(layer.nodes) for layer in model.layers] == [1] * 5
    model.pop()
    assert model.output is model.layers[-1].output
