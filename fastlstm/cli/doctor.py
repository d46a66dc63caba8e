"""Say what fastlstm runs on here, and what limits its speed.

`fastlstm bench MODEL` tells what that means for a model.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from fastlstm.engine.configuration import configuration
from fastlstm.engine.threads import get_num_threads, usable_cpus

# Variables that make SciPy's BLAS, which runs what the kernels here do not, slower than it is.
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
SETTINGS = ("FASTLSTM_ISA", "FASTLSTM_BACKEND", "FASTLSTM_NUM_THREADS", "FASTLSTM_LOAD_LIMITS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(options: argparse.Namespace) -> None:
    known = configuration()
    for name, value in known.items():
        print(f"{name}: {value}")
    found = list(findings(known))
    print("\nNothing that limits speed was found." if not found else "\nWhat limits speed here:")
    for number, text in enumerate(found, 1):
        print(f"{number}. {text}")


def findings(known: dict[str, str]) -> Iterator[str]:
    """What makes calls slower than this machine could run them, and what to do about it.

    Args:
        known: What `configuration` gives.
    """
    isa, cpus, all_cpus = known["kernels"].split()[0], usable_cpus(), os.cpu_count() or 1
    if isa == "scalar":
        yield "The kernels are those of any CPU, without AVX2 or NEON or as FASTLSTM_ISA says: a number at a time."
    for name in SETTINGS:
        if os.environ.get(name):
            yield f"{name} is set to {os.environ[name]!r}, so that the default is not taken."
    if cpus < all_cpus:
        yield (
            f"This process may use {cpus} of {all_cpus} CPUs: its affinity (taskset, a container's cpuset) or the CPU "
            "quota of its control group leaves no more."
        )
    if get_num_threads() < cpus:
        yield f"Calls use {get_num_threads()} of the {cpus} CPUs: fastlstm.set_num_threads({cpus}) gives them all."
    for name in SLOWING:
        if os.environ.get(name):
            yield f"{name} is set to {os.environ[name]!r}, which BLAS obeys: large layers that it runs may be slower."
