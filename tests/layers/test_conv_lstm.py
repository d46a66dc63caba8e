"""Convolutional LSTMs: what the goldens of real Keras do not tell."""

import copy
import json

import numpy as np
import pytest

from fastlstm import Sequential, activations, layers
from fastlstm.engine.reference import lstm
from fastlstm.layers import Bidirectional, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from fastlstm.layers.convolutional import windows
from fastlstm.layers.rnn.conv_lstm import ConvLSTMCell
from fastlstm.layers.rnn.dropout_steps import one_call, steps_of
from networks import network, random, randomized

pytestmark = pytest.mark.packed_kernels

X = random(5, 4, 6, 5, 3)


def test_of_one_position_it_is_an_lstm():
    x = random(3, 6, 1, 1, 4)
    layer = randomized(ConvLSTM2D(5, 1, return_sequences=True), x)
    kernel, recurrent_kernel, bias = layer.get_weights()
    plain = layers.LSTM(5, return_sequences=True)
    plain.build((3, 6, 4))
    plain.set_weights([kernel[0, 0], recurrent_kernel[0, 0], bias])
    np.testing.assert_allclose(layer(x)[:, :, 0, 0], plain(x[:, :, 0, 0]), rtol=1e-5, atol=1e-6)


def test_of_whole_images_it_is_an_lstm_over_their_products():
    """A kernel as large as the image reads all of it at the one position that `valid` leaves."""
    x = random(3, 5, 3, 2, 4)
    layer = randomized(ConvLSTM2D(6, (3, 2), return_sequences=True), x)
    kernel, recurrent_kernel, bias = layer.get_weights()
    # Of the state's padding `same`, the position that reads the state.
    of_state = recurrent_kernel[1, 0]
    flat = x.reshape(3, 5, 24).astype("f8")
    y, _, _ = lstm(flat, kernel.reshape(24, 24).astype("f8"), of_state.astype("f8"), bias.astype("f8"))
    np.testing.assert_allclose(layer(x)[:, :, 0, 0], y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConvLSTM2D(7, 3, padding="same", return_sequences=True),
        lambda: ConvLSTM2D(3, (2, 3), strides=2, return_state=True),
        lambda: Bidirectional(ConvLSTM2D(4, 2, return_sequences=True)),
    ],
)
def test_rows_do_not_depend_on_the_batch_nor_on_the_blocks(make, monkeypatch):
    layer = randomized(make(), X)
    y = layer(X)
    several = isinstance(y, tuple)
    for rows in (slice(0, 1), slice(2, 4)):
        for part, whole in zip(layer(X[rows]) if several else [layer(X[rows])], y if several else [y], strict=True):
            np.testing.assert_array_equal(part, whole[rows])
    for block in (1, 800):
        monkeypatch.setattr(windows, "BLOCK", block)
        for again, whole in zip(layer(X) if several else [layer(X)], y if several else [y], strict=True):
            np.testing.assert_array_equal(again, whole)


def test_it_goes_on_where_it_ended():
    layer = randomized(ConvLSTM2D(4, 3, padding="same", return_sequences=True, return_state=True), X)
    whole, h, c = layer(X)
    first, *states = layer(X[:, :3])
    second, h_again, c_again = layer(X[:, 3:], initial_state=states)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    np.testing.assert_array_equal(h_again, h)
    np.testing.assert_array_equal(c_again, c)
    stateful = ConvLSTM2D(4, 3, padding="same", return_sequences=True, stateful=True)
    stateful.build(X.shape)
    stateful.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.concatenate([stateful(X[:, :3]), stateful(X[:, 3:])], axis=1), whole)
    stateful.reset_states()
    np.testing.assert_array_equal(stateful(X), whole)
    stateful.reset_states([h, c])
    np.testing.assert_array_equal(stateful(X), layer(X, initial_state=[h, c])[0])
    with pytest.raises(ValueError, match="the batch size of the input sequences must be the same"):
        stateful(X[:2])


