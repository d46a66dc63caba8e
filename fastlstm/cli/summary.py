"""Print the layers of a model."""

from __future__ import annotations

import argparse

from fastlstm.cli import files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .keras, .h5, .onnx or packed file that holds a whole model")


def run(options: argparse.Namespace) -> None:
    files.open_model(options.file).summary()
