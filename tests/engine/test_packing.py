"""The packed layout: written out by hand for a small case, and read back for others."""

import numpy as np
import pytest

from fastlstm.engine import Program
from fastlstm.engine.ops import Activation, DenseOp, EmbeddingOp, LSTMOp
from fastlstm.engine.packing import GROUP, PANEL, lstm_order, pack, plain_order


def test_lstm_order_of_18_units():
    order = lstm_order(18)
    assert order[:16].tolist() == list(range(16))  # i of units 0…15
    assert order[16:32].tolist() == list(range(18, 34))  # f
    assert order[48:64].tolist() == list(range(54, 70))  # o
    assert order[64:].tolist() == [16, 17, 34, 35, 52, 53, 70, 71, -1, -1, -1, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("units", [1, 3, 4, 5, 15, 16, 17, 33, 50, 64, 100])
def test_every_column_is_there_once(units):
    for order, columns in ((lstm_order(units), 4 * units), (plain_order(units), units)):
        assert sorted(order[order >= 0]) == list(range(columns))
        assert len(order) % GROUP == 0 and len(order) - columns < GROUP


def test_pack_holds_row_after_row_of_a_panel():
    order = plain_order(70)
    matrix = np.random.default_rng(0).standard_normal((3, 70)).astype(np.float32)
    packed = pack(matrix, order)
    first, second = packed[: 3 * PANEL].reshape(3, PANEL), packed[3 * PANEL :].reshape(3, GROUP)
    np.testing.assert_array_equal(first, matrix[:, :PANEL])
    np.testing.assert_array_equal(second[:, :6], matrix[:, PANEL:])
    assert not second[:, 6:].any()
    np.testing.assert_array_equal(pack(matrix[1], order)[:PANEL], matrix[1, :PANEL])


def test_a_program_says_what_it_runs():
    rng = np.random.default_rng(0)
    kernel, recurrent = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, 20), (5, 20)))
    lstm = LSTMOp(kernel, recurrent, None, Activation("tanh"), Activation("sigmoid"))
    dense = DenseOp(kernel[:5], None)
    assert Program([lstm, dense], "scalar", "packed").describe() == [
        "stage 1: LSTM 8 x 5 on packed scalar, cell update fused",
        "stage 2: Dense 5 x 20 on packed scalar",
    ]
    table = rng.standard_normal((4, 8)).astype(np.float32)
    assert Program([EmbeddingOp(table), lstm], "scalar", "blas").describe() == [
        "stage 1: LSTM 8 x 5 on projection looked up for 4 ids"
    ]
