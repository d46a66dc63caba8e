"""Continue a series: the model's output becomes its next input.

MODEL   takes windows of time steps and gives the next time step, or each next one.
SERIES  .csv with a time step a line, the oldest first, with or without a line of column names; .npy of shape
        (time steps, features); - reads either from standard input. The last of them that the model takes are
        the window it begins from. Values are used as they are: scale them as in the training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fastlstm.cli import files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="MODEL", help="a .keras, .h5, .onnx or packed file that holds a whole model")
    parser.add_argument("series", type=Path, metavar="SERIES", help="a .csv or .npy file, or -")
    parser.add_argument("--steps", type=files.positive, metavar="N", required=True, help="time steps to forecast")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUTPUT", default=files.STANDARD, help=".csv or .npy; else CSV is printed"
    )


def run(options: argparse.Namespace) -> None:
    ending = files.format_of(options.output, (".csv", ".npy"))
    files.format_of(options.series, (".csv", ".npy"))
    if ending is not None:
        files.require_directory(options.output)
    model = files.open_model(options.file)
    _, series = files.read(options.series)
    shape = model.input_shape
    if isinstance(shape, (list, dict)) or len(shape) != 3:
        raise ValueError(f"{options.file} takes input of shape {shape}: only a model of one sequence can forecast")
    found = "several arrays" if isinstance(series, dict) else series.shape
    if found == "several arrays" or len(found) != 2 or shape[2] not in (None, found[1]):
        raise ValueError(f"{options.series}: expected (time steps, {shape[2] or 'features'}), found {found}")
    steps = len(series) if shape[1] is None else shape[1]
    if len(series) < steps:
        raise ValueError(f"{options.series}: {len(series)} time steps are less than the {steps} that the model takes")
    files.write(options.output, ending or ".csv", {"forecast": model.forecast(series[-steps:], options.steps)})
