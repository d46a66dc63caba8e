"""What the engine runs on, in words."""

from __future__ import annotations

import os

import numpy as np

from fastlstm._version import __version__
from fastlstm.engine._engine import kernel_names
from fastlstm.engine.program import default_isa


def configuration() -> dict[str, str]:
    """Version, instruction set, BLAS and threads of this process, by name."""
    import scipy

    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "fastlstm": __version__,
        "kernels": f"{default_isa()} (this CPU runs: {', '.join(kernel_names())})",
        "blas": f"{blas['name']} {blas['version']}, through SciPy {scipy.__version__}",
        "numpy": np.__version__,
        "threads": f"the caller's; products of BLAS on up to {usable_cpus()} (CPUs that this process may use)",
    }


def usable_cpus() -> int:
    """CPUs that this process may use: its affinity mask where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show_config() -> None:
    """Prints version, instruction set, BLAS and threads."""
    for name, value in configuration().items():
        print(f"{name}: {value}")
