"""Time calls of a model here, beside ONNX Runtime where it is installed.

Inputs are N(0, 1), ids where the model begins with an Embedding; a time is the median of calls of `predict_on_batch`.
ONNX Runtime runs the model as `fastlstm export` writes it (pip install onnxruntime 'fastlstm[onnx]'); the engines take
turns, on the same number of threads. Without it, or where the model cannot be written, fastlstm is timed alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.cli import files
from fastlstm.engine.threads import get_num_threads, set_num_threads, usable_cpus

if TYPE_CHECKING:
    from fastlstm.models import Model

ROUNDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="MODEL", help="a .keras, .h5, .onnx or packed file that holds a whole model")
    parser.add_argument(
        "--batch", type=files.positive, nargs="+", default=[1, 32], metavar="ROWS", help="sequences a call (1 and 32)"
    )
    parser.add_argument(
        "--timesteps", type=files.positive, default=50, metavar="N", help="where the model leaves them open (50)"
    )
    parser.add_argument(
        "--threads", type=files.positive, nargs="+", metavar="N", help="that a call may use (1, and the CPUs there are)"
    )
    parser.add_argument("--seconds", type=files.positive, default=10, metavar="S", help="that it takes in all (10)")


def run(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    model = files.open_model(options.file)
    threads = options.threads or sorted({1, usable_cpus()})
    cases = [(rows, number) for rows in options.batch for number in threads]
    written, reason = as_onnx(model)
    table = Table("rows", "threads", "engine", "µs a call", "90 % under", "rows/s", "ratio")
    for column in table.columns:
        column.justify = "left" if column.header == "engine" else "right"
    for rows, number in cases:
        inputs = drawn(model, rows, options.timesteps)
        times = timed(engines(model, written, inputs, number), number, options.seconds / len(cases))
        ours = median(times["fastlstm"])
        for engine, of_calls in times.items():
            middle = median(of_calls)
            figures = (f"{middle:,.1f}", f"{quantiles(of_calls, n=10)[-1]:,.1f}", f"{rows / middle * 1e6:,.0f}")
            table.add_row(str(rows), str(number), engine, *figures, f"{middle / ours:.2f}")
    console = Console(highlight=False)
    console.print(table)
    if reason:
        console.print(reason, markup=False, soft_wrap=True)
    console.print(model.plan(), markup=False, soft_wrap=True)


def drawn(model: Model, rows: int, timesteps: int) -> list[np.ndarray]:
    """An array for every input.

    Raises:
        ValueError: The model does not say the shape of its inputs, or takes texts.
    """
    rng = np.random.default_rng(0)
    if not model.inputs:
        raise ValueError("the model does not say what it takes: call it once, and save it again")
    choices = min((cast(Any, layer).input_dim for layer in model.layers if layer.takes_ids), default=0)
    arrays = []
    for tensor in model.inputs:
        if tensor.dtype == "string":
            raise ValueError(f"the input {tensor.name} takes texts, and there is nothing to draw them from")
        shape = [rows, *(timesteps if size is None else size for size in tensor.shape[1:])]
        arrays.append(
            rng.integers(0, choices, shape).astype(np.float32)
            if choices
            else rng.standard_normal(shape).astype(np.float32)
        )
    return arrays


def has_onnx_runtime() -> bool:
    return bool(find_spec("onnxruntime") and find_spec("onnx"))


def as_onnx(model: Model) -> tuple[bytes | None, str]:
    """Return the model as ONNX Runtime reads it; without that, or without a way to write it, None and the reason."""
    if not has_onnx_runtime():
        return None, "ONNX Runtime is not installed here: pip install onnxruntime onnx"
    from fastlstm import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        try:
            onnx.save(model, path)
        except (ValueError, NotImplementedError) as error:
            return None, f"Without ONNX Runtime, as the model cannot be written for it: {error}"
        return path.read_bytes(), ""


def engines(
    model: Model, written: bytes | None, inputs: list[np.ndarray], threads: int
) -> dict[str, Callable[[], Any]]:
    """A call for every engine that can run the model."""
    given = inputs if len(inputs) > 1 else inputs[0]
    calls: dict[str, Callable[[], Any]] = {"fastlstm": lambda: model.predict_on_batch(given)}
    if written is not None:
        calls["ONNX Runtime"] = onnx_runtime(written, inputs, threads)
    return calls


def onnx_runtime(written: bytes, inputs: list[np.ndarray], threads: int) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
    feed = {
        one.name: array.astype(kinds.get(one.type, np.float32))
        for one, array in zip(session.get_inputs(), inputs, strict=True)
    }
    return lambda: session.run(None, feed)


def timed(calls: dict[str, Callable[[], Any]], threads: int, seconds: float) -> dict[str, list[float]]:
    """Microseconds of every call of each, which take turns in rounds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    before = get_num_threads()
    set_num_threads(threads)
    try:
        for call in calls.values():
            call()
        for _ in range(ROUNDS):
            for name, call in calls.items():
                end = time.perf_counter() + seconds / ROUNDS / len(calls)
                while time.perf_counter() < end or len(times[name]) < 2:
                    start = time.perf_counter()
                    call()
                    times[name].append((time.perf_counter() - start) * 1e6)
    finally:
        set_num_threads(before)
    return times
