"""The backend of Keras 1 and 2 against that of `tensorflow.keras`: values, dtypes, signatures, symbolic calls."""

import importlib.util
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import Model, backend, layers, ops
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.ops import older

DATA = Path(__file__).parent.parent / "data"
spec = importlib.util.spec_from_file_location("older_backend_cases", DATA / "older_backend_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

GOLDEN = json.loads((DATA / "older_backend.json").read_text())  # make_older_backend_goldens.py says what is in it
# Of what these make, the shapes are values, or there are no tensors that they could take.
OF_NO_TENSORS = ("arange", "constant", "eye", "ones", "zeros")


@pytest.mark.parametrize("name", [name for name, result in GOLDEN["cases"].items() if result is not None])
def test_values_are_those_of_keras(name):
    shape, dtype, values = GOLDEN["cases"][name]
    result = np.asarray(cases.CASES[name](backend, cases.arrays(ops.convert_to_tensor)))
    assert (result.shape, result.dtype) == (tuple(shape), dtype)
    np.testing.assert_allclose(result.ravel(), values, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", list(cases.CASES))
def test_symbolic_calls_give_the_shapes_of_real_ones(name):
    x = cases.arrays(lambda array: KerasTensor(array.shape, array.dtype.name))
    if name.split()[0] in OF_NO_TENSORS or name == "switch 2":
        return
    tensor = cases.CASES[name](backend, x)
    assert isinstance(tensor, KerasTensor)
    assert list(tensor.shape) == GOLDEN["cases"][name][0]


@pytest.mark.parametrize(("name", "signature"), GOLDEN["functions"].items())
def test_functions_take_the_arguments_of_keras(name, signature):
    if name in older.REFUSED:
        with pytest.raises(AttributeError, match=f"'fastlstm.backend' has no '{name}', which older Kerases have: "):
            getattr(backend, name)
        return
    function = getattr(backend, name)
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(function).parameters.values()]
    ours = str(inspect.Signature(plain))
    # Operations of the same name may take more.
    assert ours == signature or ours.startswith(signature.removesuffix(")") + ",") or function in vars(ops).values()
    assert function.__doc__


def test_variables():
    v = backend.variable([1, 2])
    assert (v.dtype, v.shape) == ("float32", (2,))
    backend.set_value(v, [3, 4])
    backend.update_add(v, 1.0)
    backend.update_sub(v, [0.5, 1])
    np.testing.assert_array_equal(backend.get_value(v), np.array([3.5, 4], "float32"))
    backend.moving_average_update(v, np.array([0, 1], "float32"), 0.5)
    np.testing.assert_array_equal(backend.eval(v), np.array([1.75, 2.5], "float32"))
    backend.batch_set_value([(v, [1, 1])])
    backend.update(v, v + 1)
    np.testing.assert_array_equal(backend.batch_get_value([v])[0], [2, 2])
    assert backend.get_value(3) == 3
    assert (backend.count_params(v), backend.int_shape(v), backend.dtype(v), backend.ndim(v)) == (2, (2,), "float32", 1)
    # A tuple in place of a tensor of integers: what it is of is a shape, or a size.
    assert backend.shape(v) == (2,)
    assert not backend.is_sparse(v) and backend.to_dense(v) is v


def test_drawing():
    assert backend.random_normal((2, 3), seed=1).dtype == np.float32
    uniform = backend.random_uniform((500,), 2.0, 3.0)
    assert 2 <= uniform.min() < 2.2 and 2.8 < uniform.max() < 3
    assert set(np.unique(backend.random_bernoulli((200,), 0.5))) == {0, 1}
    assert not backend.random_bernoulli((200,), 0.0).any()
    assert abs(backend.truncated_normal((200,))).max() <= 2
    assert backend.random_normal_variable((2,), 0, 1).shape == backend.random_uniform_variable((2,), 0, 1).shape == (2,)
    assert set(np.unique(backend.dropout(np.ones((200,), "float32"), 0.5))) == {0, 2}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda K, x: K.softmax(x["a"][0]), "Cannot apply softmax to a tensor that is 1D"),
        (lambda K, x: K.repeat(x["s"], 2), "to have rank 2. Received: rank.x.=3"),
        (lambda K, x: K.batch_dot(x["a"][0], x["a"]), "Cannot do batch_dot on inputs with rank < 2"),
        (lambda K, x: K.batch_dot(x["a"], x["b"][:1]), "with different batch sizes"),
        (lambda K, x: K.batch_dot(x["a"], x["b"], axes=0), "Cannot perform batch_dot over axis 0"),
        (lambda K, x: K.batch_dot(x["s"], x["t"], axes=(2, 2)), r"x.shape\[2\] != y.shape\[2\] \(3 != 5\)"),
        (lambda K, x: K.batch_dot(x["s"], x["t"], axes=((1, 2), 1)), "Multiple target dimensions"),
        (lambda K, x: K.bias_add(x["i"], x["a"]), "Unexpected bias dimensions 2. Expected it to be 1 or 3"),
        (lambda K, x: K.switch(x["s"] > 0, x["a"], x["b"]), "Rank of `condition` should be less"),
        (lambda K, x: K.rnn(None, KerasTensor((2, None, 3)), []), "needs to know the number of time steps"),
        (lambda K, x: K.temporal_padding(x["s"], (1,)), "to be a tuple of 2 integers"),
        (lambda K, x: K.spatial_2d_padding(x["i"], (1, 1)), "to be a tuple of 2 tuples of 2 integers"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call(backend, cases.arrays(ops.convert_to_tensor))


class Attention(layers.Layer):
    """As it stands in many a script."""

    def build(self, input_shape):
        self.W = self.add_weight(name="W", shape=(input_shape[-1], 1), initializer="random_normal")
        self.b = self.add_weight(name="b", shape=(input_shape[1], 1), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        K = backend
        alpha = K.expand_dims(K.softmax(K.squeeze(K.tanh(K.dot(x, self.W) + self.b), axis=-1)))
        return K.sum(x * alpha, axis=1)


def test_a_layer_of_the_older_backend_predicts():
    inputs = layers.Input((5, 3))
    attention = Attention()
    model = Model(inputs, attention(layers.LSTM(4, return_sequences=True)(inputs)))
    assert model.output_shape == (None, 4)
    x = np.random.default_rng(0).random((2, 5, 3))
    h = np.asarray(model.layers[1](x))
    w, b = (np.asarray(each) for each in attention.get_weights())
    e = np.tanh(h @ w + b)
    alpha = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), (h * alpha).sum(axis=1), rtol=1e-5, atol=1e-6)


def test_a_function_of_tensors_of_a_graph():
    inputs = [layers.Input((3,)), layers.Input((3,))]
    hidden = layers.Dense(2)(layers.Add()(inputs))
    x = list(np.random.default_rng(1).random((2, 4, 3), "float32"))
    made = backend.function(inputs, [hidden, inputs[0] * 2])(x)
    expected = (x[0] + x[1]) @ np.asarray(hidden.node.layer.kernel)
    np.testing.assert_allclose(made[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(made[1], x[0] * 2)
    one = layers.Input((3,))
    assert type(backend.function(one, one + 1)(x[0])) is np.ndarray
    np.testing.assert_array_equal(backend.function([one], [one + 1])([x[0]])[0], x[0] + 1)
    with pytest.raises(ValueError, match="`updates` are not supported"):
        backend.function(one, one, updates=[1])
    with pytest.raises(NotImplementedError, match="`input_length` is not supported: give a `mask`"):
        backend.rnn(None, x[0], [], input_length=x[1])


def test_what_is_refused_says_what_to_do():
    for name, instead in older.REFUSED.items():
        with pytest.raises(AttributeError, match=f"has no '{name}', which older Kerases have: "):
            getattr(backend, name)
        assert len(instead) > 15
