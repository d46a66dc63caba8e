"""Functional models with constants in their calls, answered by real Keras, for `constants.zip`.

Run once with Keras 3 and once with tf_keras 2, which add their models to the archive:

    python make_constants.py keras
    python make_constants.py tf_keras

as `<package>_<case>.keras` and `.h5` where the package can write it, with an `.npz` of the input `x` and output `y`.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ARCHIVE = Path(__file__).parent / "constants.zip"
VALID = np.array([[True, True, True, False, False], [True, False, True, True, True]])


def states(*numbers):
    return [np.random.default_rng(number).normal(size=(2, 4)).astype("f4") for number in numbers]


CASES = {
    "mask": lambda L, x, t: L.LSTM(4)(x, mask=VALID),
    "tensor_mask": lambda L, x, t: L.LSTM(4)(x, mask=t(VALID)),
    "mask_of_a_row": lambda L, x, t: L.GRU(3)(L.LSTM(4, return_sequences=True)(x, mask=t(VALID))),
    "mask_of_both": lambda L, x, t: L.Bidirectional(L.LSTM(4, return_sequences=True))(x, mask=t(VALID)),
    "masks": lambda L, x, t: L.Attention()([x, x], mask=[VALID, VALID[::-1]]),
    "tensor_masks": lambda L, x, t: L.Attention()([x, x], mask=[t(VALID), t(VALID[::-1])]),
    "states": lambda L, x, t: L.LSTM(4, return_sequences=True)(x, initial_state=t(states(0, 1))),
    "state": lambda L, x, t: L.GRU(4)(x, initial_state=t(states(3))[0]),
    "states_of_both": lambda L, x, t: L.Bidirectional(L.LSTM(4))(x, initial_state=t(states(0, 1, 2, 3))),
    "states_and_mask": lambda L, x, t: L.LSTM(4)(x, initial_state=t(states(0, 1)), mask=t(VALID)),
    "input": lambda L, x, t: L.Add()([x, np.arange(30, dtype="f4").reshape(2, 5, 3)]),
    "first_input": lambda L, x, t: L.Concatenate()([np.ones((2, 5, 3), "f4"), x]),
    "operator": lambda L, x, t: 1.0 - x * np.arange(3, dtype="f4"),
    "kept": lambda L, x, t: L.Dense(3)(x) + np.arange(15, dtype="f4").reshape(5, 3) / 8,
}
# With a part in training, of which the outcome is not chance.
TRAINING = {"normalized": lambda L, x, t: L.BatchNormalization()(L.LSTM(4)(x), training=True)}


def main(package):
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    keras = importlib.import_module(package)
    tensorflow = importlib.import_module("tensorflow")

    def tensors(arrays):
        """What Keras 2 wants in place of arrays; Keras 3 writes its own tensors and arrays differently."""
        if isinstance(arrays, list):
            return [tensors(array) for array in arrays]
        return tensorflow.constant(arrays)

    kept = {}
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as archive:
            kept = {name: archive.read(name) for name in archive.namelist() if not name.startswith(f"{package}_")}
    with tempfile.TemporaryDirectory() as folder:
        for number, (case, call) in enumerate({**CASES, **TRAINING}.items()):
            rng = np.random.default_rng(number)
            keras.backend.clear_session()
            x = keras.Input((5, 3), batch_size=2)
            try:
                model = keras.Model(x, call(keras.layers, x, tensors))
                model.set_weights([rng.uniform(0.1, 1, weight.shape).astype("f4") for weight in model.get_weights()])
                x = rng.normal(size=(2, 5, 3)).astype("f4")
                y = model.predict(x, verbose=0)
            except Exception as error:  # not all versions take a constant everywhere
                print(f"{case} is not made: {type(error).__name__}: {' '.join(str(error).split())[:90]}")
                continue
            written = False
            for ending in ("keras", "h5"):
                path = Path(folder, f"{package}_{case}.{ending}")
                try:
                    model.save(path)
                except Exception as error:
                    print(f"{path.name} is not written: {type(error).__name__}: {' '.join(str(error).split())[:90]}")
                else:
                    kept[path.name], written = path.read_bytes(), True
            if written:
                buffer = io.BytesIO()
                np.savez(buffer, x=x, y=y)
                kept[f"{package}_{case}.npz"] = buffer.getvalue()
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(sys.argv[1])
