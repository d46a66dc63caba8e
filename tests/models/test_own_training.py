"""Training through layers and models of a user's own, whose `call` is traced."""

import gc
import importlib.util
import json
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm import Model, Sequential, load_model, ops, optimizers
from fastlstm import backend as K
from fastlstm.layers import (
    LSTM,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    Layer,
    TimeDistributed,
)
from fastlstm.layers.base.gradient import Gradients
from fastlstm.layers.base.structure import flatten

DATA = Path(__file__).parent.parent / "data"
CURVES = json.loads((DATA / "own.json").read_text(encoding="utf-8"))
RNG = np.random.default_rng(5)
X = RNG.normal(size=(20, 7, 3)).astype(np.float32)
Y = (X[:, -1, :1] - X[:, 2, 1:2]).astype(np.float32)


@pytest.fixture(scope="module")
def cases():
    made = {}
    for name in ("trained_cases", "own_cases"):
        spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
        made[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made[name])
    yield made["own_cases"]
    for name in made:
        del sys.modules[name]


class Attention(Layer):
    def build(self, input_shape):
        self.W = self.add_weight(name="att_weight", shape=(input_shape[-1], 1), initializer="normal")
        self.b = self.add_weight(name="att_bias", shape=(input_shape[1], 1), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        e = ops.squeeze(ops.tanh(ops.matmul(x, self.W) + self.b), axis=-1)
        return ops.sum(x * ops.expand_dims(ops.softmax(e), axis=-1), axis=1)


class Network(Model):
    def __init__(self, units=5, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.lstm, self.attention = LSTM(units, return_sequences=True), Attention()
        self.drop, self.out = Dropout(0.3, seed=1), Dense(1)

    def call(self, x, training=None):
        return self.out(self.drop(self.attention(self.lstm(x)), training=training))


def sequential(attention=None, units=6):
    return Sequential([Input((7, 3)), LSTM(units, return_sequences=True), attention or Attention(), Dense(1)])


class OlderAttention(Attention):
    """As notebooks have it, in the functions of `keras.backend`."""

    def call(self, x):
        e = K.squeeze(K.tanh(K.dot(x, self.W) + self.b), axis=-1)
        a = K.exp(e)
        a /= K.cast(K.sum(a, axis=1, keepdims=True), K.floatx())
        return K.sum(x * K.expand_dims(a), axis=1)


def trained(model, epochs=2, x=X, y=Y, **kwargs):
    model.compile(fastlstm.optimizers.SGD(0.1, momentum=0.5), "mse")
    return model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **kwargs).history


@pytest.mark.parametrize("network", CURVES)
def test_curves_of_real_keras(network, cases):
    history = cases.losses_of(fastlstm, getattr(cases, network))
    assert set(history) == set(CURVES[network])
    for name, losses in history.items():
        np.testing.assert_allclose(losses, CURVES[network][name], rtol=1e-5, err_msg=name)


def test_older_names():
    older, newer = sequential(OlderAttention()), sequential()
    newer.set_weights(older.get_weights())
    np.testing.assert_allclose(trained(older)["loss"], trained(newer)["loss"], rtol=1e-5)
    for one, other in zip(older.get_weights(), newer.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# --- gradients ------------------------------------------------------------------------------------------------------


class Everything(Layer):
    """Weights in every way in which they may be used."""

    def build(self, input_shape):
        width = input_shape[-1]
        self.W = self.add_weight((width, 4), name="W")
        self.b = self.add_weight((4,), initializer="normal", name="b")
        self.gain = self.add_weight((1,), initializer="ones", name="gain")
        self.rows = self.add_weight((5, 4), initializer="normal", name="rows")
        self.still = self.add_weight((4,), initializer="normal", trainable=False, name="still")

    def call(self, x, other, scale=1.0):
        h = x @ self.W + self.b
        h = ops.sin(h) * (2 - self.gain) + self.still / 3
        h = h - self.rows[1:2] * self.rows.value[3] + np.float32(0.5) * self.b**2
        h = h * ops.mean(-self.W) + np.exp(self.b) + scale * ops.expand_dims(other, 1)
        return [h, {"last": h[:, -1], "norm": ops.sqrt(ops.sum(h * h, axis=(1, 2)) + len(self.rows))}]


def test_gradients_against_central_differences():
    layer = Everything()
    x, other = RNG.normal(size=(2, 3, 6)).astype(np.float32), RNG.normal(size=(2, 4)).astype(np.float32)
    layer(x, other)
    outputs, backward = layer.call_with_gradient(x, other, scale=0.5)
    for one, same in zip(flatten(outputs), flatten(layer.call(x, other, 0.5)), strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-6)
    d = [RNG.normal(size=one.shape).astype(np.float32) for one in flatten(outputs)]
    gradients = Gradients(*backward([d[0], {"last": d[1], "norm": d[2]}]))
    weights = [weight.numpy() for weight in layer.trainable_weights]
    given = [x, other, *weights]
    found = [gradients.inputs, gradients.keywords["other"], *gradients.weights]
    assert len(found) == 6 and set(gradients.keywords) == {"other"}

    def total(arrays):
        for weight, array in zip(layer.trainable_weights, arrays[2:], strict=True):
            weight._value = array  # in float64, which `assign` would round
        outputs = flatten(layer.call(arrays[0], arrays[1], 0.5))
        return sum((one * weight).sum() for one, weight in zip(outputs, d, strict=True))

    arrays = [array.astype(np.float64) for array in given]
    for place, array in enumerate(arrays):
        for at in np.ndindex(array.shape):
            value = array[at]
            array[at] = value + 1e-6
            above = total(arrays)
            array[at] = value - 1e-6
            slope = (above - total(arrays)) / 2e-6
            array[at] = value
            np.testing.assert_allclose(found[place][at], slope, rtol=2e-4, atol=2e-5)


def test_a_frozen_layer_lets_gradients_pass():
    free, frozen = sequential(), sequential()
    frozen.set_weights(free.get_weights())
    frozen.layers[1].trainable = False
    before = frozen.get_weights()
    assert trained(free)["loss"][0] != trained(frozen)["loss"][0]
    after = frozen.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [False] * 3 + [True] * 2 + [False] * 2
    # Of the layer and all before it: nothing is traced.
    model = sequential(Unwritten())
    model.layers[0].trainable = model.layers[1].trainable = False
    trained(model)


def test_a_layer_is_frozen_and_weights_are_set_between_steps():
    model, again = sequential(), sequential()
    again.set_weights(model.get_weights())
    for one in (model, again):
        one.compile(fastlstm.optimizers.SGD(0.1), "mse")
        one.train_on_batch(X, Y)
    attention = model.layers[1]
    kept = attention.get_weights()
    attention.trainable = False
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        model.train_on_batch(X, Y)
    np.testing.assert_array_equal(attention.get_weights()[0], kept[0])
    model.set_weights(again.get_weights())
    attention.trainable = True
    assert model.train_on_batch(X, Y) == again.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_a_layer_is_told_counts_from_then_on():
    class Scaled(Layer):
        factor = 1.0

        def call(self, x):
            return x * self.factor

    scaled = Scaled()
    model = Sequential([Input((7, 3)), LSTM(2), Dense(1), scaled])
    model.compile(fastlstm.optimizers.SGD(0.0), "mse")
    first = model.train_on_batch(X, 0 * Y)
    scaled.factor = 2.0
    np.testing.assert_allclose(model.train_on_batch(X, 0 * Y), 4 * first, rtol=1e-6)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_training_goes_on_after_loading(tmp_path, ending):
    model = sequential()
    trained(model)
    model.save(tmp_path / f"m.{ending}")
    again = load_model(tmp_path / f"m.{ending}", custom_objects={"Attention": Attention})
    given = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    assert model.fit(X, Y, **given).history == again.fit(X, Y, **given).history
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_subclassed_model_goes_on_after_loading(tmp_path):
    model = Network(4)
    model.drop.rate = 0.0
    trained(model)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"Network": Network, "Attention": Attention})
    again.drop.rate = 0.0
    given = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    assert model.fit(X, Y, **given).history == again.fit(X, Y, **given).history


