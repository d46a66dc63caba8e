"""Workers of a service: how soon each has its model, and the memory that ten of them hold together.

    python -m bench processes

Each worker is a fresh process. Only what a worker runs is imported at the top.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

CASES = ("mid", "huge")
WORKERS = 10
# What a worker does, and the ending of its file.
WAYS = {"import alone": "", "load_model": ".keras", "load_packed": ".packed"}


def save(case: str, folder: str) -> None:
    """Write a case in every format."""
    from bench.cases import CASES as ALL
    from bench.engines.fastlstm import fastlstm_model
    from fastlstm import save_packed

    model = fastlstm_model(ALL[case], ALL[case].weights())
    model.save(path(case, "load_model", folder))
    save_packed(model, path(case, "load_packed", folder))


def path(case: str, way: str, folder: str) -> str:
    return f"{folder}/{case}{WAYS[way]}"


def in_process(way: str, case: str, file: str) -> None:
    """A worker: print the seconds from the end of the import to the end of the first prediction, wait for a line."""
    from bench.cases import CASES as ALL
    from fastlstm import models

    x = ALL[case].input()
    begin = perf_counter()
    if WAYS[way]:
        model = getattr(models, way)(file)  # kept while the process waits
        model.predict_on_batch(x)
    print(perf_counter() - begin, flush=True)
    sys.stdin.readline()


@contextmanager
def workers(way: str, case: str, folder: str, number: int) -> Iterator[list[tuple[int, float]]]:
    """Start workers one after the other and keep them while the context lasts: `(process id, seconds)` of each."""
    import subprocess
    from pathlib import Path

    from bench.protocol import command, environment

    code = f"from bench.processes import in_process; in_process({way!r}, {case!r}, {path(case, way, folder)!r})"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment()}
    started: list[subprocess.Popen] = []
    taken: list[float] = []
    try:
        for _ in range(number):
            started.append(subprocess.Popen(command(Path(sys.executable), code), **pipes))
            line = started[-1].stdout.readline()
            if not line:
                raise RuntimeError(f"a worker of {way} on {case} ended with {started[-1].wait()}")
            taken.append(float(line))
        yield [(process.pid, time) for process, time in zip(started, taken, strict=True)]
    finally:
        for process in started:
            process.communicate()


def seconds(case: str, folder: str, rounds: int) -> dict[str, float]:
    """Median seconds from import to first prediction by way, fresh processes turn about."""
    from statistics import median

    ways = [way for way in WAYS if WAYS[way]]
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            with workers(way, case, folder, 1) as [(_, taken)]:
                found[way].append(taken)
    return {way: median(all_taken) for way, all_taken in found.items()}


def megabytes(case: str, way: str, folder: str) -> float:
    """Memory of all workers, there at once; what they share counts once (Pss, proportional set size).

    Raises:
        FileNotFoundError: The system is no Linux that tells.
    """
    with workers(way, case, folder, WORKERS) as running:
        return sum(proportional_megabytes(pid) for pid, _ in running)


def proportional_megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024 / 1e6


def run(folder: str, rounds: int) -> Iterator[tuple[str, str, str, str]]:
    """The lines of the table: case, way, milliseconds of one worker, megabytes of all."""
    for case in CASES:
        save(case, folder)
        taken = seconds(case, folder, rounds)
        for way in WAYS:
            shown = f"{1e3 * taken[way]:.1f}" if way in taken else ""
            yield case, way, shown, f"{megabytes(case, way, folder):.0f}"
