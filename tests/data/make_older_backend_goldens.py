"""Real Keras' answers to calls of its older backend, for `older_backend.json`: `python make_older_backend_goldens.py`.

Keras 3 has these functions as `tensorflow.keras.backend`. `older_backend_cases.py` has the calls. The JSON has for each
the shape, the dtype and the values of its result, or null where Keras refuses it; and the signatures of all functions.
"""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

import numpy as np
from older_backend_cases import CASES, arrays

HERE = Path(__file__).parent


def main():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    import keras
    from keras._tf_keras.keras import backend

    cases = {}
    for name, call in CASES.items():
        try:
            result = np.asarray(call(backend, arrays(keras.ops.convert_to_tensor)))
        except Exception as error:
            print(f"{name} is refused: {' '.join(str(error).split())[:100]}")
            cases[name] = None
            continue
        values = [float(f"{value:.7g}") for value in result.ravel().tolist()]
        cases[name] = [result.shape, result.dtype.name, values]
    functions = {
        name: str(inspect.signature(function))
        for name, function in sorted(vars(backend).items())
        if inspect.isfunction(function) and function.__module__ == "keras.src.legacy.backend"
    }
    lines = {"cases": cases, "functions": functions}
    text = ",\n".join(
        f'"{key}": {{\n' + ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in each.items()) + "\n}"
        for key, each in lines.items()
    )
    (HERE / "older_backend.json").write_text(f"{{{text}}}\n")


if __name__ == "__main__":
    main()
