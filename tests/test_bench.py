"""The bench's own arithmetic, and one worker end to end. It needs no peer; bench/ is not installed."""

import importlib.util
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

import fastlstm.demo

FOLDER = Path(__file__).parent.parent / "bench"
# Not by sys.path: the checkout there would hide the installed package.
spec = importlib.util.spec_from_file_location("bench", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])
sys.modules["bench"] = importlib.util.module_from_spec(spec)

from bench import (  # noqa: E402
    cases,
    chart,
    demo,
    environments,
    frames,
    limits,
    memory,
    onnx_graph,
    processes,
    protocol,
    real,
    report,
    runner,
    serve,
    service,
    soak,
    start,
    streams,
    sweep,
    train,
)
from bench.engines import rtneural  # noqa: E402

MACHINE = limits.Machine(
    234e9,
    (
        limits.Level("L1", 48 << 10, 406e9),
        limits.Level("L2", 1 << 20, 234e9),
        limits.Level("L3", 32 << 20, 105e9),
        limits.Level("memory", None, 55e9),
    ),
)


@pytest.mark.parametrize(
    ("name", "microseconds"),
    # by hand from the formula in bench/README.md, each bound by another level
    [
        ("small", 5.82),
        ("tutorial4", 48.3),
        ("mid", 327),
        ("deep", 2641),
        ("huge", 19325),
        ("step64", 0.331),
        ("b8mid", 1723),
    ],
)
def test_limit(name, microseconds):
    assert 1e6 * MACHINE.case_seconds(cases.CASES[name]) == pytest.approx(microseconds, rel=0.01)
    assert 1e6 * MACHINE.case_seconds(cases.CASES[name], threads=2) == pytest.approx(microseconds / 2, rel=0.01)


def test_limit_beyond_the_caches():
    assert MACHINE.product_seconds(1, 4096, 4096) == pytest.approx(4 * 4096**2 / 55e9)


def test_parse_case():
    assert cases.parse_case("3,20,5,7x2,9") == cases.Case("3,20,5,7x2,9", 3, 20, 5, (7, 7, 9))
    assert cases.parse_case("3,20,5,7x2,9").widths() == [(5, 7), (7, 7), (7, 9)]


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,0", "1,2,3,4x0", "1,2,3,4x", "a,2,3,4", "1,2,3,4,"])
def test_parse_case_refuses(text):
    with pytest.raises(ValueError, match="batch,timesteps,features"):
        cases.parse_case(text)


def test_onnx_gates():
    assert onnx_graph.onnx_gates(np.array([[1, 2, 3, 4, 5, 6, 7, 8]])).tolist() == [[1, 2, 7, 8, 3, 4, 5, 6]]


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


def test_start(tmp_path, capsys):
    path = str(tmp_path / "model.keras")
    start.in_process("save", "fastlstm", path)
    start.in_process("first", "fastlstm", path)
    _, megabytes = map(float, capsys.readouterr().out.split())
    assert megabytes > 1


@pytest.mark.parametrize("name", memory.NETWORKS + memory.NETWORKS_OVER_ALL_STEPS)
def test_networks_of_the_memory_table(name):
    def words(layer):
        both = hasattr(layer, "forward_layer")
        layer = layer.forward_layer if both else layer
        flags = "".join(
            flag for flag, name in (("B", "go_backwards"), ("S", "return_sequences")) if getattr(layer, name, 0)
        )
        return f"{'Bidirectional ' * both}{type(layer).__name__} {flags}".rstrip()

    assert ", ".join(map(words, memory.network(name).layers)) == name


