"""Networks with layers and models of a user's own, as scripts write them, whose losses are compared with Keras'."""

from __future__ import annotations

import importlib

import numpy as np
from trained_cases import values

EPOCHS = 6


def series(width=1):
    x = values((24, 7, 3), 1)
    y = 0.5 * (x[:, -1, :1] - x[:, -3, 1:2]) + 0.1 * x.sum(axis=(1, 2))[:, None]
    return x, y if width == 1 else np.repeat(y, width, axis=1) * values((24, width), 4)


def tokens():
    ids = (np.abs(values((24, 9), 5)) * 11).astype(np.int32)
    for row in range(len(ids)):
        ids[row, 9 - row % 6 :] = 0
    return ids, ((ids.sum(axis=1) % 5) / 5).astype(np.float32)[:, None]


def attention(keras):
    """The attention of countless notebooks."""
    layers, ops = keras.layers, keras.ops

    class Attention(layers.Layer):
        def build(self, input_shape):
            self.W = self.add_weight(name="att_weight", shape=(input_shape[-1], 1), initializer="normal")
            self.b = self.add_weight(name="att_bias", shape=(input_shape[1], 1), initializer="zeros")
            super().build(input_shape)

        def call(self, x):
            e = ops.squeeze(ops.tanh(ops.matmul(x, self.W) + self.b), axis=-1)
            a = ops.expand_dims(ops.softmax(e), axis=-1)
            return ops.sum(x * a, axis=1)

    lstm = layers.LSTM(6, return_sequences=True)
    return keras.Sequential([layers.Input((7, 3)), lstm, Attention(), layers.Dense(1)]), *series(), "mse"


def context_vector(keras):
    """With a weight of one axis, `dot`, and the products of weights alone."""
    layers, ops = keras.layers, keras.ops

    class Context(layers.Layer):
        def __init__(self, return_sequences=False, **kwargs):
            super().__init__(**kwargs)
            self.return_sequences = return_sequences

        def build(self, input_shape):
            width = input_shape[-1]
            self.W = self.add_weight(shape=(width, width), regularizer="l2", name="W")
            self.b = self.add_weight(shape=(width,), initializer="zeros", name="b")
            self.u = self.add_weight(shape=(width,), name="u")
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

        def call(self, x):
            hidden = ops.tanh(ops.dot(x, self.W) + self.b)
            scores = ops.dot(hidden, self.u / ops.sqrt(ops.sum(ops.square(self.u)))) * (2.0 * self.scale)
            shares = ops.exp(scores)
            shares = shares / ops.cast(ops.sum(shares, axis=1, keepdims=True) + keras.config.epsilon(), "float32")
            weighted = x * shares[:, :, None]
            return weighted if self.return_sequences else ops.sum(weighted, axis=1)

    rows = [
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        Context(True),
        layers.GRU(4, return_sequences=True),
    ]
    return keras.Sequential([layers.Input((7, 3)), *rows, Context(), layers.Dense(1)]), *series(), "mae"


