"""RTNeural, the C++ engine of real-time audio: sizes are template arguments, so that every case is compiled by itself.

It runs one sequence, frame by frame, on one thread whatever `threads` says. pip has no package of it:
`python -m bench setup rtneural --source DIR` takes a checkout, which brings Eigen along.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.cases import Case, Weights

name = "RTNeural"
requirements = ("numpy",)
source = "RTNeural/RTNeural.h"

WRAPPER = Path(__file__).with_suffix(".cpp")
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-DNDEBUG", "-w", "-shared", "-fPIC"),
    *("-DRTNEURAL_USE_EIGEN=1", "-DRTNEURAL_DEFAULT_ALIGNMENT=32", "-DRTNEURAL_NAMESPACE=RTNeural"),
    "-DEIGEN_STACK_ALLOCATION_LIMIT=0",  # a layer is one object of fixed size, megabytes of weights included
)


def build(case: Case, weights: Weights, threads: int) -> Callable:
    if case.batch != 1:
        raise ValueError(f"RTNeural runs one sequence at a time. Received: batch={case.batch}")
    library = compiled(case, Path(sys.prefix) / "source")
    for n, layer in enumerate(weights):
        library.rtneural_set_weights(n, *(array.ctypes.data_as(ctypes.c_void_p) for array in layer))
    frame = ctypes.c_int.in_dll(library, "rtneural_frame").value
    x_in = _memory(library, "rtneural_x", case.timesteps, frame)[None, :, : case.features]
    y_out = _memory(library, "rtneural_y", 1, case.units[-1])
    run = library.rtneural_run

    def call(x):
        np.copyto(x_in, x)
        run()
        return y_out

    return call


def compiled(case: Case, sources: Path) -> ctypes.CDLL:
    """The case's shared library.

    Args:
        case: Sizes to compile in.
        sources: A checkout of RTNeural.

    Raises:
        RuntimeError: There is no C++ compiler, or it refused.
    """
    layers = [f"RTNeural::LSTMLayerT<float,{features},{units}>" for features, units in case.widths()]
    model = f"RTNeural::ModelT<float,{case.features},{case.units[-1]},{','.join(layers)}>"
    sizes = [f"-DMODEL={model}", f"-DLAYERS={len(layers)}", f"-DTIMESTEPS={case.timesteps}"]
    include = [f"-I{folder}" for folder in (sources, sources / "modules" / "Eigen", sources / "modules" / "json")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.so"
        command = [os.environ.get("CXX") or "c++", *FLAGS, *sizes, *include, str(WRAPPER), "-o", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = str(getattr(error, "stderr", error)).splitlines()
            why = next((line for line in said if "error:" in line), "".join(said[:1]))
            raise RuntimeError(f"RTNeural needs a C++ compiler that takes it: {why}") from error
        return ctypes.CDLL(str(path))


def _memory(library: ctypes.CDLL, symbol: str, rows: int, columns: int) -> np.ndarray:
    """The library's float32 array `(rows, columns)`."""
    return np.ctypeslib.as_array((ctypes.c_float * columns * rows).in_dll(library, symbol))
