"""Model files of a folder beside ONNX Runtime on Keras' own export of each: a call of 1 row and one of 32.

    python -m bench real DIR --json real.json --chart real.svg

A file that no Keras exports, or that one of the engines does not run, stays in the result with the reason. The result
is plain data:

    {"date", "threads", "rounds", "machine": {…}, "versions": {engine: {…}},
     "models": [{"name", "network", "by": which Keras exported it, "failed": why it has no calls, or None,
                 "calls": {"1": {"microseconds": {engine: [one a round]}, "difference": largest}, "32": …}}]}
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from statistics import geometric_mean, median
from time import sleep
from typing import Any

import numpy as np

from bench.chart import Group, drawn
from bench.engines import EXPORTER, engine
from bench.environments import python
from bench.protocol import Worker, working
from bench.runner import SETTLE_SECONDS, describe_machine, usable_cpus

ENGINES = ("fastlstm", "onnxruntime")
SUFFIXES = (".keras", ".h5", ".hdf5")
ROWS = (1, 32)
# Steps of an input whose length is open.
LENGTH = 50
# A row of so many numbers, of a model with several inputs, is no text.
LONG_TEXT = 1000
# Layers that do nothing in a call.
SILENT = ("InputLayer", "Dropout", "SpatialDropout1D", "GaussianNoise", "ActivityRegularization")


def run(folder: Path, environments: Path, threads: int, rounds: int, seconds: float) -> Iterator[dict[str, Any]]:
    """The result so far, once after every file.

    Args:
        folder: Of the files, with its subfolders.
        environments: Folder of the engines' environments.
        threads: Each engine's; it is pinned to as many cores.
        rounds: Turns that every engine gets at every call.
        seconds: About how long a turn takes.

    Raises:
        FileNotFoundError: There is no model file, or no environment.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no file of {', '.join(SUFFIXES)} in {folder}")
    cpus = usable_cpus()[-threads:]
    result = begun(threads, rounds)
    with ExitStack() as stack:
        exporter, *workers = (
            stack.enter_context(working(key, python(environments, key), cpus, threads)) for key in (EXPORTER, *ENGINES)
        )
        exported = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model.onnx"
        result["versions"] = {worker.key: worker.ask("versions") for worker in (exporter, *workers)}
        for path in paths:
            name = str(path.relative_to(folder).with_suffix(""))
            result["models"].append({"name": name, **_measured(path, exported, exporter, workers, rounds, seconds)})
            yield result


def begun(threads: int, rounds: int) -> dict[str, Any]:
    """A result without models."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "threads": threads,
        "rounds": rounds,
        "machine": describe_machine(),
        "models": [],
    }


def _measured(
    path: Path, exported: Path, exporter: Worker, workers: list[Worker], rounds: int, seconds: float
) -> dict[str, Any]:
    """A file's entry but its name."""
    from fastlstm.models import load_model

    found: dict[str, Any] = {"network": "", "by": None, "failed": None, "calls": {}}
    try:
        model = load_model(path, compile=False)
        found["network"], inputs = described(model), inputs_of(model)
    except Exception as error:
        return found | {"failed": f"fastlstm: {type(error).__name__}: {error}".splitlines()[0][:200]}
    answer = exporter.ask("export", path=str(path), to=str(exported), inputs=inputs)
    if "failed" in answer:
        return found | {"failed": f"{engine(EXPORTER).name}: {answer['failed']}"}
    found["by"] = answer["by"]
    measure(found, {"fastlstm": str(path), "onnxruntime": str(exported)}, inputs, workers, rounds, seconds)
    return found


def measure(
    found: dict[str, Any],
    files: dict[str, str],
    inputs: list[tuple[list[int], int | None]],
    workers: list[Worker],
    rounds: int,
    seconds: float,
) -> None:
    """Add the calls of a model, or why it has none, to its entry.

    Args:
        found: The entry.
        files: Of every engine.
        inputs: As of `inputs_of`.
        workers, rounds, seconds: As of a run.
    """
    for rows in ROWS:
        try:
            outputs = [worker.open(files[worker.key], inputs, rows) for worker in workers]
            found["calls"][str(rows)] = {
                "difference": float(np.abs(outputs[0] - outputs[1]).max()),
                "microseconds": _times(workers, rounds, seconds),
            }
        except (RuntimeError, ValueError) as error:
            found["failed"] = f"{rows} rows: {error}"


