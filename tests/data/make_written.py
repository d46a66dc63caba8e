"""Lets fastlstm write the models of the goldens, for real Keras to read.

Run by hand where fastlstm is installed, then check with Keras 3 what it wrote:

    python tests/data/make_written.py DIR && python tests/data/make_goldens.py --check DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from golden_cases import MODEL_CASES, generator, make_model, random_values, reset_states, run_model

import fastlstm


def write(directory: Path) -> None:
    """Every model of the goldens in every format, with its input and fastlstm's outputs in an `.npz`."""
    directory.mkdir(parents=True, exist_ok=True)
    for case in MODEL_CASES:
        model = make_model(fastlstm, case)
        x = random_values(generator(case.name + "/x"), case.shape, 2.0)
        np.savez(directory / f"{case.name}.npz", x=x, **run_model(model, x))
        reset_states(model)
        model.save(directory / f"{case.name}.keras")
        model.save(directory / f"{case.name}.h5")
        model.save_weights(directory / f"{case.name}.weights.h5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="DIR")
    write(parser.parse_args().directory)


if __name__ == "__main__":
    main()
