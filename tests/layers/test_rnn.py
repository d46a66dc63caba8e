import itertools
import json

import numpy as np
import pytest

from fastlstm.engine.reference import sigmoid
from fastlstm.layers import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    Layer,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    deserialize,
    serialize,
)
from networks import randomized

UNITS = 5
KINDS = {
    "lstm": (LSTM, LSTMCell, {}),
    "gru": (GRU, GRUCell, {"reset_after": False}),
    "simple": (SimpleRNN, SimpleRNNCell, {}),
}


class PythonLSTMCell(Layer):
    """An LSTM cell as a user may write it."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = [units, units]
        self.seen_training = []

    def build(self, input_shape):
        units = self.state_size[0]
        self.kernel = self.add_weight((input_shape[-1], 4 * units), name="kernel")
        self.recurrent_kernel = self.add_weight((units, 4 * units), name="recurrent_kernel")
        self.bias = self.add_weight((4 * units,), name="bias")

    def call(self, inputs, states, training=False):
        self.seen_training.append(training)
        h, c = states
        i, f, g, o = np.split(inputs @ self.kernel + h @ self.recurrent_kernel + self.bias.value, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return h, [h, c]


class Counter:
    """A cell that is no layer, of one state without a list, which it changes in place."""

    state_size = 2

    def call(self, inputs, states):
        states[0] += inputs.sum(axis=1, keepdims=True)
        return states[0], states[0]


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_layer_of_its_cell(sequences, mask, kind):
    layer_class, cell_class, arguments = KINDS[kind]
    for every_step, backwards in itertools.product([False, True], repeat=2):
        over_time = {"return_sequences": every_step, "return_state": True, "go_backwards": backwards}
        layer = randomized(RNN(cell_class(UNITS, **arguments), **over_time), sequences)
        plain = randomized(layer_class(UNITS, **arguments, **over_time), sequences)
        outputs, same = layer(sequences, mask=mask), plain(sequences, mask=mask)
        assert len(outputs) == len(same) == len(layer.compute_output_shape(sequences.shape))
        for output, expected in zip(outputs, same, strict=True):
            np.testing.assert_array_equal(output, expected)


def test_cells_in_python(sequences, mask):
    states = [np.random.default_rng(5).normal(size=(3, UNITS)).astype(np.float32) for _ in range(2)]
    for every_step, backwards, zero, given in itertools.product([False, True], repeat=4):
        over_time = {
            "return_sequences": every_step,
            "return_state": True,
            "go_backwards": backwards,
            "zero_output_for_mask": zero,
        }
        layer = randomized(RNN(PythonLSTMCell(UNITS), **over_time), sequences)
        native = randomized(LSTM(UNITS, **over_time), sequences)
        call = {"mask": mask, "initial_state": states if given else None}
        for output, expected in zip(layer(sequences, **call), native(sequences, **call), strict=True):
            assert output.dtype == np.float32
            np.testing.assert_allclose(output, expected, rtol=1e-5, atol=2e-6)
    assert [weight.name for weight in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
    assert layer.weights[0].path == f"{layer.name}/{layer.cell.name}/kernel"


def test_stateful_with_a_cell_in_python(sequences):
    layer = randomized(RNN(PythonLSTMCell(UNITS), stateful=True), sequences)
    native = randomized(LSTM(UNITS, stateful=True), sequences)
    for _ in range(2):
        np.testing.assert_allclose(layer(sequences), native(sequences), rtol=1e-5, atol=2e-6)
    layer.reset_state()
    native.reset_state()
    np.testing.assert_allclose(layer(sequences), native(sequences), rtol=1e-5, atol=2e-6)
    with pytest.raises(ValueError, match="Expected batch size: 3"):
        layer(sequences[:2])


def test_training_reaches_the_cell(sequences):
    layer = RNN(PythonLSTMCell(UNITS))
    layer(sequences[:, :1])
    layer(sequences[:, :1], training=True)
    assert layer.cell.seen_training == [False, True]


def test_cell_that_is_no_layer(sequences):
    layer = RNN(Counter(), return_sequences=True, return_state=True, stateful=True)
    expected = np.repeat(np.cumsum(sequences.sum(axis=2), axis=1)[:, :, None], 2, axis=2)
    before = sequences.copy()
    output, state = layer(sequences)
    np.testing.assert_allclose(output[:, -1], expected[:, -1], rtol=1e-5, atol=1e-5)
    again, _ = layer(sequences)
    np.testing.assert_allclose(again[:, -1], 2 * expected[:, -1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state, expected[:, -1], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(sequences, before)
    given = np.ones((3, 2), np.float32)
    layer(sequences, initial_state=given)
    np.testing.assert_array_equal(given, 1)
    assert layer.weights == []


def test_cell_of_a_subclass_is_not_run_by_the_engine(sequences):
    class Doubled(GRUCell):
        def call(self, inputs, states, training=False):
            output, states = super().call(inputs, states, training)
            return 2 * output, states

    layer = randomized(RNN(Doubled(UNITS)), sequences)
    plain = randomized(GRU(UNITS), sequences)
    np.testing.assert_allclose(layer(sequences), 2 * plain(sequences), rtol=1e-6)


def test_initial_state_of_the_cells_choice(sequences):
    class Warm(PythonLSTMCell):
        def get_initial_state(self, batch_size=None):
            return [np.full((batch_size, UNITS), value) for value in (0.5, -0.25)]

    layer = randomized(RNN(Warm(UNITS)), sequences)
    native = randomized(LSTM(UNITS), sequences)
    warm = [np.full((3, UNITS), value) for value in (0.5, -0.25)]
    np.testing.assert_allclose(layer(sequences), native(sequences, initial_state=warm), rtol=1e-5, atol=2e-6)


def test_refused(sequences):
    class NoStates(Layer):
        def call(self, inputs, states):
            return inputs, states

    class TextStates(NoStates):
        state_size = "3"

    class Forgetful(NoStates):
        state_size = (2, 3)

        def call(self, inputs, states):
            return inputs, states[:1]

    for cell, message in (
        (3, "Argument `cell` should have a `call` method. Received: cell=3"),
        (NoStates(), "The RNN cell should have a `state_size` attribute"),
        (TextStates(), "state_size must be an integer, or a list/tuple of integers"),
    ):
        with pytest.raises(ValueError, match=message):
            RNN(cell)
    with pytest.raises(ValueError, match="given 2 states returned 1 new ones"):
        RNN(Forgetful())(sequences)
    for cell in (Counter(), GRUCell(2)):
        with pytest.raises(ValueError, match="time step"):
            RNN(cell)(sequences[:, :0])
        assert RNN(cell)(sequences[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"expected ndim=3, found ndim=2. Full shape received: \(3, 4\)"):
        RNN(GRUCell(2))(sequences[:, 0])


def test_config_round_trip(sequences):
    layer = RNN(GRUCell(UNITS, activation="relu"), return_sequences=True, zero_output_for_mask=True, name="mine")
    randomized(layer, sequences)
    config = json.loads(json.dumps(serialize(layer)))
    assert config["config"]["cell"]["class_name"] == "GRUCell"
    again = deserialize(config)
    assert again.get_config()["cell"]["config"] == layer.get_config()["cell"]["config"]
    assert [weight.path for weight in again.weights] == [weight.path for weight in layer.weights]
    np.testing.assert_array_equal(randomized(again, sequences)(sequences), layer(sequences))


def test_config_with_a_cell_in_python_is_written_and_not_read():
    config = serialize(RNN(PythonLSTMCell(UNITS)))
    with pytest.raises((ValueError, NotImplementedError), match="PythonLSTMCell"):
        deserialize(config)
