"""Predictions past one machine: `predict` on a dask array or bag, lazily. Needs `pip install "fastlstm[dask]"`.

    from fastlstm.dask import predict

    y = predict("model.packed", x)  # x: a dask array (rows, timesteps, features); y: a dask array, nothing has run yet
    y.to_zarr("y.zarr")

A task runs a chunk of rows on one thread, so that a worker's threads share its cores. On the packed kernels the bits
are those of `model.predict` on one machine, however the rows are cut.
"""

from __future__ import annotations

import os
import pickle
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dask.array as da
import dask.bag as db
import numpy as np
from dask.delayed import delayed

from fastlstm.engine import get_num_threads, set_num_threads
from fastlstm.models import Model
from fastlstm.models.packed import open_model

__all__ = ["predict"]


def predict(model: Model | str | os.PathLike[str], x: Any, batch_size: int | None = None) -> Any:
    """Return the model's outputs for all rows, lazily.

    Args:
        model: A built model of one input and one output, or the path of its file (`.keras`, `.h5` or packed). With a
            path nothing but the path travels: each worker opens the file once, and workers of one machine share the
            memory of a packed one. A model travels once to each worker of a distributed cluster, with its weights; the
            scheduler of processes sends it with every task, so give that one a path.
        x: Dask array `(rows, timesteps, features)`, or ids `(rows, timesteps)`, in chunks of any rows; or dask bag of
            NumPy arrays `(timesteps, features)`, or ids `(timesteps,)`, of any lengths.
        batch_size: Rows that a task runs at once, 32 by default; the outputs do not depend on it.

    Returns:
        Dask array of float32, its rows in the chunks of `x`; or a bag of arrays in the order of `x`.

    Raises:
        ValueError: When `x` is something else, or does not fit the model.
    """
    opened = model if isinstance(model, Model) else _opened(os.fspath(model))
    if not opened.built or len(opened.inputs) != 1 or len(opened.outputs) != 1:
        raise ValueError(f"Expected `model` to be a built model of one input and one output. Received: {opened!r}")
    if isinstance(x, db.Bag):
        return x.map_partitions(_predict_sequences, _source(model), batch_size)  # type: ignore[no-untyped-call]
    if not isinstance(x, da.Array):
        raise ValueError(f"`x` should be a dask array or a dask bag. Received: {type(x).__name__}")
    shape = _output_shape(opened, x)
    x = _whole_rows(x)
    axes = range(x.ndim)
    new = {x.ndim + n: size for n, size in enumerate(shape)}
    return da.blockwise(  # type: ignore[no-untyped-call]
        _predict_rows,
        (0, *new),
        x,
        tuple(axes),
        _source(model),
        None,
        batch_size,
        None,
        new_axes=new,
        concatenate=True,
        dtype=np.float32,
        meta=np.empty((0,) * (1 + len(shape)), np.float32),
        token="fastlstm-predict",
    )


def _output_shape(model: Model, x: da.Array) -> tuple[int, ...]:
    """Shape of the output of one row."""
    expected = model.inputs[0].shape
    if x.ndim != len(expected) or x.dtype.kind not in "biuf":
        raise ValueError(f"Model '{model.name}' takes numbers of shape {expected}. Received: {x.dtype} {x.shape}")
    for size, given in zip(expected[1:], x.shape[1:], strict=True):
        if size is not None and given != size:
            raise ValueError(f"Model '{model.name}' takes input of shape {expected}. Received: shape {x.shape}")
    return tuple(model.compute_output_shape((None, *x.shape[1:]))[1:])


def _whole_rows(x: da.Array) -> da.Array:
    """The array with every row in one chunk."""
    if all(len(chunks) == 1 for chunks in x.chunks[1:]):
        return x
    warnings.warn(
        f"Chunks that cut the rows are joined: {x.chunks[1:]} of `x` in its axes from 1 on. Cut it by rows alone.",
        stacklevel=3,
    )
    return x.rechunk(dict.fromkeys(range(1, x.ndim), -1))  # type: ignore[no-untyped-call]


# What travels to the workers


class _Travelling:
    """A model on its way: it is unpickled once in each process, however many tasks need it.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self.key, self.data = uuid.uuid4().hex, pickle.dumps(model)


def _source(model: Model | str | os.PathLike[str]) -> Any:
    """What a task opens its model from."""
    if isinstance(model, Model):
        travelling = _Travelling(model)
        return delayed(travelling, name=f"fastlstm-model-{travelling.key}", pure=True, traverse=False)
    path = os.path.abspath(os.fspath(model))
    return path


_models: dict[Any, Model] = {}
_lock = threading.Lock()
_KEPT = 4  # models of a process


def _opened(source: Any) -> Model:
    """The model, which this process may have already."""
    if isinstance(source, _Travelling):
        key: Any = source.key
    else:
        status = os.stat(source)
        key = source, status.st_mtime_ns, status.st_size
    with _lock:
        model = _models.get(key)
        if model is None:
            model = pickle.loads(source.data) if isinstance(source, _Travelling) else open_model(source)
            while len(_models) >= _KEPT:
                del _models[next(iter(_models))]
            _models[key] = model
        return model


# Tasks


def _predict_rows(x: np.ndarray, source: Any, batch_size: int | None) -> np.ndarray:
    model = _opened(source)
    if not len(x):
        return np.empty((0, *model.compute_output_shape((None, *x.shape[1:]))[1:]), np.float32)
    with _one_thread():
        return model.predict(x, batch_size=batch_size, verbose=0)


def _predict_sequences(sequences: Any, source: Any, batch_size: int | None) -> list[np.ndarray]:
    given: Sequence[np.ndarray] = [np.asarray(sequence) for sequence in sequences]
    if not given:
        return []
    model = _opened(source)
    with _one_thread():
        if len(given) == 1:
            return [model.predict(given[0][np.newaxis], verbose=0)[0]]
        return list(model.predict(given, batch_size=batch_size, verbose=0))


_tasks = 0
_threads_before = 1


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let calls of this process use one thread each while there are tasks: the tasks share the cores."""
    global _tasks, _threads_before
    with _lock:
        if _tasks == 0:
            _threads_before = get_num_threads()
            set_num_threads(1)
        _tasks += 1
    try:
        yield
    finally:
        with _lock:
            _tasks -= 1
            if _tasks == 0:
                set_num_threads(_threads_before)
