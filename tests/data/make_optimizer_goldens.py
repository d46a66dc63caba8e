"""Write optimizers.npy and optimizers.json: what real Keras 3.15.1's optimizers and schedules do. Run with Keras.

optimizers.npy is one row of numbers: for each case of optimizer_cases.py the variables after some of the steps, and the
optimizer's state after the last one. optimizers.json has the names and shapes of the state, and the configs; the rates
of the schedules.
"""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
from optimizer_cases import OPTIMIZERS, SCHEDULES, SHAPES, STEPS, gradients, start


def run(class_name, arguments):
    keras.backend.clear_session()
    optimizer = getattr(keras.optimizers, class_name)(**arguments)
    variables = [keras.Variable(value, name=name) for name, value in zip(SHAPES, start(), strict=True)]
    config = keras.optimizers.serialize(optimizer)
    arrays = []
    for step in range(STEPS):
        optimizer.apply(gradients(step), variables)
        if step in (0, 1, 5, STEPS - 1):
            arrays += [variable.numpy() for variable in variables]
    state = [[variable.path, list(variable.shape), variable.dtype] for variable in optimizer.variables]
    arrays += [variable.numpy() for variable in optimizer.variables]
    return arrays, {"serialized": config, "state": state}


def main() -> None:
    arrays, records = [], []
    for case in OPTIMIZERS:
        numbers, record = run(*case)
        arrays += numbers
        records.append(record)
    schedules = []
    for class_name, arguments in SCHEDULES:
        schedule = getattr(keras.optimizers.schedules, class_name)(**arguments)
        rates = [float(schedule(step)) for step in range(STEPS)]
        schedules.append({"rates": rates, "serialized": keras.optimizers.schedules.serialize(schedule)})
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 7, 0.8), name="scheduled")
    scheduled = keras.optimizers.serialize(optimizer)
    folder = Path(__file__).parent
    flat = np.concatenate([np.ravel(array) for array in arrays]).astype(np.float32)
    np.save(folder / "optimizers.npy", flat)
    lines = [json.dumps(record) for record in (records, schedules, scheduled)]
    text = ",\n".join(lines).replace("}, {", "},\n {")
    (folder / "optimizers.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
