import itertools
import json

import numpy as np
import pytest

from fastlstm import activations
from fastlstm.engine import reference
from fastlstm.layers import GRU, LSTM, Activation, CuDNNGRU, CuDNNLSTM, GRUCell
from networks import randomized

UNITS = 5


def expected(layer, x, **arguments):
    return reference.gru(x, *[*layer.get_weights(), None][:3], reset_after=layer.reset_after, **arguments)


@pytest.fixture
def state(sequences):
    return np.random.default_rng(5).normal(size=(len(sequences), UNITS)).astype(np.float32)


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_equals_the_oracle(sequences, state, mask, reset_after, go_backwards):
    for every_step, use_bias, zero, given in itertools.product([False, True], repeat=4):
        layer = GRU(
            UNITS,
            reset_after=reset_after,
            return_sequences=every_step,
            return_state=True,
            go_backwards=go_backwards,
            use_bias=use_bias,
            zero_output_for_mask=zero,
        )
        randomized(layer, sequences)
        initial = state if given else None
        y, h = layer(sequences, initial_state=initial, mask=mask)
        outputs, h_expected = expected(
            layer,
            sequences,
            initial_state=initial,
            mask=mask,
            go_backwards=go_backwards,
            zero_output_for_mask=zero,
        )
        np.testing.assert_allclose(y, outputs if every_step else outputs[:, -1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(h, h_expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (2, 1, 3, 7), (1, 9, 1, 16), (5, 3, 17, 33)])
def test_sizes(size, reset_after):
    batch, timesteps, features, units = size
    x = np.random.default_rng(3).normal(size=(batch, timesteps, features))
    layer = randomized(GRU(units, reset_after=reset_after, return_sequences=True), x)
    np.testing.assert_allclose(layer(x), expected(layer, x)[0], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["relu", "softmax", "leaky_relu"])
def test_activations(sequences, name):
    x = 0.1 * sequences
    by_name = randomized(GRU(UNITS, activation=name, recurrent_activation="hard_sigmoid"), x)
    outputs, _ = expected(
        by_name,
        x,
        activation=lambda z: np.asarray(activations.get(name)(z), np.float64),
        recurrent_activation=reference.hard_sigmoid,
    )
    np.testing.assert_allclose(by_name(x), outputs[:, -1], rtol=1e-4, atol=1e-5)
    by_layer = randomized(GRU(UNITS, activation=Activation(name), recurrent_activation="hard_sigmoid"), x)
    np.testing.assert_array_equal(by_layer(x), by_name(x))


def test_initial_state_forms(sequences, state):
    layer = randomized(GRU(UNITS), sequences)
    y = layer(sequences, initial_state=[state])
    for same in (state, (state,), state.astype("f8")):
        np.testing.assert_array_equal(layer(sequences, initial_state=same), y)
    alike = layer(sequences, initial_state=np.repeat(state[:1], 3, axis=0))
    np.testing.assert_array_equal(layer(sequences, initial_state=state[:1]), alike)
    for wrong in ([state, state], state[:2], state[:, :2]):
        with pytest.raises(ValueError, match=r"initial state of layer 'gru.*\[\(3, 5\)\]"):
            layer(sequences, initial_state=wrong)


def test_stateful(sequences, state):
    layer = randomized(GRU(UNITS, stateful=True, return_sequences=True), sequences)
    whole, h = expected(layer, np.concatenate([sequences, sequences[:, ::-1]], axis=1))
    first, second = layer(sequences), layer(sequences[:, ::-1])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.states[0], h, rtol=1e-5, atol=1e-6)
    layer.reset_states(state)
    np.testing.assert_array_equal(layer(sequences), layer(sequences, initial_state=state))
    layer.reset_state()
    np.testing.assert_array_equal(layer(sequences), first)
    for rows in (sequences[:2], np.repeat(sequences, 2, axis=0)):
        for given in (None, np.zeros((len(rows), UNITS))):
            with pytest.raises(ValueError, match="Expected batch size: 3"):
                layer(rows, initial_state=given)
    np.testing.assert_array_equal(layer.states[0].shape, (3, UNITS))