# --- subclassed models ----------------------------------------------------------------------------------------------


def test_a_subclassed_model_is_built_by_training():
    model, graph = Network(5), sequential(units=5)
    model.drop.rate = 0.0
    model.compile(fastlstm.optimizers.SGD(0.1), "mse", metrics=["mae"])
    model.train_on_batch(X[:3], Y[:3])
    assert model.built and len(model.weights) == 7
    graph.set_weights(model.get_weights())
    assert trained(graph, validation_split=0.25) == trained(model, validation_split=0.25)
    np.testing.assert_array_equal(model.predict(X, verbose=0), graph.predict(X, verbose=0))


def test_dropout_drops_in_training_alone():
    model = Network(5)
    model(X)
    model.compile(fastlstm.optimizers.SGD(0.0), "mse")
    losses = {model.train_on_batch(X, Y) for _ in range(3)}
    assert len(losses) == 3 and model.test_on_batch(X, Y) == model.test_on_batch(X, Y)


def test_training_that_the_call_says_itself():
    class Frozen(Layer):
        def __init__(self):
            super().__init__()
            self.norm, self.drop = BatchNormalization(), Dropout(0.9)

        def call(self, x):
            return self.drop(self.norm(x, training=False), training=False)

    model = Sequential([Input((7, 3)), LSTM(3), Frozen(), Dense(1)])
    model.compile(fastlstm.optimizers.SGD(0.0), "mse")
    model.train_on_batch(X, Y)
    norm = model.layers[1].norm
    np.testing.assert_array_equal(norm.moving_mean, np.zeros(3))
    np.testing.assert_allclose(model.train_on_batch(X, Y), model.test_on_batch(X, Y), rtol=1e-6)


