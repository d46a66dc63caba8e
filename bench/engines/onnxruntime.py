"""ONNX Runtime on its CPU provider."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.cases import Case, Weights
from bench.onnx_graph import graph

name = "ONNX Runtime"
requirements = ("onnxruntime", "onnx", "numpy")


def build(case: Case, weights: Weights, threads: int) -> Callable:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph(case, weights), options, providers=["CPUExecutionProvider"])
    # bound memory: 2 µs less than `session.run` with arrays
    x_in = onnxruntime.OrtValue.ortvalue_from_numpy(case.input())
    y_out = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty((case.batch, case.units[-1]), np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", x_in)
    binding.bind_ortvalue_output("y", y_out)

    def call(x):
        x_in.update_inplace(x)
        session.run_with_iobinding(binding)
        return y_out.numpy()

    return call