def bahdanau(keras):
    """Layers inside, two inputs, two outputs."""
    layers, ops = keras.layers, keras.ops

    class Bahdanau(layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.W1, self.W2, self.V = layers.Dense(units), layers.Dense(units), layers.Dense(1)

        def call(self, features, hidden):
            hidden = ops.expand_dims(hidden, 1)
            score = self.V(ops.tanh(self.W1(features) + self.W2(hidden)))
            shares = ops.softmax(score, axis=1)
            return ops.sum(shares * features, axis=1), shares

    i = layers.Input((7, 3))
    sequence, h, _ = layers.LSTM(5, return_sequences=True, return_state=True)(i)
    context, shares = Bahdanau(4)(sequence, h)
    last = layers.Concatenate()([context, layers.Flatten()(shares)])
    return keras.Model(i, layers.Dense(1)(last)), *series(), "mse"


def subclassed(keras):
    """A model whose `call` chains layers and operations, and says when it trains."""
    layers, ops = keras.layers, keras.ops

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.lstm = layers.LSTM(6, return_sequences=True, return_state=True)
            self.norm = layers.LayerNormalization()
            self.heads = [layers.Dense(5, activation="relu"), layers.Dense(3, activation="softmax")]

        def call(self, inputs, training=None):
            x, h, c = self.lstm(inputs, training=training)
            x = ops.concatenate([ops.max(x, axis=1), ops.mean(x, axis=1), h * ops.sigmoid(c)], axis=-1)
            x = self.norm(x)
            if training:
                x = x * 0.9
            for head in self.heads:
                x = head(x)
            return x

    x, y = series()
    return Network(), x, (np.abs(y[:, 0]) * 10).astype(np.int32) % 3, "sparse_categorical_crossentropy"


def lambdas(keras):
    layers, ops = keras.layers, keras.ops
    i = layers.Input((7, 3))
    x = layers.LSTM(6, return_sequences=True)(i)
    x = layers.Lambda(lambda t: ops.concatenate([t[:, -1], ops.mean(t, axis=1)], axis=-1))(x)
    x = layers.Lambda(lambda t: t * 2.0 + t**2)(x)
    x = layers.Lambda(lambda t: t / (1e-6 + ops.sqrt(ops.sum(ops.square(t), axis=-1, keepdims=True))))(x)
    return keras.Model(i, layers.Dense(1)(x)), *series(), "mse"


def training_argument(keras):
    """What it does in training differs from what it does else."""
    layers, ops = keras.layers, keras.ops

    class Noise(layers.Layer):
        def build(self, input_shape):
            self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")

        def call(self, inputs, training=False):
            if training:
                return inputs * self.gain + ops.cos(inputs * 3.0)
            return ops.maximum(inputs * self.gain, -1.0)

    lstms = [layers.LSTM(6, return_sequences=True), Noise(), layers.LSTM(4), Noise()]
    return keras.Sequential([layers.Input((7, 3)), *lstms, layers.Dense(1)]), *series(), "mse"


def masked(keras):
    """Attention that sees the mask of an Embedding, and a layer inside that sees it by itself."""
    layers, ops = keras.layers, keras.ops

    class Attention(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 1), name="w")

        def compute_mask(self, inputs, mask=None):
            return None

        def call(self, x, mask=None):
            e = ops.squeeze(ops.matmul(x, self.w), -1)
            if mask is not None:
                e = e + (1.0 - ops.cast(mask, "float32")) * -1e9
            return ops.einsum("bt,btd->bd", ops.softmax(e, axis=-1), x)

    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True
            self.lstm, self.dense = layers.LSTM(4, return_sequences=True), layers.Dense(4)

        def call(self, x):
            return self.dense(x) + self.lstm(x)

    rows = [layers.Embedding(12, 5, mask_zero=True), Block(), layers.LSTM(5, return_sequences=True), Attention()]
    return keras.Sequential([layers.Input((9,)), *rows, layers.Dense(1)]), *tokens(), "mse"