@pytest.mark.skipif(not memory.REFERENCES.exists(), reason="the kernel does not say what is resident")
def test_memory(tmp_path):
    paths = [str(tmp_path / f"{name}.keras") for name in ("seed", "mid")]
    memory.save("seed", paths[0])
    memory.save("mid", paths[1])
    weights, _, _ = memory.of_model(*paths, "float32")
    assert weights == memory.of_model(*paths, "int8")[0]
    assert weights == pytest.approx(4e-6 * sum(a.size for layer in cases.CASES["mid"].weights() for a in layer))
    before = memory.resident()["VmRSS"]
    np.ones(16 << 20, np.float32)
    after = memory.resident()
    assert after["VmRSS"] < before + 32 < after["VmHWM"]
    assert memory.resident()["VmHWM"] < before + 32


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")
def test_streams():
    figures, check = streams.measure("fastlstm", 1, 0, sizes=(1, 3))
    assert {name: len(name.split()) for name in figures} == {
        "step64": 1,
        "step128x2": 1,
        "step512": 1,
        "step512 from C": 3,
        "step64 from C": 3,
        "step128x2 from C": 3,
        "1 together": 2,
        "1 one by one": 4,
        "3 together": 2,
        "3 one by one": 4,
        "closed loop": 2,
    }
    assert len(check) == 4 and np.abs(check).min() > 0
    peer = {name: 3 * value for name, value in figures.items() if not name.endswith(("one by one", "from C"))}
    integers, of_integers = streams.measure("fastlstm_int8", 1, 0, sizes=(1, 3))
    assert set(integers) == set(figures) and 0 < np.abs(np.subtract(of_integers, check)).max() < 2e-2
    all_figures = {"fastlstm": figures, "fastlstm_int8": {name: value / 2 for name, value in figures.items()}}
    all_figures["onnxruntime"] = peer
    headings = streams.headings(all_figures)
    assert headings[1:] == ["fastlstm", "fastlstm int8", "ONNX Runtime", "ratio", "int8 by float32"]
    shown = {row[0]: row[1:] for row in streams.rows(all_figures)}
    assert len(shown) == 11 and all(len(row) == 5 and row[-1] == "2.00x" for row in shown.values())
    assert shown["closed loop: µs a step"][3] == shown["3 streams: streams/s"][3] == "3.00x"
    assert shown["3 streams one by one"][2:4] == ["", ""]


@pytest.mark.packed_kernels
def test_servers(tmp_path):
    serve.write_files(tmp_path, ["fastlstm"])
    assert {path.name for path in tmp_path.iterdir()} == {"m.packed", "ours.json", "theirs.json"}
    one = {"requests": 900.0, "p50": 2.0, "p99": 5.0, "p99.9": 6.0, "cpu": 700.0}
    rows = list(serve.rows({"fastlstm": {8: one}, "kserve": {8: {**one, "requests": 300.0}}}))
    assert {len(row) for row in rows} == {len(serve.HEADINGS)}
    assert rows[1] == ("kserve", "8", "300", "2.00", "5.00", "6.00", "2.5", "700", "3.00x")


def test_service():
    caller, set_weights = service.fastlstm(None)
    expected = caller()(service.CASE.input())
    figures = {str(number): service.measure(caller, number, 0) for number in service.THREADS}
    assert all(0 < of_one["p50"] <= of_one["p99"] and of_one["requests"] > 0 for of_one in figures.values())
    figures["2 beside set_weights"] = service.measure(caller, 2, 0, set_weights)
    np.testing.assert_array_equal(caller()(service.CASE.input()), expected)
    slower = {"requests": 100.0, "p50": 2e-3, "p99": 24e-3}
    peer = dict.fromkeys(map(str, service.THREADS), slower)
    ours = {name: {"requests": 300.0, "p50": 1e-3, "p99": 6e-3} for name in figures}
    shown = {
        name: rest
        for name, *rest in service.rows(
            {one: ours if one.engine == "fastlstm" else peer for one in service.SETTINGS}, cores=2
        )
    }
    assert len(shown) == 10
    assert shown["8, 1 thread a request"] == [
        "300",
        "1.00x",
        "1,000",
        "6,000",
        "1.5",
        "100",
        "2,000",
        "24,000",
        "3.0",
        "3.00x",
    ]
    assert shown["1, as is"] == ["300", "1.00x", "1,000", "6,000", "6.0", "100", "2,000", "24,000", "12.0", "3.00x"]
    assert shown["2 beside set_weights, as is"][4:] == ["6.0", "", "", "", "", ""]


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


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell Pss")
@pytest.mark.packed_kernels
def test_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "CASES", ("small",))
    monkeypatch.setattr(processes, "WORKERS", 2)
    rows = list(processes.run(str(tmp_path), 1))
    assert [row[:2] for row in rows] == [("small", way) for way in ("import alone", "load_model", "load_packed")]
    assert rows[0][2] == "" and all(float(row[2]) > 0 for row in rows[1:])
    assert all(float(row[3]) > 1 for row in rows)
    with pytest.raises(RuntimeError, match="a worker of load_packed on mid ended with 1"):
        processes.megabytes("mid", "load_packed", str(tmp_path))


