"""Lets fastlstm train the models of trained_cases.py for five epochs and write them, for real Keras to train on.

Run by hand where fastlstm is installed, then with Keras 3:

    python tests/data/write_trained.py DIR && python tests/data/make_trained.py --check DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

from trained_cases import CASES, EPOCHS, batches, make_model

import fastlstm


def write(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        model = make_model(fastlstm, name)
        x, y = batches()
        model.fit(x, y, batch_size=8, epochs=EPOCHS, shuffle=False, verbose=0)
        model.save(directory / f"{name}.keras")
        model.save(directory / f"{name}.h5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="DIR")
    write(parser.parse_args().directory)


if __name__ == "__main__":
    main()
