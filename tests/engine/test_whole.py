"""Ops on whole sequences and on rows, and branches: against float64 and NumPy; the same bits however they are run."""

import numpy as np
import pytest

from fastlstm.engine import Program, Stepper, get_num_threads, kernel_names, reference, set_num_threads
from fastlstm.engine.ops import (
    Activation,
    AffineOp,
    BranchesOp,
    ConvolutionOp,
    DenseOp,
    EmbeddingOp,
    GlobalPoolOp,
    LayerNormOp,
    LSTMOp,
    MergeOp,
    PermuteOp,
    PoolOp,
    ReshapeOp,
    StepsOp,
)
from networks import weights

RELU, TANH, SIGMOID = Activation("relu", (0.0, float("inf"), 0.0)), Activation("tanh"), Activation("sigmoid")
RNG = np.random.default_rng(5)


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def lstm(features, units, **flags):
    kernel, recurrent_kernel = weights(features, 4 * units), weights(units, 4 * units)
    return LSTMOp(kernel, recurrent_kernel, weights(4 * units), TANH, SIGMOID, **flags)


def bidirectional(features, units, merge="concatenate", sequences=True):
    backward = [lstm(features, units, return_sequences=sequences, go_backwards=True)]
    if sequences:
        backward.append(StepsOp(backwards=True))
    forward = (lstm(features, units, return_sequences=sequences),)
    return BranchesOp((forward, tuple(backward)), MergeOp(merge))


