"""Embedding at the head of a chain: rows of the table, whether gathered or already projected, and bad ids."""

import numpy as np
import pytest

from fastlstm.engine import Program, kernel_names
from fastlstm.engine.ops import Activation, DenseOp, EmbeddingOp, GRUOp, LSTMOp, SimpleRNNOp
from networks import weights

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")


def recurrent(kind, features, units, **flags):
    blocks = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    kernels = weights(features, blocks * units), weights(units, blocks * units)
    if kind == "lstm":
        return LSTMOp(*kernels, weights(4 * units), TANH, SIGMOID, **flags)
    if kind == "gru":
        return GRUOp(*kernels, weights(2, 3 * units), TANH, SIGMOID, **flags)
    return SimpleRNNOp(*kernels, None, TANH, **flags)


@pytest.mark.parametrize("backend", ["blas", "packed"])
@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("vocabulary", [7, 50])  # below the 18 columns of the table: looked up; above: gathered
@pytest.mark.parametrize("batch", [1, 3, 9])
def test_as_the_rows_of_the_table(batch, vocabulary, kind, isa, backend):
    table = weights(vocabulary, 18)
    ids = np.random.default_rng(batch).integers(-vocabulary, vocabulary, (batch, 70)).astype(np.float32)
    mask = ids != 0
    ops = [recurrent(kind, 18, 21, return_sequences=True), recurrent("lstm", 21, 5)]
    for m in (None, mask):
        out, states = Program([EmbeddingOp(table), *ops], isa, backend).run(ids, m, return_states=True)
        exact, exact_states = Program(ops, isa, backend).run(table[ids.astype(int)], m, return_states=True)
        if backend == "packed":
            np.testing.assert_array_equal(out, exact)
        # BLAS sums a looked-up row and a gathered one in different orders, and 70 steps of tanh let that grow.
        np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(states[0][0], exact_states[0][0], rtol=1e-5, atol=1e-5)


def test_without_a_recurrent_layer():
    table, dense = weights(5, 3), DenseOp(weights(3, 2), None)
    ids = np.array([[0, 4, 1.9], [-1, -0.5, 3]], np.float32)
    out = Program([EmbeddingOp(table)]).run(ids)[0]
    np.testing.assert_array_equal(out, table[[[0, 4, 1], [4, 0, 3]]])
    np.testing.assert_array_equal(
        Program([EmbeddingOp(table), dense]).run(ids)[0], Program([dense]).run(np.ascontiguousarray(out))[0]
    )


@pytest.mark.parametrize("bad", [5, -6, 1e30, -1e30, np.nan, np.inf])
@pytest.mark.parametrize("units", [3, 8])
def test_ids_outside_the_table_are_refused(bad, units):
    program = Program([EmbeddingOp(weights(5, units)), recurrent("lstm", units, 4)])
    ids = np.array([[0, 4, -5]], np.float32)
    before = program.run(ids)[0]
    with pytest.raises(ValueError, match=r"ids must be from -5 to 4\. Received"):
        program.run(np.array([[0, bad, 1]], np.float32))
    np.testing.assert_array_equal(program.run(ids)[0], before)


def test_an_embedding_comes_first():
    with pytest.raises(ValueError, match="comes first"):
        Program([DenseOp(weights(3, 3), None), EmbeddingOp(weights(5, 3))])
