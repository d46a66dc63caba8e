"""fastlstm with its products on SciPy's BLAS."""

from __future__ import annotations

import os
from collections.abc import Callable

from bench.cases import Case, Weights
from bench.engines import fastlstm

name = "fastlstm (BLAS)"
requirements: tuple[str, ...] = ()


def build(case: Case, weights: Weights, threads: int) -> Callable:
    os.environ["FASTLSTM_BACKEND"] = "blas"
    return fastlstm.build(case, weights, threads)
