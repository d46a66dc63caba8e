"""Connectionist temporal classification against real Keras: losses, gradients and labels at random lengths."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

from fastlstm import backend, layers, losses, models, ops
from fastlstm.layers.symbolic.operation_gradients import RULES

DATA = Path(__file__).parent.parent / "data"
spec = importlib.util.spec_from_file_location("ctc_cases", DATA / "ctc_cases.py")
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)

ANSWERS = iter(np.load(DATA / "ctc.npz")["values"])  # make_ctc_goldens.py beside it says what is in it


def taken(shape):
    return np.array(list(itertools.islice(ANSWERS, int(np.prod(shape))))).reshape(shape)


def expected(number):
    x, *_ = cases.case(number)
    batch, steps, _ = x.shape
    of_case = {"loss": taken(batch)}
    of_case["gradient"] = taken(x.shape) if number in cases.WITH_GRADIENTS else None
    of_case["decoded"] = [
        (taken((paths, batch, steps)), taken((batch, paths)))
        for paths in (arguments.get("top_paths", 1) for arguments in cases.DECODERS)
    ]
    p, *_ = cases.older_case(number)
    batch, steps, _ = p.shape
    of_case["older loss"] = taken((batch, 1))
    of_case["older gradient"] = taken(p.shape) if number in cases.WITH_GRADIENTS else None
    of_case["older decoded"] = [
        ([taken((batch, steps)) for _ in range(paths)], taken((batch, paths)))
        for paths in (arguments.get("top_paths", 1) for arguments in cases.OLDER_DECODERS)
    ]
    return of_case


EXPECTED = [expected(number) for number in range(cases.COUNT)]


def test_nothing_is_left():
    assert next(ANSWERS, None) is None


@pytest.mark.parametrize("number", range(cases.COUNT))
def test_losses_are_those_of_keras(number):
    x, target, lengths, steps, blank = cases.case(number)
    loss = ops.ctc_loss(target, x, lengths, steps, mask_index=blank)
    assert loss.dtype == np.float32
    np.testing.assert_allclose(loss, EXPECTED[number]["loss"], rtol=3e-6, atol=2e-6)


@pytest.mark.parametrize("number", cases.WITH_GRADIENTS)
def test_gradients_are_those_of_keras(number):
    x, target, lengths, steps, blank = cases.case(number)
    given = [target, x, lengths, steps]
    d = np.linspace(0.5, 2, len(x)).astype("float32")
    found = RULES["CTCLoss"](d, np.empty(len(x), "float32"), given, {"mask_index": blank})
    assert [one is None for one in found] == [True, False, True, True]
    # Keras adds float32 numbers of up to 700 where there is no time for the labels.
    np.testing.assert_allclose(found[1], EXPECTED[number]["gradient"] * d[:, None, None], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("number", range(cases.COUNT))
def test_labels_are_those_of_keras(number):
    x, _, _, steps, blank = cases.case(number)
    for arguments, (labels, scores) in zip(cases.DECODERS, EXPECTED[number]["decoded"], strict=True):
        found, score = ops.ctc_decode(x, np.maximum(steps, 1), mask_index=blank, **arguments)
        assert (found.dtype, score.dtype) == (np.int32, np.float32)
        np.testing.assert_array_equal(found, labels)
        np.testing.assert_allclose(score, scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("number", range(cases.COUNT))
def test_the_older_backend_gives_what_it_gives_in_keras(number):
    p, target, lengths, steps = cases.older_case(number)
    loss = backend.ctc_batch_cost(target, p, steps[:, None], lengths[:, None])
    np.testing.assert_allclose(loss, EXPECTED[number]["older loss"], rtol=3e-6, atol=2e-6)
    for arguments, (labels, scores) in zip(cases.OLDER_DECODERS, EXPECTED[number]["older decoded"], strict=True):
        found, score = backend.ctc_decode(p, steps, **arguments)
        for one, of_keras in zip(found, labels, strict=True):
            assert one.dtype == np.int64
            np.testing.assert_array_equal(one, of_keras)
        np.testing.assert_allclose(score, scores, rtol=1e-5, atol=1e-5)
    if number in cases.WITH_GRADIENTS:
        logits = np.log(p + np.float32(1e-7))
        d = np.ones(len(p), "float32")
        gradient = RULES["OlderCTCLoss"](d, d, [target, logits, lengths, steps], {})[1] / (p + np.float32(1e-7))
        of_keras = EXPECTED[number]["older gradient"]
        np.testing.assert_allclose(gradient, of_keras, rtol=2e-4, atol=2e-5 * np.abs(of_keras).max())


def every_path(log_p, labels, blank):
    """The loss by its definition: the probabilities of all paths that stand for the labels, one after the other."""
    total = 0.0
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        merged = [label for label, before in zip(path, (None, *path), strict=False) if label != before]
        if [label for label in merged if label != blank] == labels:
            total += np.exp(sum(log_p[step, label] for step, label in enumerate(path)))
    return -np.log(total)


@pytest.mark.parametrize("labels", [[], [1], [2, 2], [1, 2, 1], [2, 2, 1]])
def test_a_loss_sums_over_all_paths(labels):
    x = np.random.default_rng(1).normal(size=(1, 5, 3))
    log_p = x[0] - np.log(np.exp(x[0]).sum(axis=1, keepdims=True))
    target = np.array([[*labels, *[0] * (4 - len(labels))]])
    loss = ops.ctc_loss(target, x, [len(labels)], [5])
    assert loss.dtype == np.float64
    np.testing.assert_allclose(loss, every_path(log_p, labels, 0), rtol=1e-12)
    np.testing.assert_allclose(losses.ctc(target, x.astype("float32")), loss, rtol=1e-6)
    given = [target, x, np.array([len(labels)]), np.array([5])]
    steps = RULES["CTCLoss"](np.ones(1), loss, given, {"mask_index": 0})[1]
    for step, one in itertools.product(range(5), range(3)):
        moved = np.repeat(x, 2, axis=0)
        moved[:, step, one] += [1e-5, -1e-5]
        high, low = ops.ctc_loss(np.repeat(target, 2, axis=0), moved, [len(labels)] * 2, [5, 5])
        assert abs((high - low) / 2e-5 - steps[0, step, one]) < 1e-8


def test_long_sequences():
    # Numbers far below what float64 holds: 1500 labels are in 2000 steps, of which each is improbable.
    rng = np.random.default_rng(2)
    target = np.tile(np.arange(1, 4), 500)[np.newaxis]
    x = (rng.normal(size=(1, 2000, 4)) * 8).astype("float32")
    loss, gradient = losses.CTC().value_and_gradient(target, x)
    assert 1000 < loss < 50000
    np.testing.assert_allclose(gradient.sum(axis=2), 0, atol=1e-5)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(ops.ctc_loss(target, x.astype("float64"), [1500], [2000]), loss, rtol=1e-6)


def test_beams_find_what_is_most_probable():
    # The greatest logits say nothing; the blank and the label share the steps (Graves, 2006).
    p = np.array([[[0.6, 0.4], [0.6, 0.4]]], "float32")
    assert ops.ctc_decode(np.log(p), [2])[0].tolist() == [[[-1, -1]]]
    labels, scores = ops.ctc_decode(np.log(p), [2], "beam_search", top_paths=2)
    assert labels.tolist() == [[[1, -1]], [[-1, -1]]]
    np.testing.assert_allclose(np.exp(scores), [[0.64, 0.36]], rtol=1e-6)
    # Not below a class before the first one.
    again = ops.ctc_decode(np.log(p[:, :, ::-1]), [2], "beam_search", mask_index=-1)[0]
    assert again.tolist() == [[[0, -1]]]


def test_labels_as_a_sparse_tensor():
    sparse = backend.ctc_label_dense_to_sparse(np.array([[1, 2, 0], [3, 0, 0], [0, 0, 0]]), np.array([2, 1, 0]))
    assert sparse.indices.tolist() == [[0, 0], [0, 1], [1, 0]]
    assert (sparse.values.tolist(), sparse.dense_shape.tolist()) == ([1, 2, 3], [3, 3])


def test_in_graphs():
    x, labels = layers.Input((7, 4)), layers.Input((3,), dtype="int32")
    lengths, steps = layers.Input((), dtype="int32"), layers.Input((), dtype="int32")
    model = models.Model([labels, x, lengths, steps], [
        ops.ctc_loss(labels, x, lengths, steps), *ops.ctc_decode(x, steps, "beam_search", 4, 2)])  # fmt: skip
    assert model.output_shape == [(None,), (2, None, 7), (None, 2)]
    again = type(model).from_config(model.get_config())
    rng = np.random.default_rng(0)
    given = [rng.integers(1, 4, (5, 3)), rng.normal(size=(5, 7, 4)).astype("float32"), np.arange(5) % 4, np.full(5, 7)]
    found = again(given)
    np.testing.assert_array_equal(found[0], ops.ctc_loss(*given))
    np.testing.assert_array_equal(found[1], ops.ctc_decode(given[1], given[3], "beam_search", 4, 2)[0])


X = np.zeros((2, 4, 3), "float32")
LABELS = np.array([[1, 2], [1, 1]])
P = np.full((2, 4, 3), 1 / 3, "float32")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: losses.ctc(LABELS[0], X), r"Targets `y_true` are expected to be a tensor of shape `\(batch_size, max"),
        (lambda: losses.ctc(LABELS, X[0]), r"Logits `y_pred` are expected to be a tensor of shape `\(batch_size, max"),
        (lambda: ops.ctc_loss(LABELS, X[:1], [2, 2], [4, 4]), "`target` and `output` must have the same first dim"),
        (lambda: ops.ctc_loss(LABELS, X, [2], [4, 4]), "`target_length` and `target` must have the same first dim"),
        (lambda: ops.ctc_loss(LABELS, X, [2, 2], [[4], [4]]), r"`output_length` should be of shape `\(batch_size,\)`"),
        (lambda: ops.ctc_loss(LABELS, X, [2, 2], [4, 4], 3), "`mask_index` is expected to be .* between -3 and 2. Rec"),
        (lambda: ops.ctc_loss(LABELS + 2, X, [2, 2], [4, 4]), r"label value of 3 which is outside the .* \[0, 3\)"),
        (lambda: ops.ctc_decode(X, [4, 4], "best"), "Invalid strategy best. Supported values are 'greedy' and 'beam_s"),
        (lambda: ops.ctc_decode(X, [4, 5]), r"sequence_length\(1\) is 5, expected 0 to 4"),
        (lambda: ops.ctc_decode(X, [4]), "1 sequence lengths for 2 samples"),
        (lambda: ops.ctc_decode(X[0], [4]), "`ctc_decode` takes inputs of shape"),
        (lambda: ops.ctc_decode(X, [4, 4], "beam_search", 2, 3), "more paths than the beam width"),
        (lambda: ops.ctc_decode(X, [4, 4], "beam_search", 0), "`beam_width` should be a positive integer"),
        (lambda: ops.ctc_decode(X, [4, 4], "beam_search", 5, None), "`top_paths` should be a positive integer"),
        (lambda: losses.ctc(np.full((2, 2), np.nan), X), "label value of .* which is outside the valid range"),
        (lambda: ops.ctc_decode(X, [4, 0], "beam_search", 3, 2), "Less leaves in the beam search than requested"),
        (lambda: backend.ctc_batch_cost(LABELS, P, [[4], [4]], [[2], [0]]), "Labels length is zero in batch 1"),
        (lambda: backend.ctc_batch_cost(LABELS, P, [[4], [1]], [[2], [2]]), "Not enough time for target .*batch: 1"),
        (lambda: backend.ctc_batch_cost(LABELS - 2, P, [[4], [4]], [[2], [2]]), "must be nonnegative integers"),
        (lambda: backend.ctc_batch_cost([[2, 1]], P[:1], [[4]], [[2]]), "Saw a non-null label .* following a"),
        (lambda: backend.ctc_batch_cost(LABELS, P, [[5], [4]], [[2], [2]]), r"sequence_length\(0\) is 5"),
        (lambda: backend.ctc_label_dense_to_sparse(LABELS, [1]), "takes labels of shape `.batch, labels.` and l"),
    ],
)  # fmt: skip
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_what_there_is_no_time_for():
    # Two equal labels need a blank between them: Keras' loss is large then, that of its older backend infinite.
    assert 700 < ops.ctc_loss([[1, 1]], X[:1], [2], [2])[0] < 720
    cost = backend.ctc_batch_cost(LABELS, P, [[4], [2]], [[2], [2]])
    assert np.isfinite(cost[0, 0]) and cost[1, 0] == np.inf
    assert ops.ctc_loss(np.zeros((2, 0), int), X, [0, 0], [4, 4]).tolist() == pytest.approx([4 * np.log(3)] * 2)