def test_channels_first_is_the_same_turned():
    layer = randomized(ConvLSTM2D(4, (2, 3), strides=(1, 2), return_state=True), X)
    first = ConvLSTM2D(4, (2, 3), strides=(1, 2), return_state=True, data_format="channels_first")
    turned = np.moveaxis(X, -1, 2)
    first.build(turned.shape)
    first.set_weights(layer.get_weights())
    states = [random(5, 5, 2, 4, seed=seed) for seed in (1, 2)]
    expected = layer(X, initial_state=states)
    found = first(turned, initial_state=[np.moveaxis(state, -1, 1) for state in states])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, np.moveaxis(other, -1, 1))
    assert first.compute_output_shape((None, None, 3, 6, 5)) == ((None, 4, 5, 2),) * 3


def test_activations():
    plain = randomized(ConvLSTM2D(4, 2, activation="relu", recurrent_activation="sigmoid"), X)
    y = plain(X)
    plain.activation = lambda z: np.maximum(z, 0)
    np.testing.assert_allclose(plain(X), y, rtol=1e-5, atol=1e-6)
    for activation in ("softmax", lambda z: z):
        layer = ConvLSTM2D(3, 2, recurrent_activation=activation, data_format="channels_first")
        with pytest.raises(NotImplementedError, match="act over an axis is not supported for `channels_first`"):
            layer(X)
    assert plain.cell.recurrent_activation is activations.sigmoid


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_dropout_has_masks_of_each_gate_for_all_steps():
    cell = ConvLSTMCell(2, 3, 1, dropout=0.4, recurrent_dropout=0.3, seed=8)
    cell.build((2, 3, 2, 4))
    cell.set_weights([random(*weight.shape) for weight in cell.weights])
    x, h, c = random(2, 3, 2, 4), random(2, 3, 2, 3), random(2, 3, 2, 3)
    kernel, recurrent_kernel, bias = (weight.astype("f8") for weight in cell.get_weights())
    with one_call():
        steps = steps_of(cell)
        of_x, of_h = steps.masks("inputs", x.shape, 0.4), steps.masks("states", h.shape, 0.3)
        output, (_, new_c) = cell(x, [h, c], training=True)
        np.testing.assert_array_equal(cell(x, [h, c], training=True)[0], output)
        other, _ = cell(x, [h, c], training=False)
    assert len({mask.tobytes() for mask in (*of_x, *of_h)}) == 8
    assert {0, np.float32(1 / 0.6)} == set(np.unique(of_x))
    gates = [slice(3 * gate, 3 * gate + 3) for gate in range(4)]
    i, f, g, o = (
        (x * of_x[n]) @ kernel[0, 0][:, gate] + (h * of_h[n]) @ recurrent_kernel[0, 0][:, gate] + bias[gate]
        for n, gate in enumerate(gates)
    )
    expected = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(new_c, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(output, sigmoid(o) * np.tanh(expected), rtol=1e-5, atol=1e-6)
    assert np.abs(other - output).max() > 0.05


def test_the_gradient_of_dropout():
    cell = ConvLSTMCell(1, 2, 2, padding="same", dropout=0.4, recurrent_dropout=0.3)
    cell.build((2, 3, 4))
    cell.set_weights([random(*weight.shape) for weight in cell.weights])
    given = [random(2, 3, 4), random(2, 3, 2), random(2, 3, 2)]
    d_output, d_h, d_c = (random(2, 3, 2) for _ in range(3))

    def total(x, h, c, *weights):
        cell.set_weights(weights)
        output, (new_h, new_c) = cell(x, [h, c], training=True)
        return float((d_output * output + d_h * new_h + d_c * new_c).sum(dtype="f8"))

    values = [*given, *cell.get_weights()]
    with one_call():
        _, backward = cell.call_with_gradient(given[0], given[1:], training=True)
        dx, of_weights, keywords = backward((d_output, [d_h, d_c]))
        for number, gradient in enumerate([dx, *keywords["states"], *of_weights]):
            towards = random(*gradient.shape)
            moved = [[*values[:number], values[number] + by * towards, *values[number + 1 :]] for by in (0.01, -0.01)]
            slope = (total(*moved[0]) - total(*moved[1])) / 2e-2
            assert slope == pytest.approx((gradient * towards).sum(), rel=2e-3, abs=2e-3)


def test_dropout_in_a_network_that_is_trained():
    model = Sequential([ConvLSTM2D(2, 2, recurrent_dropout=0.5, return_sequences=True), ConvLSTM2D(1, 2, dropout=0.5)])
    model.compile("sgd", "mse")
    before = model.predict(X, verbose=0)
    model.fit(X, np.ones_like(before), epochs=3, verbose=0)
    assert np.square(model.predict(X, verbose=0) - 1).mean() < np.square(before - 1).mean()


def test_weights_are_followed_and_copied():
    layer = randomized(ConvLSTM2D(4, 2), X)
    y, twin = layer(X), copy.deepcopy(layer)
    layer.set_weights([weight * 2 for weight in layer.get_weights()])
    assert not np.array_equal(layer(X), y)
    np.testing.assert_array_equal(twin(X), y)


def test_config():
    layer = ConvLSTM2D(4, 2, unit_forget_bias=False, dropout=3.0, name="c")
    config = json.loads(json.dumps(layer.get_config()))
    assert (config["dropout"], config["kernel_size"], config["unit_forget_bias"]) == (1.0, [2, 2], False)
    assert not {"units", "rank", "cell"} & config.keys()
    assert ConvLSTM2D.from_config(config).get_config() == layer.get_config()
    cell = ConvLSTMCell(1, 4, 2)
    assert ConvLSTMCell.from_config(cell.get_config()).get_config() == cell.get_config()
    bias = randomized(ConvLSTM2D(2, 1), X)
    fresh = ConvLSTM2D(2, 1)
    fresh.build(X.shape)
    np.testing.assert_array_equal(fresh.get_weights()[2], [0, 0, 1, 1, 0, 0, 0, 0])
    assert [weight.name for weight in bias.weights] == ["kernel", "recurrent_kernel", "bias"]


def test_in_models():
    model = network(
        layers.ConvLSTM2D(3, 2, return_sequences=True),
        layers.TimeDistributed(layers.MaxPooling2D(2)),
        ConvLSTM2D(2, 2, padding="same"),
        layers.Flatten(),
        layers.Dense(1),
        shape=X.shape[1:],
    )
    y = model.predict(X, verbose=0)
    assert y.shape == (5, 1)
    for row in range(5):
        np.testing.assert_array_equal(model.predict_on_batch(X[row : row + 1]), y[row : row + 1])
    with pytest.raises(ValueError, match="cannot run step by step: its cell is not one that the engine runs"):
        model.stream()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvLSTMCell(4, 2, 2), "Rank 4 convolutions are not currently implemented. Received: rank=4"),
        (lambda: ConvLSTM2D(0, 2), "Invalid value for argument `filters`."),
        (lambda: ConvLSTM1D(2, 2, padding="causal"), "one of {'valid', 'same'}. Received: causal"),
        (lambda: ConvLSTM2D(2, 2, 2, dilation_rate=2), "Specifying `strides > 1` is not compatible with"),
        (lambda: ConvLSTM2D(2, (2, 2, 2)), "The `kernel_size` argument must be a tuple of 2 integers."),
        (lambda: ConvLSTM2D(2, 2, implementation=2), "Unrecognized keyword arguments passed to ConvLSTM2D"),
        (lambda: ConvLSTM2D(2, 2).build((None, 3, None, 4, 2)), "only support static input shapes for the spatial"),
        (lambda: ConvLSTM2D(2, 2).build((None, 3, 4, 4, None)), "The channel dimension of the inputs (last axis)"),
        (lambda: ConvLSTM2D(2, 7)(X), "Computed output size would be zero or negative."),
        (lambda: ConvLSTM2D(2, 2)(X[0]), "expected ndim=5, found ndim=4"),
        (lambda: ConvLSTM3D(2, 2)(X), "expected ndim=6, found ndim=5"),
        (lambda: randomized(ConvLSTM2D(2, 2), X)(X[:, :, :5]), "expected axis 2 of input shape to have value 6"),
        (
            lambda: ConvLSTM2D(2, 2)(X, initial_state=[np.zeros((5, 6, 5, 2))] * 2),
            "should be a list of arrays of shapes [(5, 5, 4, 2), (5, 5, 4, 2)].",
        ),
        (lambda: ConvLSTM2D(2, 2, stateful=True).build((None, 3, 4, 4, 2)), "the batch size must be static"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError) as error:
        make()
    assert message in str(error.value)
