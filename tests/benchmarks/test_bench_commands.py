"""Whole commands of the bench, end to end and small. They need no peer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastlstm.demo
from bench import cases, demo, frames, memory, processes, real, serve, service, soak, start, streams, sweep


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
