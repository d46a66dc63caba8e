"""`fastlstm.dask`: lazy predictions with the bits of one machine, on every scheduler."""

import os
import sys

import numpy as np
import pytest

from fastlstm import Input, Sequential, get_num_threads, save_packed, set_num_threads
from fastlstm.layers import LSTM, Dense, Embedding
from networks import network, random, randomized

pytestmark = pytest.mark.packed_kernels

da = pytest.importorskip("dask.array", reason='dask is not installed (pip install "fastlstm[dask]")')
db = pytest.importorskip("dask.bag", reason='dask is not installed (pip install "fastlstm[dask]")')

ROWS, TIMESTEPS, FEATURES = 23, 5, 3


@pytest.fixture(scope="module")
def model():
    return network(LSTM(17, return_sequences=True), LSTM(5), Dense(2))


@pytest.fixture(params=["model", "keras", "packed"])
def source(request, model, tmp_path):
    """The model, or the path of its file."""
    if request.param == "model":
        return model
    path = tmp_path / f"model.{request.param}"
    save_packed(model, path) if request.param == "packed" else model.save(path)
    return path


def predict(*arguments, **options):
    from fastlstm import dask

    return dask.predict(*arguments, **options)


@pytest.mark.parametrize("chunks", [4, (10, 1, 12), ROWS])
def test_arrays(model, source, chunks):
    x = random(ROWS, TIMESTEPS, FEATURES)
    y = predict(source, da.from_array(x, chunks=(chunks, TIMESTEPS, FEATURES)), batch_size=3)
    assert y.shape == (ROWS, 2) and y.dtype == np.float32 and y._meta.shape == (0, 0)
    assert y.chunks[0] == da.from_array(x, chunks=(chunks, TIMESTEPS, FEATURES)).chunks[0]
    np.testing.assert_array_equal(y.compute(scheduler="synchronous"), model.predict(x, verbose=0))


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers(model, source, scheduler, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = random(ROWS, TIMESTEPS, FEATURES)
    y = predict(source, da.from_array(x, chunks=(5, TIMESTEPS, FEATURES)))
    np.testing.assert_array_equal(y.compute(scheduler=scheduler, num_workers=2), model.predict(x, verbose=0))


def test_every_step_and_what_follows(model):
    model = network(LSTM(6, return_sequences=True))
    x = random(ROWS, TIMESTEPS, FEATURES)
    y = predict(model, da.from_array(x.astype("float64"), chunks=(6, TIMESTEPS, FEATURES)))
    assert y.shape == (ROWS, TIMESTEPS, 6)
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(y.map_blocks(np.tanh, dtype=np.float32).compute(), np.tanh(expected))
    np.testing.assert_array_equal(y[3:7, -1].compute(), expected[3:7, -1])


def test_chunks_that_cut_rows_are_joined(model):
    x = random(ROWS, TIMESTEPS, FEATURES)
    with pytest.warns(UserWarning, match="cut the rows are joined"):
        y = predict(model, da.from_array(x, chunks=(4, 2, 1)))
    np.testing.assert_array_equal(y.compute(), model.predict(x, verbose=0))


def test_ids_and_rows_of_unknown_number():
    model = randomized(Sequential([Input((None,)), Embedding(9, 3), LSTM(4)]))
    x = np.random.default_rng(1).integers(0, 9, (ROWS, TIMESTEPS))
    chosen = da.from_array(x, chunks=(5, TIMESTEPS))
    chosen = chosen[chosen[:, 0] > 3]
    y = predict(model, chosen)
    assert np.isnan(y.shape[0]) and y.shape[1] == 4
    np.testing.assert_array_equal(y.compute(), model.predict(x[x[:, 0] > 3], verbose=0))


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_bags(model, source, scheduler, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sequences = [random(1 + n % 4, FEATURES, seed=n) for n in range(10)]
    for partitions in (1, 3, 10):
        bag = predict(source, db.from_sequence(sequences, npartitions=partitions), batch_size=4)
        found = bag.compute(scheduler=scheduler, num_workers=2)
        assert len(found) == len(sequences)
        for y, x in zip(found, sequences, strict=True):
            np.testing.assert_array_equal(y, model.predict(x[np.newaxis], verbose=0)[0])


def test_the_model_is_once_in_the_graph(model):
    y = predict(model, da.zeros((1000, TIMESTEPS, FEATURES), chunks=(1, TIMESTEPS, FEATURES), dtype="float32"))
    holders = [key for key in y.__dask_graph__().to_dict() if "fastlstm-model" in str(key)]
    assert len(holders) == 1


def test_threads_are_as_before(model):
    before = get_num_threads()
    set_num_threads(2)
    try:
        x = da.from_array(random(ROWS, TIMESTEPS, FEATURES), chunks=(3, TIMESTEPS, FEATURES))
        predict(model, x).compute(scheduler="threads", num_workers=4)
        assert get_num_threads() == 2
    finally:
        set_num_threads(before)


def test_a_new_file_is_opened_anew(model, tmp_path):
    path, x = tmp_path / "model.packed", random(4, TIMESTEPS, FEATURES)
    lazy = da.from_array(x, chunks=(2, TIMESTEPS, FEATURES))
    save_packed(model, path)
    predict(path, lazy).compute()
    other = network(LSTM(5), Dense(2), seed=9)
    save_packed(other, path)
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(predict(path, lazy).compute(), other.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (lambda: random(ROWS, TIMESTEPS, FEATURES), "dask array or a dask bag"),
        (lambda: da.zeros((4, 5)), "shape"),
        (lambda: da.zeros((4, 5, 9)), "shape"),
        (lambda: da.zeros((4, 5, 3), dtype="U1"), "numbers"),
    ],
)
def test_what_does_not_fit(model, x, words):
    with pytest.raises(ValueError, match=words):
        predict(model, x())


def test_models_that_do_not_fit(tmp_path):
    x = da.zeros((4, TIMESTEPS, FEATURES))
    with pytest.raises(ValueError, match="one input and one output"):
        predict(network(LSTM(3, return_state=True)), x)
    with pytest.raises(OSError):
        predict(tmp_path / "none.keras", x)


def test_a_cluster(model, source, tmp_path):
    distributed = pytest.importorskip(
        "distributed", reason='distributed is not installed (pip install "fastlstm[dask]")'
    )
    x = random(ROWS, TIMESTEPS, FEATURES)
    expected = model.predict(x, verbose=0)
    options = {"processes": False, "dashboard_address": None, "local_directory": str(tmp_path)}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster,
        distributed.Client(cluster),
    ):
        y = predict(source, da.from_array(x, chunks=(5, TIMESTEPS, FEATURES)))
        np.testing.assert_array_equal(y.compute(), expected)


def test_nothing_of_it_is_imported_otherwise(tmp_path):
    import subprocess

    code = "import sys, fastlstm, fastlstm.serving; print('dask' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert finished.stdout == "False\n", finished.stderr
