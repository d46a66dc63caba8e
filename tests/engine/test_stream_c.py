"""Streams from C and Cython, built against the installed package: the bits of Python's steps, and what they refuse."""

import ctypes
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm.layers import GRU, LSTM, Conv1D, Dense, Embedding, SimpleRNN, UnitNormalization
from networks import network, random

ROOT = Path(__file__).parents[2]
INSTALLED = Path(fastlstm.__file__).parent
BUSY, BAD_ID, NO_ARRAY = 1, 2, 3
STEPS = 21
pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine"),
    pytest.mark.packed_kernels,
]


class CStream(ctypes.Structure):
    """fastlstm_stream.h, as a user of ctypes writes it."""


STEP = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(CStream), ctypes.c_void_p, ctypes.c_void_p)
RESET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(CStream))
CStream._fields_ = [
    *((name, ctypes.c_size_t) for name in ("batch", "features", "units", "vocabulary")),
    ("step", STEP),
    ("reset", RESET),
]


def pointer(capsule):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.POINTER(CStream), [ctypes.py_object, ctypes.c_char_p]
    return get(capsule, b"fastlstm.stream")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("c") / "stream_steps.so"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"]
    source = ROOT / "tests" / "c" / "stream_steps.c"
    subprocess.run(["cc", *flags, f"-I{fastlstm.get_include()}", source, "-o", path], check=True)
    library = ctypes.CDLL(str(path))
    stream, array, size = ctypes.POINTER(CStream), ctypes.c_void_p, ctypes.c_size_t
    library.run.argtypes = [stream, array, array, size]
    library.run_until.argtypes = [stream, array, array, array, ctypes.c_int, size]
    library.run_until.restype = size
    return library


# An editable install is found by a hook of Python's imports, which Cython does not ask.
FOUND = os.environ | {"PYTHONPATH": str(INSTALLED.parent)}


