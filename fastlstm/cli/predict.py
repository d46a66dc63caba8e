"""Run a model on the arrays of INPUT and write its predictions to OUTPUT.

INPUT   .npy, or .npz with one array or one named as each of the model's inputs: (samples, ...).
        .csv, with or without a line of column names: one sample a line for a model whose samples are vectors,
        one time step a line of a single sequence for a model whose samples are sequences.
        - reads any of them from standard input.
OUTPUT  .npy, .npz with one array for each of the model's outputs, or .csv with a line for each sample, or for each
        step of each sample. An existing file is replaced.
        - writes to standard output, in the format of INPUT.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.cli import files

if TYPE_CHECKING:
    from fastlstm.models import Model

Shape = tuple[int | None, ...]
PART = 2**24  # bytes of a mapped input that are predicted at once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    formats = [ending[1:] for ending in files.WRITERS]
    parser.add_argument("file", metavar="FILE", help="a .keras, .h5, .onnx or packed file that holds a whole model")
    parser.add_argument("input", type=Path, metavar="INPUT", help="a .npy, .npz or .csv file, or -")
    parser.add_argument("-o", "--output", type=Path, metavar="OUTPUT", required=True, help="a file of the same, or -")
    parser.add_argument("--format", choices=formats, help="what -o - writes, if not the format of INPUT")
    parser.add_argument("--batch-size", type=files.positive, metavar="N", help="samples that run at once (32)")
    parser.add_argument(
        "--window", type=files.positive, metavar="N", help="cut a .csv into windows of N time steps, a sample each"
    )
    parser.add_argument(
        "--stride", type=files.positive, metavar="N", help="from the start of a window to that of the next (1)"
    )


def run(options: argparse.Namespace) -> None:
    ending = files.format_of(options.output, tuple(files.WRITERS))
    files.format_of(options.input, tuple(files.READERS))
    if ending is not None:
        files.require_directory(options.output)
        if options.format is not None:
            raise ValueError(f"--format is for -o -, and {options.output} says its format itself")
    if options.stride is not None and options.window is None:
        raise ValueError("--stride needs --window")
    from fastlstm.models.tensor_names import output_names

    model = files.open_model(options.file)
    mapped = files.mapped_npy(options.input) if ending == ".npy" and len(model.outputs) == 1 else None
    if mapped is not None and options.window is None:
        parts = predicted_in_parts(model, mapped, options.batch_size)
        files.write_in_parts(options.output, next(iter(output_names(model))), len(mapped), parts)
        return
    source, x = files.read(options.input)
    if source == ".csv":
        x = samples(options.input, x, model.input_shape, options.window, options.stride or 1)
    elif options.window is not None:
        raise ValueError(f"--window is for a .csv; the arrays of a {source} are samples already")
    y = model.predict(x, batch_size=options.batch_size, verbose=0)
    files.write(options.output, ending or f".{options.format or source[1:]}", by_name(model, y))


def samples(path: Path, table: np.ndarray, shape: Shape | list[Shape], window: int | None, stride: int) -> np.ndarray:
    """The lines of a table as a model's samples, as the steps of its one sample, or as windows of steps."""
    if isinstance(shape, (list, dict)) or len(shape) not in (2, 3):
        raise ValueError(f"{path}: a .csv cannot hold input of shape {shape}, a .npy or .npz can")
    if shape[-1] is not None and table.shape[1] != shape[-1]:
        raise ValueError(f"{path}: expected {shape[-1]} columns for input of shape {shape}, found {table.shape[1]}")
    if len(shape) == 2:
        if window is not None:
            raise ValueError(f"--window is for models of sequences, and this one takes input of shape {shape}")
        return table
    steps = len(table) if window is None else window
    if shape[1] not in (None, steps):
        found = f"the file has {len(table)}" if window is None else f"--window is {window}"
        way = f"; --window {shape[1]} cuts it into windows" if window is None and len(table) > shape[1] else ""
        raise ValueError(f"{path}: expected {shape[1]} time steps for input of shape {shape}, {found}{way}")
    if steps > len(table):
        raise ValueError(f"{path}: {len(table)} lines are less than a window of {steps}")
    windows = np.lib.stride_tricks.sliding_window_view(table, steps, axis=0)[::stride]  # (samples, columns, steps)
    return np.ascontiguousarray(windows.swapaxes(1, 2))


def predicted_in_parts(model: Model, x: np.ndarray, batch_size: int | None) -> Iterator[np.ndarray]:
    """The outputs of some batches at a time, as many as PART bytes of input hold."""
    rows = batch_size or 32
    step = rows * max(1, PART // max(1, rows * x[:1].nbytes))
    for start in range(0, len(x), step):
        yield model.predict(x[start : start + step], batch_size=batch_size, verbose=0)


def by_name(model: Model, y: Any) -> dict[str, np.ndarray]:
    """A model's outputs by the names of the layers that give them, numbered where a layer gives several."""
    if isinstance(y, dict):
        return y
    from fastlstm.models.tensor_names import output_names

    return dict(zip(output_names(model), y if isinstance(y, (list, tuple)) else [y], strict=True))
