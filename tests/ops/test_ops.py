"""Operations where no golden can say what they do: errors, limits, graphs."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastlstm
from fastlstm import Input, Model, load_model, ops
from fastlstm.layers import LSTM, Dense
from fastlstm.layers.symbolic.keras_tensor import KerasTensor

X = np.random.default_rng(6).normal(size=(3, 5, 4)).astype(np.float32)


def test_results_are_tensors():
    assert type(ops.mean(X).numpy()) is np.ndarray
    assert all(hasattr(part, "numpy") for part in ops.split(X, 2, axis=-1))
    assert ops.is_tensor(ops.zeros((2,))) and not ops.is_tensor(X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: ops.reshape(x[0], (7, 3)), ValueError, "The total size of the tensor must be unchanged"),
        (lambda x: ops.reshape(x, (-1, -1)), ValueError, "at most one unknown dimension"),
        (lambda x: ops.concatenate([x, x[:, 1:]], axis=-1), ValueError, "do not fit together"),
        (lambda x: ops.concatenate(3), ValueError, "takes a list of tensors as `xs`"),
        (lambda x: ops.mean(x, axis=3), ValueError, "Axis 3 is out of range"),
        (lambda x: ops.transpose(x, (0, 1)), ValueError, "same length as the input shape"),
        (lambda x: ops.matmul(x, x), ValueError, "Shapes do not fit together"),
        (lambda x: ops.einsum("bij,bij", x), ValueError, "takes 2 tensors"),
        (lambda x: ops.einsum("bijk->b", x), ValueError, "does not fit a tensor of 3 axes"),
        (lambda x: ops.split(x, 3, axis=-1), ValueError, "must be divisible"),
        (lambda x: ops.squeeze(x, 1), ValueError, "Cannot squeeze"),
        (lambda x: ops.unstack(x, num=9, axis=1), ValueError, "cannot be cut into 9 parts"),
        (lambda x: ops.cast(x, "complex64"), ValueError, "Invalid dtype: complex64"),
        (lambda x: ops.one_hot(x, -1), ValueError, "`num_classes` should be an integer of at least 0"),
        (lambda x: ops.tile(x, [1, 2**30, 1]), ValueError, "too large"),
        (lambda x: ops.pad(x, 2**28), ValueError, "too large"),
        (lambda x: ops.mean(x, foo=1), TypeError, "foo"),
        (lambda x: ops.where(x > 0), ValueError, "needs both `x1` and `x2`"),
    ],
    ids=lambda value: "",
)
def test_refused_while_a_graph_is_made(call, error, message):
    with pytest.raises(error) as raised:
        call(Input((5, 4)))
    assert message in str(raised.value)


def test_an_index_out_of_range():
    with pytest.raises(ValueError, match="out of range"):
        ops.take(X, [7], axis=1)


def graph():
    x, ids = Input((5, 4), name="x"), Input((5,), dtype="int32", name="ids")
    h = LSTM(3, return_sequences=True)(x)
    weights = ops.softmax(ops.squeeze(Dense(1)(ops.tanh(h)), -1))
    context = ops.sum(h * ops.expand_dims(weights, -1), axis=1)
    halves = ops.split(h, [1], axis=-1)
    even = ops.cast(ops.equal(ids % 2, 0), "float32")
    pairs = ops.matmul(h, ops.transpose(h, (0, 2, 1)))
    greatest, places = ops.top_k(x, 2)
    return Model([x, ids], [context, halves[1], even, pairs, greatest, places, ids // 2])


@pytest.mark.packed_kernels
def test_a_graph_of_operations_is_saved_copied_and_loaded(tmp_path):
    model = graph()
    ids = np.arange(15).reshape(3, 5)
    outputs = model.predict([X, ids], verbose=0)
    assert [output.dtype.name for output in outputs] == [tensor.dtype for tensor in model.outputs]
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "LSTM", "Dense", "InputLayer"]
    np.testing.assert_array_equal(outputs[2], ids % 2 == 0)
    np.testing.assert_array_equal(outputs[6], ids // 2)
    twins = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        twins.append(load_model(tmp_path / name))
    fastlstm.save_packed(model, tmp_path / "model.packed")
    twins.append(fastlstm.load_packed(tmp_path / "model.packed"))
    clone = fastlstm.clone_model(model)
    clone.set_weights(model.get_weights())
    for twin in (*twins, clone):
        for output, expected in zip(twin.predict([X, ids], verbose=0), outputs, strict=True):
            np.testing.assert_array_equal(output, expected)


def test_a_nested_model_casts_what_it_is_called_on():
    inner_x = Input((4,), dtype="int32")
    inner = Model(inner_x, inner_x // 2)
    x = Input((4,))
    model = Model(x, inner(x * 3))
    given = np.array([[0.5, 1, 1.4, 2]], np.float32)
    np.testing.assert_array_equal(model.predict(given, verbose=0), [[0, 1, 2, 3]])
    assert model.predict(given, verbose=0).dtype == np.int32


def test_operators_of_keras_tensors():
    a, b = Input((5, 4)), Input((4, 2))
    outputs = [a @ b, round(a), a.reshape((-1, 20)), (a > 0) ^ (a > 1)]
    given = [X, X[:, :4, :2]]
    model = Model([a, b], outputs)
    expected = [X @ given[1], np.round(X), X.reshape(-1, 20), (X > 0) ^ (X > 1)]
    for output, y in zip(model.predict(given, verbose=0), expected, strict=True):
        np.testing.assert_allclose(output, y, rtol=1e-6)


def test_shapes_of_unknown_sizes():
    x = KerasTensor((None, None, 4))
    assert ops.mean(x, axis=1).shape == (None, 4)
    assert ops.reshape(x, (-1, 4)).shape == (None, 4)
    assert ops.pad(x, ((0, 0), (1, 1), (2, 0))).shape == (None, None, 6)
    assert ops.einsum("bij,bkj->bik", x, x).shape == (None, None, None)
    assert ops.concatenate([x, KerasTensor((2, 3, 4))], axis=1).shape == (2, None, 4)
    assert ops.shape(x) == (None, None, 4) and ops.size(x) is None and ops.ndim(x) == 3


def test_the_package_is_imported_when_it_is_needed(tmp_path):
    code = "import sys, fastlstm; print('fastlstm.ops' in sys.modules, len(fastlstm.ops.__all__))"
    # Elsewhere than in the checkout, whose sources would be found first.
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=tmp_path)
    printed = run.stdout.split()
    assert printed[0] == "False" and int(printed[1]) > 150