def masked_model(keras):
    """A model of one's own in which masks go from layer to layer, up to the loss."""
    layers = keras.layers

    class Tagger(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(12, 5, mask_zero=True)
            self.lstm = layers.Bidirectional(layers.LSTM(4, return_sequences=True))
            self.out = layers.TimeDistributed(layers.Dense(1))

        def call(self, ids):
            return self.out(self.lstm(self.embedding(ids)))

    ids, y = tokens()
    return Tagger(), ids, np.repeat(y[:, None], 9, axis=1) + 0.1 * (ids[..., None] % 3), "mse"


def positions(keras):
    """Weights that are used without the input: an Embedding of numbers, a query that is learned."""
    layers, ops = keras.layers, keras.ops

    class Tokens(layers.Layer):
        def __init__(self, length, size, width):
            super().__init__()
            self.tokens, self.places = layers.Embedding(size, width), layers.Embedding(length, width)

        def call(self, ids):
            return self.tokens(ids) + self.places(ops.arange(ops.shape(ids)[-1]))

    class Pooled(layers.Layer):
        def __init__(self, width):
            super().__init__()
            self.project = layers.Dense(width)

        def build(self, input_shape):
            self.query = self.add_weight(shape=(1, 1, input_shape[-1]), name="query")
            self.project.build((1, 1, input_shape[-1]))

        def call(self, x):
            query = ops.repeat(self.project(self.query), ops.shape(x)[0], axis=0)
            scores = ops.matmul(query, ops.transpose(x, (0, 2, 1)))
            shares = ops.softmax(ops.where(scores > 0, scores, 0.1 * scores))
            return ops.reshape(ops.matmul(shares, x), (-1, x.shape[-1]))

    i = layers.Input((9,))
    x = layers.LSTM(5, return_sequences=True)(Tokens(9, 12, 6)(i))
    return keras.Model(i, layers.Dense(1)(Pooled(5)(x))), *tokens(), "mse"


def own_cell(keras):
    """The cell of Keras' guide."""
    layers, ops = keras.layers, keras.ops

    class Minimal(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

        def call(self, inputs, states):
            output = ops.tanh(ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel))
            return output, [output]

    rows = [layers.RNN(Minimal(4), return_sequences=True), layers.LSTM(3)]
    return keras.Sequential([layers.Input((7, 3)), *rows, layers.Dense(1)]), *series(), "mse"


def nested(keras):
    """Models and own layers over the steps, and within each other."""
    layers, ops = keras.layers, keras.ops

    class Residual(layers.Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return x + self.inner(x)

        def compute_output_shape(self, input_shape):
            return input_shape

    class Gate(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones")

        def call(self, x):
            first, second = ops.split(x * self.w, 2, axis=-1)
            return ops.concatenate([first * ops.sigmoid(second), ops.abs(second)], axis=-1)

    inner = keras.Sequential([layers.Input((6,)), layers.Dense(8, "tanh"), Gate(), layers.Dense(6)])
    rows = [
        layers.LSTM(6, return_sequences=True),
        layers.TimeDistributed(Residual(inner)),
        Residual(layers.LSTM(6, return_sequences=True)),
    ]
    outer = keras.Sequential([layers.Input((6,)), layers.Dense(4, "relu"), layers.Dense(2)])
    rows += [layers.TimeDistributed(outer), layers.TimeDistributed(Gate()), layers.Flatten()]
    return keras.Sequential([layers.Input((7, 3)), *rows, layers.Dense(1)]), *series(), "mse"


def seq2seq(keras):
    """Encoder and decoder as layers of one's own, with states between them, in a model of two inputs."""
    layers, ops = keras.layers, keras.ops

    class Encoder(layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.lstm = layers.LSTM(units, return_sequences=True, return_state=True)

        def call(self, x):
            sequence, h, c = self.lstm(x)
            return sequence, [h, c]

    class Decoder(layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.lstm = layers.LSTM(units, return_sequences=True)
            self.dense = layers.Dense(1)

        def call(self, x, encoded, states):
            decoded = self.lstm(x, initial_state=states)
            scores = ops.matmul(decoded, ops.transpose(encoded, axes=[0, 2, 1]))
            return self.dense(ops.concatenate([decoded, ops.matmul(ops.softmax(scores), encoded)], axis=-1))

    class Both(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = Encoder(5), Decoder(5)

        def call(self, inputs):
            past, known = inputs
            encoded, states = self.encoder(past)
            return self.decoder(known, encoded, states)

    x, y = series(4)
    return Both(), [x, values((24, 4, 2), 2)], y[..., None], "mse"


def root_loss(keras):
    """The loss that Keras has not, in one number."""
    ops = keras.ops

    def rmse(y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_pred - y_true)))

    model = keras.Sequential([keras.layers.Input((7, 3)), keras.layers.LSTM(6), keras.layers.Dense(1)])
    return model, *series(), rmse


def quantile_loss(keras):
    """A class, for targets of which some are missing."""
    ops = keras.ops

    class Quantile(keras.losses.Loss):
        def __init__(self, quantile):
            super().__init__(name="quantile")
            self.quantile = quantile

        def call(self, y_true, y_pred):
            error = y_true - y_pred
            there = ops.cast(ops.greater(ops.abs(y_true), 0.1), y_pred.dtype)
            return ops.mean(ops.maximum(self.quantile * error, (self.quantile - 1) * error) * there, axis=-1)

    model = keras.Sequential([keras.layers.Input((7, 3)), keras.layers.LSTM(6), keras.layers.Dense(4)])
    return model, *series(4), Quantile(0.8)


def focal_loss(keras):
    """A function that a function returns, on probabilities."""
    layers, ops = keras.layers, keras.ops

    def focal(gamma, alpha):
        def loss(y_true, y_pred):
            y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)
            right = ops.where(ops.equal(y_true, 1), y_pred, 1 - y_pred)
            weight = y_true * alpha + (1 - y_true) * (1 - alpha)
            return -ops.sum(weight * ops.power(1 - right, gamma) * ops.log(right), axis=-1)

        return loss

    model = keras.Sequential([layers.Input((7, 3)), layers.GRU(6), layers.Dense(4, activation="sigmoid")])
    x, y = series(4)
    return model, x, (y > 0).astype(np.float32), focal(2.0, 0.25)


def older_backend(keras):
    """`tensorflow.keras.backend`."""
    return keras.backend if keras.__name__ == "fastlstm" else importlib.import_module("keras._tf_keras.keras.backend")


def labelled(count, classes):
    """Sequences with labels, what is behind them, and their lengths."""
    x, _ = series()
    labels = (np.abs(values((24, count), 7)) * (classes - 1.01)).astype(np.int32)
    lengths = 1 + np.arange(24) % count
    return x, np.where(np.arange(count) < lengths[:, None], labels, 99).astype(np.float32), lengths[:, None]


def batch_cost_loss(keras):
    """As examples of reading text compute their loss; a number that is no class ends the labels."""
    layers, ops, backend = keras.layers, keras.ops, older_backend(keras)

    def ctc(y_true, y_pred):
        rows = ops.shape(y_true)[0]
        steps = ops.ones((rows, 1), "int32") * ops.shape(y_pred)[1]
        lengths = ops.ones((rows, 1), "int32") * ops.shape(y_true)[1]
        return backend.ctc_batch_cost(y_true, y_pred, steps, lengths)

    x, labels, _ = labelled(3, 5)
    rows = [layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.Dense(5, activation="softmax")]
    return keras.Sequential([layers.Input((7, 3)), *rows]), x, labels, ctc


def batch_cost_lambda(keras):
    """As older ones have it: the loss is the output of the model."""
    layers, backend = keras.layers, older_backend(keras)
    x, labels = layers.Input((7, 3)), layers.Input((3,))
    steps, lengths = layers.Input((1,), dtype="int32"), layers.Input((1,), dtype="int32")
    y_pred = layers.Dense(5, activation="softmax")(layers.LSTM(6, return_sequences=True)(x))

    def cost(given):
        y_pred, labels, steps, lengths = given
        # The first outputs tend to be garbage.
        return backend.ctc_batch_cost(labels, y_pred[:, 2:, :], steps, lengths)

    loss = layers.Lambda(cost, output_shape=(1,), name="ctc")([y_pred, labels, steps, lengths])
    given, numbers, counts = labelled(3, 5)
    model = keras.Model([x, labels, steps, lengths], loss)
    inputs = [given, numbers, np.full((24, 1), 5, np.int32), counts.astype(np.int32)]
    return model, inputs, np.zeros(24, np.float32), {"ctc": lambda y_true, y_pred: y_pred}


def ctc_layer(keras):
    """The layer of examples of reading text: it adds the loss, and the model has no other."""
    layers, ops, backend = keras.layers, keras.ops, older_backend(keras)

    class CTCLayer(layers.Layer):
        def __init__(self, name=None):
            super().__init__(name=name)
            self.loss_fn = backend.ctc_batch_cost

        def call(self, y_true, y_pred):
            rows = ops.shape(y_true)[0]
            steps = ops.ones((rows, 1), "int32") * ops.shape(y_pred)[1]
            lengths = ops.ones((rows, 1), "int32") * ops.shape(y_true)[1]
            self.add_loss(self.loss_fn(y_true, y_pred, steps, lengths))
            return y_pred

    x, labels = layers.Input((7, 3), name="x"), layers.Input((None,), name="labels")
    h = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(x)
    outputs = CTCLayer(name="ctc_loss")(labels, layers.Dense(5, activation="softmax")(h))
    given, numbers, _ = labelled(3, 5)
    return keras.Model([x, labels], outputs), [given, numbers], None, None


def adding_layers(keras):
    """Layers that add losses: several, of their inputs, of weights, within each other, of constants; and penalties."""
    layers, ops = keras.layers, keras.ops

    class Inner(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4, activation="tanh", activity_regularizer="l2", kernel_regularizer="l1")

        def call(self, x):
            x = self.dense(x)
            self.add_loss(0.1 * ops.mean(ops.square(x)))
            return x

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.last = Inner(), layers.ActivityRegularization(l1=0.01)

        def build(self, input_shape):
            self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")

        def call(self, x, training=None):
            self.add_loss([0.02 * ops.sum(ops.abs(self.gain)), 0.03 * ops.mean(x * self.gain)])
            self.add_loss(ops.convert_to_tensor(0.5))
            if training:
                self.add_loss(0.01 * ops.sum(x))
            return self.last(self.inner(x * self.gain) + self.inner(x))

    rows = [layers.LSTM(5, activity_regularizer="l1", return_sequences=True), Outer(), layers.LSTM(4)]
    return keras.Sequential([layers.Input((7, 3)), *rows, layers.Dense(1)]), *series(), "mse"


def adding_model(keras):
    """A model that adds a loss in its `call`, as autoencoders that draw do, on logits that a softmax hides."""
    layers, ops = keras.layers, keras.ops

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.lstm, self.mean, self.log = layers.LSTM(6), layers.Dense(3), layers.Dense(3, activity_regularizer="l2")
            inner = [layers.Input((3,)), layers.Dense(4, "relu", activity_regularizer="l1"), layers.Dense(4)]
            self.inner, self.out = keras.Sequential(inner), layers.Dense(3, activation="softmax")

        def call(self, x):
            x = self.lstm(x)
            mean, log = self.mean(x), self.log(x)
            self.add_loss(-0.05 * ops.mean(1 + log - ops.square(mean) - ops.exp(log)))
            return self.out(self.inner(mean) * 8.0)

    x, y = series()
    return Network(), x, (np.abs(y[:, 0]) * 10).astype(np.int32) % 3, "sparse_categorical_crossentropy"


def frozen_adding(keras):
    """What is before all that learns adds to the loss, too."""
    layers, ops = keras.layers, keras.ops

    class Adding(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4, activity_regularizer="l2")

        def call(self, x):
            self.add_loss(ops.mean(ops.abs(x)))
            return self.dense(x)

    first = Adding()
    first.trainable = False
    return keras.Sequential([layers.Input((7, 3)), first, layers.LSTM(4), layers.Dense(1)]), *series(), "mse"


def penalized_directions(keras):
    """Both layers of a Bidirectional penalize what they give, states too, in a model of one's own and before it."""
    layers = keras.layers

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            inner = layers.LSTM(4, activity_regularizer="l2", return_sequences=True)
            self.first, self.out = layers.Bidirectional(inner, merge_mode="mul"), layers.Dense(1)
            last = layers.GRU(3, activity_regularizer="l1", return_state=True)
            self.last = layers.Bidirectional(last, backward_layer=layers.GRU(3, go_backwards=True, return_state=True))

        def call(self, x):
            y, *states = self.last(self.first(x))
            return self.out(y + layers.concatenate(states))

    i = layers.Input((7, 3))
    x = layers.Bidirectional(layers.LSTM(3, activity_regularizer="l1", return_sequences=True))(i)
    return keras.Model(i, Network()(x)), *series(), "mse"


NETWORKS = (attention, context_vector, bahdanau, subclassed, lambdas, training_argument, masked, masked_model)
NETWORKS += (positions, own_cell, nested, seq2seq, root_loss, quantile_loss, focal_loss)
NETWORKS += (batch_cost_loss, batch_cost_lambda, ctc_layer, adding_layers, adding_model, frozen_adding)
NETWORKS += (penalized_directions,)


def made(keras, network):
    """The model, with weights that are the same everywhere, and its data.

    Args:
        keras: Keras or fastlstm.
        network: One of `NETWORKS`.
    """
    model, x, y, loss = network(keras)
    model([part[:2] for part in x] if isinstance(x, list) else x[:2])
    model.set_weights([values(weight.shape, seed, 0.4) for seed, weight in enumerate(model.get_weights(), 2)])
    return model, x, y, loss


def losses_of(keras, network) -> dict[str, list[float]]:
    """The losses of the epochs, and those of the same batches after each epoch, as evaluated.

    Args:
        keras, network: As for `made`.
    """
    model, x, y, loss = made(keras, network)
    model.compile(keras.optimizers.SGD(learning_rate=0.1, momentum=0.8), loss=loss, jit_compile=False)
    given = {"batch_size": 7, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    # Keras takes inputs without targets from a tuple.
    return model.fit(x, y, validation_data=(x, y) if y is not None else (x,), **given).history
