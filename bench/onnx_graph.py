"""A case as an ONNX model, written from its weights; ONNX Runtime and OpenVINO read it."""

from __future__ import annotations

import numpy as np

from bench.cases import Case, Weights


def onnx_gates(array: np.ndarray) -> np.ndarray:
    """The last axis' gate blocks from Keras' order i, f, c, o to ONNX' i, o, f, c."""
    i, f, c, o = np.split(array, 4, axis=-1)
    return np.concatenate([i, o, f, c], axis=-1)


def graph(case: Case, weights: Weights) -> bytes:
    """The model's bytes: `x (batch, timesteps, features)` to `y (batch, units)`.

    ONNX Runtime takes the LSTM op with time first only, hence the transpose.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes = [helper.make_node("Transpose", ["x"], ["sequence"], perm=[1, 0, 2])]
    constants: dict[str, np.ndarray] = {}
    sequence = "sequence"
    for n, (kernel, recurrent_kernel, bias) in enumerate(weights):
        constants[f"w{n}"] = onnx_gates(kernel).T[None]
        constants[f"r{n}"] = onnx_gates(recurrent_kernel).T[None]
        # the input's bias, then the recurrent one
        constants[f"b{n}"] = np.concatenate([onnx_gates(bias), np.zeros_like(bias)])[None]
        # of every step (timesteps, 1, batch, units), of the last one (1, batch, units); the 1 goes
        last = n == len(weights) - 1
        outputs = ["", f"h{n}"] if last else [f"h{n}"]
        constants[f"axis{n}"] = np.array([0 if last else 1], np.int64)
        units = recurrent_kernel.shape[0]
        nodes += [
            helper.make_node("LSTM", [sequence, f"w{n}", f"r{n}", f"b{n}"], outputs, hidden_size=units),
            helper.make_node("Squeeze", [f"h{n}", f"axis{n}"], ["y" if last else f"y{n}"]),
        ]
        sequence = f"y{n}"
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "lstm",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, case.input().shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (case.batch, case.units[-1]))],
            [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    checker.check_model(model)
    return model.SerializeToString()
