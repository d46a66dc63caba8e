import copy
import pickle

import numpy as np
import pytest

from fastlstm import Model, backend, initializers, layers
from fastlstm.backend import Tensor
from fastlstm.layers import LSTM, Activation, Dense, Dropout, Input, InputLayer, Layer
from fastlstm.random import SeedGenerator

X = np.random.default_rng(8).normal(size=(2, 3, 4)).astype(np.float32)


class Scale(Layer):
    """A layer of a user's, in NumPy."""

    def __init__(self, start=2.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), initializers.Constant(self.start), name="scale")

    def call(self, inputs):
        return inputs * self.scale.value

    def compute_output_shape(self, input_shape):
        return input_shape


def test_automatic_names():
    backend.clear_session()
    assert [LSTM(1).name, LSTM(1).name, Dense(1).name, LSTM(1).name] == ["lstm", "lstm_1", "dense", "lstm_2"]
    assert repr(LSTM(1, name="a b")) == "<LSTM name=a b, built=False>"
    backend.clear_session()
    assert LSTM(1).name == "lstm"
    assert [InputLayer((1,)).name, Scale().name] == ["input_layer", "scale"]
    for name in ("a/b", 4):
        with pytest.raises(ValueError, match="must be a string and cannot contain character `/`"):
            LSTM(1, name=name)


def test_builds_once():
    layer = Dense(3)
    assert not layer.built
    assert layer.weights == [] == layer.get_weights()
    assert layer.get_build_config() is None
    layer.build([None, 4])
    weights = layer.get_weights()
    layer.build((5, 4))
    np.testing.assert_array_equal(layer.get_weights()[0], weights[0])
    assert layer.get_build_config() == {"input_shape": (None, 4)}
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 4"):
        layer.build((None, 5))


def test_errors_before_building():
    layer = LSTM(3, name="a")
    with pytest.raises(ValueError) as error:
        layer.set_weights([X])
    assert str(error.value) == (
        "You called `set_weights(weights)` on layer 'a' with a weight list of length 1, "
        "but the layer was expecting 0 weights."
    )
    with pytest.raises(ValueError, match=r"`count_params` on layer 'a', but the layer isn't built. You can build it"):
        layer.count_params()
    for name in ("input", "output"):
        with pytest.raises(AttributeError, match=f"has never been called and thus has no defined {name}"):
            getattr(layer, name)


def test_set_weights_is_all_or_nothing():
    layer = Dense(3)
    layer.build((None, 4))
    before = layer.get_weights()
    with pytest.raises(ValueError) as error:
        layer.set_weights([np.ones((4, 3)), np.ones(4)])
    assert str(error.value) == (
        f"Layer {layer.name} weight shape (3,) is not compatible with provided weight shape (4,)."
    )
    for now, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)
    given = [np.full((4, 3), 2.0), np.ones(3)]
    layer.set_weights(given)
    given[0][:] = 7
    assert layer.get_weights()[0].max() == 2


def test_trainable():
    layer = LSTM(2)
    layer.build(X.shape)
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [3, 0]
    layer.trainable = False
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [0, 3]
    assert not layer.cell.trainable


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            [[[1.0, 2.0]]],
            "The following argument value should be passed as a keyword argument: 1.0 (of type <class 'float'>)",
        ),
        (3.0, "should be passed as a keyword argument: 3.0 (of type <class 'float'>)"),
        (None, "Inputs to a layer should be tensors. Got 'None' (of type <class 'NoneType'>) as input for layer 'd'."),
        (
            [X, X],
            'Layer "d" expects 1 input(s), but it received 2 input tensors. Inputs received: [Tensor(shape=(2, 3, 4))',
        ),
        (X.astype(object), "Invalid dtype: object"),
        (X.astype(complex), "Invalid dtype: complex128"),
        (np.array([["a"]]), "Invalid dtype: str"),
    ],
    ids=lambda value: "",
)
def test_refused_inputs(inputs, message):
    with pytest.raises(ValueError) as error:
        Dense(2, name="d")(inputs)
    assert message in str(error.value)


