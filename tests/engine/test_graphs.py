"""Graphs of ops: every op against NumPy and float64 over random shapes; the same bits however a graph is run."""

import numpy as np
import pytest

from fastlstm.engine import Program, get_num_threads, kernel_names, reference, set_num_threads
from fastlstm.engine.graph import Graph
from fastlstm.engine.ops import (
    MERGES,
    Activation,
    ActivationOp,
    DenseOp,
    EmbeddingOp,
    FoldOp,
    GlobalPoolOp,
    GRUOp,
    HeadsOp,
    LSTMOp,
    MergeOp,
    PairsOp,
    PermuteOp,
    PlaneConvolutionOp,
    PlanePoolOp,
    PoolOp,
    ProductOp,
    ReshapeOp,
    SliceOp,
    StepsOp,
    UnfoldOp,
)
from networks import weights

TANH, SIGMOID, SOFTMAX = Activation("tanh"), Activation("sigmoid"), Activation("softmax")
SEEDS = range(12)


def drawn(seed, *shapes):
    rng = np.random.default_rng([7, seed])
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def run(build, *inputs, isa=None):
    """What a graph gives: `build(graph, *values)` returns the number, or numbers, of its outputs."""
    graph = Graph()
    found = build(graph, *(graph.input(x.ndim) for x in inputs))
    graph.outputs = list(found) if isinstance(found, tuple) else [found]
    return Program(graph, isa).run_graph(inputs)


def sizes(seed, count, most=9):
    return np.random.default_rng([3, seed]).integers(1, most, count).tolist()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", MERGES[3:])
