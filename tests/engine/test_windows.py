"""Windows read where they lie: the bits of the same product over copies of them."""

import numpy as np
import pytest

from fastlstm.engine import Program, get_num_threads, kernel_names, run_windows, set_num_threads, takes_windows
from fastlstm.engine.ops import Activation, DenseOp, LSTMOp
from networks import weights

RELU = Activation("relu", (0.0, np.inf, 0.0))
# lengths, channels, and of each axis (count, size, stride, dilation)
CASES = [
    ((9,), 3, [(7, 3, 1, 1)]),
    ((40,), 1, [(13, 4, 3, 1)]),
    ((30,), 5, [(26, 3, 1, 2)]),
    ((5,), 2, [(1, 5, 1, 1)]),
    ((9, 8), 3, [(7, 3, 1, 1), (6, 3, 1, 1)]),
    ((12, 17), 4, [(5, 2, 2, 1), (8, 3, 2, 1)]),
    ((9, 11), 2, [(5, 3, 1, 2), (5, 4, 1, 2)]),
    ((6, 7, 8), 3, [(4, 3, 1, 1), (3, 2, 2, 1), (5, 4, 1, 1)]),
    ((3, 4, 5), 1, [(3, 1, 1, 1), (4, 1, 1, 1), (5, 1, 1, 1)]),
]


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = get_num_threads()
    set_num_threads(request.param)
    yield
    set_num_threads(before)


def copied(x, axes):
    """Rows of what the windows read, by indices."""
    batch = len(x)
    places = [np.arange(count)[:, None] * stride + np.arange(size) * dilation for count, size, stride, dilation in axes]
    for axis, place in enumerate(places):
        x = np.take(x, place, axis=1 + 2 * axis)  # (batch, count, size, count, size, …, channels)
    n = len(axes)
    x = x.transpose(0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1)
    counts = [count for count, *_ in axes]
    return np.ascontiguousarray(x).reshape(batch * np.prod(counts), -1), (batch, *counts)


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("case", CASES)
def test_same_bits_as_copies(isa, case):
    lengths, channels, axes = case
    features = channels * np.prod([size for _, size, *_ in axes])
    for units in (1, 7, 16, 17, 33, 48, 70):
        for bias, activation in ((weights(units), RELU), (None, Activation("tanh"))):
            program = Program([DenseOp(weights(features, units), bias, activation)], isa, "packed")
            assert takes_windows(program)
            for batch in (1, 3):
                x = weights(batch, *lengths, channels)
                rows, places = copied(x, axes)
                expected = program.run(rows)[0].reshape(*places, units)
                np.testing.assert_array_equal(run_windows(program, x, axes), expected)


def test_shared_by_threads():
    program = Program([DenseOp(weights(27, 40), weights(40), RELU)], backend="packed")
    x = weights(5, 60, 70, 3)
    axes = [(58, 3, 1, 1), (68, 3, 1, 1)]
    rows, places = copied(x, axes)
    np.testing.assert_array_equal(run_windows(program, x, axes), program.run(rows)[0].reshape(*places, 40))


def test_what_does_not_fit_is_refused():
    program = Program([DenseOp(weights(9, 4), None, RELU)], backend="packed")
    x = weights(2, 8, 3)
    assert run_windows(program, x, [(6, 3, 1, 1)]).shape == (2, 6, 4)
    assert run_windows(program, x[:0], [(6, 3, 1, 1)]).shape == (0, 6, 4)
    for axes in ([(7, 3, 1, 1)], [(6, 3, 1, 2)], [(3, 3, 3, 1)], [(0, 3, 1, 1)], [(6, 3, 0, 1)]):
        with pytest.raises(ValueError, match="read beyond"):
            run_windows(program, x, axes)
    with pytest.raises(ValueError, match="do not have 9 values"):
        run_windows(program, x, [(6, 2, 1, 1)])
    for axes in ([], [(6, 3, 1, 1)] * 2, [(1, 1, 1, 1)] * 9):
        with pytest.raises(ValueError, match="axes of windows"):
            run_windows(program, x, axes)
    with pytest.raises(ValueError, match="float32"):
        run_windows(program, x.astype(np.float64), [(6, 3, 1, 1)])
    on_blas = Program([DenseOp(weights(9, 4), None, RELU)], backend="blas")
    python = Program([DenseOp(weights(9, 4), None, Activation("python", function=np.abs))], backend="packed")
    lstm = Program([LSTMOp(weights(9, 8), weights(2, 8), None, RELU, RELU)], backend="packed")
    for other in (on_blas, python, lstm):
        assert not takes_windows(other)
        with pytest.raises(ValueError, match="not one dense op"):
            run_windows(other, x, [(6, 3, 1, 1)])
