"""Small graphs that would cost much: each function gives the bytes of one.

Run as `python hostile_graphs.py`, it loads all of them within 300 MB of memory and prints what came of each as JSON.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from onnx import ModelProto, helper, numpy_helper

CASES = {}
node = helper.make_node


def case(build):
    """Make a function a case, under its name."""
    CASES[build.__name__] = build
    return build


def graph(nodes, constants=None, shape=("b", "t", 3), inputs=None):
    """The bytes of a model of one output, `y`."""
    inputs = inputs or [helper.make_tensor_value_info("x", 1, shape)]
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    made = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", 1, None)], arrays)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()


def chain(operator, count, two=False, **attributes):
    """Each node takes what the one before gives, once or twice: `c0` becomes `c<count>`."""
    return [node(operator, [f"c{i}"] * (1 + two), [f"c{i + 1}"], **attributes) for i in range(count)]


FLOATS = np.ones((10_000, 3), np.float32)


@case
def constants_that_double():
    return graph([*chain("Concat", 31, two=True, axis=0), node("Add", ["x", "c31"], ["y"])], {"c0": FLOATS[:1]})


@case
def one_constant_many_times():
    joined = node("Concat", ["c"] * 20_000, ["d"], axis=0)
    return graph([joined, node("Add", ["x", "d"], ["y"])], {"c": FLOATS})


@case
def a_sum_of_rows_and_columns():
    parts = {"a": np.ones((30_000, 1), "f"), "b": np.ones((1, 30_000), "f")}
    return graph([node("Add", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])], parts)


@case
def a_choice_of_rows_and_columns():
    parts = {"k": np.arange(30_000).reshape(-1, 1) > 5, "a": np.ones((1, 30_000), "f")}
    return graph([node("Where", ["k", "a", "a"], ["c"]), node("Add", ["x", "c"], ["y"])], parts)


@case
def a_product_of_constants():
    parts = {"a": np.ones((1, 30_000, 1), "f"), "b": np.ones((1, 1, 30_000), "f")}
    return graph([node("MatMul", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])], parts)


@case
def constants_at_every_node():
    return graph([*chain("Neg", 10_000), node("Add", ["x", "c10000"], ["y"])], {"c0": FLOATS})


@case
def copies_at_every_node():
    nodes = [node("Cast", ["c"], [f"c{i}"], to=7) for i in range(10_000)]
    return graph([*nodes, node("Relu", ["x"], ["y"])], {"c": FLOATS})


@case
def one_weight_of_many_layers():
    nodes = [node("MatMul", ["x", "w"], [f"y{i}"]) for i in range(3000)]
    return graph([*nodes, node("Relu", ["y1"], ["y"])], {"w": np.ones((3, 30_000), "f")})


@case
def stacks_that_double():
    nodes = [node("Unsqueeze", ["x", "axes"], ["c0"]), *chain("Concat", 30, two=True, axis=0)]
    return graph([*nodes, node("Relu", ["c30"], ["y"])], {"axes": [0]})


@case
def parts_without_end():
    return graph([node("Split", ["x"], [f"o{i}" for i in range(30_000)], axis=2), node("Relu", ["o5"], ["y"])])


@case
def summands_without_end():
    return graph([node("Max", ["x"] * 30_000, ["y"])])


@case
def axes_without_end():
    return graph([node("Relu", ["x"], ["y"])], shape=["b"] + [1] * 50_000)


@case
def axes_of_a_constant_without_end():
    model = ModelProto.FromString(graph([node("Add", ["x", "c"], ["y"])], {"c": np.ones(3, "f")}))
    model.graph.initializer[0].dims[:] = [2**62] * 200_000
    return model.SerializeToString()


@case
def a_shape_without_end():
    return graph(
        [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], {"s": np.full(200_000, 2**62)}
    )


@case
def new_axes_without_end():
    return graph([node("Unsqueeze", ["x", "axes"], ["y"])], {"axes": np.arange(2, 20_000)})


@case
def one_new_axis_after_the_other():
    nodes = [node("Unsqueeze", [f"c{i}" if i else "x", "axes"], [f"c{i + 1}"]) for i in range(3000)]
    return graph([*nodes, node("Relu", ["c3000"], ["y"])], {"axes": [1]})


@case
def values_that_lead_back_everywhere():
    names = [f"a{i}" for i in range(8000)]
    nodes = [node("Concat", ["x"] * 8000, names, axis=0), node("Concat", names, ["z"], axis=0)]
    weights = {"w": np.ones((1, 8, 3), "f"), "r": np.ones((1, 8, 2), "f")}
    return graph([*nodes, node("LSTM", ["z", "w", "r"], ["y"], hidden_size=2)], weights)


@case
def a_size_that_squares():
    nodes = [node("Shape", ["x"], ["s"]), node("Slice", ["s", "two", "three"], ["c0"]), *chain("Mul", 40, two=True)]
    return graph([*nodes, node("Reshape", ["x", "c40"], ["y"])], {"two": [2], "three": [3]})


@case
def sizes_by_sizes():
    nodes = [node("Shape", ["x"], ["s"]), node("Concat", ["s", "c"], ["t"], axis=0), node("Add", ["t", "d"], ["u"])]
    numbers = np.ones(5000, "i8")
    return graph([*nodes, node("Reshape", ["x", "u"], ["y"])], {"c": numbers, "d": numbers[:, None]})


@case
def inputs_without_end():
    inputs = [helper.make_tensor_value_info(f"x{i}", 1, ["b", 3]) for i in range(30_000)]
    return graph([node("Add", ["x0", "x1"], ["y"])], inputs=inputs)


@case
def a_name_without_end():
    name = "x" * 10**6
    return graph([node("Relu", [name], ["y"])], inputs=[helper.make_tensor_value_info(name, 1, ["b", 3])])


@case
def a_domain_that_is_no_text():
    model = ModelProto.FromString(graph([node("Relu", ["x"], ["y"])]))
    model.opset_import[0].domain = "ai.onnx"
    return model.SerializeToString().replace(b"ai.onnx", b"\xff\xff.onnx")


@case
def a_name_that_is_no_text():
    return graph([node("Relu", ["name"], ["y"])]).replace(b"name", b"n\xff\xfee")


@case
def a_fifo():
    path = Path(tempfile.mkdtemp(), "m.onnx")
    os.mkfifo(path)
    return path


@case
def a_device():
    return Path("/dev/zero")


def load_all():
    """Load every case within 300 MB; return what was raised and its text, by case."""
    import resource

    from fastlstm import onnx

    results, given = {}, {name: build() for name, build in CASES.items()}
    onnx.load(graph([node("Relu", ["x"], ["y"])]))  # what is imported and allocated once
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 300 * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name, data in given.items():
        try:
            onnx.load(data)
        except Exception as error:
            results[name] = type(error).__name__, isinstance(error, ValueError), str(error)
        else:
            results[name] = "nothing", False, ""
    return results


if __name__ == "__main__":
    print(json.dumps(load_all()))
