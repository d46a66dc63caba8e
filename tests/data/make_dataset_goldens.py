"""What Keras' `datasets` make of small files, for `datasets.json`: `python make_dataset_goldens.py` (Keras 3).

The JSON has the lists and labels that the files hold, and for each call its arguments and what comes back.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CALLS = {
    "imdb": [{}, {"num_words": 12, "skip_top": 5}, {"maxlen": 5}, {"oov_char": None, "num_words": 9, "seed": 7},
             {"start_char": None}, {"start_char": None, "index_from": 0}],
    "reuters": [{}, {"num_words": 12, "test_split": 0.5}, {"maxlen": 6, "start_char": None},
                {"oov_char": None, "num_words": 9}],
}  # fmt: skip


def main():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    from keras import datasets
    from keras.src.datasets import imdb, reuters

    rng = np.random.default_rng(3)
    lists = [rng.integers(1, 15, rng.integers(2, 8)).tolist() for _ in range(12)]
    labels = rng.integers(0, 5, 12)
    x = np.array(lists, dtype="object")
    files = {
        "imdb": {"x_train": x[:7], "y_train": labels[:7], "x_test": x[7:], "y_test": labels[7:]},
        "reuters": {"x": x, "y": labels},
    }
    results = []
    for module in (imdb, reuters):
        name = module.__name__.rpartition(".")[2]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "arrays.npz"
            np.savez(path, **files[name])
            module.get_file = lambda *args, path=path, **kwargs: str(path)
            for arguments in CALLS[name]:
                parts = getattr(datasets, name).load_data(**arguments)
                plain = [[np.asarray(x).tolist(), np.asarray(y).tolist()] for x, y in parts]
                results.append([name, arguments, plain])
    head = json.dumps({"lists": lists, "labels": labels.tolist(), "topics": datasets.reuters.get_label_names()})
    lines = ",\n".join(map(json.dumps, results))
    (HERE / "datasets.json").write_text(f'{head[:-1]}, "results": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
