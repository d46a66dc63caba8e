"""Write trained.zip: models that real Keras 3.15.1 trained for five epochs, with their optimizers' state, in files of
every format; and trained.json: the losses of ten epochs. Run with Keras.

    python tests/data/make_trained.py              write them
    python tests/data/make_trained.py --check DIR  let Keras train on what write_trained.py wrote to DIR, and compare
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from trained_cases import CASES, EPOCHS, batches, make_model

HERE = Path(__file__).parent
FORMATS = {"adam": ("keras", "h5", "weights.h5"), "sgd": ("keras", "h5")}


def losses_of(model, count):
    x, y = batches()
    return model.fit(x, y, batch_size=8, epochs=count, shuffle=False, verbose=0).history["loss"]


def write() -> None:
    curves = {}
    with (
        zipfile.ZipFile(HERE / "trained.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        tempfile.TemporaryDirectory() as at,
    ):
        for name in CASES:
            keras.backend.clear_session()
            model = make_model(keras, name)
            losses = losses_of(model, EPOCHS)
            for ending in FORMATS.get(name, ("keras",)):
                path = Path(at) / f"{name}.{ending}"
                (model.save_weights if ending.startswith("w") else model.save)(path)
                info = zipfile.ZipInfo(path.name)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
            curves[name] = losses + losses_of(model, EPOCHS)
    (HERE / "trained.json").write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


def check(directory: Path) -> None:
    curves = json.loads((HERE / "trained.json").read_text(encoding="utf-8"))
    x, y = batches()
    for name in CASES:
        model = keras.models.load_model(directory / f"{name}.keras")
        assert int(model.optimizer.iterations) > 0, f"{name}.keras: the optimizer has no state"
        legacy = keras.models.load_model(directory / f"{name}.h5")
        # Keras builds the optimizer of a legacy file for no variables at all, so that it cannot train on, not even
        # on its own files.
        assert int(legacy.optimizer.iterations) == int(model.optimizer.iterations)
        assert legacy.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
        found = np.array(losses_of(model, EPOCHS))
        worst = np.max(np.abs(found / np.array(curves[name][EPOCHS:]) - 1))
        print(f"{name}: losses of epochs 6 to 10 differ by {worst:.1e}")
        assert worst < 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="DIR")
    directory = parser.parse_args().check
    if directory is None:
        write()
    else:
        check(directory)


if __name__ == "__main__":
    main()
