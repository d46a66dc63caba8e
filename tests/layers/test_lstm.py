import itertools
import json

import numpy as np
import pytest

from fastlstm import activations, initializers
from fastlstm.engine import reference
from fastlstm.layers import LSTM, Activation, Dense, LSTMCell
from networks import randomized

BATCH, TIMESTEPS, FEATURES, UNITS = 3, 6, 4, 5


@pytest.fixture
def rng():
    return np.random.default_rng(12)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, TIMESTEPS, FEATURES)).astype(np.float32)


@pytest.fixture
def states(rng):
    return [rng.normal(size=(BATCH, UNITS)).astype(np.float32) for _ in range(2)]


def expected(layer, x, **arguments):
    weights = [*layer.get_weights(), None][:3]
    return reference.lstm(x, *weights, **arguments)


def masks():
    full = np.ones((BATCH, TIMESTEPS), bool)
    right, left, inner, row = (full.copy() for _ in range(4))
    right[0, 4:] = right[1, 2:] = False
    left[0, :2] = left[2, :5] = False
    inner[:, 2] = inner[1, 4] = False
    row[1] = False
    return {"none": None, "right": right, "left": left, "inner": inner, "row": row}


@pytest.mark.parametrize("mask", masks().values(), ids=masks().keys())
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_equals_the_oracle(x, states, mask, go_backwards, given):
    for sequences, use_bias, zero in itertools.product([False, True], repeat=3):
        layer = LSTM(
            UNITS,
            return_sequences=sequences,
            return_state=True,
            go_backwards=go_backwards,
            use_bias=use_bias,
            zero_output_for_mask=zero,
        )
        randomized(layer, x)
        initial = states if given else None
        y, h, c = layer(x, initial_state=initial, mask=mask)
        outputs, h_expected, c_expected = expected(
            layer, x, initial_state=initial, mask=mask, go_backwards=go_backwards, zero_output_for_mask=zero
        )
        np.testing.assert_allclose(y, outputs if sequences else outputs[:, -1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(h, h_expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(c, c_expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (2, 1, 3, 7), (1, 9, 1, 16), (5, 3, 17, 33)])
def test_sizes(size):
    batch, timesteps, features, units = size
    x = np.random.default_rng(3).normal(size=(batch, timesteps, features))
    layer = randomized(LSTM(units, return_sequences=True), x)
    y = layer(x)
    assert y.shape == (batch, timesteps, units)
    np.testing.assert_allclose(y, expected(layer, x)[0], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "softmax", "gelu", "leaky_relu", "hard_sigmoid"])
def test_activations_by_name(x, name):
    layer = randomized(
        LSTM(UNITS, activation=name, recurrent_activation="hard_sigmoid", return_sequences=True), 0.1 * x
    )
    function = activations.get(name)
    outputs, _, _ = expected(
        layer,
        0.1 * x,
        activation=lambda z: np.asarray(function(z), np.float64),
        recurrent_activation=reference.hard_sigmoid,
    )
    np.testing.assert_allclose(layer(0.1 * x), outputs, rtol=1e-4, atol=1e-5)


def test_activations_of_the_users(x):
    by_name = randomized(LSTM(UNITS, activation="softsign", recurrent_activation="sigmoid"), x)
    by_function = randomized(LSTM(UNITS, activation=lambda z: z / (1 + np.abs(z))), x)
    by_layer = randomized(LSTM(UNITS, activation=Activation("softsign")), x)
    np.testing.assert_allclose(by_function(x), by_name(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(by_layer(x), by_name(x))
    with pytest.raises(ValueError, match="has weights"):
        randomized(LSTM(UNITS, activation=Dense(UNITS)), x)(x)


def test_assigned_activation_and_weights_are_used(x):
    layer = randomized(LSTM(UNITS), x)
    before = layer(x)
    layer.activation = activations.relu
    relu = layer(x)
    assert np.abs(relu - before).max() > 1e-3
    np.testing.assert_array_equal(relu, randomized(LSTM(UNITS, activation="relu"), x)(x))
    layer.activation = activations.tanh
    np.testing.assert_array_equal(layer(x), before)
    layer.cell.bias.assign(layer.cell.bias.value + 1)
    assert np.abs(layer(x) - before).max() > 1e-3
    layer.go_backwards = True
    np.testing.assert_allclose(layer(x), expected(layer, x, go_backwards=True)[0][:, -1], rtol=1e-5, atol=1e-6)


def test_rows_are_independent_and_nan_stays_in_its_row(x):
    layer = randomized(LSTM(UNITS, return_sequences=True), x)
    y = layer(x)
    broken = x.copy()
    broken[1, 3, 0] = np.nan
    z = layer(broken)
    np.testing.assert_array_equal(z[[0, 2]], y[[0, 2]])
    np.testing.assert_array_equal(z[1, :3], y[1, :3])
    assert np.isnan(z[1, 3:]).all()
    mask = np.ones((BATCH, TIMESTEPS), int)
    mask[1, 3] = 0
    assert np.isfinite(layer(broken, mask=mask)).all()


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "uint8", "bool", ">f4"])
def test_any_dtype_and_order(x, dtype):
    layer = randomized(LSTM(UNITS), x)
    values = (3 * np.abs(x)).astype(dtype)
    before = values.copy()
    y = layer(values)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, layer(values.astype(np.float32)))
    np.testing.assert_array_equal(layer(np.asfortranarray(values)), y)
    np.testing.assert_array_equal(layer(np.repeat(values, 2, axis=1)[:, ::2]), y)
    np.testing.assert_array_equal(values, before)
    values.flags.writeable = False
    np.testing.assert_array_equal(layer(values), y)


