"""Cell updates compiled for a pair of activations: the bits of the general one, an activation after the other."""

from functools import partial

import numpy as np
import pytest

from fastlstm.engine import Program, activate, kernel_names
from fastlstm.engine.ops import Activation, GRUOp, LSTMOp
from networks import weights

RECURRENT = [Activation(name) for name in ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2")]
ACTIVATIONS = [
    Activation("tanh"),
    Activation("relu", (0.0, np.inf, 0.0)),
    Activation("relu", (0.3, 1.2, 0.1)),
    Activation("linear"),
    Activation("sigmoid"),
    Activation("elu", (0.7,)),
    Activation("selu"),
    Activation("softsign"),
]
# tanh with sigmoid takes fewer divisions: other roundings, which the float64 equations bound
PAIRS = [(a, r) for a in ACTIVATIONS for r in RECURRENT if (a.name, r.name) != ("tanh", "sigmoid")]
NAMES = [f"{a.name}{len(a.parameters) and a.parameters[0]}-{r.name}" for a, r in PAIRS]


def general(op, isa):
    """The op with its activations as functions, for which no cell update is compiled."""
    pair = [op.activation, op.recurrent_activation]
    pair = [Activation("python", function=partial(activate, activation=a, isa=isa)) for a in pair]
    return type(op)(**{**vars(op), "activation": pair[0], "recurrent_activation": pair[1]})


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_lstm_has_the_bits_of_the_general_cell(pair, isa):
    for units in (1, 5, 16, 17, 33, 50):
        op = LSTMOp(weights(3, 4 * units), weights(units, 4 * units), weights(4 * units), *pair, return_sequences=True)
        program, x = Program([op], isa, "packed"), weights(7, 4, 3)
        expected, [states] = Program([general(op, isa)], isa, "packed").run(x, return_states=True)
        for rows in (slice(0, 7), slice(2, 3), slice(1, 3), slice(3, 6)):
            out, [of_rows] = program.run(x[rows].copy(), return_states=True)
            np.testing.assert_array_equal(out, expected[rows])
            np.testing.assert_array_equal(of_rows, [state[rows] for state in states])
        first, given = program.run(x[:, :1].copy(), return_states=True)
        rest = program.run(x[:, 1:].copy(), None, given)[0]
        np.testing.assert_array_equal(np.hstack([first, rest]), expected)


def on_a_grid(*shape):
    """Eighths, small enough that sums of their products are exact in any order."""
    return np.round(weights(*shape, scale=4.0)) / np.float32(8)


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_gru_has_the_bits_of_the_general_cell(pair, isa):
    """One step: the general path adds its products in another order."""
    for units in (1, 5, 16, 17, 33, 50):
        op = GRUOp(on_a_grid(3, 3 * units), on_a_grid(units, 3 * units), on_a_grid(2, 3 * units), *pair)
        x, state = on_a_grid(7, 1, 3), on_a_grid(7, units)
        expected = Program([general(op, isa)], isa, "packed").run(x, None, [[state]])[0]
        for rows in (slice(0, 7), slice(2, 3), slice(1, 3)):
            out = Program([op], isa, "packed").run(x[rows].copy(), None, [[state[rows].copy()]])[0]
            np.testing.assert_array_equal(out, expected[rows])


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
@pytest.mark.parametrize(("kind", "gates"), [(LSTMOp, 4), (GRUOp, 3)])
def test_nan_stays_in_its_row(kind, gates, pair, isa):
    bias = weights(4 * 17) if kind is LSTMOp else weights(2, 3 * 17)
    program = Program([kind(weights(3, gates * 17), weights(17, gates * 17), bias, *pair)], isa, "packed")
    x = weights(3, 4, 3)
    clean = program.run(x)[0]
    x[1, 2] = np.nan
    out = program.run(x)[0]
    assert np.isnan(out[1]).all()
    np.testing.assert_array_equal(out[[0, 2]], clean[[0, 2]])
