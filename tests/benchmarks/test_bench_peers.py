"""The bench's workers and what it needs to run peers."""

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import fastlstm.demo
from bench import cases, environments, protocol, real, runner
from bench.engines import rtneural


@pytest.mark.parametrize("key", ["fastlstm", "fastlstm_blas"])
def test_worker(key):
    case = cases.parse_case("3,5,2,7,4")
    with protocol.working(key, Path(sys.executable), runner.usable_cpus(), 1) as worker:
        assert np.abs(worker.build(case) - runner.reference(case)).max() < 1e-6
        assert "numpy" in worker.ask("versions")["versions"]
        with pytest.raises(RuntimeError, match="ValueError"):
            worker.build(cases.Case("negative", -1, 5, 2, (7,)))


def test_a_dead_worker_says_why():
    with protocol.working("no such engine", Path(shutil.which("false")), [0], 1) as worker:
        assert re.search("ended with", worker.ask("versions")["failed"])


# As much of RTNeural's interface as the bench uses, by the plain equations; NaN where a frame is not aligned.
RTNEURAL = """
#include <cmath>
#include <cstdint>
#include <tuple>
#include <vector>
namespace RTNeural {
template <typename T, int in, int out> struct LSTMLayerT {
    static constexpr int in_size = in, out_size = out;
    std::vector<std::vector<T>> w, u;
    std::vector<T> b;
    T outs[out], c[out];
    void setWVals(const std::vector<std::vector<T>>& values) { w = values; }
    void setUVals(const std::vector<std::vector<T>>& values) { u = values; }
    void setBVals(const std::vector<T>& values) { b = values; }
    void reset() { for (int k = 0; k < out; ++k) outs[k] = c[k] = 0; }
    static double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }
    void forward(const T* x) {
        std::vector<double> z(b.begin(), b.end());
        for (int k = 0; k < 4 * out; ++k) {
            for (int i = 0; i < in; ++i) z[k] += x[i] * w[i][k];
            for (int i = 0; i < out; ++i) z[k] += outs[i] * u[i][k];
        }
        for (int k = 0; k < out; ++k) {
            c[k] = sigmoid(z[k + out]) * c[k] + sigmoid(z[k]) * std::tanh(z[k + 2 * out]);
            outs[k] = sigmoid(z[k + 3 * out]) * std::tanh(c[k]);
        }
    }
};
template <typename T, int in, int out, typename... Layers> struct ModelT {
    static constexpr int input_size = in, output_size = out;
    std::tuple<Layers...> layers;
    template <int n> auto& get() { return std::get<n>(layers); }
    void reset() { std::apply([](auto&... layer) { (layer.reset(), ...); }, layers); }
    void forward(const T* x) {
        if ((uintptr_t)x % RTNEURAL_DEFAULT_ALIGNMENT) get<0>().c[0] = NAN;
        std::apply([&](auto&... layer) { ((layer.forward(x), x = layer.outs), ...); }, layers);
    }
    const T* getOutputs() { return get<sizeof...(Layers) - 1>().outs; }
};
}
"""


@pytest.fixture
def rtneural_sources(tmp_path, monkeypatch):
    path = tmp_path / "source" / rtneural.source
    path.parent.mkdir(parents=True)
    path.write_text(RTNEURAL)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return path


@pytest.mark.skipif(not shutil.which(os.environ.get("CXX") or "c++"), reason="needs a C++ compiler")
@pytest.mark.parametrize("text", ["1,5,3,7,4,9", "1,4,1,2", "1,1,17,8x2"])
def test_rtneural(rtneural_sources, text):
    case = cases.parse_case(text)
    call = rtneural.build(case, case.weights(), 1)
    expected = runner.reference(case)
    for x in (case.input(), np.zeros_like(case.input()), case.input()):  # each call starts from states of zeros
        y = call(x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() < 1e-6


def test_rtneural_refuses(rtneural_sources, monkeypatch):
    case = cases.parse_case("2,5,3,7")
    with pytest.raises(ValueError, match=r"one sequence at a time.* batch=2"):
        rtneural.build(case, case.weights(), 1)
    case = cases.parse_case("1,5,3,7")
    monkeypatch.setenv("CXX", "no such compiler")
    with pytest.raises(RuntimeError, match=r"needs a C\+\+ compiler.*no such compiler"):
        rtneural.build(case, case.weights(), 1)


@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_rtneural_says_what_the_compiler_refused(rtneural_sources, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    rtneural_sources.write_text("#error another RTNeural")
    case = cases.parse_case("1,5,3,7")
    with pytest.raises(RuntimeError, match="another RTNeural"):
        rtneural.build(case, case.weights(), 1)


def test_setup_wants_sources_where_they_are_needed(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"DIR/RTNeural/RTNeural\.h; received None"):
        environments.setup(tmp_path, ["jax", "rtneural"])
    with pytest.raises(FileNotFoundError, match=r"received .*empty"):
        environments.setup(tmp_path, ["rtneural"], tmp_path / "empty")
    with pytest.raises(RuntimeError, match="none of jax is made from sources"):
        environments.setup(tmp_path, ["jax"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_environment_forces_nothing(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set(os.environ) - set(protocol.environment()) >= {"OPENBLAS_CORETYPE", "OMP_NUM_THREADS"}


def test_a_worker_opens_a_file(tmp_path):
    layers = fastlstm.layers
    model = fastlstm.Sequential([fastlstm.Input((None,)), layers.Embedding(7, 3), layers.LSTM(4), layers.Dropout(0.5)])
    assert real.described(model) == "[?] Embedding LSTM(4)"
    inputs = real.inputs_of(model)
    assert inputs == [([real.LENGTH], 7)]
    path = tmp_path / "model.keras"
    model.save(path)
    x = cases.draw(inputs, 3)
    assert x[0].shape == (3, real.LENGTH) and x[0].dtype == np.float32 and set(x[0].ravel()) == set(range(7))
    with protocol.working("fastlstm", Path(sys.executable), runner.usable_cpus(), 1) as worker:
        np.testing.assert_array_equal(worker.open(str(path), inputs, 3), model.predict(x[0], verbose=0).ravel())
        assert worker.ask("time", seconds=0)["seconds"] > 0
        with pytest.raises(RuntimeError, match="Error"):
            worker.open(str(tmp_path / "none.keras"), inputs, 1)


def test_several_inputs_and_outputs(tmp_path):
    layers = fastlstm.layers
    first, second = fastlstm.Input((5, 2)), fastlstm.Input((3,))
    both = layers.Concatenate()([layers.Bidirectional(layers.LSTM(4))(first), second])
    model = fastlstm.Model([first, second], [layers.Dense(2)(both), both])
    assert real.inputs_of(model) == [([5, 2], None), ([3], None)]
    assert real.described(model) == "[5, 2] [3] Bidirectional(LSTM(4)) Concatenate Dense(2)"
    path = tmp_path / "model.keras"
    model.save(path)
    with protocol.working("fastlstm", Path(sys.executable), runner.usable_cpus(), 1) as worker:
        y = worker.open(str(path), real.inputs_of(model), 2)
    outputs = model.predict(cases.draw(real.inputs_of(model), 2), verbose=0)
    np.testing.assert_array_equal(y, np.concatenate([np.ravel(output) for output in outputs]))
