"""Servers of one network under load, and `fastlstm serve` with a thousand streams, and for long.

    python -m bench serve [--setup] [--connections 1,8,64,256] [--servers fastlstm,plain,mlserver,kserve]
    python -m bench serve --streams 1000
    python -m bench serve --soak 200000

Every server runs in a fresh process, with the Python of an environment of its own, turn about; all speak the Open
Inference Protocol, in JSON. The client is wrk (`apt install wrk`) on the same machine; a figure is the median of the
rounds. The network is the case tutorial4.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np

from bench.cases import CASES
from bench.protocol import environment

CASE = CASES["tutorial4"]
HERE = Path(__file__).parent / "servers"
REQUIREMENTS = {
    "plain": ("starlette", "uvicorn", "httptools", "uvloop", "orjson", "onnxruntime", "numpy"),
    "mlserver": ("mlserver==1.7.1", "onnxruntime"),
    "kserve": ("kserve", "onnxruntime"),
}
SERVERS = ("fastlstm", *REQUIREMENTS)
HEADINGS = (
    *("server", "connections", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "p99/p50"),
    *("CPU µs a request", "requests/s of fastlstm"),
)

Figures = dict[str, dict[int, dict[str, float]]]


def setup(environments: Path, servers: list[str]) -> list[str]:
    """Make the servers' environments, and return those that failed."""
    failed = []
    for key in servers:
        if key in REQUIREMENTS:
            folder = environments / key
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *REQUIREMENTS[key]]
            if subprocess.run(pip).returncode:
                failed.append(key)
    return failed


def run(environments: Path, servers: list[str], connections: list[int], rounds: int, seconds: float) -> Figures:
    """The figures of every server by number of connections.

    Raises:
        FileNotFoundError: There is no wrk, or a server has no environment.
        RuntimeError: A server does not start, fails requests, or has other outputs than the first one.
    """
    if shutil.which("wrk") is None:
        raise FileNotFoundError("the client is wrk: install it (apt install wrk)")
    found: dict[str, dict[int, list[dict[str, float]]]] = {key: {n: [] for n in connections} for key in servers}
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), servers)
        outputs: list[np.ndarray] = []
        for _ in range(rounds):
            for key in servers:
                with serving(key, environments, Path(folder)) as (port, process):
                    outputs.append(answer(port, Path(folder, body_of(key))))
                    if not np.allclose(outputs[0], outputs[-1], atol=1e-5):
                        raise RuntimeError(f"{key} has other outputs than {servers[0]}")
                    load(port, folder, key, max(connections), 1)
                    for number in connections:
                        before = cpu_seconds(process.pid)
                        figures = load(port, folder, key, number, seconds)
                        passed = cpu_seconds(process.pid) - before
                        figures["cpu"] = 1e6 * passed / figures["answered"]
                        found[key][number].append(figures)
    return {
        key: {
            number: {name: median(one[name] for one in rounds) for name in rounds[0]}
            for number, rounds in of_server.items()
        }
        for key, of_server in found.items()
    }


