"""Shapes off the cases' grid beside ONNX Runtime: odd units and features, few rows, one step to 20,000, deep, pyramids.

    python -m bench sweep --json sweep.json
    python -m bench sweep --integers               # ours in int16 and int8 too, on one thread and on two

Every engine on one thread and on two takes its turn in the same rounds, so that a row of the table holds what was
measured together: the ratio to ONNX Runtime on as many threads, and what the second thread brings. The result is that
of a run (runner.py), whose engines are called `fastlstm 1`, `fastlstm 2` … by their threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from bench.cases import Case, parse_case
from bench.engines import QUANTIZED_OURS, engine
from bench.environments import python
from bench.protocol import working
from bench.report import versions
from bench.runner import described_run, run_case, usable_cpus

OURS, PEER = "fastlstm", "onnxruntime"
THREADS = (1, 2)
# batch,timesteps,features,units…
SHAPES = {
    "short": "1,1,3,7 1,2,11,13 1,5,17,31 1,12,5,700 1,10,784,128 1,7,300,63 1,24,8,200 1,28,28,128",
    "one row": "1,50,100,100 1,50,100,100x2 1,60,5,128,64 1,24,8,250x2 1,100,40,300 1,30,300,300 1,20,30,1000",
    "many features": "1,40,300,64 1,40,1000,64 1,40,4000,64 1,100,2000,16 1,40,1000,33x2 6,10,1000,64 2,40,4000,64",
    "wide": "1,50,64,512",
    "long": "1,365,9,96x2 1,1000,5,100 1,5000,7,50x2 1,20000,1,16 1,20000,3,33 7,365,6,32 2,2000,4,40",
    "stacks": "1,100,50,80x3 1,100,64,128x2 1,100,128,256x4 1,30,100,128x6 1,200,3,24x8 1,50,10,20x12 1,50,64,64x12",
    "pyramids": "1,40,13,65,33,17 1,100,10,200,100,50 1,50,20,32,64,128 1,50,64,256,128,64,32 3,12,40,256,128,64,32",
    "two and three rows": "2,50,100,100 3,50,100,100 2,50,64,512 3,50,64,512 2,100,64,128x2 3,100,128,256x2 3,5,50,256",
    "four and five rows": "4,30,17,77 5,40,9,48x2 5,60,1,50x4 4,100,64,128x2 5,24,5,300 4,1,64,512",
    "six and seven rows": "6,60,33,130 7,20,12,150x3 7,1,20,100",
}


def run(
    cases: list[Case], keys: list[str], environments: Path, rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """The result so far, once after every shape.

    Args:
        cases: What to run.
        keys: The engines.
        environments: Folder of their environments.
        rounds: Turns that every engine gets at every shape, with each number of threads.
        seconds: About how long a turn takes.
    """
    cpus = usable_cpus()
    result = described_run(rounds)
    with ExitStack() as stack:
        workers = {
            named(key, threads): stack.enter_context(working(key, python(environments, key), cpus[-threads:], threads))
            for threads in THREADS
            for key in keys
        }
        result["versions"] = {key: workers[named(key, 1)].ask("versions") for key in keys}
        for case in cases:
            result["cases"].append({"name": case.name, "engines": run_case(case, workers, rounds, seconds)})
            yield result


def engines(integers: bool) -> list[str]:
    """What a run compares."""
    return [OURS, *(QUANTIZED_OURS if integers else ()), PEER]


def shapes() -> list[Case]:
    """All of them."""
    return [parse_case(text) for texts in SHAPES.values() for text in texts.split()]


def named(key: str, threads: int) -> str:
    """An engine on so many threads."""
    return f"{key} {threads}"


def ratios(case: dict[str, Any], subject: str, other: str) -> list[float]:
    """Of every round how many times the subject's time another one's is; none where one of them failed."""
    times = [case["engines"][name].get("microseconds", []) for name in (subject, other)]
    return [b / a for a, b in zip(*times, strict=False)]


def table(result: dict[str, Any]) -> list[list[str]]:
    """Headings, then a row per shape: what is furthest behind on two threads first."""
    ours = [key for key in result["versions"] if key != PEER]
    headings = ["batch,steps,features,units"]
    for threads in THREADS:
        headings += [f"{engine(key).name}, {threads} t" for key in (OURS, PEER)] + [f"ratio, {threads} t"]
    headings += [f"{engine(key).name}: 2 threads by 1" for key in ours]
    rows = []
    for case in sorted(result["cases"], key=lambda case: median(_against_peer(case, 2) or [0.0])):
        cells = [case["name"]]
        for threads in THREADS:
            cells += [_time(case, named(key, threads)) for key in (OURS, PEER)]
            cells.append(_ratio(_against_peer(case, threads)))
        cells += [_ratio(_gain(case, key)) for key in ours]
        rows.append(cells)
    return [headings, *rows]


def _summary(what: str, found: dict[str, float], below: str, names: bool = True) -> list[str]:
    """A line on the ratios of shapes, if there are any: their mean, and those below 1, the lowest first.

    Args:
        what: The ratios' name.
        found: They, by shapes.
        below: What comes before the number of those below 1.
        names: Whether these are named.
    """
    if not found:
        return []
    shapes = [f"{name} {ratio:.2f}x" for name, ratio in sorted(found.items(), key=lambda item: item[1]) if ratio < 1]
    named_shapes = f": {'; '.join(shapes)}" if shapes and names else ""
    return [f"{what}: geometric mean {geometric_mean(found.values()):.2f}x{below} in {len(shapes)}{named_shapes}."]


def remarks(result: dict[str, Any]) -> list[str]:
    """What stands below the table."""
    lines = []
    for threads in THREADS:
        found = _medians(result, lambda case, threads=threads: _against_peer(case, threads))
        lines += _summary(f"{threads} thread(s)", found, f" over {len(found)} shapes, behind")
    for key in result["versions"]:
        found = _medians(result, lambda case, key=key: _gain(case, key))
        lines += _summary(f"{engine(key).name}, two threads by one", found, ", slower", key != PEER)
    failed = [
        f"{case['name']} on {name}: {found['failed']}"
        for case in result["cases"]
        for name, found in case["engines"].items()
        if "failed" in found
    ]
    machine = result["machine"]
    lines.append(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, {result['date']}; microseconds, "
        f"medians of {result['rounds']} interleaved rounds; a ratio is the median of the rounds' ratios, over 1: ahead."
    )
    return [*lines, *failed, *(f"{engine(key).name}: {versions(found)}." for key, found in result["versions"].items())]


def _against_peer(case: dict[str, Any], threads: int) -> list[float]:
    return ratios(case, named(OURS, threads), named(PEER, threads))


def _gain(case: dict[str, Any], key: str) -> list[float]:
    return ratios(case, named(key, 2), named(key, 1))


def _medians(result: dict[str, Any], of_case: Any) -> dict[str, float]:
    found = {case["name"]: of_case(case) for case in result["cases"]}
    return {name: median(values) for name, values in found.items() if values}


def _time(case: dict[str, Any], name: str) -> str:
    times = case["engines"][name].get("microseconds")
    return f"{median(times):,.1f}" if times else "failed"


def _ratio(values: list[float]) -> str:
    return f"{median(values):.2f}x" if values else ""
