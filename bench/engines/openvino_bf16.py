"""OpenVINO in bfloat16, its default where the CPU has it."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case, Weights
from bench.engines import openvino

name = "OpenVINO bf16"
requirements = ("openvino", "onnx", "numpy")
environment = "openvino"


def build(case: Case, weights: Weights, threads: int) -> Callable:
    return openvino.compiled(case, weights, threads, "bf16")
