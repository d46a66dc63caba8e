"""A service: one model shared by several Python threads, each of which calls it as soon as it has its last answer.

    python -m bench service

Every setting of every engine runs in fresh processes of its own, turn about; a figure is the median of the rounds. The
model is the case tutorial4.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from bench.cases import CASES
from bench.environments import python
from bench.protocol import command, environment

CASE = CASES["tutorial4"]
THREADS = (1, 2, 4, 8)
# Beside this many predicting threads, another one sets the weights all the time.
SETTING = 2

# Of one number of threads: requests/s, and seconds of the median and of the 99th in a hundred calls.
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Setting:
    """An engine, and how many threads a request may use; None leaves that to the engine."""

    engine: str
    threads: int | None


SETTINGS = tuple(Setting(engine, threads) for threads in (1, None) for engine in ("fastlstm", "onnxruntime"))


def run(environments: Path, rounds: int, seconds: float) -> dict[Setting, Figures]:
    """The figures of every setting by number of threads, and of fastlstm also by `"2 beside set_weights"`.

    Args:
        environments: Folder of the engines' environments.
        rounds: Processes of every setting.
        seconds: How long one number of threads is run in one process.

    Raises:
        RuntimeError: The engines' outputs differ.
    """
    found: dict[Setting, list[dict[str, Any]]] = {setting: [] for setting in SETTINGS}
    for _ in range(rounds):
        for setting in SETTINGS:
            arguments = f"{setting.engine!r}, {setting.threads}, {seconds}"
            line = command(
                python(environments, setting.engine), f"from bench.service import *; in_process({arguments})"
            )
            text = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout
            found[setting].append(json.loads(text))
    outputs = np.array([of_setting[0]["y"] for of_setting in found.values()])
    if np.ptp(outputs, axis=0).max() > 1e-5:
        raise RuntimeError(f"the engines' outputs differ: {outputs}")
    return {setting: _medians([one["figures"] for one in of_setting]) for setting, of_setting in found.items()}


def _medians(rounds: list[Figures]) -> Figures:
    return {
        name: {figure: median(one[name][figure] for one in rounds) for figure in of_name}
        for name, of_name in rounds[0].items()
    }


def in_process(engine: str, threads: int | None, seconds: float) -> None:
    """What a fresh process runs and prints."""
    caller, set_weights = ENGINES[engine](threads)
    y = caller()(CASE.input())[0].tolist()
    figures = {str(number): measure(caller, number, seconds) for number in THREADS}
    if set_weights is not None:
        figures[f"{SETTING} beside set_weights"] = measure(caller, SETTING, seconds, set_weights)
    print(json.dumps({"figures": figures, "y": y}))


def measure(
    caller: Callable[[], Callable], number: int, seconds: float, beside: Callable[[], Any] | None = None
) -> dict[str, float]:
    """Call from `number` threads for some seconds, with `beside` all the time on another one.

    Args:
        caller: Gives a thread the function that it calls.
    """
    latencies: list[list[float]] = [[] for _ in range(number)]
    started, ended = threading.Barrier(number + 1), threading.Event()

    def serve(mine: list[float]) -> None:
        call, x = caller(), CASE.input()
        call(x)
        started.wait()
        now = perf_counter()
        end = now + seconds
        while not mine or now < end:
            before = now
            call(x)
            now = perf_counter()
            mine.append(now - before)

    workers = [threading.Thread(target=serve, args=(mine,)) for mine in latencies]
    for worker in workers:
        worker.start()
    started.wait()
    begin = perf_counter()
    other = threading.Thread(target=_repeat, args=(beside, ended)) if beside is not None else None
    if other is not None:
        other.start()
    for worker in workers:
        worker.join()
    passed = perf_counter() - begin
    ended.set()
    if other is not None:
        other.join()
    calls = np.concatenate(latencies)
    middle, late = np.percentile(calls, [50, 99])
    return {"requests": len(calls) / passed, "p50": float(middle), "p99": float(late)}


def _repeat(function: Callable[[], Any], ended: threading.Event) -> None:
    while not ended.is_set():
        function()


def fastlstm(threads: int | None) -> tuple[Callable[[], Callable], Callable[[], Any]]:
    """The model's `predict_on_batch`, and a function that sets the weights to what they are."""
    import fastlstm as engine
    from bench.engines.fastlstm import fastlstm_model

    if threads is not None:
        engine.set_num_threads(threads)
    model = fastlstm_model(CASE, CASE.weights())
    weights = model.get_weights()
    return lambda: model.predict_on_batch, lambda: model.set_weights(weights)


def onnxruntime(threads: int | None) -> tuple[Callable[[], Callable], None]:
    """A session with a binding for every thread."""
    import onnxruntime as engine

    from bench.onnx_graph import graph

    options = engine.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = engine.InferenceSession(graph(CASE, CASE.weights()), options, providers=["CPUExecutionProvider"])

    def caller() -> Callable:
        binding = session.io_binding()
        x_in = engine.OrtValue.ortvalue_from_numpy(CASE.input())
        y_out = engine.OrtValue.ortvalue_from_numpy(np.empty((CASE.batch, CASE.units[-1]), np.float32))
        binding.bind_ortvalue_input("x", x_in)
        binding.bind_ortvalue_output("y", y_out)

        def call(x: np.ndarray) -> np.ndarray:
            x_in.update_inplace(x)
            session.run_with_iobinding(binding)
            return y_out.numpy()

        return call

    return caller, None


ENGINES: dict[str, Callable[[int | None], tuple[Callable[[], Callable], Callable[[], Any] | None]]] = {
    "fastlstm": fastlstm,
    "onnxruntime": onnxruntime,
}


HEADINGS = (
    "calling threads",
    *("requests/s", "of one's", "p50 µs", "p99 µs", "p99 by share"),
    *("ONNX Runtime", "p50 µs", "p99 µs", "p99 by share", "ratio"),
)


def rows(figures: dict[Setting, Figures], cores: int) -> Iterator[tuple[str, ...]]:
    """The lines of the table under `HEADINGS`: fastlstm's, then ONNX Runtime's, then how many times as many requests.

    A fair share is what a call takes alone on one thread, times the calling threads by the cores.
    """
    alone = {engine: figures[Setting(engine, 1)]["1"]["p50"] for engine in ENGINES}
    for threads in (1, None):
        ours, theirs = (figures[Setting(engine, threads)] for engine in ENGINES)
        for name, mine in ours.items():
            share = max(1, int(name.split()[0]) / cores)
            peer: tuple[str, ...] = ("",) * 5
            if name in theirs:
                ratio = f"{mine['requests'] / theirs[name]['requests']:.2f}x"
                requests = f"{theirs[name]['requests']:,.0f}"
                peer = (requests, *_latencies(theirs[name], share * alone["onnxruntime"]), ratio)
            yield (
                f"{name}, {'as is' if threads is None else f'{threads} thread a request'}",
                f"{mine['requests']:,.0f}",
                f"{mine['requests'] / ours['1']['requests']:.2f}x",
                *_latencies(mine, share * alone["fastlstm"]),
                *peer,
            )


def _latencies(figures: dict[str, float], share: float) -> tuple[str, str, str]:
    return f"{1e6 * figures['p50']:,.0f}", f"{1e6 * figures['p99']:,.0f}", f"{figures['p99'] / share:.1f}"