def test_stateful(x, states):
    layer = randomized(LSTM(UNITS, stateful=True, return_sequences=True), x)
    whole, h, c = expected(layer, np.concatenate([x, x[:, ::-1]], axis=1))
    first, second = layer(x), layer(x[:, ::-1])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.states[0], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.states[1].numpy(), c, rtol=1e-5, atol=1e-6)
    layer.reset_state()
    np.testing.assert_array_equal(layer(x), first)
    layer.reset_states(states)
    np.testing.assert_array_equal(layer(x), stateless(layer, x, states))
    layer.reset_states()
    np.testing.assert_array_equal(layer(x), first)
    assert [weight.name for weight in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    with pytest.raises(
        ValueError, match=r"(?s)If an RNN is stateful.*Expected batch size: 3\n- Received batch size: 2"
    ):
        layer(x[:2])


def stateless(layer, x, states):
    """What a stateless layer of the same weights gives from `states`."""
    other = LSTM(UNITS, return_sequences=layer.return_sequences)
    other.build(x.shape)
    other.set_weights(layer.get_weights())
    return other(x, initial_state=states)


def test_stateful_and_initial_state(x, states):
    layer = randomized(LSTM(UNITS, stateful=True), x)
    y = layer(x, initial_state=states)
    np.testing.assert_array_equal(y, stateless(layer, x, states))
    kept = [state.numpy() for state in layer.states]
    np.testing.assert_array_equal(layer(x), stateless(layer, x, kept))


def test_returned_states_are_the_callers_own(x):
    layer = randomized(LSTM(UNITS, stateful=True, return_state=True), x)
    _, h, c = layer(x)
    kept = [state.numpy() for state in layer.states]
    h[:] = c[:] = 9
    np.testing.assert_array_equal(layer.states[0].numpy(), kept[0])
    np.testing.assert_array_equal(layer.states[1].numpy(), kept[1])


def test_stateful_needs_a_batch_size():
    with pytest.raises(ValueError, match=r"the batch size must be static. Found dynamic batch size: .*\(None, 4, 3\)"):
        LSTM(2, stateful=True).build((None, 4, 3))
    layer = LSTM(2)
    layer.reset_state()
    with pytest.raises(AttributeError, match="must be stateful"):
        layer.reset_states([1, 2])


def test_initial_state_forms(x, states):
    layer = randomized(LSTM(UNITS), x)
    y = layer(x, initial_state=states)
    np.testing.assert_array_equal(layer(x, initial_state=tuple(state.astype("f8") for state in states)), y)
    alike = [np.repeat(state[:1], BATCH, axis=0) for state in states]
    np.testing.assert_array_equal(layer(x, [state[:1] for state in states]), layer(x, initial_state=alike))
    for wrong in (states[0], states[:1], [*states, states[0]], [state[:, :2] for state in states]):
        with pytest.raises(ValueError, match=r"initial state of layer 'lstm.*\[\(3, 5\), \(3, 5\)\]"):
            layer(x, initial_state=wrong)


def test_mask_forms(x):
    layer = randomized(LSTM(UNITS), x)
    mask = masks()["inner"]
    y = layer(x, mask=mask)
    for same in (mask * 3.5, mask[:, :, None], mask.tolist(), np.asfortranarray(mask)):
        np.testing.assert_array_equal(layer(x, mask=same), y)
    np.testing.assert_array_equal(layer(x, mask=mask[:1]), layer(x, mask=np.repeat(mask[:1], BATCH, axis=0)))
    for wrong in (mask[:, :3], mask[0], mask[:2]):
        with pytest.raises(ValueError, match=r"`mask` should have shape \(3, 6\)"):
            layer(x, mask=wrong)


def test_no_rows_and_no_steps(x):
    layer = randomized(LSTM(UNITS, return_sequences=True, return_state=True), x)
    assert [y.shape for y in layer(x[:0])] == [(0, TIMESTEPS, UNITS), (0, UNITS), (0, UNITS)]
    with pytest.raises(ValueError, match="time step"):
        layer(x[:, :0])


def test_cell(x, states):
    layer = randomized(LSTM(UNITS, return_state=True), x)
    cell = LSTMCell(UNITS)
    cell.build((BATCH, FEATURES))
    cell.set_weights(layer.get_weights())
    h, (h_again, c) = cell(x[:, 0], states)
    np.testing.assert_array_equal(h, h_again)
    _, h_expected, c_expected = layer(x[:, :1], initial_state=states)
    np.testing.assert_array_equal(h, h_expected)
    np.testing.assert_array_equal(c, c_expected)
    assert [state.shape for state in cell.get_initial_state(2)] == [(2, UNITS)] * 2
    assert [weight.path for weight in layer.weights] == [
        f"{layer.name}/lstm_cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")
    ]


