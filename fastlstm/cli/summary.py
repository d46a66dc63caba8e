"""Print the layers of a model."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .keras or .h5 file that holds a whole model")


def run(options: argparse.Namespace) -> None:
    from fastlstm.models import load_model

    load_model(options.file, compile=False).summary()
