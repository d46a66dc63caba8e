"""Write configs.json: what real Keras 3.15.1 serializes, and computes from one small weight. Run with Keras.

A record is `{module, class_name, arguments, serialized}`, for regularizers and constraints also `result`: its value on
`weight()`. Factors are exact in float32, because Keras rounds some of them to it.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np

CALLS: list[tuple[str, str, dict]] = [
    ("initializers", "Zeros", {}),
    ("initializers", "Ones", {}),
    ("initializers", "Constant", {"value": 0.3}),
    ("initializers", "RandomNormal", {}),
    ("initializers", "RandomNormal", {"mean": 0.5, "stddev": 2.0, "seed": 3}),
    ("initializers", "RandomUniform", {"minval": -0.2, "maxval": 0.7, "seed": 4}),
    ("initializers", "TruncatedNormal", {"mean": 0.1, "stddev": 0.3}),
    ("initializers", "VarianceScaling", {}),
    ("initializers", "VarianceScaling", {"scale": 3.0, "mode": "fan_avg", "distribution": "Normal", "seed": 5}),
    ("initializers", "VarianceScaling", {"distribution": "untruncated_normal", "mode": "fan_out"}),
    ("initializers", "GlorotUniform", {}),
    ("initializers", "GlorotUniform", {"seed": 1, "input_axes": [0], "output_axes": [1]}),
    ("initializers", "GlorotNormal", {"seed": 6}),
    ("initializers", "LecunUniform", {}),
    ("initializers", "LecunNormal", {}),
    ("initializers", "HeUniform", {}),
    ("initializers", "HeNormal", {}),
    ("initializers", "Orthogonal", {"gain": 1.5, "seed": 7}),
    ("regularizers", "L1", {"l1": 0.25}),
    ("regularizers", "L2", {"l2": 0.125}),
    ("regularizers", "L1L2", {}),
    ("regularizers", "L1L2", {"l1": 0.25, "l2": 0.5}),
    ("regularizers", "OrthogonalRegularizer", {"factor": 0.5}),
    ("regularizers", "OrthogonalRegularizer", {"factor": 0.25, "mode": "columns"}),
    ("constraints", "MaxNorm", {}),
    ("constraints", "MaxNorm", {"max_value": 0.6, "axis": 1}),
    ("constraints", "MaxNorm", {"max_value": 0.9, "axis": [0, 1]}),
    ("constraints", "NonNeg", {}),
    ("constraints", "UnitNorm", {}),
    ("constraints", "UnitNorm", {"axis": 1}),
    ("constraints", "MinMaxNorm", {}),
    ("constraints", "MinMaxNorm", {"min_value": 0.65, "max_value": 0.7, "rate": 0.75, "axis": 1}),
]


def weight() -> np.ndarray:
    """A weight (5, 4) that any float32 library makes alike."""
    return ((np.arange(20) * 5 % 11 - 5) / 8).astype(np.float32).reshape(5, 4)


def main() -> None:
    records = []
    for module_name, class_name, arguments in CALLS:
        module = getattr(keras, module_name)
        obj = getattr(module, class_name)(**arguments)
        record = {"module": module_name, "class_name": class_name, "arguments": arguments}
        record["serialized"] = module.serialize(obj)
        if module_name != "initializers":
            record["result"] = np.asarray(obj(keras.ops.convert_to_tensor(weight()))).tolist()
        records.append(record)
    seeded = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(5, name="draws"))
    records.append({"module": "random", "serialized": keras.initializers.serialize(seeded)})
    text = ",\n".join(json.dumps(record) for record in records)
    Path(__file__).with_name("configs.json").write_text(f"[{text}]\n")


if __name__ == "__main__":
    main()
