"""Runner and workers: one process per engine, a line of JSON to ask, a line of JSON to answer.

    {"do": "versions"}                → {"versions": {…}}
    {"do": "build", "case": {…}}      → {"y": base64 of float32, "shape": […]}, from one call
    {"do": "export", "path", "to", "inputs"}
                                      → {"by": which Keras did}
    {"do": "open", "path", "inputs", "rows"}
                                      → {"y", "shape"}, all outputs of one call in a row
    {"do": "time", "seconds": 0.2}    → {"seconds": median of one call}
    anything that fails               → {"failed": "why"}

A worker makes weights and input itself from the case (bench/cases.py). Whatever its library prints goes to stderr.
Between turns a worker waits on its pipe. It is not stopped by a signal: pools that spin come back from that slower.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import IO, Any

import numpy as np

from bench.cases import Case, draw
from bench.engines import engine
from bench.environments import versions

ROOT = Path(__file__).parent.parent
# Thread counts and kernels forced from outside; users have none of them set.
FORCED = ("OPENBLAS_", "OMP_", "MKL_", "KMP_", "GOMP_", "PYTHON")
LOOPS = 8


def command(python: Path, code: str) -> list[str]:
    """A Python apart (-I) that finds `bench` last, so that the checkout does not hide an installed package."""
    return [str(python), "-I", "-c", f"import sys; sys.path.append({str(ROOT)!r}); {code}"]


def environment() -> dict[str, str]:
    """This process' environment without what forces kernels or threads."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FORCED)}


@contextmanager
def working(key: str, python: Path, cpus: list[int], threads: int) -> Iterator[Worker]:
    """An engine's process for as long as the context lasts.

    Args:
        key: The engine.
        python: Of its environment.
        cpus: The cores it is pinned to.
        threads: How many it may use.
    """
    line = command(python, f"from bench.protocol import serve; serve({key!r}, {cpus!r}, {threads})")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment()}
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(line, stderr=log, **pipes) as process:
        try:
            yield Worker(key, process, log)
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # what a dead worker did not read
                process.stdin.close()


class Worker:
    """An engine's process, seen from the runner."""

    def __init__(self, key: str, process: subprocess.Popen, log: IO[str]) -> None:
        self.key = key
        self._process = process
        self._log = log

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """The worker's answer; `{"failed": …}` also if it has died."""
        try:
            print(json.dumps({"do": do, **values}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"failed": f"the process ended with {self._process.wait()}: {self._last_words()}"}
        return json.loads(line)

    def build(self, case: Case) -> np.ndarray:
        """Build the case and return the output of one call.

        Raises:
            RuntimeError: The engine could not.
        """
        return self._output("build", case=asdict(case))

    def open(self, path: str, inputs: list[Any], rows: int) -> np.ndarray:
        """Open a file and return all outputs of one call in a row.

        Raises:
            RuntimeError: The engine could not.
        """
        return self._output("open", path=path, inputs=inputs, rows=rows)

    def _output(self, do: str, **values: Any) -> np.ndarray:
        answer = self.ask(do, **values)
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return np.frombuffer(base64.b64decode(answer["y"]), np.float32).reshape(answer["shape"])

    def _last_words(self) -> str:
        self._log.seek(0)
        return (self._log.read().splitlines() or ["without a word"])[-1][:200]


def serve(key: str, cpus: list[int], threads: int) -> None:
    """The worker: answer the runner's questions until it hangs up."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    gc.disable()
    call = x = None  # of the model that was built or opened last
    for line in sys.stdin:
        question = json.loads(line)
        try:
            if question["do"] == "versions":
                answer = {"versions": versions(key)}
            elif question["do"] == "build":
                case = Case(**question["case"])
                call = None  # the last model's memory goes first
                gc.collect()
                x, call = case.input(), engine(key).build(case, case.weights(), threads)
                answer = encoded(np.asarray(call(x), np.float32))
            elif question["do"] == "export":
                x = draw(question["inputs"], 1)
                answer = {"by": engine(key).export(question["path"], question["to"], x)}
            elif question["do"] == "open":
                call = None
                gc.collect()
                x = draw(question["inputs"], question["rows"])
                call = engine(key).on_file(question["path"], x, threads)
                y = call(x)
                outputs = y if isinstance(y, (list, tuple)) else y.values() if isinstance(y, dict) else [y]
                answer = encoded(np.concatenate([np.ravel(output) for output in outputs]).astype(np.float32))
            else:
                answer = {"seconds": seconds_per_call(call, x, question["seconds"])}
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


def encoded(y: np.ndarray) -> dict[str, Any]:
    """An array as an answer."""
    return {"y": base64.b64encode(np.ascontiguousarray(y).data).decode(), "shape": y.shape}


def seconds_per_call(call: Callable, x: np.ndarray, seconds: float) -> float:
    """Median of a few loops of calls that take about `seconds` together, after a fifth of that to warm up."""
    calls, begin = 0, perf_counter()
    while calls == 0 or perf_counter() - begin < seconds / 5:
        call(x)
        calls += 1
    loop = max(1, 4 * calls // LOOPS)
    samples: list[float] = []
    while not samples or (len(samples) < LOOPS and perf_counter() - begin < seconds):
        start = perf_counter()
        for _ in range(loop):
            call(x)
        samples.append((perf_counter() - start) / loop)
    return median(samples)
