"""Real Keras' answers to calls of its operations, for `ops.json` and `ops.npz`: `python make_op_goldens.py` (Keras 3).

`op_cases.py` has the calls. The JSON has for each its results' shapes and dtypes and the shapes that the same call on
symbolic tensors has, or null where Keras refuses it; and the signatures of all functions in `keras.ops`. The archive
has the values of all results, one after the other.
"""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path

import numpy as np
from op_cases import CASES, arrays, symbolic

HERE = Path(__file__).parent


def each(results):
    return list(results) if isinstance(results, (list, tuple)) else [results]


def main():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    import keras

    values, cases = [], []
    for number, (name, call) in enumerate(CASES):
        try:
            results = each(call(keras.ops, arrays(keras.ops.convert_to_tensor)))
            tensors = each(call(keras.ops, symbolic(keras.KerasTensor)))
        except Exception as error:
            print(f"{number} {name} is refused: {' '.join(str(error).split())[:100]}")
            cases.append(None)
            continue
        arrays_of_case = [np.asarray(result) for result in results]
        values += [array.astype("float64").ravel() for array in arrays_of_case]
        pairs = zip(arrays_of_case, tensors, strict=True)
        cases.append([[array.shape, array.dtype.name, list(tensor.shape)] for array, tensor in pairs])
    functions = {
        name: str(inspect.signature(function))
        for name, function in sorted(vars(keras.ops).items())
        if callable(function) and not name.startswith("_")
    }
    lines = {"cases": cases, "functions": list(functions.items())}
    text = ",\n".join(f'"{key}": [\n' + ",\n".join(map(json.dumps, each)) + "\n]" for key, each in lines.items())
    (HERE / "ops.json").write_text(f"{{{text}}}\n")
    # Nothing that float32 holds is lost, and 24 bits of float64 are enough to tell results apart.
    np.savez_compressed(HERE / "ops.npz", values=np.concatenate(values).astype("float32"))


if __name__ == "__main__":
    main()
