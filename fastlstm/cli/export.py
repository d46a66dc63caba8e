"""Write a model as an ONNX file, which other engines run.

The batch, and axes whose size the model leaves open, stay open. What ONNX has no operators for is refused by the name
of its layer. Needs the onnx package (pip install 'fastlstm[onnx]').
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fastlstm.cli import files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .keras, .h5, .onnx or packed file that holds a whole model")
    parser.add_argument("-o", "--output", type=Path, metavar="OUTPUT", required=True, help="a .onnx file")
    parser.add_argument(
        "--stateful",
        action="store_true",
        help="take the states of recurrent layers as optional inputs and give the last ones, for a step at a time",
    )


def run(options: argparse.Namespace) -> None:
    files.format_of(options.output, (".onnx",))
    if options.output == files.STANDARD:
        raise ValueError("an .onnx file has a name: -o model.onnx")
    files.require_directory(options.output)
    from fastlstm import onnx

    onnx.save(files.open_model(options.file), options.output, stateful=options.stateful)
    print(f"wrote {options.output}: {options.output.stat().st_size:,} bytes")