def test_symbolic_calls():
    layer = LSTM(2, return_sequences=True, return_state=True, name="l")
    x = Input((5, 3), name="x")
    outputs = layer(x)
    assert type(outputs) is tuple and [y.shape for y in outputs] == [(None, 5, 2), (None, 2), (None, 2)]
    assert layer.built and layer.input is x and layer.output == list(outputs)
    assert all(y.origin is layer for y in outputs) and [y.index for y in outputs] == [0, 1, 2]
    layer(Input((7, 3)), initial_state=outputs[1:], mask=Input((7,)) != 0)
    assert [len(node.inputs) for node in layer.nodes] == [1, 4]
    # The first call is the one that counts.
    assert layer.input is x


def test_refused_calls():
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'foo'"):
        Dense(2)(X, foo=1)
    with pytest.raises(NotImplementedError, match="does not have a `call` method implemented"):
        Layer()(X)
    with pytest.raises(NotImplementedError, match="does not have a `compute_output_shape` method"):
        Layer().compute_output_shape((1, 2))


def test_outputs_are_tensors():
    y = Dense(2)(X, training=True)
    assert type(y) is Tensor
    assert type(y.numpy()) is np.ndarray
    assert [type(array) for array in LSTM(2, return_state=True)(X)] == [Tensor] * 3


def test_layers_of_the_users():
    layer = Scale()
    np.testing.assert_array_equal(layer(X), 2 * X)
    layer.set_weights([np.arange(4)])
    np.testing.assert_array_equal(layer(X), np.arange(4, dtype="f4") * X)
    assert layer.built
    assert layer.weights[0].path == f"{layer.name}/scale"


def test_activation_layer():
    np.testing.assert_array_equal(Activation("relu")(X), np.maximum(X, 0))
    np.testing.assert_array_equal(Activation(Activation("relu"))(X), np.maximum(X, 0))
    np.testing.assert_array_equal(Activation(np.abs)(X), np.abs(X))
    before = X.copy()
    np.testing.assert_array_equal(Activation(lambda x: np.negative(x, out=x))(X), -before)
    np.testing.assert_array_equal(X, before)
    assert Activation("glu")(X).shape == (2, 3, 2)
    config = Activation("swish", name="a").get_config()
    assert config["activation"] == "silu"
    assert Activation.from_config(config).get_config() == config


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))], ids=["copy", "pickle"]
)
def test_copies(again):
    layer = LSTM(3, activation="relu", stateful=True, seed=1)
    y = layer(X)
    twin = again(layer)
    assert (twin.name, twin.weights[0].path) == (layer.name, layer.weights[0].path)
    np.testing.assert_array_equal(twin(X), layer(X))
    twin.set_weights([0 * weight for weight in twin.get_weights()])
    layer.reset_state()
    np.testing.assert_array_equal(layer(X), y)
    dropout = Dropout(0.5, seed=1)
    np.testing.assert_array_equal(again(dropout)(X, training=True), dropout(X, training=True))


def test_order_of_reading_does_not_matter():
    def kernels(order):
        seed = SeedGenerator(3)
        draws = np.random.default_rng(3)
        layers = [
            Dense(3, kernel_initializer=initializers.GlorotUniform(seed)),
            Dense(3, kernel_initializer=lambda shape, dtype=None: draws.normal(size=shape)),
            LSTM(2, kernel_initializer=initializers.RandomNormal(seed=seed)),
            Dense(3, kernel_initializer=initializers.GlorotUniform(seed)),
        ]
        for layer in layers:
            layer.build(X.shape)
        for index in order:
            layers[index].get_weights()
        return [layer.get_weights()[0] for layer in layers]

    forward, backward = kernels([0, 1, 2, 3]), kernels([3, 2, 1, 0])
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(forward[0] - forward[3]).max() > 0.01


def test_the_first_argument_of_a_call_may_come_by_its_name():
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    heads = layers.MultiHeadAttention(2, 3)
    expected = heads(x, x, x)
    assert (heads(query=x, value=x, key=x) == expected).all()
    dense = layers.Dense(2)
    assert (dense(inputs=x) == dense(x)).all()
    symbolic = layers.Input((4, 3))
    model = Model(symbolic, heads(value=symbolic, query=symbolic))
    assert (model.predict(x, verbose=0) == expected).all()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'query'"):
        heads(value=x)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'inputs'"):
        dense()


def test_a_variable_is_a_weight():
    layer = Layer()
    variable = layer.add_variable((2,), "ones", trainable=False, name="counts")
    assert layer.non_trainable_weights == [variable] and variable.path.endswith("/counts")
    np.testing.assert_array_equal(variable.value, np.ones(2))
