"""Graphs as the versions of ONNX's operators write them: attributes once, inputs since."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import fastlstm
from networks import random

BATCH, STEPS, FEATURES, UNITS = 4, 6, 3, 5


class Writer:
    """A graph of one opset, node by node; what is an input since a later version is an attribute before.

    Args:
        opset: The version.
    """

    def __init__(self, opset):
        self.opset, self.nodes, self.constants = opset, [], []

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names if outputs > 1 else names[0]

    def since(self, version, operator, x, floats=False, kept=None, **given):
        """A node of which `given` are inputs from a version on, and `kept` are outputs and attributes for ever."""
        kept = kept or {}
        if self.opset < version:
            return self.node(operator, x, **kept, **given)
        dtype = np.float32 if floats else np.int64
        return self.node(operator, x, *(self.constant(np.array(one, dtype)) for one in given.values()), **kept)

    def model(self, y, shape=("batch", None)):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", STEPS, FEATURES))
        out = helper.make_tensor_value_info(y, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "g", [x], [out], self.constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=4)
        onnx.checker.check_model(made)
        return made


def recurrent(w, operator, gates, x):
    """A node over sequences whose batch comes first, and the last step of what it gives."""
    weights = [random(1, gates * UNITS, size, seed=size) for size in (FEATURES, UNITS)]
    bias = random(1, 2 * gates * UNITS, seed=7)
    x = w.node("Transpose", x, perm=[1, 0, 2])
    y, _ = w.node(operator, x, *map(w.constant, (*weights, bias)), outputs=2, hidden_size=UNITS)
    y = w.since(13, "Squeeze", y, axes=[1])
    y = w.since(10, "Slice", y, starts=[-1], ends=[2**31 - 1], axes=[0])
    return w.since(13, "Squeeze", y, axes=[0])


def classified(w, y):
    """Dense layers as exporters write them, with what is nothing when a model only predicts."""
    y = w.node("Gemm", y, w.constant(random(UNITS, 4)), w.constant(random(4, seed=2)))
    y = w.node("Dropout", y) if w.opset >= 12 else w.node("Dropout", y, ratio=0.5)
    y = w.since(11, "Clip", y, floats=True, min=-2.0, max=2.0)
    first, second = w.since(13, "Split", y, kept={"outputs": 2, "axis": 1}, split=[1, 3])
    return w.node("Softmax", w.node("Concat", second, first, axis=1), axis=1)


def windows(w, x):
    """Convolution over time with batch normalisation, padded, and the mean of the steps."""
    x = w.node("Transpose", x, perm=[0, 2, 1])
    x = w.since(11, "Pad", x, pads=[0, 0, 1, 0, 0, 0])
    x = w.node("Conv", x, w.constant(random(UNITS, FEATURES, 2)), kernel_shape=[2])
    scale, shift, mean = (w.constant(random(UNITS, seed=seed)) for seed in range(3))
    x = w.node("BatchNormalization", x, scale, shift, mean, w.constant(np.abs(random(UNITS, seed=4)) + 0.5))
    return w.node("ReduceMean", w.node("Relu", x), axes=[2], keepdims=0)


def reshaped(w, x):
    """Axes put in and dropped, and a new shape for the same numbers."""
    x = w.since(13, "Unsqueeze", x, axes=[2])
    x = w.since(13, "Squeeze", x, axes=[2])
    x = w.node("Reshape", x, w.constant(np.array([-1, STEPS * FEATURES])))
    return w.node("MatMul", x, w.constant(random(STEPS * FEATURES, 2)))


GRAPHS = {
    "LSTM": lambda w: classified(w, recurrent(w, "LSTM", 4, "x")),
    "GRU": lambda w: classified(w, recurrent(w, "GRU", 3, "x")),
    "RNN": lambda w: classified(w, recurrent(w, "RNN", 1, "x")),
    "windows": lambda w: classified(w, windows(w, "x")),
    "reshaped": lambda w: reshaped(w, "x"),
}


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12, 13, 15, 17])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_version_says_the_same(name, opset):
    writer, newest = Writer(opset), Writer(15)
    data = writer.model(GRAPHS[name](writer)).SerializeToString()
    x = random(BATCH, STEPS, FEATURES)
    (expected,) = ReferenceEvaluator(newest.model(GRAPHS[name](newest))).run(None, {"x": x})
    y = fastlstm.onnx.load(data).predict(x, verbose=0)
    assert y.shape == expected.shape and np.ptp(expected) > 0.01
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