def test_environment_forces_nothing(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert set(os.environ) - set(protocol.environment()) >= {"OPENBLAS_CORETYPE", "OMP_NUM_THREADS"}


@pytest.fixture
def result():
    """A win, a loss with a failure, as `--json` writes them."""
    win = {
        "fastlstm": {"microseconds": [10.0, 20.0, 11.0], "error": 1e-8},
        "onnxruntime": {"microseconds": [33.0, 30.0, 40.0], "error": 3e-8},
        "jax": {"microseconds": [100.0, 100.0, 100.0], "error": 2e-8},
    }
    loss = {
        "fastlstm": {"microseconds": [30.0], "error": 2e-8},
        "onnxruntime": {"failed": "Fail: [/E] why"},
        "jax": {"microseconds": [15.0], "error": 5e-8},
    }
    level = {"name": "L1", "size": 1 << 15, "bytes_per_second": 2e11}
    sizes = {"batch": 1, "timesteps": 60, "features": 1, "units": [50, 50]}
    return {
        "date": "2000-01-01",
        "threads": 1,
        "rounds": 3,
        "machine": {"processor": "P", "cores": 2, "system": "S", "flops_per_second": 1e11, "levels": [level]},
        "versions": {key: {"versions": {"numpy": "2"}} for key in win},
        "cases": [
            {"name": "won", "limit": 5.5, "engines": win, **sizes},
            {"name": "lost", "limit": 3.0, "engines": loss, **sizes},
        ],
    }


def test_report(result):
    won, lost = report.rows(result)
    assert (won.best_peer, won.ratio, won.share_of_limit) == ("onnxruntime", 3.0, 0.5)
    assert (lost.best_peer, lost.ratio) == ("jax", 0.5)
    text = report.markdown(result)
    assert "| won | 11~ | **33~** | 100 | 5.5 | 3.00x | 50% | 1.0e-08 |" in text
    assert "| lost | 30 | failed | **15** | 3 | 0.50x | 10% | 2.0e-08 |" in text
    assert "| largest error | 2.0e-08 | 3.0e-08 | 5.0e-08 |" in text
    assert "lost on ONNX Runtime failed: Fail: [/E] why" in text
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.console(result))
    assert "lost on ONNX Runtime failed: Fail: [/E] why" in console.export_text()


def test_report_keeps_others_out_of_the_ratio(result):
    result["versions"]["rtneural"] = {"versions": {"numpy": "2"}}
    for case, engine in zip(result["cases"], ({"microseconds": [5.5], "error": 1e-8}, {"failed": "why"}), strict=True):
        case["engines"]["rtneural"] = engine
    won, _ = report.rows(result)
    assert (won.best_peer, won.ratio, won.against("rtneural")) == ("onnxruntime", 3.0, 0.5)
    text = report.markdown(result)
    assert "| won | 11~ | **33~** | 100 | 5.5 | 5.5 | 3.00x | 50% | 1.0e-08 |" in text
    assert "RTNeural, no part of the ratio, its time by fastlstm's: won 0.50x." in text
    assert "JAX, no part" not in text
    assert "RTNeural, won: 0.50x" in chart.svg(result) and ">3.00x</text>" in chart.svg(result)


def test_chart(result):
    root = ElementTree.fromstring(chart.svg(result))
    texts = ["".join(element.itertext()) for element in root]
    assert {"won", "lost", "3.00x", "0.50x", "ONNX Runtime", "JAX"} <= set(texts)
    assert "ONNX Runtime, won: 3.00x" in texts and "JAX, lost: 0.50x" in texts
    assert texts.count("1 × 60 × 1 → 50 × 2") == 2  # what the cases are
    with pytest.raises(ValueError, match="on a peer"):
        chart.svg(result, ["pytorch"])


