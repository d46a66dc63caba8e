import json

import numpy as np
import pytest

from fastlstm import Sequential, load_model
from fastlstm.layers import GRU, LSTM, RNN, GRUCell, Input, LSTMCell, SimpleRNNCell, StackedRNNCells
from networks import randomized


def shapes(nested):
    if isinstance(nested, (list, tuple)):
        return [shapes(item) for item in nested]
    return np.shape(nested)


def stack(**arguments):
    return RNN([LSTMCell(5), GRUCell(2)], **arguments)


def layers_in_a_row(stacked, **arguments):
    """The same network as an LSTM and a GRU layer, with the stack's weights."""
    first, second = LSTM(5, return_sequences=True, return_state=True), GRU(2, return_state=True, **arguments)
    first.build((None, None, 4))
    second.build((None, None, 5))
    first.set_weights(stacked.get_weights()[:3])
    second.set_weights(stacked.get_weights()[3:])
    return first, second


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("zero", [False, True])
def test_equals_layers_in_a_row(sequences, mask, every_step, zero):
    arguments = {"return_sequences": every_step, "zero_output_for_mask": zero}
    layer = randomized(stack(return_state=True, **arguments), sequences)
    first, second = layers_in_a_row(layer, **arguments)
    states = [np.random.default_rng(1).normal(size=(3, units)).astype(np.float32) for units in (5, 5, 2)]
    for given in (None, [states[:2], states[2:]], states):
        y, (h, c), (g,) = layer(sequences, initial_state=given, mask=mask)
        between, h_expected, c_expected = first(sequences, None if given is None else states[:2], mask)
        y_expected, g_expected = second(between, None if given is None else states[2:], mask)
        pairs = ((y, y_expected), (h, h_expected), (c, c_expected), (g, g_expected))
        for output, expected in pairs:
            np.testing.assert_array_equal(output, expected)


def test_backwards_with_a_mask(sequences, mask):
    backwards = randomized(stack(return_sequences=True, return_state=True, go_backwards=True), sequences)
    forwards = randomized(stack(return_sequences=True, return_state=True), sequences)
    y, *states = backwards(sequences, mask=mask)
    y_expected, *expected = forwards(sequences[:, ::-1], mask=None if mask is None else mask[:, ::-1])
    np.testing.assert_array_equal(y, y_expected)
    for of_cell, expected_of_cell in zip(states, expected, strict=True):
        for state, expected_state in zip(of_cell, expected_of_cell, strict=True):
            np.testing.assert_array_equal(state, expected_state)


def test_stateful(sequences):
    layer = randomized(stack(stateful=True, return_sequences=True), sequences)
    whole = randomized(stack(return_sequences=True), sequences)
    both = whole(np.concatenate([sequences, sequences[:, ::-1]], axis=1))
    first = layer(sequences)
    np.testing.assert_array_equal(np.concatenate([first, layer(sequences[:, ::-1])], axis=1), both)
    assert shapes(layer.states) == [[(3, 5), (3, 5)], [(3, 2)]]
    layer.reset_state()
    np.testing.assert_array_equal(layer(sequences), first)
    kept = [[state.numpy() for state in of_cell] for of_cell in layer.states]
    layer(sequences)
    layer.reset_states(kept)
    np.testing.assert_array_equal(layer(sequences[:, ::-1]), both[:, 6:])


def test_shapes_and_states():
    layer = stack(return_state=True)
    assert layer.compute_output_shape((None, 7, 4)) == ((None, 2), [(None, 5), (None, 5)], (None, 2))
    assert layer.compute_mask(None, "mask") == [None, None, None]
    assert layer.state_size == [[5, 5], 2]
    assert shapes(layer.get_initial_state(3)) == [[(3, 5), (3, 5)], [(3, 2)]]
    cells = StackedRNNCells([SimpleRNNCell(3), LSTMCell(2)])
    assert (cells.state_size, cells.output_size) == ([3, [2, 2]], 2)


def test_called_alone(sequences):
    cells = StackedRNNCells([GRUCell(5), LSTMCell(2)])
    cells.build((3, 4))
    g = np.full((3, 5), 0.25, np.float32)
    hc = [np.full((3, 2), value, np.float32) for value in (0.5, -1)]
    y, (g_new, hc_new) = cells(sequences[:, 0], [g, hc])
    layer = RNN(cells, return_state=True)
    layer.build(sequences.shape)
    y_expected, (g_expected,), hc_expected = layer(sequences[:, :1], initial_state=[[g], hc])
    np.testing.assert_array_equal(y, y_expected)
    np.testing.assert_array_equal(g_new, g_expected)
    np.testing.assert_array_equal(hc_new, hc_expected)


def test_refused():
    class NoStates:
        def call(self, inputs, states):
            return inputs, states

    with pytest.raises(ValueError, match="Received cell without a `call` method: 3"):
        RNN([GRUCell(2), 3])
    with pytest.raises(ValueError, match="Received cell without a `state_size`"):
        StackedRNNCells([NoStates()])


def test_saved_and_loaded(sequences, tmp_path):
    model = Sequential([Input((None, 4)), RNN([LSTMCell(5), LSTMCell(3), GRUCell(2)], return_sequences=True), GRU(3)])
    randomized(model, sequences)
    expected = model.predict(sequences, verbose=0)
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        np.testing.assert_array_equal(load_model(tmp_path / name).predict(sequences, verbose=0), expected)
    config = json.loads(model.to_json())["config"]["layers"][1]["config"]["cell"]
    assert [cell["class_name"] for cell in config["config"]["cells"]] == ["LSTMCell", "LSTMCell", "GRUCell"]
