"""Steps of a stream from C: c_steps.c, compiled for this machine."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_suffix(".c")


def steps_in_c(stream: Any, out: np.ndarray, steps: int) -> Callable[[np.ndarray], None]:
    """A function that makes `steps` steps on the same input.

    Args:
        stream: Of fastlstm.
        out: float32, gets the output.
        steps: Of one call, many enough for the call itself not to count.

    Raises:
        RuntimeError: There is no C compiler, or it refused.
    """
    run = _compiled()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = stream.capsule

    def call(x: np.ndarray) -> None:
        failed = run(get(capsule, b"fastlstm.stream"), x.ctypes.data, out.ctypes.data, steps)
        if failed:
            raise RuntimeError(f"a step from C failed: {failed}")

    return call


def _compiled() -> Any:
    import fastlstm

    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "c_steps.so"
        command = [os.environ.get("CC") or "cc", "-O2", "-shared", "-fPIC", f"-I{fastlstm.get_include()}"]
        try:
            subprocess.run([*command, str(SOURCE), "-o", str(library)], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"Steps from C need a C compiler: {getattr(error, 'stderr', error)}") from error
        run = ctypes.CDLL(str(library)).c_steps
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    return run