def test_chart_cuts_what_is_no_peer(result):
    """Keras' predict takes a thousand times as long on a small case: its bar ends with the peers'."""
    result["versions"]["keras_predict"] = {"versions": {"numpy": "2"}}
    result["cases"][0]["engines"]["keras_predict"] = {"microseconds": [44000.0], "error": 1e-8}
    root = ElementTree.fromstring(chart.svg(result))
    texts = ["".join(element.itertext()) for element in root]
    assert "4,000x" in texts and "Keras predict" in texts and "Keras predict, won: 4000.00x" in texts
    rights = [float(bar.get("x")) + float(bar.get("width")) for bar in root if len(bar)]
    assert max(rights) == pytest.approx(chart.WIDTH - chart.RIGHT, abs=0.2)
    assert rights.count(max(rights)) == 2 and "10x" not in texts  # with JAX' 9.09x


def test_a_sweep_of_shapes(tmp_path, monkeypatch):
    """Engines of ours in the peer's place, and in fastlstm_int16's."""
    shapes = sweep.shapes()
    assert len({shape.name for shape in shapes}) == len(shapes) >= 50
    assert {shape.batch for shape in shapes} == set(range(1, 8))
    assert {1, 20_000} <= {shape.timesteps for shape in shapes} and {1, 12} <= {len(shape.units) for shape in shapes}
    monkeypatch.setattr(sweep, "PEER", "fastlstm_blas")
    cases_of_run = [cases.parse_case("1,3,2,5"), cases.parse_case("2,2,3,4x2")]
    for result in sweep.run(cases_of_run, sweep.engines(False), tmp_path, 3, 0):
        found = result["cases"][-1]["engines"]
        assert set(found) == {f"{key} {n}" for key in ("fastlstm", "fastlstm_blas") for n in (1, 2)}
        assert all(len(one["microseconds"]) == 3 and one["error"] < 1e-5 for one in found.values())
    for case, times in zip(result["cases"], ([9, 4, 8], [2, 2, 3]), strict=True):
        case["engines"] = {
            f"{key} {threads}": {"microseconds": [time * scale / threads for time in times]}
            for key, scale in (("fastlstm", 1), ("fastlstm_blas", 0.5 if len(set(times)) == 2 else 3))
            for threads in (1, 2)
        }
    headings, *rows = sweep.table(result)
    assert [row[0] for row in rows] == ["2,2,3,4x2", "1,3,2,5"]  # what is behind first
    assert headings[3] == "ratio, 1 t" and [row[3] for row in rows] == ["0.50x", "3.00x"]
    assert [row[-1] for row in rows] == ["2.00x", "2.00x"]
    text = "\n".join(sweep.remarks(result))
    assert "1 thread(s): geometric mean 1.22x over 2 shapes, behind in 1: 2,2,3,4x2 0.50x." in text
    assert "fastlstm, two threads by one: geometric mean 2.00x, slower in 0." in text
    result["cases"][0]["engines"]["fastlstm 2"] = {"failed": "why"}
    assert sweep.table(result)[1][0] == "1,3,2,5" and "1,3,2,5 on fastlstm 2: why" in sweep.remarks(result)


def test_networks_over_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "ENGINES", ("fastlstm", "fastlstm_blas"))
    headings, *rows = frames.rows(tmp_path, ["lrcn"], 1, 1, 0)
    assert headings == ["network", "fastlstm, us", "fastlstm (BLAS), us", "ratio"]
    assert [row[0] for row in rows] == ["lrcn"] and float(rows[0][3]) > 0
    others = [name for name in frames.NETWORKS if name != "lrcn"]
    assert all(
        one["seconds"] > 0 and np.ptp(one["y"]) >= 0 for one in frames.measure("fastlstm", others, 1, 0).values()
    )


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


