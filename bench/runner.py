"""One run: every case on every engine, turn about, against the physical limit and the float64 reference.

The result is plain data (what `--json` writes):

    {"date", "threads", "rounds", "machine": {…}, "versions": {engine: {…}},
     "cases": [{"name", "batch", "timesteps", "features", "units", "limit": µs,
                "engines": {engine: {"microseconds": [one a round], "error": max |y - float64|} or {"failed": why}}}]}
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from bench import limits
from bench.cases import Case
from bench.environments import python
from bench.protocol import Worker, working

# Before a turn: ONNX Runtime's pool spins for some 50 ms after a call.
SETTLE_SECONDS = 0.1


def run(
    cases: list[Case], keys: list[str], environments: Path, threads: int, rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """The result so far, once after every case.

    Args:
        cases: What to run.
        keys: The engines.
        environments: Folder of their environments.
        threads: Each engine's; it is pinned to as many cores.
        rounds: Turns that every engine gets at every case.
        seconds: About how long a turn takes.
    """
    cpus = usable_cpus()[-threads:]
    machine = limits.measure(cpus[0])
    result = described_run(rounds) | {"threads": threads}
    result["machine"] |= asdict(machine)
    with ExitStack() as stack:
        workers = {key: stack.enter_context(working(key, python(environments, key), cpus, threads)) for key in keys}
        result["versions"] = {key: worker.ask("versions") for key, worker in workers.items()}
        for case in cases:
            measured = run_case(case, workers, rounds, seconds)
            limit = 1e6 * machine.case_seconds(case, threads)
            result["cases"].append({**asdict(case), "limit": limit, "engines": measured})
            yield result


def described_run(rounds: int) -> dict[str, Any]:
    """A result without cases: when and where."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "rounds": rounds,
        "machine": describe_machine(),
        "cases": [],
    }


def run_case(case: Case, workers: dict[str, Worker], rounds: int, seconds: float) -> dict[str, dict[str, Any]]:
    """What every worker, by its name, gives for a case, turn about."""
    expected = reference(case)
    measured: dict[str, dict[str, Any]] = {}
    for name, worker in workers.items():
        try:
            y = worker.build(case)
        except RuntimeError as error:
            measured[name] = {"failed": str(error)}
            continue
        if y.shape != expected.shape:
            measured[name] = {"failed": f"y has shape {y.shape}, not {expected.shape}"}
            continue
        measured[name] = {"microseconds": [], "error": float(np.abs(y - expected).max())}
    for _ in range(rounds):
        for name, worker in workers.items():
            if "failed" in measured[name]:
                continue
            sleep(SETTLE_SECONDS)
            answer = worker.ask("time", seconds=seconds)
            if "failed" in answer:
                measured[name] = answer
            else:
                measured[name]["microseconds"].append(1e6 * answer["seconds"])
    return measured


def reference(case: Case) -> np.ndarray:
    """The case's output in float64."""
    from fastlstm.engine import reference

    sequence, h = case.input(), None
    for kernel, recurrent_kernel, bias in case.weights():
        sequence, h, _ = reference.lstm(sequence, kernel, recurrent_kernel, bias)
    return h


def usable_cpus() -> list[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe_machine() -> dict[str, Any]:
    """Processor, cores and system, as far as they can be read."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    family = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    processor = fields.get("model name", platform.processor() or platform.machine()) + family
    return {"processor": processor, "cores": len(usable_cpus()), "system": f"{platform.system()} {platform.machine()}"}
