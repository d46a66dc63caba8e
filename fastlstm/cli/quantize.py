"""Write a model whose products are of integers, as a packed file, and print what that changes.

MODEL   a .keras, .h5, .onnx or packed file of a float32 model.
OUTPUT  a packed file, which `fastlstm predict`, `fastlstm serve` and fastlstm.load_packed open.
X       .npy, or .npz with one array or one named as each of the model's inputs: the outputs for it are compared with
        those of float32. Without it times are those of one sample, an open length being 50 time steps.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.cli import files
from fastlstm.engine import INTEGER_MODES

if TYPE_CHECKING:
    from fastlstm.models import Model

OPEN_LENGTH = 50
SECONDS = 0.3  # of a measurement, about
MOST_CALLS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="MODEL", help="a .keras, .h5, .onnx or packed file that holds a whole model")
    parser.add_argument("-o", "--output", type=Path, metavar="OUTPUT", required=True, help="a packed file")
    parser.add_argument("--to", choices=tuple(INTEGER_MODES), required=True, help="the integers")
    parser.add_argument("--check", type=Path, metavar="X", help="a .npy or .npz file whose outputs are compared")


@dataclass(frozen=True)
class Figures:
    """Of a model in one numeric mode.

    Args:
        nbytes: Of its weights.
        milliseconds: Of a call.
        outputs: Of the call.
    """

    nbytes: int
    milliseconds: float
    outputs: list[np.ndarray]


def run(options: argparse.Namespace) -> None:
    if options.output == files.STANDARD:
        raise ValueError("a packed file has a name: -o model.packed")
    files.require_directory(options.output)
    if options.check is not None:
        files.format_of(options.check, (".npy", ".npz"))
    from fastlstm.models import save_packed

    model = files.open_model(options.file)
    x = example(model) if options.check is None else files.read(options.check)[1]
    before = figures(model, x)
    model.quantize(options.to)
    after = figures(model, x)
    save_packed(model, options.output)
    print_table({"float32": before, options.to: after}, options.check is not None)
    print(f"wrote {options.output}: {options.output.stat().st_size:,} bytes")


def example(model: Model) -> list[np.ndarray]:
    """One sample for the inputs of a model: all ones, which may be ids too."""
    shapes = [(1, *(OPEN_LENGTH if size is None else size for size in tensor.shape[1:])) for tensor in model.inputs]
    return [np.ones(shape, np.float32) for shape in shapes]


def figures(model: Model, x: Any) -> Figures:
    """What a model takes and gives."""
    if isinstance(x, list) and len(x) == 1:
        (x,) = x
    outputs = model.predict_on_batch(x)
    times: list[float] = []
    while not times or (sum(times) < SECONDS and len(times) < MOST_CALLS):
        start = time.perf_counter()
        model.predict_on_batch(x)
        times.append(time.perf_counter() - start)
    leaves = list(outputs.values()) if isinstance(outputs, dict) else outputs
    leaves = list(leaves) if isinstance(leaves, (list, tuple)) else [leaves]
    return Figures(sum(weight.nbytes for weight in model.weights), 1e3 * median(times), leaves)


def print_table(found: dict[str, Figures], compared: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "weights (kB)", "a call (ms)", *(["largest difference", "mean difference"] if compared else []))
    for column in table.columns[1:]:
        column.justify = "right"
    first = next(iter(found.values()))
    for mode, figures_of in found.items():
        cells = [mode, f"{figures_of.nbytes / 1000:,.1f}", f"{figures_of.milliseconds:.3f}"]
        if compared and figures_of is not first:
            pairs = zip(figures_of.outputs, first.outputs, strict=True)
            differences = np.concatenate([np.abs(one.astype(np.float64) - other).ravel() for one, other in pairs])
            cells += [f"{differences.max(initial=0):.1e}", f"{differences.mean() if differences.size else 0:.1e}"]
        table.add_row(*cells)
    Console(highlight=False).print(table)