@pytest.fixture
def real_result():
    """A model that is behind at one row, one that is ahead, one that was not exported."""

    def call(ours, theirs):
        return {"microseconds": {"fastlstm": ours, "onnxruntime": theirs}, "difference": 3e-8}

    ahead = {"1": call([10.0, 20.0, 10.0], [40.0, 60.0, 50.0]), "32": call([30.0] * 3, [60.0] * 3)}
    behind = {"1": call([10.0] * 3, [5.0] * 3)}
    rest = {"by": "keras", "failed": None}
    return {
        "date": "2000-01-01",
        "threads": 1,
        "rounds": 3,
        "machine": {"processor": "P", "cores": 2, "system": "S"},
        "versions": {key: {"versions": {"numpy": "2"}} for key in (*real.ENGINES, "keras_export")},
        "models": [
            {"name": "ahead", "network": "LSTM(5)", **rest, "calls": ahead},
            {"name": "none", "network": "LSTM(6)", "by": None, "failed": "Keras' export: why", "calls": {}},
            {"name": "behind", "network": "LSTM(7)", **rest, "failed": "32 rows: no", "calls": behind},
        ],
    }


def test_real_models(real_result):
    headings, *rows = real.table(real_result)
    assert headings[2:5] == ["fastlstm, 1 row", "ONNX Runtime, 1 row", "ratio, 1 row"]
    assert rows == [
        ["behind", "LSTM(7)", "10.0", "5.0", "0.50x", "", "", ""],
        ["ahead", "LSTM(5)", "10.0", "50.0", "4.00x", "30.0", "60.0", "2.00x"],
        ["none", "LSTM(6)", *[""] * 6],
    ]
    lines = real.remarks(real_result)
    assert lines[:3] == [
        "1 row(s): geometric mean 1.41x over 2 models, behind in 1.",
        "32 row(s): geometric mean 2.00x over 1 models, behind in 0.",
        "Largest difference between the engines' outputs: 3.0e-08.",
    ]
    assert "none: Keras' export: why" in lines and "behind: 32 rows: no" in lines
    texts = ["".join(element.itertext()) for element in ElementTree.fromstring(real.svg(real_result))]
    assert texts.index("behind") < texts.index("ahead") and "none" not in texts
    assert {"1 row, behind: 0.50x", "1 row, ahead: 4.00x", "32 rows, ahead: 2.00x"} <= set(texts)
    real_result["models"] = real_result["models"][1:2]
    with pytest.raises(ValueError, match="ran on both engines"):
        real.svg(real_result)


def test_real_wants_models(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of"):
        next(real.run(tmp_path, tmp_path, 1, 1, 0))


def test_demo_call(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "ENGINES", ("fastlstm",))
    result = demo.run(tmp_path, 2, 0)
    assert len(result["microseconds"]["fastlstm"]) == result["rounds"] == 2
    assert min(result["microseconds"]["fastlstm"]) > 0
    packaged = json.loads((fastlstm.demo.FOLDER / "keras_time.json").read_text())
    assert set(result) == set(packaged) and set(result["machine"]) == set(packaged["machine"])
    demo.in_process("fastlstm", str(fastlstm.demo.MODEL), fastlstm.demo.window().tolist(), 0)
    y = json.loads(capsys.readouterr().out)["y"]
    np.testing.assert_array_equal(y, fastlstm.demo.load_airline_model().predict(fastlstm.demo.window(), verbose=0))


@pytest.mark.packed_kernels
def test_soak():
    run = soak.Soak(300, 2)
    done = []
    run.run(done.append)
    figures = dict(soak.rows(run, 300))
    assert figures["calls"] == "300" and figures["wrong bits"] == "0"
    assert done and "MB" in figures["largest since a tenth"]
    assert 2 <= len(run.resident) <= soak.SAMPLES + 2
    run._models[0]._answers = [[y + 1 for y in answers] for answers in run._models[0]._answers]
    run.run()
    assert run.wrong


@pytest.mark.parametrize("name", train.NAMES)
def test_training(name):
    case = cases.Case(name, 4, 5, 3, (6,) * len(train.training_case(name).units))
    found = train.measure("fastlstm", case, 1, 6, 16)
    assert found["seconds"] > 0 and len(found["losses"]) == 7
    assert found["losses"][-1] < found["losses"][0]
    measured = {name: {key: [{"seconds": 2.0, "megabytes": 3.0}] for key in train.ENGINES}}
    measured[name]["fastlstm"] = [{"seconds": 0.5, "megabytes": 1.0}]
    headings, row = train.rows(measured, MACHINE, 1)
    assert len(headings) == len(row) and row[:6] == [name, "0.500", "2.000", "2.000", "2.000", "4.00"]