def windows(timesteps, size, stride, dilation, padding):
    """`(count, before, after)`, as Keras places windows."""
    span = (size - 1) * dilation + 1
    if padding == "valid":
        return (timesteps - span) // stride + 1, 0, 0
    count = -(-timesteps // stride)
    if padding == "causal":
        return count, span - 1, 0
    total = max((count - 1) * stride + span - timesteps, 0)
    return count, total // 2, total - total // 2


CONVOLUTIONS = [
    # timesteps, features, units, size, stride, dilation, groups
    (7, 1, 3, 2, 1, 1, 1),
    (30, 1, 64, 3, 1, 1, 1),
    (150, 5, 17, 4, 1, 1, 1),
    (43, 3, 16, 5, 2, 1, 1),
    (9, 2, 8, 3, 4, 1, 1),
    (300, 2, 7, 3, 2, 1, 1),  # more windows than one product takes, a stride apart
    (40, 4, 6, 3, 1, 3, 1),
    (200, 6, 9, 2, 1, 7, 3),
    (20, 8, 40, 3, 3, 1, 2),
    (90, 60, 20, 5, 1, 1, 1),  # taken in blocks
    (5, 4, 4, 5, 1, 1, 4),
    (10, 19, 19, 4, 1, 3, 19),  # channels alone
    (33, 17, 17, 4, 3, 1, 17),
]


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("sizes", CONVOLUTIONS)
@pytest.mark.parametrize("isa", kernel_names())
def test_convolution(sizes, padding, isa):
    timesteps, features, units, size, stride, dilation, groups = sizes
    kernel, bias = weights(size, features // groups, units), weights(units)
    x = values(3, timesteps, features)
    count, before, after = windows(timesteps, size, stride, dilation, padding)
    for activation in (None, RELU):
        op = ConvolutionOp(kernel, bias, activation or Activation("linear"), stride, dilation, groups, padding)
        out = Program([op], isa).run(x)[0]
        exact = reference.convolution(x, kernel, bias, stride, dilation, groups, before, after)
        assert out.shape == exact.shape == (3, count, units)
        np.testing.assert_allclose(out, np.maximum(exact, 0) if activation else exact, rtol=3e-6, atol=2e-5)


@pytest.mark.parametrize("isa", kernel_names())
def test_a_long_matrix_is_taken_in_blocks_by_many_rows_alone(isa):
    kernel, bias, x = weights(700, 83), weights(83), values(40, 700)
    program = Program([DenseOp(kernel, bias)], isa, "packed")
    together = program.run(x)[0]
    np.testing.assert_allclose(together, x.astype(np.float64) @ kernel + bias, rtol=2e-5, atol=2e-5)
    for rows in (1, 3, 7, 20):
        np.testing.assert_array_equal(program.run(x[:rows])[0], together[:rows])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_of_large_values_goes_through_all_ops_some_rows_at_a_time(threads):
    before = get_num_threads()
    x = values(65, 1600, 40)  # in four runs
    program = Program([ConvolutionOp(weights(4, 40, 40), None, RELU, padding="same"), PoolOp(4, 4), lstm(40, 5)])
    try:
        set_num_threads(threads)
        together = program.run(x)[0]
        for row in (0, 1, 15, 16, 17, 33, 64):
            np.testing.assert_array_equal(program.run(x[row : row + 1])[0], together[row : row + 1])
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("greatest", [True, False])
@pytest.mark.parametrize(("timesteps", "features", "size", "stride"), [(9, 3, 2, 2), (20, 17, 3, 2), (11, 16, 4, 5)])
def test_pooling(timesteps, features, size, stride, greatest, padding):
    x = values(2, timesteps, features)
    x[1, 4, 1] = np.nan
    count, before, _ = windows(timesteps, size, stride, 1, padding)
    expected = np.empty((2, count, features), np.float32)
    for i in range(count):
        part = x[:, max(0, i * stride - before) : i * stride - before + size]
        expected[:, i] = part.max(axis=1) if greatest else part.sum(axis=1) / np.float32(part.shape[1])
    for isa in kernel_names():
        out = Program([PoolOp(size, stride, padding, greatest)], isa).run(x)[0]
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("keeps_axis", [False, True])
def test_global_pooling(keeps_axis, masked):
    x, mask = values(3, 8, 5), RNG.random((3, 8)) < 0.6
    mask[1] = False
    counts = mask if masked else np.ones_like(mask)
    with np.errstate(invalid="ignore"):
        mean = np.where(counts[..., None], x, 0).sum(axis=1, keepdims=keeps_axis, dtype=np.float64)
        mean /= counts.sum(axis=1, keepdims=keeps_axis)[..., None]
    average = Program([GlobalPoolOp(False, keeps_axis)]).run(x, mask if masked else None)[0]
    np.testing.assert_allclose(average, mean, rtol=1e-6, atol=1e-6)
    greatest = Program([GlobalPoolOp(True, keeps_axis)]).run(x, mask if masked else None)[0]
    np.testing.assert_array_equal(greatest, x.max(axis=1, keepdims=keeps_axis))


@pytest.mark.parametrize("features", [1, 7, 8, 16, 17, 33, 100])
def test_rows(features):
    x, (center, scale, shift) = values(2, 9, features), weights(3, features)
    affine = (x.astype(np.float64) - center) * scale + shift
    for isa in kernel_names():
        out = Program([AffineOp(center, scale, shift)], isa).run(x)[0]
        np.testing.assert_allclose(out, affine, rtol=1e-6, atol=1e-6)
        for root_mean in (False, True):
            out = Program([LayerNormOp(scale, shift, 1e-3, root_mean)], isa).run(x)[0]
            exact = reference.layer_norm(x, scale, shift, 1e-3, root_mean)
            np.testing.assert_allclose(out, exact, rtol=4e-6, atol=4e-6)


def test_moving_values():
    x = values(3, 6, 4)
    for op, expected in (
        (ReshapeOp(3, (-1,)), x.reshape(3, -1)),
        (ReshapeOp(3, (-1, 8)), x.reshape(3, 3, 8)),
        (ReshapeOp(3, (2, 12)), x.reshape(3, 2, 12)),
        (ReshapeOp(3, (12, -1)), x.reshape(3, 12, 2)),
        (PermuteOp(), x.transpose(0, 2, 1)),
        (StepsOp(2, 1), np.pad(x, ((0, 0), (2, 1), (0, 0)))),
        (StepsOp(-1, -2), x[:, 1:-2]),
        (StepsOp(size=3), np.repeat(x, 3, axis=1)),
        (StepsOp(backwards=True), x[:, ::-1]),
    ):
        np.testing.assert_array_equal(Program([op]).run(x)[0], expected)
    row = values(3, 5)
    np.testing.assert_array_equal(Program([StepsOp(size=4, from_row=True)]).run(row)[0], np.repeat(row[:, None], 4, 1))
    np.testing.assert_array_equal(Program([ReshapeOp(2, (5, 1))]).run(row)[0], row[:, :, None])


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concatenate", "add", "multiply", "average"])
def test_branches(merge, sequences):
    op = bidirectional(5, 9, merge, sequences)
    x, mask = values(3, 11, 5), RNG.random((3, 11)) < 0.7
    (forward,), (backward, *_) = op.branches
    for m in (None, mask):
        one, other = (Program([direction]).run(x, m)[0] for direction in (forward, backward))
        other = other[:, ::-1] if sequences else other
        expected = {
            "concatenate": np.concatenate([one, other], axis=-1),
            "add": one + other,
            "multiply": one * other,
            "average": (one + other) / np.float32(2),
        }[merge]
        np.testing.assert_array_equal(Program([op]).run(x, m)[0], expected)


@pytest.mark.parametrize("merge", ["concatenate", "add", "multiply", "average"])
def test_three_branches(merge):
    units = (7, 3, 12) if merge == "concatenate" else (7, 7, 7)
    branches = [DenseOp(weights(5, n), weights(n), TANH) for n in units]
    x = values(3, 11, 5)
    parts = [Program([StepsOp(), branch]).run(x)[0] for branch in branches]
    expected = {
        "concatenate": lambda: np.concatenate(parts, axis=-1),
        "add": lambda: parts[0] + parts[1] + parts[2],
        "multiply": lambda: parts[0] * parts[1] * parts[2],
        "average": lambda: (parts[0] + parts[1] + parts[2]) / np.float32(3),
    }[merge]()
    op = BranchesOp(tuple((StepsOp(), branch) for branch in branches), MergeOp(merge))
    np.testing.assert_array_equal(Program([op]).run(x)[0], expected)


def mixed():
    """A network of everything."""
    return [
        ConvolutionOp(weights(3, 4, 24), weights(24), RELU, padding="same"),
        AffineOp(weights(24), weights(24), weights(24)),
        PoolOp(2, 2),
        bidirectional(24, 13),
        LayerNormOp(weights(26), weights(26), 1e-3),
        ConvolutionOp(weights(3, 1, 26), weights(26), TANH, groups=26, padding="same"),
        ConvolutionOp(weights(2, 13, 10), None, TANH, dilation=2, groups=2, padding="causal"),
        lstm(10, 7),
        StepsOp(size=5, from_row=True),
        lstm(7, 12, return_sequences=True),
        PermuteOp(),
        ReshapeOp(3, (-1,)),
        DenseOp(weights(60, 3), weights(3), TANH),
    ]


def test_same_bits_in_any_batch_on_any_threads_and_instruction_set():
    ops, x = mixed(), values(19, 64, 4)
    expected = Program(ops, backend="packed").run(x)[0]
    before = get_num_threads()
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            for isa in kernel_names():
                program = Program(ops, isa, "packed")
                assert (program.run(x)[0] == expected).all()
                for row in (0, 7, 18):
                    assert (program.run(x[row : row + 1])[0] == expected[row]).all()
    finally:
        set_num_threads(before)


def test_long_sequences_on_threads_have_the_same_bits():
    ops, x = [bidirectional(8, 96), lstm(192, 64)], values(2, 400, 8)
    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = Program(ops).run(x)[0]
        set_num_threads(2)
        assert (Program(ops).run(x)[0] == expected).all()
    finally:
        set_num_threads(before)


def test_a_window_gives_the_same_bits_wherever_it_lies():
    op = ConvolutionOp(weights(3, 5, 20), weights(20), TANH, dilation=2, padding="causal")
    x = values(1, 150, 5)
    whole = Program([op]).run(x)[0]
    alone = Program([ConvolutionOp(op.kernel, op.bias, op.activation, dilation=2)])
    for t in (4, 63, 64, 149):
        assert (alone.run(x[:, t - 4 : t + 1].copy())[0][:, 0] == whole[:, t]).all()


def test_masks_end_where_steps_do():
    first, second = lstm(4, 6, return_sequences=True), lstm(6, 5)
    x, mask = values(2, 9, 4), np.ones((2, 9), bool)
    mask[0, 5:] = False
    between = Program([first]).run(x, mask)[0]
    for ops, masked in (([first, StepsOp(), second], None), ([first, second], 1)):
        out = Program(ops, masked=masked).run(x, mask)[0]
        np.testing.assert_array_equal(out, Program([second]).run(between)[0])


def test_ids_for_both_directions():
    table, ids = weights(7, 18), RNG.integers(0, 7, (3, 10)).astype(np.float32)
    op = bidirectional(18, 5)
    out = Program([EmbeddingOp(table), op]).run(ids)[0]
    np.testing.assert_array_equal(out, Program([op]).run(table[ids.astype(int)])[0])


def test_what_does_not_fit_is_refused():
    for ops in (
        [lstm(4, 5), PoolOp(2, 2)],
        [StepsOp(size=2, from_row=True), StepsOp(size=2, from_row=True)],
        [ConvolutionOp(weights(2, 3, 5), None, groups=2)],
        [ConvolutionOp(weights(2, 3, 4), None), DenseOp(weights(5, 2), None)],
        [AffineOp(weights(3), weights(4), weights(3))],
    ):
        with pytest.raises(ValueError, match=r"axes|group|features|arrays"):
            Program(ops)
    convolution = ConvolutionOp(weights(4, 3, 5), None)
    with pytest.raises(ValueError, match="Convolution expected at least 4 steps, it would get 3"):
        Program([convolution]).run(values(2, 3, 3))
    with pytest.raises(ValueError, match="Dense expected 12 features, it would get 15"):
        Program([ReshapeOp(3, (-1,)), DenseOp(weights(12, 2), None)]).run(values(2, 3, 5))
    with pytest.raises(ValueError, match="no op of this chain"):
        Program([convolution]).run(values(2, 9, 3), np.ones((2, 9), bool))
    with pytest.raises(ValueError, match="whole sequences"):
        Stepper(Program([convolution, lstm(5, 4)]))
    with pytest.raises(MemoryError):
        Program([StepsOp(size=2**60, from_row=True), lstm(3, 4)]).run(values(2, 3))