def _times(workers: list[Worker], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Turn about, microseconds of a call.

    Raises:
        RuntimeError: An engine failed.
    """
    found: dict[str, list[float]] = {worker.key: [] for worker in workers}
    for _ in range(rounds):
        for worker in workers:
            sleep(SETTLE_SECONDS)
            answer = worker.ask("time", seconds=seconds)
            if "failed" in answer:
                raise RuntimeError(answer["failed"])
            found[worker.key].append(1e6 * answer["seconds"])
    return found


def inputs_of(model: Any) -> list[tuple[list[int], int | None]]:
    """What `cases.draw` takes: ids of the smallest table where the model has an Embedding.

    Of several inputs these are the rows of numbers, unless they are longer than texts are.
    """
    tables = [layer.input_dim for layer in model.layers if type(layer).__name__ == "Embedding"]
    given = model.inputs if isinstance(model.inputs, (list, tuple)) else [model.inputs]
    shapes = [[LENGTH if n is None else int(n) for n in one.shape[1:]] for one in given]
    of_ids = [len(shapes) == 1 or (len(shape) == 1 and shape[0] < LONG_TEXT) for shape in shapes]
    return [(shape, min(tables, default=None) if ids else None) for shape, ids in zip(shapes, of_ids, strict=True)]


def described(model: Any) -> str:
    """Such as `[60, 1] LSTM(50) LSTM(50) Dense(1)`."""
    given = model.inputs if isinstance(model.inputs, (list, tuple)) else [model.inputs]
    shapes = [str(list(one.shape[1:])).replace("None", "?") for one in given]
    names = [_word(layer) for layer in model.layers if type(layer).__name__ not in SILENT]
    return " ".join([*shapes, *names])


def _word(layer: Any) -> str:
    inner = getattr(layer, "forward_layer", getattr(layer, "layer", None))
    size = getattr(layer, "units", getattr(layer, "filters", None))
    return type(layer).__name__ + (f"({_word(inner)})" if inner is not None else f"({size})" if size else "")


def ratios(model: dict[str, Any]) -> dict[str, float]:
    """Of every number of rows, how many times ONNX Runtime's time is fastlstm's: the median of the rounds' ratios."""
    found = {}
    for rows, call in model["calls"].items():
        ours, theirs = (call["microseconds"][key] for key in ENGINES)
        found[rows] = median(b / a for a, b in zip(ours, theirs, strict=True))
    return found


def worst_first(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The models, those without a ratio last."""
    return sorted(result["models"], key=lambda model: min(ratios(model).values(), default=float("inf")))


def table(result: dict[str, Any]) -> list[list[str]]:
    """Headings, then a row per model, worst first."""
    names = [engine(key).name for key in ENGINES]
    rows = [
        ["model", "network", *(f"{heading}, {n} row{'s' * (n > 1)}" for n in ROWS for heading in (*names, "ratio"))]
    ]
    for model in worst_first(result):
        of_model, cells = ratios(model), []
        for n in map(str, ROWS):
            if n not in of_model:
                cells += ["", "", ""]
                continue
            cells += [f"{median(model['calls'][n]['microseconds'][key]):,.1f}" for key in ENGINES]
            cells.append(f"{of_model[n]:.2f}x")
        rows.append([short(model["name"]), model["network"], *cells])
    return rows


def short(name: str) -> str:
    """Its ends, where a name is long."""
    return name if len(name) <= 32 else f"{name[:15]}…{name[-16:]}"


def remarks(result: dict[str, Any]) -> list[str]:
    """What stands below the table."""
    lines = []
    for n in map(str, ROWS):
        of_all = [ratios(model)[n] for model in result["models"] if n in ratios(model)]
        if of_all:
            behind = sum(ratio < 1 for ratio in of_all)
            mean = geometric_mean(of_all)
            lines.append(f"{n} row(s): geometric mean {mean:.2f}x over {len(of_all)} models, behind in {behind}.")
    differences = [call["difference"] for model in result["models"] for call in model["calls"].values()]
    if differences:
        lines.append(f"Largest difference between the engines' outputs: {max(differences):.1e}.")
    lines += [f"{short(model['name'])}: {model['failed']}" for model in result["models"] if model["failed"]]
    machine, versions = result["machine"], result["versions"]
    lines.append(
        f"{machine['processor']}, {result['date']}; {result['threads']} thread(s), median of {result['rounds']} "
        "interleaved rounds; ratio: ONNX Runtime's time by fastlstm's."
    )
    for key, of_engine in versions.items():
        found = ", ".join(f"{name} {version}" for name, version in of_engine.get("versions", {}).items())
        lines.append(f"{engine(key).name}: {found}.")
    return lines


def svg(result: dict[str, Any]) -> str:
    """The chart, worst first.

    Raises:
        ValueError: No model has a ratio.
    """
    names = {str(n): f"{n} row{'s' * (n > 1)}" for n in ROWS}
    groups = []
    for model in worst_first(result):
        of_model = ratios(model)
        if of_model:
            bars = {names[n]: ratio for n, ratio in of_model.items()}
            groups.append(Group(short(model["name"]), "", f"{min(of_model.values()):.2f}x", bars))
    if not groups:
        raise ValueError("The chart needs a model that ran on both engines.")
    title = "ONNX Runtime's time of a call by fastlstm's, real models (to the right: slower; log scale)"
    return drawn(title, ("model", "worse of both"), [*names.values()], groups)
