"""ONNX Runtime on its CPU provider."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.cases import Case, Weights
from bench.onnx_graph import graph

name = "ONNX Runtime"
requirements = ("onnxruntime", "onnx", "numpy")
TYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def build(case: Case, weights: Weights, threads: int) -> Callable:
    call = bound(graph(case, weights), [case.input()], threads)
    return lambda x: call([x])[0]


def on_file(path: str, inputs: list[np.ndarray], threads: int) -> Callable:
    return bound(path, inputs, threads)


def bound(model: str | bytes, inputs: list[np.ndarray], threads: int) -> Callable:
    """A function from inputs to outputs in bound memory: 2 µs less than `session.run` with arrays."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    types = [TYPES[given.type] for given in session.get_inputs()]
    names = [given.name for given in session.get_inputs()]
    arrays = [x.astype(kind) for x, kind in zip(inputs, types, strict=True)]
    binding = session.io_binding()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
    for given, value in zip(names, values, strict=True):
        binding.bind_ortvalue_input(given, value)
    outputs = []
    for output, y in zip(session.get_outputs(), session.run(None, dict(zip(names, arrays, strict=True))), strict=True):
        outputs.append(onnxruntime.OrtValue.ortvalue_from_numpy(y))
        binding.bind_ortvalue_output(output.name, outputs[-1])
    casts = [kind if kind != np.float32 else None for kind in types]

    def call(inputs):
        for value, x, cast in zip(values, inputs, casts, strict=True):
            value.update_inplace(x if cast is None else x.astype(cast))
        session.run_with_iobinding(binding)
        return [y.numpy() for y in outputs]

    return call
