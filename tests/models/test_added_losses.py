"""What layers and models add to the loss in their `call`, and penalties of what layers inside them give.

Curves of such networks are compared with Keras' in `test_own_training.py`; the numbers here are Keras 3.15.1's."""

import pickle
import threading

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, losses, ops, optimizers
from fastlstm.layers import LSTM, ActivityRegularization, Dense, Lambda, Layer, TimeDistributed

X = np.ones((2, 3), "float32")
RNG = np.random.default_rng(3)
S = RNG.normal(size=(6, 5, 3)).astype("float32")


class Inner(Layer):
    def call(self, x):
        self.add_loss(ops.sum(x) * 0.5)
        return x


class Outer(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Inner()
        self.dense = Dense(2, activity_regularizer="l2", kernel_regularizer="l1", kernel_initializer="ones")

    def call(self, x):
        self.add_loss(ops.mean(x))
        return self.dense(self.inner(self.inner(x)))


class Network(Model):
    def __init__(self):
        super().__init__()
        self.outer, self.out = Outer(), Dense(1, kernel_initializer="ones")

    def call(self, x):
        return self.out(self.outer(x))


def functional():
    inputs = Input((3,))
    return Model(inputs, Dense(1, activity_regularizer="l1", kernel_initializer="ones")(Outer()(inputs)))


def rounded(values):
    return [round(float(value), 5) for value in values]


def test_losses_of_a_call():
    layer = Outer()
    assert layer.losses == []
    layer(X)
    assert rounded(layer.losses) == [1.0, 3.0, 3.0, 0.18, 0.06]
    # Of the last call alone; one of a layer inside is a call, too.
    layer(2 * X)
    assert rounded(layer.losses) == [2.0, 6.0, 6.0, 0.72, 0.06]
    assert rounded(layer.inner.losses) == [6.0, 6.0]
    layer.inner(X)
    assert rounded(layer.losses) == [2.0, 3.0, 0.72, 0.06]
    assert rounded(pickle.loads(pickle.dumps(layer.losses))) == [2.0, 3.0, 0.72, 0.06]
    dense = Dense(2, activity_regularizer="l2", kernel_initializer="ones")
    dense(X)
    assert rounded(dense.losses) == [0.18]


@pytest.mark.parametrize("training", [None, True])
def test_losses_of_a_call_of_a_model(training):
    model = functional()
    assert rounded(model.losses) == [0.06]
    model(X, training=training)
    assert rounded(model.losses) == [1.0, 0.18, 3.0, 3.0, 0.06, 0.06]
    model = Network()
    model(X, training=training)
    assert rounded(model.losses) == [1.0, 0.18, 3.0, 3.0, 0.06]
    # With other layers around it, and in the engine else.
    whole = Sequential([Input((3,)), Dense(2, activity_regularizer="l2", kernel_initializer="ones")])
    whole(X, training=training)
    whole(X, training=training)
    assert rounded(whole.losses) == [0.18]


@pytest.mark.parametrize("make", [functional, Network])
def test_train_and_evaluate(make):
    model, y = make(), np.ones((2, 1), "float32")
    model(X)
    own = sum(map(float, model.losses))
    model.compile(optimizers.SGD(0.01), "mse")
    assert model.evaluate(X, y, verbose=0) == pytest.approx(own + 25, rel=1e-6)
    assert model.train_on_batch(X, y) == pytest.approx(own + 25, rel=1e-6)
    after = model.test_on_batch(X, y)
    assert after == pytest.approx(13.62129 if make is Network else after, rel=1e-5)
    # Nobody asks for them here.
    model.predict(X, verbose=0)
    assert model.test_on_batch(X, y) == after
    # They may be all the loss that there is.
    model.compile(optimizers.SGD(0.01))
    assert model.evaluate(X, verbose=0) == pytest.approx(
        sum(map(float, model(X) is not None and model.losses)), rel=1e-6
    )


class Scaled(Layer):
    """Adds a loss of its input and its weight, and gives something else."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="normal", name="w")

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x * self.w)))
        self.add_loss({"a": 0.1 * ops.sum(self.w), "b": [ops.convert_to_tensor(2.0)]})
        return ops.stop_gradient(x)


@pytest.mark.parametrize("wrapped", [False, True])
def test_gradients_where_nothing_else_is_the_loss(wrapped):
    lstm, scaled = LSTM(4, return_sequences=True), Scaled()
    last = Lambda(lambda x: scaled(x)) if wrapped else scaled
    model = Sequential([Input((5, 3)), lstm, scaled] if not wrapped else [Input((5, 3)), lstm, scaled, last])
    model.compile(optimizers.SGD(1.0))
    before = [weight.astype("float64") for weight in model.get_weights()]
    model.train_on_batch(S)
    steps = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
    for number, step in enumerate(steps):
        place = tuple(np.array(step.shape) // 2)
        found = []
        for change in (1e-2, -1e-2):
            moved = [weight.astype("float32") for weight in before]
            moved[number][place] += change
            model.set_weights(moved)
            found.append(model.test_on_batch(S))
        assert (found[0] - found[1]) / 2e-2 == pytest.approx(step[place], rel=2e-2, abs=2e-4)


def test_a_layer_that_extends_one_is_penalized_once():
    class Adds(Dense):
        def call(self, x):
            self.add_loss(ops.mean(x))
            return super().call(x)

    rows = [Adds(2, activity_regularizer="l2", kernel_initializer="ones"), Dense(1, kernel_initializer="ones")]
    model, y = Sequential([Input((3,)), *rows]), np.ones((2, 1), "float32")
    model.compile(optimizers.SGD(0.1), "mse")
    assert model.evaluate(X, y, verbose=0) == pytest.approx(26.18, rel=1e-6)
    assert model.train_on_batch(X, y) == pytest.approx(26.18, rel=1e-6)
    assert model.test_on_batch(X, y) == pytest.approx(5.4141903, rel=1e-6)


def test_in_shapes_over_the_steps():
    class Mean(Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))
            return x

    model = Sequential([Input((5, 3)), TimeDistributed(Mean()), LSTM(2), Dense(1)])
    model.compile(optimizers.SGD(0.0), "mse")
    y = np.zeros((6, 1), "float32")
    plain = np.mean(np.square(model.predict(S, verbose=0)))
    assert model.evaluate(S, y, verbose=0) == pytest.approx(plain + S.sum(), rel=1e-5)
    assert model.train_on_batch(S, y) == pytest.approx(plain + S.sum(), rel=1e-5)


def test_penalties_beside_logits():
    """A plan that adds penalties gives the losses logits, as the plan without them does."""
    outputs = Dense(3, activation="softmax", kernel_initializer="ones")
    model = Sequential([Input((3,)), ActivityRegularization(l1=0.5), Dense(3, activity_regularizer="l2"), outputs])
    model.layers[1].set_weights([np.eye(3, dtype="float32"), np.zeros(3, "float32")])
    outputs.set_weights([np.diag([50.0, 20, -30]).astype("float32"), np.zeros(3, "float32")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    expected = np.mean([80.0, 30.0]) + 0.5 * 3 + 0.01 * 3
    assert model.evaluate(X, np.array([2, 1]), verbose=0) == pytest.approx(expected, rel=1e-6)
    assert model.train_on_batch(X, np.array([2, 1])) == pytest.approx(expected, rel=1e-6)


class Classifier(Model):
    def __init__(self):
        super().__init__()
        self.out = Dense(3, activation="softmax")

    def call(self, x, training=None):
        return self.out(x * 2.0 if training else x)


class Untraceable(Classifier):
    def call(self, x):
        return self.out(x) if float(np.sum(x)) > 0 else self.out(-x)


@pytest.mark.parametrize(("make", "expected"), [(Classifier, 55.0), (Untraceable, None)])
@pytest.mark.parametrize("of", ["sparse_categorical_crossentropy", losses.CategoricalCrossentropy()])
def test_a_call_of_ones_own_is_tested_on_logits(make, expected, of):
    model = make()
    model(X)
    model.out.set_weights([np.diag([50.0, 20, -30]).astype("float32"), np.zeros(3, "float32")])
    y = np.array([2, 1]) if isinstance(of, str) else np.eye(3, dtype="float32")[[2, 1]]
    model.compile("sgd", of, metrics=["accuracy"])
    if expected is None:
        # It runs as it is, on probabilities: they are kept away from 0.
        expected = -np.log(1e-7)
    for _ in range(2):
        loss, accuracy = model.evaluate(X, y, verbose=0)
        assert (round(loss, 4), accuracy) == (pytest.approx(expected, abs=1e-3), 0.0)
    model.out.set_weights([np.zeros((3, 3), "float32"), np.zeros(3, "float32")])
    assert model.evaluate(X, y, verbose=0)[0] == pytest.approx(np.log(3), rel=1e-6)


def test_only_tensors_are_added():
    class Adds(Layer):
        def call(self, x):
            self.add_loss(1.0)
            return x

    text = r"`add_loss\(\)` can only be called from inside `build\(\)` or `call\(\)`, on a tensor input. Received"
    model = functional()
    for attempt in (lambda: Adds()(X), lambda: model.add_loss(1.0), lambda: model.add_loss(ops.sum(model.outputs[0]))):
        with pytest.raises(ValueError, match=text):
            attempt()


def test_threads_keep_their_own():
    model, y = Network(), np.ones((2, 1), "float32")
    model(X)
    model.compile("sgd", "mse")
    expected, found = model.test_on_batch(X, y), []

    def predict():
        for _ in range(20):
            model(3 * X)

    def test():
        found.extend(model.test_on_batch(X, y) for _ in range(20))

    threads = [threading.Thread(target=target) for target in (predict, test, predict)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The metrics' means are those of one batch each time.
    assert found == [expected] * 20