def test_shapes_and_masks_of_outputs():
    shape = (None, 7, 3)
    assert LSTM(4).compute_output_shape(shape) == (None, 4)
    assert LSTM(4, return_sequences=True).compute_output_shape(shape) == (None, 7, 4)
    assert LSTM(4, return_state=True).compute_output_shape(shape) == ((None, 4),) * 3
    assert LSTM(4).compute_mask(None, "mask") is None
    assert LSTM(4, return_sequences=True).compute_mask(None, "mask") == "mask"
    assert LSTM(4, return_sequences=True, return_state=True).compute_mask(None, "mask") == ["mask", None, None]


def test_initial_weights():
    layer = LSTM(6)
    layer.build((None, None, 3))
    kernel, recurrent, bias = layer.get_weights()
    limit = np.sqrt(6 / (3 + 24))
    assert 0.8 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(6), atol=1e-6)
    np.testing.assert_array_equal(bias, np.repeat([0, 1, 0, 0], 6))
    plain = LSTM(2, unit_forget_bias=False, bias_initializer=initializers.Constant(3))
    plain.build((None, None, 3))
    np.testing.assert_array_equal(plain.get_weights()[2], np.full(8, 3))
    assert layer.count_params() == 4 * 6 * (3 + 6 + 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "Received an invalid value for argument `units`, expected a positive integer, got 0."),
        ({"units": -1}, "expected a positive integer, got -1."),
        ({"units": 2.5}, "expected a positive integer, got 2.5."),
        ({"activation": "foo"}, "Could not interpret activation function identifier: foo"),
        ({"kernel_initializer": "foo"}, "Could not interpret initializer identifier: foo"),
        (
            {"use_cudnn": "x"},
            "Invalid valid received for argument `use_cudnn`. Expected one of {'auto', True, False}. "
            "Received: use_cudnn=x",
        ),
        ({"foo": 1, "bar": 2}, "Unrecognized keyword arguments passed to LSTM: {'foo': 1, 'bar': 2}"),
        ({"time_major": False}, "Unrecognized keyword arguments passed to LSTM: {'time_major': False}"),
        ({"trainable": "no"}, "Expected `trainable` to be a boolean. Received: trainable=no (of type <class 'str'>)"),
        ({"seed": 1.5}, "Argument `seed` must be an integer. Received: seed=1.5"),
        ({"dtype": "float64", "name": "a"}, "Layer 'a': The dtype policy 'float64' is not supported."),
        ({"dtype": "int8_from_float32", "name": "a"}, "Layer 'a': The dtype policy 'int8_from_float32'"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        LSTM(**{"units": 2, **arguments})
    assert message in str(error.value)


def test_refused_calls(x):
    with pytest.raises(TypeError, match="'<=' not supported between instances of 'str' and 'int'"):
        LSTM("a")
    layer = LSTM(4, name="a")
    message = "Input 0 with name 'None' of layer 'a' is incompatible with the layer: "
    for array in (x[:, 0], np.zeros((2, 3, 4, 5))):
        with pytest.raises(ValueError) as error:
            layer(array)
        assert str(error.value) == (
            f"{message}expected ndim=3, found ndim={array.ndim}. Full shape received: {array.shape}"
        )
    layer(x)
    with pytest.raises(ValueError) as error:
        layer(x[:, :, :2])
    assert str(error.value) == (
        f"{message}expected axis -1 of input shape to have value 4, but received input with shape (3, 6, 2)"
    )
    with pytest.raises(ValueError, match="Pass use_cudnn='auto' to fallback"):
        LSTM(2, use_cudnn=True)(x)
    with pytest.raises(ValueError, match=r"shape=\(None, 16\) for variable path='a_1/lstm_cell/kernel'"):
        LSTM(4, name="a_1").build((None, None, None))


def test_training(x):
    for arguments in ({"dropout": 0.5}, {"recurrent_dropout": 0.2}):
        layer = randomized(LSTM(UNITS, **arguments), x)
        assert np.abs(layer(x, training=True) - layer(x)).max() > 1e-3
        np.testing.assert_array_equal(layer(x, training=False), layer(x))
    layer = randomized(LSTM(UNITS, dropout=1.7), x)
    assert layer.dropout == 1.0
    np.testing.assert_array_equal(layer(x, training=True), layer(x))


def test_config_round_trip(x):
    layer = LSTM(
        UNITS,
        activation="hard_silu",
        recurrent_activation=Activation("hard_sigmoid"),
        kernel_regularizer="l2",
        bias_constraint="max_norm",
        activity_regularizer="l1",
        unit_forget_bias=False,
        seed=3,
        dropout=0.25,
        return_sequences=True,
        go_backwards=True,
        zero_output_for_mask=True,
        unroll=True,
        implementation=1,
        dtype="mixed_float16",
        trainable=False,
    )
    config = layer.get_config()
    again = LSTM.from_config(json.loads(json.dumps(config)))
    # The activation is a layer with a name of its own; everything else is plain.
    assert again.get_config() == config
    assert config["dtype"]["config"] == {"name": "mixed_float16"}
    assert not {"implementation", "use_cudnn"} & config.keys()
    assert not again.cell.trainable
    x = x[:, :, :3]
    again.build(x.shape)
    layer.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), layer(x))


def test_regularization_losses():
    layer = LSTM(2, kernel_regularizer="l2", recurrent_regularizer="l2", bias_regularizer="l1")
    layer.build((None, 3, 4))
    assert len(layer.losses) == 3
    np.testing.assert_allclose(layer.losses[2], 0.01 * 2)
