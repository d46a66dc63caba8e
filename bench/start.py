"""Start-up: import, load a model file and predict once, each time in a fresh process.

    python -m bench start

The model is the case tutorial4. Only what a measured process runs is imported at the top.
"""

from __future__ import annotations

import sys
from time import perf_counter

BEGIN = perf_counter()
CASE = "tutorial4"
SHAPE = (1, 60, 1)


def save_fastlstm(path: str) -> None:
    """Write the case as a .keras file."""
    from bench.cases import CASES
    from bench.engines.fastlstm import fastlstm_model

    fastlstm_model(CASES[CASE], CASES[CASE].weights()).save(path)


def save_onnxruntime(path: str) -> None:
    """Write the case as an .onnx file."""
    from pathlib import Path

    from bench.cases import CASES
    from bench.onnx_graph import graph

    Path(path).write_bytes(graph(CASES[CASE], CASES[CASE].weights()))


def first_fastlstm(path: str) -> None:
    """Import, load, predict."""
    import numpy as np

    from fastlstm.models import load_model

    load_model(path).predict_on_batch(np.ones(SHAPE, np.float32))


def first_onnxruntime(path: str) -> None:
    """Import, load, predict."""
    import numpy as np
    import onnxruntime

    onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": np.ones(SHAPE, np.float32)})


ENGINES = {
    "fastlstm": (".keras", save_fastlstm, first_fastlstm),
    "onnxruntime": (".onnx", save_onnxruntime, first_onnxruntime),
}


def in_process(action: str, key: str, path: str) -> None:
    """What a fresh process runs: `save`, or `first`, which prints seconds and resident MB."""
    _, save, first = ENGINES[key]
    if action == "save":
        save(path)
        return
    first(path)
    print(perf_counter() - BEGIN, resident_megabytes())


def resident_megabytes() -> float:
    """This process' memory now; where only its peak is known, that."""
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
    except FileNotFoundError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1e6 if sys.platform == "darwin" else 1e3)
    import os

    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
