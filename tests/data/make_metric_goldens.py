"""Write metrics.json: results after each of some batches, and configs of real Keras 3.15.1's
metrics. Run with Keras."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import keras
import numpy as np
from loss_cases import pairs
from metric_cases import METRICS, batches


def main() -> None:
    warnings.simplefilter("ignore")
    records = []
    for class_name, arguments, kind in METRICS:
        keras.backend.clear_session()
        metric = getattr(keras.metrics, class_name)(**arguments)
        results = [np.asarray(metric(*update)).tolist() for update in batches(class_name, arguments, pairs(kind))]
        metric.reset_state()
        records.append({"results": results, "serialized": keras.metrics.serialize(metric)})
    lines = ",\n".join(map(json.dumps, records))
    (Path(__file__).parent / "metrics.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
