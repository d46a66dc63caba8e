"""fastlstm with its products in int8."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case, Weights
from bench.engines import fastlstm

name = "fastlstm int8"
requirements: tuple[str, ...] = ()


def build(case: Case, weights: Weights, threads: int) -> Callable:
    return fastlstm.quantized(case, weights, threads, "int8")