def write_files(folder: Path, servers: list[str]) -> None:
    """The network as the servers read it, and a request."""
    from bench.engines.fastlstm import fastlstm_model
    from fastlstm import save_packed
    from fastlstm.models.tensor_names import input_names

    model = fastlstm_model(CASE, CASE.weights())
    save_packed(model, folder / "m.packed")
    x = CASE.input()
    for file, name in (("ours.json", input_names(model)[0]), ("theirs.json", "x")):
        entry = {"name": name, "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
        (folder / file).write_text(json.dumps({"inputs": [entry]}), encoding="utf-8")
    if servers == ["fastlstm"]:
        return
    from bench.onnx_graph import graph

    (folder / "m.onnx").write_bytes(graph(CASE, CASE.weights()))
    shutil.copy(HERE / "mlserver_runtime.py", folder)
    (folder / "model-settings.json").write_text(
        json.dumps(
            {
                "name": "m",
                "implementation": "mlserver_runtime.OnnxRuntime",
                "parameters": {"uri": str(folder / "m.onnx")},
            }
        ),
        encoding="utf-8",
    )


def body_of(key: str) -> str:
    return "ours.json" if key == "fastlstm" else "theirs.json"


@contextmanager
def serving(key: str, environments: Path, folder: Path, *words: str) -> Iterator[tuple[int, subprocess.Popen]]:
    """A server's port and process, once it is ready.

    Raises:
        FileNotFoundError: It has no environment.
        RuntimeError: It does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    python = Path(sys.executable) if key == "fastlstm" else environments / key / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError(f"{key} has no environment in {environments}: python -m bench serve --setup")
    lines = {
        "fastlstm": [python, "-m", "fastlstm", "serve", "m.packed", "--port", port, *words],
        "plain": [python, HERE / "plain.py", "m.onnx", port],
        "kserve": [python, HERE / "kserve_server.py", "m.onnx", port],
        "mlserver": [python.with_name("mlserver"), "start", "."],
    }
    with socket.socket() as free, socket.socket() as other:
        for one in (free, other):
            one.bind(("127.0.0.1", 0))
        settings = {"http_port": port, "grpc_port": free.getsockname()[1], "metrics_port": other.getsockname()[1]}
    # In its own process; MLServer's pool of one more process only adds a hop here.
    settings |= {"parallel_workers": 0, "debug": False, "host": "127.0.0.1"}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    with open(folder / f"{key}.log", "w") as log:
        line = [str(word) for word in lines[key]]
        process = subprocess.Popen(line, cwd=folder, stdout=log, stderr=log, env=environment())
    try:
        wait_for(port, process, folder / f"{key}.log")
        yield port, process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"http://127.0.0.1:{port}/v2/models/m/ready", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{log.stem} did not start: {log.read_text()[-500:]}")


def answer(port: int, body: Path) -> np.ndarray:
    request = Request(
        f"http://127.0.0.1:{port}/v2/models/m/infer", body.read_bytes(), {"Content-Type": "application/json"}
    )
    with urlopen(request, timeout=60) as found:
        return np.array(json.load(found)["outputs"][0]["data"], np.float32).ravel()


def load(port: int, folder: str, key: str, connections: int, seconds: float) -> dict[str, float]:
    """wrk's figures: requests/s, and milliseconds.

    Raises:
        RuntimeError: Requests failed.
    """
    url = f"http://127.0.0.1:{port}/v2/models/m/infer"
    words = [
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "30s",
        "-s",
        HERE / "load.lua",
        url,
    ]
    line = ["wrk", *map(str, words), "--", f"{folder}/{body_of(key)}"]
    text = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    found = json.loads(text.splitlines()[-1])
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} requests to {key} failed")
    percentiles = {name: found[name] / 1e3 for name in ("p50", "p99", "p99.9")}
    rate = 1e6 * found["requests"] / found["microseconds"]
    return {"requests": rate, "answered": found["requests"], **percentiles}


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """The lines of the table under `HEADINGS`; the last column is how many times as many requests fastlstm answers."""
    for key, of_server in figures.items():
        for number, found in of_server.items():
            ours = figures.get("fastlstm", {}).get(number)
            yield (
                key,
                str(number),
                f"{found['requests']:,.0f}",
                *(f"{found[name]:.2f}" for name in ("p50", "p99", "p99.9")),
                f"{found['p99'] / found['p50']:.1f}",
                f"{found['cpu']:,.0f}",
                f"{ours['requests'] / found['requests']:.2f}x" if ours else "",
            )


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has taken."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """The resident memory of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def run_streams(count: int, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds and CPU share of a server with so many WebSockets, each of which takes steps at a rate."""
    from bench.clients import stream_figures

    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), ["fastlstm"])
        with serving("fastlstm", Path(), Path(folder)) as (port, process):
            stream_figures(port, CASE.features, count, rate, 1, lambda: 0.0)
            return stream_figures(port, CASE.features, count, rate, seconds, lambda: cpu_seconds(process.pid))


def run_soak(requests: int, connections: int = 16, shapes: int = 200, share: float = 0.01) -> dict[str, float]:
    """Requests of mixed shapes, some of them broken: what went wrong, and the memory of the second half."""
    from bench.clients import Soak, soak_requests
    from fastlstm import load_packed

    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), ["fastlstm"])
        good, broken = soak_requests(load_packed(Path(folder, "m.packed")), shapes)
        with serving("fastlstm", Path(), Path(folder)) as (port, process):
            soak = Soak(port, good, broken, share)
            memory: list[tuple[int, float]] = []
            asyncio.run(soak.run(requests, connections, lambda: memory.append((soak.done, resident_mb(process.pid)))))
    later = [mb for done, mb in memory if done >= requests / 2]
    return {
        "requests": soak.done,
        "unprovoked": len(soak.failed),
        "MB at half": later[0],
        "MB at the end": later[-1],
        "MB at most": max(later),
        "first": soak.failed[0] if soak.failed else "",
    }
