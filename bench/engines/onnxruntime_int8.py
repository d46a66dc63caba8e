"""ONNX Runtime with its dynamic quantization: int8 weights with a scale a column, uint8 activations."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.cases import Case, Weights
from bench.engines.onnxruntime import bound
from bench.onnx_graph import graph

name = "ONNX Runtime int8"
requirements = ("onnxruntime", "onnx", "numpy")
environment = "onnxruntime"


def build(case: Case, weights: Weights, threads: int) -> Callable:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        given, quantized = Path(folder, "given.onnx"), Path(folder, "quantized.onnx")
        given.write_bytes(graph(case, weights))
        quantize_dynamic(given, quantized, per_channel=True, weight_type=QuantType.QInt8)
        call = bound(quantized.read_bytes(), [case.input()], threads)
    return lambda x: call([x])[0]
