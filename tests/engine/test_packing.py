"""The packed layout: written out by hand for a small case, and read back for others."""

import gc
import sys

import numpy as np
import pytest

from fastlstm.engine import Program, keep, kernel_names, obtain, packings
from fastlstm.engine.ops import Activation, DenseOp, EmbeddingOp, GRUOp, LSTMOp, SimpleRNNOp
from fastlstm.engine.packing import GROUP, PANEL, _kept, gate_order, pack, plain_order
from networks import weights

TANH, SIGMOID, SOFTMAX = Activation("tanh"), Activation("sigmoid"), Activation("softmax")


def test_lstm_order_of_18_units():
    order = gate_order(18, 4)
    assert order[:16].tolist() == list(range(16))  # i of units 0…15
    assert order[16:32].tolist() == list(range(18, 34))  # f
    assert order[48:64].tolist() == list(range(54, 70))  # o
    assert order[64:].tolist() == [16, 17, 34, 35, 52, 53, 70, 71, -1, -1, -1, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("units", [1, 3, 4, 5, 15, 16, 17, 33, 50, 64, 100])
def test_every_column_is_there_once(units):
    orders = (gate_order(units, 4), 4 * units), (gate_order(units, 3), 3 * units), (plain_order(units), units)
    for order, columns in orders:
        assert sorted(order[order >= 0]) == list(range(columns))
        assert len(order) % GROUP == 0 and len(order) - columns < GROUP


@pytest.mark.parametrize("columns", [1, 16, 70, 512])
@pytest.mark.parametrize("features", [1, 3, 64, 257])
def test_packed_weights_begin_with_a_cache_line(features, columns):
    packed = [pack(weights(features, columns), plain_order(columns)) for _ in range(3)]
    assert [array.ctypes.data % 64 for array in packed] == [0, 0, 0]
    assert all(array.flags.c_contiguous and array.flags.writeable for array in packed)


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
    assert Program([lstm, dense], "scalar", "packed").describe()[:-1] == [
        "stage 1: LSTM 8 x 5 on packed scalar, cell update fused",
        "stage 2: Dense 5 x 20 on packed scalar",
    ]
    table = rng.standard_normal((4, 8)).astype(np.float32)
    assert Program([EmbeddingOp(table), lstm], "scalar", "blas").describe()[:-1] == [
        "stage 1: LSTM 8 x 5 on projection looked up for 4 ids"
    ]


CHAINS = {
    "LSTM, Dense": [
        LSTMOp(weights(7, 72), weights(18, 72), weights(72), TANH, SIGMOID),
        DenseOp(weights(18, 3), weights(3)),
    ],
    "LSTM of whole rows": [LSTMOp(weights(7, 64), weights(16, 64), None, TANH, SOFTMAX)],
    "GRU": [GRUOp(weights(7, 15), weights(5, 15), weights(2, 15), TANH, SIGMOID)],
    "GRU, reset before": [GRUOp(weights(7, 15), weights(5, 15), weights(15), TANH, SIGMOID, reset_after=False)],
    "SimpleRNN": [SimpleRNNOp(weights(7, 5), weights(5, 5), None, TANH)],
    "Embedding": [EmbeddingOp(weights(9, 7)), SimpleRNNOp(weights(7, 5), weights(5, 5), None, TANH)],
    "looked up": [EmbeddingOp(weights(5, 7)), LSTMOp(weights(7, 72), weights(18, 72), weights(72), TANH, SIGMOID)],
    "looked up by a GRU": [EmbeddingOp(weights(5, 7)), GRUOp(weights(7, 15), weights(5, 15), None, TANH, SIGMOID)],
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.packed_kernels
def test_packings_are_what_a_program_packs(name, monkeypatch):
    chain = CHAINS[name]
    x = np.array([[1, 0, 4, 2]], np.float32) if isinstance(chain[0], EmbeddingOp) else weights(1, 4, 7)
    expected, _ = Program(chain).run(x)
    found = packings(chain)
    assert len({(packing.form, *map(id, packing.sources)) for packing in found}) == len(found) > 0
    made = [packing.make() for packing in found]
    assert [array.shape for array in made] == [packing.shape for packing in found]
    for isa in kernel_names():
        monkeypatch.setenv("FASTLSTM_ISA", isa)
        for packing, array in zip(packings(chain), made, strict=True):
            np.testing.assert_array_equal(packing.make(), array)
    for packing, array in zip(found, made, strict=True):
        keep(packing, -array)
    opposite, _ = Program(chain).run(x)
    assert np.abs(opposite - expected).max() > 1e-3
    for packing, array in zip(found, made, strict=True):
        keep(packing, array)
        assert obtain(packing) is array
    np.testing.assert_array_equal(Program(chain).run(x)[0], expected)


@pytest.mark.packed_kernels
def test_an_array_is_kept_for_its_very_sources():
    kernel, bias = weights(4, 3), weights(3)
    (packing,) = packings([DenseOp(kernel, bias)])
    array = packing.make()
    keep(packing, array)
    assert obtain(packing) is array
    assert obtain(packings([DenseOp(kernel, None)])[0]) is array
    for other in (kernel.copy(), kernel[:]):
        assert obtain(packings([DenseOp(other, bias)])[0]) is not array
    count = len(_kept)
    del packing, kernel, other
    gc.collect()
    assert len(_kept) == count - 1


@pytest.mark.packed_kernels
def test_what_does_not_fit_is_not_kept():
    (packing,) = packings([DenseOp(weights(4, 3), None)])
    array = packing.make()
    for wrong in (array[1:], array.reshape(4, 16), array.astype(float), np.repeat(array, 2)[::2]):
        with pytest.raises(ValueError, match=r"Expected a C-contiguous float32 array of shape \(64,\)"):
            keep(packing, wrong)
    assert obtain(packing) is not obtain(packing)


@pytest.mark.packed_kernels
def test_packings_of_nothing_that_runs(monkeypatch):
    with pytest.raises(ValueError, match="expects 4 features, but the op before gives 3 units"):
        packings([DenseOp(weights(4, 3), None), DenseOp(weights(4, 3), None)])
    monkeypatch.setenv("FASTLSTM_BACKEND", "blas")
    with pytest.raises(ValueError, match="BLAS"):
        packings([DenseOp(weights(4, 3), None)])


def test_a_table_is_copied_unless_nobody_can_write_to_it():
    table, ids = weights(30, 4), np.array([[3, 1]], np.float32)
    expected = table[[3, 1]]
    view = table[:]
    view.flags.writeable = False
    for given in (table, view):
        program = Program([EmbeddingOp(given)])
        table[3] += 1
        np.testing.assert_array_equal(program.run(ids)[0][0], expected)
        table[3] = expected[0]
    references = sys.getrefcount(view)
    fixed = table.copy()
    fixed.flags.writeable = False
    before = sys.getrefcount(fixed)
    programs = [Program([EmbeddingOp(fixed)]), Program([EmbeddingOp(view)])]
    assert sys.getrefcount(fixed) > before and sys.getrefcount(view) == references
    np.testing.assert_array_equal(programs[0].run(ids)[0][0], expected)