def test_merges_that_repeat(kind, seed):
    batch, timesteps, width = sizes(seed, 3, 40)
    shapes = [(timesteps, width), (1, width), (timesteps, 1), (1, 1)]
    rng = np.random.default_rng(seed)
    first, second = (shapes[rng.integers(4)] for _ in range(2))
    a, b = drawn(seed, (batch, *first), (batch, *second))
    a[0, 0, 0] = np.nan if seed % 4 == 0 else a[0, 0, 0]
    function = getattr(np, kind)
    for isa in kernel_names():
        (out,) = run(lambda graph, x, y: graph.add(MergeOp(kind), x, y), a, b, isa=isa)
        np.testing.assert_array_equal(out, function(a, b))
        constant = b[0]
        for op, expected in (
            (MergeOp(kind, constant), function(a, constant)),
            (MergeOp(kind, constant, True), function(constant, a)),
        ):
            np.testing.assert_array_equal(run(lambda graph, x, op=op: graph.add(op, x), a, isa=isa)[0], expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_merges_of_several(seed):
    batch, timesteps, width, more = sizes(seed, 4)
    a, b, c = drawn(seed, *[(batch, timesteps, width)] * 3)
    other, longer = drawn(seed + 50, (batch, timesteps, more), (batch, more, width))

    def build(graph, a, b, c, other, longer):
        return (
            graph.add(MergeOp("average"), a, b, c),
            graph.add(MergeOp("subtract"), a, b, c),
            graph.add(MergeOp("concatenate"), a, other, b),
            graph.add(MergeOp("concatenate_steps"), longer, a),
            graph.add(MergeOp("maximum"), a),
        )

    mean, difference, joined, steps, same = run(build, a, b, c, other, longer)
    np.testing.assert_array_equal(mean, (a + b + c) / np.float32(3))
    np.testing.assert_array_equal(difference, a - b - c)
    np.testing.assert_array_equal(joined, np.concatenate([a, other, b], axis=2))
    np.testing.assert_array_equal(steps, np.concatenate([longer, a], axis=1))
    np.testing.assert_array_equal(same, a)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("transposed", [False, True])
def test_products(transposed, seed):
    batch, rows, features, columns = sizes(seed, 4, 90 if seed % 3 == 0 else 9)
    a, b = drawn(
        seed, (batch, rows, features), (batch, columns, features) if transposed else (batch, features, columns)
    )
    exact = a.astype(np.float64) @ (b.swapaxes(1, 2) if transposed else b)
    found = [
        run(lambda graph, x, y: graph.add(ProductOp(transposed), x, y), a, b, isa=isa)[0] for isa in kernel_names()
    ]
    np.testing.assert_allclose(found[0], exact, rtol=1e-5, atol=1e-5)
    assert all((out == found[0]).all() for out in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_heads_and_pairs(seed):
    batch, timesteps, heads, width = sizes(seed, 4)
    x, other = drawn(seed, (batch, timesteps, heads * width), (batch, heads + 1, heads * width))
    split = x.reshape(batch, timesteps, heads, width).transpose(0, 2, 1, 3)

    def build(graph, x, other):
        parts = graph.add(HeadsOp(heads), x)
        shares = graph.add(ActivationOp(SOFTMAX), graph.add(ProductOp(True), parts, parts))
        pairs = graph.add(UnfoldOp(), graph.add(PairsOp(), x, other))
        joined = graph.add(HeadsOp(heads, back=True), graph.add(ProductOp(False), shares, parts))
        return graph.add(HeadsOp(heads, back=True), parts), joined, pairs

    same, joined, pairs = run(build, x, other)
    np.testing.assert_array_equal(same, x)
    exact = reference.softmax(split.astype(np.float64) @ split.swapaxes(2, 3)) @ split
    np.testing.assert_allclose(joined, exact.transpose(0, 2, 1, 3).reshape(x.shape), rtol=2e-5, atol=2e-5)
    expected = x[:, :, None] + other[:, None]
    np.testing.assert_array_equal(pairs, expected.reshape(batch, timesteps, -1))


@pytest.mark.parametrize("seed", SEEDS)
def test_slices(seed):
    batch, timesteps, width = sizes(seed, 3, 12)
    (x,) = drawn(seed, (batch, timesteps, width))
    ends = [None, *range(-13, 13)]
    rng = np.random.default_rng(seed)
    for _ in range(20):
        start, stop = (ends[rng.integers(len(ends))] for _ in range(2))
        for of_features, expected in ((False, x[:, start:stop]), (True, x[:, :, start:stop])):
            op = SliceOp(of_features, start, stop)
            found = run(lambda graph, x, op=op: graph.add(op, x), x)
            assert found is None if expected.size == 0 else (found[0] == expected).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_totals_and_steps_of_sequences(seed):
    batch, outer, timesteps, width = sizes(seed, 4)
    (x,) = drawn(seed, (batch, outer, timesteps, width))
    kernel, bias = weights(width, 5), weights(5)

    def build(graph, x):
        folded = graph.add(FoldOp(width), x)
        total = graph.add(GlobalPoolOp(greatest=False, total=True), folded)
        pooled = graph.add(PoolOp(2, 1, "same"), folded)
        turned = graph.add(PermuteOp(), graph.add(StepsOp(size=2, backwards=True), folded))
        dense = graph.add(DenseOp(kernel, bias, TANH), folded)
        twice = graph.add(FoldOp(1), folded)
        ends = [total, pooled, turned, dense, graph.add(UnfoldOp(), twice)]
        return tuple(graph.add(UnfoldOp(), value) for value in ends)

    total, pooled, turned, dense, same = (array.reshape(batch, outer, -1) for array in run(build, x))
    np.testing.assert_allclose(total, x.sum(axis=2, dtype=np.float64), rtol=1e-5, atol=1e-5)
    after = np.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)
    np.testing.assert_array_equal(pooled.reshape(x.shape), np.maximum(x, after))
    repeated = np.repeat(x[:, :, ::-1], 2, axis=2).swapaxes(2, 3)
    np.testing.assert_array_equal(turned, repeated.reshape(batch, outer, -1))
    exact = np.tanh(x.astype(np.float64) @ kernel + bias)
    np.testing.assert_allclose(dense, exact.reshape(batch, outer, -1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(same, x.reshape(batch, outer, -1))


def windows(x, size, strides, padding):
    """`(batch, rows, columns, *size, channels)` of `(batch, height, width, channels)`, and ones where values are."""
    pads = [(0, 0)]
    for axis in range(2):
        count = -(-x.shape[axis + 1] // strides[axis])
        total = max((count - 1) * strides[axis] + size[axis] - x.shape[axis + 1], 0) if padding == "same" else 0
        pads.append((total // 2, total - total // 2))
    found = []
    for array, fill in ((x.astype(np.float64), np.nan), (np.ones_like(x), 0)):
        wide = np.pad(array, (*pads, (0, 0)), constant_values=fill)
        view = np.lib.stride_tricks.sliding_window_view(wide, size, axis=(1, 2))
        found.append(view[:, :: strides[0], :: strides[1]].transpose(0, 1, 2, 4, 5, 3))
    return found


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("seed", SEEDS)
def test_planes(seed, padding):
    rng = np.random.default_rng([9, seed])
    batch, channels, units = sizes(seed, 3, 20)
    size, strides = tuple(rng.integers(1, 5, 2).tolist()), tuple(rng.integers(1, 4, 2).tolist())
    height, width = (int(rng.integers(least, least + 9)) for least in size)
    (x,) = drawn(seed, (batch, height, width, channels))
    kernel, bias = weights(*size, channels, units), weights(units)
    values, there = windows(x, size, strides, padding)
    sums = np.einsum("bijhwc,hwcu->biju", np.nan_to_num(values), kernel.astype(np.float64)) + bias
    for isa in kernel_names():
        op = PlaneConvolutionOp(kernel, bias, TANH, strides, padding)
        (out,) = run(lambda graph, x, op=op: graph.add(op, x), x, isa=isa)
        np.testing.assert_allclose(out.reshape(sums.shape), np.tanh(sums), rtol=2e-5, atol=5e-6)
        for greatest in (True, False):
            op = PlanePoolOp(size, strides, channels, padding, greatest)
            (out,) = run(lambda graph, x, op=op: graph.add(op, x), x, isa=isa)
            with np.errstate(invalid="ignore"):
                mean = np.nansum(values, axis=(3, 4)) / there.sum(axis=(3, 4))
            exact = np.nanmax(values, axis=(3, 4)) if greatest else mean
            np.testing.assert_allclose(out.reshape(exact.shape), exact, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("backwards", [False, True])
def test_states_in_and_out(cell, backwards):
    blocks, count = (4, 2) if cell == "lstm" else (3, 1)
    arrays = weights(4, blocks * 6), weights(6, blocks * 6), weights(blocks * 6) if cell == "lstm" else None
    kind = LSTMOp if cell == "lstm" else GRUOp
    op = kind(*arrays, TANH, SIGMOID, return_sequences=True, go_backwards=backwards)
    x, *states = drawn(1, (5, 7, 4), *[(5, 6)] * count)

    def build(graph, x, *states):
        graph.add(kind(*arrays, TANH, SIGMOID), x)
        graph.begin_from(states)
        y = graph.add(op, x)
        return (y, *(graph.state(1, part, 6) for part in range(count)))

    y, *last = run(build, x, *states)
    expected, expected_last = Program([op]).run(x, None, [states], True)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(last, expected_last[0])


def everything(graph, ids, x, plane, state, cell):
    """An encoder and a decoder, attention, and convolution of planes at every step: `ids` and four more inputs."""
    table = graph.add(EmbeddingOp(weights(9, 12)), ids)
    lstm = LSTMOp(weights(12, 64), weights(16, 64), weights(64), TANH, SIGMOID, return_sequences=True)
    decoder = LSTMOp(weights(8, 64), weights(16, 64), weights(64), TANH, SIGMOID, return_sequences=True)
    first = graph.recurrent
    graph.begin_from([state, cell])
    encoded = graph.add(lstm, table)
    graph.begin_from([graph.state(first, part, 16) for part in (0, 1)])
    decoded = graph.add(decoder, x)
    shares = graph.add(ActivationOp(SOFTMAX), graph.add(ProductOp(True), decoded, encoded))
    seen = graph.add(MergeOp("concatenate"), decoded, graph.add(ProductOp(False), shares, encoded))
    folded = graph.add(FoldOp(10), plane)
    planes = graph.add(PlaneConvolutionOp(weights(3, 2, 2, 6), weights(6), TANH, (1, 1), "same"), folded)
    pooled = graph.add(PlanePoolOp((2, 2), (2, 2), 6), planes)
    flat = graph.add(UnfoldOp(), graph.add(ReshapeOp(3, (-1,)), pooled))
    dense = graph.add(DenseOp(weights(24, 32), None), flat)
    last = graph.recurrent - 1
    return graph.add(MergeOp("multiply"), seen, dense), graph.state(last, 1, 16), encoded


def test_same_bits_in_any_batch_on_any_threads_and_instruction_set():
    ids = np.random.default_rng(2).integers(0, 9, (21, 11)).astype(np.float32)
    x, plane, state, cell = drawn(4, (21, 7, 8), (21, 7, 4, 5, 2), (21, 16), (21, 16))
    inputs = ids, x, plane, state, cell

    def program(isa):
        graph = Graph()
        values = [graph.input(3), *(graph.input(array.ndim) for array in inputs[1:])]
        graph.outputs = list(everything(graph, *values))
        return Program(graph, isa, "packed")

    expected = program(None).run_graph(inputs)
    before = get_num_threads()
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            for isa in kernel_names():
                graph = program(isa)
                for rows in (slice(0, 21), slice(4, 5), slice(3, 20)):
                    found = graph.run_graph(tuple([np.ascontiguousarray(array[rows]) for array in inputs]))
                    for out, whole in zip(found, expected, strict=True):
                        np.testing.assert_array_equal(out, whole[rows])
    finally:
        set_num_threads(before)


def test_what_does_not_fit_is_none_and_wrong_inputs_are_refused():
    graph = Graph()
    a, b = graph.input(3), graph.input(3)
    graph.outputs = [graph.add(MergeOp("add"), a, b)]
    program = Program(graph)
    x = np.ones((2, 3, 4), np.float32)
    assert program.run_graph((x, x))[0].shape == (2, 3, 4)
    for other in (x[:1], x[:, :2], x[:, :, :3], x[:0], x[:, :0]):
        assert program.run_graph((x, other.copy())) is None
    for wrong in ((x,), (x, x, x), (x, x[0]), (x, x.astype(np.float64)), (x, x[:, ::2]), [x, x]):
        with pytest.raises((ValueError, TypeError)):
            program.run_graph(wrong)
    with pytest.raises(ValueError, match="at most 32"):
        graph = Graph()
        graph.outputs = [graph.add(MergeOp("add"), *[graph.input(2) for _ in range(32)])]
        Program(graph)


def test_a_fold_that_is_not_undone_and_recurrent_ops_in_one_are_none():
    x = np.ones((2, 3, 4, 5), np.float32)
    lstm = LSTMOp(weights(5, 12), weights(3, 12), None, TANH, SIGMOID)
    for row in ([FoldOp(5)], [FoldOp(5), lstm, UnfoldOp()], [FoldOp(3)], [UnfoldOp()], [HeadsOp(7)]):
        assert run(lambda graph, x, row=row: graph.add_row(row, x), x) is None
    assert run(lambda graph, x: graph.add_row([FoldOp(10), FoldOp(5), FoldOp(1)], x), x) is None


def test_rows_of_all_inputs_and_outputs_on_threads():
    row, x = drawn(5, (41, 24), (41, 30, 9))
    lstm = LSTMOp(weights(9, 256), weights(64, 256), weights(256), TANH, SIGMOID, return_sequences=True)
    kernel = weights(24, 64)

    def build(graph, row, x):
        dense = graph.add(DenseOp(kernel, None), row)
        y = graph.add(MergeOp("add"), graph.add(lstm, x), dense)
        return y, dense, graph.state(0, 1, 64)

    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = run(build, row, x)
        # Threads that are asleep at the first call share later ones.
        for threads in (2, 3) * 15:
            set_num_threads(threads)
            for out, exact in zip(run(build, row, x), expected, strict=True):
                np.testing.assert_array_equal(out, exact)
    finally:
        set_num_threads(before)