def test_logits_where_the_call_ends_with_a_softmax():
    class Classifier(Model):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = LSTM(4), Dense(3, activation="softmax")

        def call(self, x):
            return self.out(self.lstm(x))

    model = Classifier()
    model(X)
    # So sure, and so wrong, that the probability is 0: only from logits there is a gradient.
    model.out.set_weights([np.zeros((4, 3)), np.array([200.0, 0.0, 0.0])])
    graph = Sequential([Input((7, 3)), LSTM(4), Dense(3, activation="softmax")])
    graph.set_weights(model.get_weights())
    labels = np.ones(len(X), np.int32)
    for one in (model, graph):
        one.compile(fastlstm.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
        one.fit(X, labels, epochs=2, batch_size=10, shuffle=False, verbose=0)
    assert model.out.bias[0] < 200
    for one, other in zip(model.get_weights(), graph.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_inputs_and_outputs_in_structures():
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.out = LSTM(3), LSTM(2), Dense(1)

        def call(self, inputs):
            a, b = self.one(inputs["a"]), self.two(inputs["b"])
            return {"sum": self.out(ops.concatenate([a, b], axis=-1)), "part": a}

    model = Two()
    model.compile("sgd", {"sum": "mse", "part": "mae"})
    x = {"a": X, "b": X[:, :4]}
    y = {"sum": Y, "part": np.zeros((20, 3))}
    history = model.fit(x, y, epochs=3, batch_size=7, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert len(model.evaluate(x, y, verbose=0)) == 3


def test_a_model_of_ones_own_in_a_graph():
    inner = Network(4)
    i = Input((7, 3))
    model = Model(i, Dense(1)(Concatenate()([inner(i), Flatten()(i)])))
    inner.drop.rate = 0.0
    before = inner.get_weights()
    losses = trained(model, 4)["loss"]
    assert losses[-1] < losses[0]
    assert not any(np.array_equal(a, b) for a, b in zip(before, inner.get_weights(), strict=True))


# --- layers that extend others --------------------------------------------------------------------------------------


class MonteCarloDropout(Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class HalfDense(Dense):
    def call(self, inputs):
        return 0.5 * super().call(inputs)


class Residual(LSTM):
    def call(self, sequences, mask=None, training=False):
        return sequences + super().call(sequences, mask=mask, training=training)


class Doubled(Sequential):
    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training)


class Sum(Layer):
    def call(self, x):
        return x + self.inner(x)

    def inner(self, x):
        return ops.tanh(x)


class Difference(Sum):
    def call(self, x):
        return x - super().call(x)


def test_a_call_around_that_of_the_class_it_extends():
    def network(cls, dense, model):
        rows = [cls(3, return_sequences=True), Difference(), LSTM(4), dense(5), model([Input((5,)), Dense(1)])]
        return Sequential([Input((7, 3)), *rows])

    made = network(Residual, HalfDense, Doubled)
    i = Input((7, 3))
    x = i + LSTM(3, return_sequences=True)(i)
    x = LSTM(4)(x - (x + ops.tanh(x)))
    graph = Model(i, 2.0 * Dense(1)(0.5 * Dense(5)(x)))
    graph.set_weights(made.get_weights())
    np.testing.assert_allclose(trained(made)["loss"], trained(graph)["loss"], rtol=1e-6)
    for one, other in zip(made.get_weights(), graph.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert type(made.layers[0]) is Residual and made.layers[0].nodes and len(made.layers[0].weights) == 3


def test_dropout_that_drops_always():
    drop = MonteCarloDropout(0.5, seed=3)
    model = Sequential([Input((7, 3)), LSTM(4), drop, Dense(1)])
    model.compile(fastlstm.optimizers.SGD(0.0), "mse")
    assert len({model.train_on_batch(X, Y) for _ in range(3)} | {model.test_on_batch(X, Y) for _ in range(3)}) == 6
    assert len({model.predict(X, verbose=0)[0, 0] for _ in range(3)}) == 3
    trained(model)


# --- batches of any shape -------------------------------------------------------------------------------------------


def test_sequences_of_any_length():
    class Pooled(Layer):
        def call(self, x):
            rows, steps, width = ops.shape(x)
            return ops.sum(ops.reshape(x, (rows, steps * width)), axis=1, keepdims=True) / steps

    model = Sequential([Input((None, 3)), LSTM(4, return_sequences=True), Pooled(), Dense(1)])
    model.compile(fastlstm.optimizers.SGD(0.1), "mse")
    for steps in (*range(2, 25), 2, 3):
        x = RNG.normal(size=(1 + steps % 3, steps, 3)).astype(np.float32)
        before = model.get_weights()
        model.train_on_batch(x, x[:, 0, :1])
        assert not np.array_equal(before[0], model.get_weights()[0])


def test_random_numbers_are_drawn_anew_for_every_batch():
    class Sampling(Layer):
        def call(self, inputs):
            mean, log_variance = inputs
            noise = fastlstm.random.normal(ops.shape(mean))
            return mean + ops.exp(0.5 * log_variance) * noise

    i = Input((7, 3))
    h = LSTM(4)(i)
    model = Model(i, Dense(1)(Sampling()([Dense(2)(h), Dense(2)(h)])))
    model.compile(fastlstm.optimizers.SGD(0.0), "mse")
    assert len({model.train_on_batch(X, Y) for _ in range(4)}) == 4
    trained(model)


def test_embeddings_and_models_over_every_step():
    ids = RNG.integers(1, 9, (20, 3, 5))
    words = Sequential([Input((5,)), Embedding(9, 4), LSTM(3, return_sequences=True), Lambda(lambda x: x[:, -1])])
    model = Sequential([Input((3, 5)), TimeDistributed(words), LSTM(4), Dense(1)])
    before = model.get_weights()
    assert trained(model, 3, ids, Y)["loss"][-1] < 1e3
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


# --- what is refused ------------------------------------------------------------------------------------------------


class Unwritten(Layer):
    """Of NumPy, which cannot be traced."""

    def call(self, x):
        return np.tanh(np.asarray(x)).mean(axis=1)


def on_a_value(x):
    return x * 2 if ops.sum(x) > 0 else x


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Unwritten(name="mine"), "no values"),
        (Lambda(on_a_value, name="mine"), "boolean"),
        (Lambda(lambda x: ops.sum(ops.convert_to_numpy(x)) + x, name="mine"), "no values"),
        (Lambda(lambda x: sum(row for row in x), name="mine"), "Iterating"),
        (Lambda(lambda x: np.tanh(x), name="mine"), "tanh|ufunc"),
    ],
)
def test_a_call_that_cannot_be_traced(layer, words):
    model = Sequential([Input((7, 3)), LSTM(4, return_sequences=True), layer, Flatten(), Dense(1)])
    model.predict(X, verbose=0)
    with pytest.raises(NotImplementedError, match=f"'mine'(.|\n)*({words})(.|\n)*fastlstm.ops(.|\n)*freeze"):
        trained(model)


def test_a_mistake_in_a_call_is_shown_as_it_is():
    class Wrong(Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = LSTM(3), LSTM(2)

        def call(self, x):
            return ops.concatenate([self.one(x), self.two(x)], axis=0)

    with pytest.raises(ValueError, match="concatenat"):
        trained(Wrong())


def test_an_operation_without_gradient():
    i = Input((7, 3))
    model = Model(
        i, Dense(1)(Lambda(lambda x: ops.median(x, axis=1), name="middle")(LSTM(4, return_sequences=True)(i)))
    )
    with pytest.raises(NotImplementedError, match="`Median`, for which no gradient"):
        trained(model)
    # Where no gradient has to go through it, it may stand.
    trained(Model(i, Dense(1)(LSTM(4)(Lambda(lambda x: ops.sort(x, axis=1) - ops.median(x))(i)))))


def test_weights_cannot_become_arrays_in_a_trace():
    class Converted(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((input_shape[-1],))

        def call(self, x):
            return x * np.asarray(self.w)

    with pytest.raises(NotImplementedError, match="cannot become a NumPy array"):
        trained(Sequential([Input((7, 3)), LSTM(4), Converted(), Dense(1)]))


# --- what stays -----------------------------------------------------------------------------------------------------


def test_a_trace_leaves_nothing_behind():
    model = sequential()
    layer = model.layers[1]
    nodes = [len(one.nodes) for one in model.layers]
    name = Dense(1).name
    trained(model)
    network = Network(3)
    trained(network)
    assert [len(one.nodes) for one in model.layers] == nodes and network.lstm.nodes == []
    assert Dense(1).name == f"dense_{int(name.rpartition('_')[2]) + 2}"  # that of `network` lies between
    gone = weakref.ref(layer)
    del model, layer
    gc.collect()
    assert gone() is None


def test_outputs_are_those_of_predict():
    model = sequential()
    before = model.predict(X, verbose=0)
    model.compile(fastlstm.optimizers.SGD(0.0), "mse")
    np.testing.assert_allclose(model.train_on_batch(X, before), 0, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)


def trained_by_one_step(outputs_of, targets, steps=2):
    inputs = Input((3,))
    model = Model(inputs, outputs_of(inputs))
    model.compile(optimizers.SGD(0.01), "mse")
    for _ in range(steps):
        model.train_on_batch(np.ones((2, 3)), np.zeros((2, targets)))
    return [float(weight.ravel()[0]) for weight in model.get_weights()]


def test_weights_of_other_layers_learn_too():
    """Of layers that a traced function knows; the numbers are those of Keras 3.15.1."""

    def tied(x):
        encoder = Dense(4, use_bias=False, kernel_initializer="ones")
        return Lambda(lambda t: ops.matmul(t, ops.transpose(encoder.kernel)))(encoder(x))

    def called(x):
        dense = Dense(1, kernel_initializer="ones")
        return dense(x) + Lambda(lambda t: dense(t))(x)

    def scaled(x):
        dense, last = Dense(1, kernel_initializer="ones"), Dense(1, kernel_initializer="ones")
        y = dense(x)
        return last(Lambda(lambda t: t * ops.mean(dense.kernel))(x)) + y

    np.testing.assert_allclose(trained_by_one_step(tied, 3), [0.45251], atol=1e-5)
    np.testing.assert_allclose(trained_by_one_step(called, 1), [0.5968, -0.4032], atol=1e-5)
    np.testing.assert_allclose(trained_by_one_step(scaled, 1), [0.81849, -0.20093, 0.60786, -0.20093], atol=1e-5)


def test_a_function_in_front_that_cannot_be_traced_runs_as_it_is():
    def prepared(x):
        return Dense(1, kernel_initializer="ones")(Lambda(lambda t: np.sort(np.asarray(t)))(x))

    np.testing.assert_allclose(trained_by_one_step(prepared, 1)[0], 0.8848, atol=1e-5)


def test_a_loss_that_uses_weights_is_refused():
    dense = Dense(1, kernel_initializer="ones")
    model = Sequential([Input((3,)), dense])

    def penalized(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), -1) + ops.sum(ops.square(dense.kernel))

    model.compile(optimizers.SGD(0.01), penalized)
    with pytest.raises(NotImplementedError, match=r"The loss uses weights that training changes.* regularizers"):
        model.train_on_batch(np.ones((2, 3)), np.zeros((2, 1)))
    np.testing.assert_array_equal(dense.kernel.numpy(), 1)
