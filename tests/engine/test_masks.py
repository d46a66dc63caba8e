"""Masks on packed kernels: a row's bits are those of the steps that count for it, run alone."""

import numpy as np
import pytest

from fastlstm.engine import Program
from fastlstm.engine.ops import Activation, EmbeddingOp, GRUOp, LSTMOp, SimpleRNNOp
from networks import weights

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
TIMESTEPS, FEATURES, UNITS = 150, 5, 17  # three chunks of one row


def op(kind, **flags):
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    bias = weights(2, 3 * UNITS) if kind == "gru" else weights(gates * UNITS)
    arrays = weights(FEATURES, gates * UNITS), weights(UNITS, gates * UNITS), bias
    if kind == "rnn":
        return SimpleRNNOp(*arrays, TANH, **flags)
    return (LSTMOp if kind == "lstm" else GRUOp)(*arrays, TANH, SIGMOID, **flags)


def masks():
    """Rows that begin late, end early, do both, have holes, count everywhere and nowhere."""
    t = np.arange(TIMESTEPS)
    holes = np.random.default_rng(3).random(TIMESTEPS) < 0.7
    rows = [t >= 40, t < 97, (t > 70) & (t < 130), (t < 20) | (t > 140), holes, t >= 0, t < 0, t == 64]
    return np.array(rows)


def alone(program, x, counts, state, zero_output, backwards):
    """A row's outputs of all steps, from a run of those that count."""
    counts = counts[::-1] if backwards else counts
    x = x[:, ::-1] if backwards else x
    outs = np.zeros((TIMESTEPS, UNITS), np.float32)
    final = state
    if counts.any():
        counted = x[:, counts][:, ::-1] if backwards else x[:, counts]
        outs[counts], [final] = program.run(counted.copy(), None, [state], True)
    if not zero_output:
        for t in np.flatnonzero(~counts):
            outs[t] = outs[t - 1] if t else 0
    return outs, final


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("zero_output", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_a_row_has_the_bits_of_its_steps_alone(kind, zero_output, backwards, sequences):
    flags = {"zero_output_for_mask": zero_output, "go_backwards": backwards}
    masked = Program([op(kind, return_sequences=sequences, **flags)], backend="packed")
    single = Program([op(kind, return_sequences=True, **flags)], backend="packed")
    mask, x = masks(), weights(8, TIMESTEPS, FEATURES)
    states = [weights(8, UNITS, seed=n) for n in range(1 + (kind == "lstm"))]
    expected = []
    for row in range(8):
        one = slice(row, row + 1)
        given = [state[one].copy() for state in states]
        outs, final = alone(single, x[one], mask[row], given, zero_output, backwards)
        expected.append(outs if sequences else outs[-1])
        out, [after] = masked.run(x[one].copy(), mask[one].copy(), [given], True)
        np.testing.assert_array_equal(out[0], expected[-1])
        np.testing.assert_array_equal(np.ravel(after), np.ravel(final))
    for rows in (slice(0, 8), slice(0, 3), slice(5, 7), slice(5, 6)):
        given = [state[rows].copy() for state in states]
        np.testing.assert_array_equal(masked.run(x[rows].copy(), mask[rows].copy(), [given])[0], expected[rows])


def test_stacks_and_looked_up_projections():
    mask, ids = masks(), np.random.default_rng(1).integers(0, 4, (8, TIMESTEPS)).astype(np.float32)
    table = weights(4, FEATURES)
    second = LSTMOp(weights(UNITS, 36), weights(9, 36), weights(36), TANH, SIGMOID, return_sequences=True)
    looked_up = Program([EmbeddingOp(table), op("lstm", return_sequences=True), second], backend="packed")
    computed = Program([op("lstm", return_sequences=True), second], backend="packed")
    expected = computed.run(table[ids.astype(int)], mask)[0]
    np.testing.assert_array_equal(looked_up.run(ids, mask)[0], expected)
    for row in range(8):
        one = slice(row, row + 1)
        np.testing.assert_array_equal(looked_up.run(ids[one].copy(), mask[one].copy())[0], expected[one])
        counts = mask[row]
        if counts.any():
            np.testing.assert_array_equal(
                computed.run(table[ids[one][:, counts].astype(int)])[0][0], expected[row, counts]
            )