def test_cell(sequences, state):
    layer = randomized(GRU(UNITS), sequences)
    cell = GRUCell(UNITS)
    cell.build((3, 4))
    cell.set_weights(layer.get_weights())
    h, new = cell(sequences[:, 0], state)
    np.testing.assert_array_equal(h, new)
    _, (listed,) = cell(sequences[:, 0], [state])
    np.testing.assert_array_equal(listed, h)
    np.testing.assert_array_equal(layer(sequences[:, :1], initial_state=state), h)
    assert (cell.state_size, cell.output_size) == (UNITS, UNITS)
    assert [zeros.shape for zeros in cell.get_initial_state(2)] == [(2, UNITS)]
    assert [weight.path for weight in layer.weights] == [
        f"{layer.name}/gru_cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")
    ]


def test_weights_and_shapes():
    for reset_after, bias in ((True, (2, 15)), (False, (15,))):
        layer = GRU(UNITS, reset_after=reset_after, return_sequences=True, return_state=True)
        layer.build((None, None, 4))
        assert [weight.shape for weight in layer.weights] == [(4, 15), (5, 15), bias]
    assert layer.compute_output_shape((None, 7, 4)) == ((None, 7, 5), (None, 5))
    assert layer.compute_mask(None, "mask") == ["mask", None]
    assert layer.state_size == [5]


def test_attributes_are_the_cells(sequences):
    layer = randomized(GRU(UNITS, dropout=0.3, seed=4, implementation=1), sequences)
    assert (layer.units, layer.dropout, layer.seed, layer.implementation) == (UNITS, 0.3, 4, 1)
    before = layer(sequences)
    layer.activation = activations.relu
    assert layer.cell.activation is activations.relu
    assert np.abs(layer(sequences) - before).max() > 1e-3


def test_config_round_trip(sequences):
    layer = GRU(
        UNITS,
        activation="gelu",
        recurrent_activation=Activation("hard_sigmoid"),
        kernel_regularizer="l2",
        recurrent_constraint="max_norm",
        activity_regularizer="l1",
        reset_after=False,
        recurrent_dropout=0.25,
        return_sequences=True,
        go_backwards=True,
        zero_output_for_mask=True,
        unroll=True,
        trainable=False,
    )
    config = layer.get_config()
    again = GRU.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert not {"implementation", "use_cudnn", "cell"} & config.keys()
    assert layer.implementation == 1 and not again.cell.trainable
    np.testing.assert_array_equal(randomized(again, sequences)(sequences), randomized(layer, sequences)(sequences))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "Received an invalid value for argument `units`, expected a positive integer, got 0."),
        ({"recurrent_activation": "foo"}, "Could not interpret activation function identifier: foo"),
        ({"use_cudnn": "x"}, "Received: use_cudnn=x"),
        ({"unit_forget_bias": True}, "Unrecognized keyword arguments passed to GRU: {'unit_forget_bias': True}"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        GRU(**{"units": 2, **arguments})
    assert message in str(error.value)


def test_cudnn_classes(sequences):
    gru, lstm = CuDNNGRU(3, return_sequences=True), CuDNNLSTM(3, unit_forget_bias=False, go_backwards=True, name="a")
    assert type(gru) is GRU and gru.reset_after and gru.return_sequences
    assert type(lstm) is LSTM and lstm.go_backwards and not lstm.unit_forget_bias and lstm.name == "a"
    for layer in (gru, lstm):
        assert layer.activation is activations.tanh and layer.recurrent_activation is activations.sigmoid
    plain = GRU(3, return_sequences=True)
    np.testing.assert_array_equal(randomized(gru, sequences)(sequences), randomized(plain, sequences)(sequences))


@pytest.mark.parametrize(("name", "reset_after"), [("gru_reset_after", True), ("gru_reset_before", False)])
def test_goldens_of_real_keras(keras_answers, name, reset_after):
    x = np.array(keras_answers["x"], np.float32)
    layer = GRU(2, reset_after=reset_after, return_sequences=True)
    layer.build(x.shape)
    bias = (np.arange(6) % 3 - 1) / 10
    layer.set_weights(
        [pattern((3, 6), 5, 11, 5), pattern((2, 6), 3, 7, 3), np.array([bias, -bias]) if reset_after else bias]
    )
    np.testing.assert_allclose(layer(x), keras_answers["cases"][name][0], rtol=2e-6, atol=5e-7)


def pattern(shape, factor, modulus, shift):
    return ((np.arange(np.prod(shape)) * factor % modulus - shift) / 10).reshape(shape)