def cythonized(folder):
    """Builds a folder's setup.py in place."""
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    built = subprocess.run(command, cwd=folder, env=FOUND, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cython") / "example"
    shutil.copytree(ROOT / "examples" / "cython", folder)
    cythonized(folder)
    path = folder / f"surprise{sysconfig.get_config_var('EXT_SUFFIX')}"
    spec = importlib.util.spec_from_file_location("surprise", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stack(features, units):
    return network(
        LSTM(units, return_sequences=True),
        Dense(5, activation="relu"),
        GRU(units + 1, return_sequences=True),
        SimpleRNN(3, return_sequences=True),
        Dense(features),
        shape=(None, features),
    )


def run(library, capsule, x, units):
    """Steps made in C: outputs `(batch, timesteps, units)`."""
    x = np.ascontiguousarray(np.moveaxis(x, 0, 1))
    out = np.empty((*x.shape[:2], units), np.float32)
    assert library.run(pointer(capsule), x.ctypes.data, out.ctypes.data, len(x)) == 0
    return np.moveaxis(out, 0, 1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("features", "units"), [(1, 1), (7, 8), (15, 16), (17, 31), (33, 63), (64, 65), (3, 100)])
def test_steps_in_c_are_those_of_python(library, features, units, batch):
    x = random(batch, STEPS, features)
    for model in (stack(features, units), network(LSTM(units, return_sequences=True), shape=(None, features))):
        stream, other = model.stream(batch), model.stream(batch)
        running = pointer(stream.capsule).contents
        width = model.output_shape[-1]
        assert (running.batch, running.features, running.units, running.vocabulary) == (batch, features, width, 0)
        out = run(library, stream.capsule, x, width)
        np.testing.assert_array_equal(out, model.predict(x, verbose=0))
        np.testing.assert_array_equal(out, np.stack([other.step(x[:, t].copy()) for t in range(STEPS)], axis=1))
        for kept, exact in zip(chain(*stream.state), chain(*other.state), strict=True):
            np.testing.assert_array_equal(kept, exact)


def test_python_goes_on_from_c(library):
    model, x = stack(4, 18), random(2, STEPS, 4)
    exact = model.predict(x, verbose=0)
    stream, other = model.stream(2), model.stream(2)
    capsule = stream.capsule
    np.testing.assert_array_equal(run(library, capsule, x[:, :5], 4), exact[:, :5])
    np.testing.assert_array_equal(stream.step(x[:, 5].copy()), exact[:, 5])
    np.testing.assert_array_equal(run(library, capsule, x[:, 6:9], 4), exact[:, 6:9])
    np.testing.assert_array_equal(stream.run(x[:, 9:14]), exact[:, 9:14])
    np.testing.assert_array_equal(run(library, stream.copy().capsule, x[:, 14:], 4), exact[:, 14:])
    np.testing.assert_array_equal(run(library, capsule, x[:, 14:], 4), exact[:, 14:])
    # `generate` goes on from the last output, and anew where a step came in between.
    other.run(x)
    np.testing.assert_array_equal(stream.generate(3), other.generate(3))
    run(library, capsule, x[:, :1], 4)
    other.step(x[:, 0].copy())
    np.testing.assert_array_equal(stream.generate(3), other.generate(3))
    stream.state = other.state
    np.testing.assert_array_equal(run(library, capsule, x[:, :2], 4), other.run(x[:, :2]))
    running = pointer(capsule)
    assert running.contents.reset(running) == 0
    with pytest.raises(ValueError, match="needs `x`"):
        stream.generate(1)
    np.testing.assert_array_equal(run(library, capsule, x, 4), exact)


def test_ids(library):
    for width in (4, 30):  # looked up, and as a table of projections
        model = network(Embedding(9, width), LSTM(6, return_sequences=True), shape=(None,))
        ids = np.random.default_rng(width).integers(-9, 9, (2, STEPS)).astype(np.float32)
        stream = model.stream(2)
        capsule = stream.capsule
        assert (pointer(capsule).contents.features, pointer(capsule).contents.vocabulary) == (1, 9)
        np.testing.assert_array_equal(run(library, capsule, ids, 6), model.predict(ids, verbose=0))


@pytest.mark.parametrize("bad", [9.0, -10.0, np.nan, np.inf, 3e38])
def test_a_step_that_fails_changes_nothing(bad):
    stream = network(Embedding(9, 4), LSTM(6, return_sequences=True), shape=(None,)).stream(2)
    stream.step(np.array([3, 4], np.float32))
    before, output = stream.state, stream._stepper.output
    capsule = stream.capsule
    running, ids, out = pointer(capsule), np.array([1, bad], np.float32), np.full((2, 6), 7, np.float32)
    step = running.contents.step
    assert step(running, ids.ctypes.data, out.ctypes.data) == BAD_ID
    assert step(running, None, out.ctypes.data) == step(running, ids.ctypes.data, None) == NO_ARRAY
    assert (out == 7).all() and stream._stepper.moves == 2  # a stream begins with a reset
    np.testing.assert_array_equal(stream._stepper.output, output)
    for kept, exact in zip(chain(*stream.state), chain(*before), strict=True):
        np.testing.assert_array_equal(kept, exact)


def in_threads(*functions):
    """What the functions return, each called on a thread of its own."""
    results = [None] * len(functions)

    def call(i):
        results[i] = functions[i]()

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_streams_on_several_threads(library):
    model, x = stack(5, 33), random(6, 300, 5)
    capsules = [model.stream().capsule for _ in x]
    outs = in_threads(*(partial(run, library, capsules[i], x[i : i + 1], 5) for i in range(len(x))))
    np.testing.assert_array_equal(np.concatenate(outs), model.predict(x, verbose=0))


def test_one_thread_at_a_time(library):
    stream = network(LSTM(17), shape=(None, 3)).stream()
    capsule, x, most = stream.capsule, random(1, 3), 10**8
    over, moves = ctypes.c_int(0), stream._stepper.moves

    def c(gives_up):
        out = np.empty((1, 17), np.float32)
        return library.run_until(
            pointer(capsule), x.ctypes.data, out.ctypes.data, ctypes.addressof(over), gives_up, most
        )

    # The first to find the stream in use ends both.
    counts = in_threads(lambda: c(True), lambda: c(True))
    assert over.value == 1
    assert stream._stepper.moves == moves + sum(counts)

    def python():
        for _ in range(most):
            try:
                stream.step(x)
            except RuntimeError as error:
                over.value = 1
                return str(error)

    over.value = 0
    _, message = in_threads(lambda: c(False), python)
    assert "in use on another thread" in message
    stream.step(x)


def test_a_capsule_keeps_its_stream(library):
    model, x = stack(4, 9), random(1, STEPS, 4)
    exact = model.predict(x, verbose=0)
    stream = model.stream()
    stepper, capsules = stream._stepper, [stream.capsule for _ in range(3)]
    count = sys.getrefcount(stepper)
    del capsules[1:]
    assert sys.getrefcount(stepper) == count - 2
    del model, stream, stepper
    gc.collect()
    np.testing.assert_array_equal(run(library, capsules[0], x, 4), exact)


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ([UnitNormalization(name="norm"), LSTM(4)], "layer 'norm' .*UnitNormalization.* runs in NumPy"),
        ([LSTM(4, return_sequences=True), Conv1D(2, 3, padding="causal", name="conv")], "layer 'conv' .* in NumPy"),
        ([LSTM(4), Dense(2, activation=lambda x: x / 2, name="half")], "layer 'half' .* a Python function"),
        ([GRU(4, recurrent_activation=lambda x: x / 2, name="gates")], "layer 'gates' .* a Python function"),
        ([Dense(2)], "none of its layers is recurrent"),
    ],
)
def test_what_needs_python_is_refused(layers, why):
    stream = network(*layers, shape=(None, 3)).stream()
    with pytest.raises(ValueError, match=f"cannot be stepped from C: {why}"):
        _ = stream.capsule


def surprise_in_python(stream, x, tolerance):
    forecast = x[0]
    for t in range(len(x)):
        if t > 0 and (np.abs(x[t] - forecast) > tolerance).any():
            return t
        forecast = stream.step(x[t])
    return -1


def test_the_example_in_cython(example):
    model, x = stack(3, 18), random(3, 60, 3)
    largest = np.abs(x[:, 1:] - model.predict(x, verbose=0)[:, :-1]).max(axis=(1, 2))
    for tolerance in (largest.min() * 0.5, largest.min() * 0.99, largest.min(), largest.max()):
        streams, others = [model.stream() for _ in x], [model.stream() for _ in x]
        watches = [partial(example.first_surprise, *pair, tolerance) for pair in zip(streams, x, strict=True)]
        found = in_threads(*watches)
        assert found == [surprise_in_python(*pair, tolerance) for pair in zip(others, x, strict=True)]
        for stream, other in zip(streams, others, strict=True):
            for kept, exact in zip(chain(*stream.state), chain(*other.state), strict=True):
                np.testing.assert_array_equal(kept, exact)
    assert -1 in found
    with pytest.raises(ValueError, match="forecasts 4 features"):
        example.first_surprise(model.stream(), random(60, 4), 1)
    with pytest.raises(ValueError, match="forecasts 3 features"):
        example.first_surprise(model.stream(2), x[0], 1)
