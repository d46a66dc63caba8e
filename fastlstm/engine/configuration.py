"""What the engine runs on, in words, and where its headers are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastlstm._version import __version__
from fastlstm.engine._op_list import kernel_names
from fastlstm.engine.program import MODES, default_backend, default_isa
from fastlstm.engine.threads import get_num_threads, usable_cpus


def configuration() -> dict[str, str]:
    """Version, instruction set, BLAS and threads of this process, by name."""
    import scipy

    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "fastlstm": __version__,
        "kernels": f"{default_isa()} (this CPU runs: {', '.join(kernel_names())})",
        "backend": default_backend(),
        "modes": ", ".join(MODES),
        "blas": f"{blas['name']} {blas['version']}, through SciPy {scipy.__version__}",
        "numpy": np.__version__,
        "threads": f"{get_num_threads()} (this process may use {usable_cpus()} CPUs)",
    }


def show_config() -> None:
    """Prints version, instruction set, BLAS and threads."""
    for name, value in configuration().items():
        print(f"{name}: {value}")


def get_include() -> str:
    """Return the folder of the C header, `fastlstm_stream.h`."""
    return str(Path(__file__).parents[1] / "include")
