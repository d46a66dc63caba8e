"""`fastlstm.onnx.load`: graphs as models, against ONNX's own expectations and what ONNX Runtime answered."""

import importlib
import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import fastlstm
from fastlstm import cli, layers
from fastlstm.onnx.writing.model import graph_of
from networks import network, random

DATA = Path(__file__).parents[1] / "data"


def node_cases():
    """ONNX's tests of its recurrent operators, made by its own functions."""
    cases = importlib.import_module("onnx.backend.test.case.node")
    for name in ("lstm", "gru", "rnn"):
        importlib.import_module(f"onnx.backend.test.case.node.{name}")
    return [case for case in cases._NodeTestCases if {"lstm", "gru", "rnn"} & set(case.name.split("_"))]


NODE_CASES = node_cases()


def outputs_of(model, xs):
    outputs = model.predict(xs if len(xs) > 1 else xs[0], batch_size=len(xs[0]), verbose=0)
    return outputs if isinstance(outputs, list) else [outputs]


def test_there_are_all_node_cases():
    assert len(NODE_CASES) >= 18


@pytest.mark.parametrize("case", NODE_CASES, ids=lambda case: case.name)
def test_node_cases_of_onnx(case):
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    graph, node = proto.graph, proto.graph.node[0]
    layout = next((one.i for one in node.attribute if one.name == "layout"), 0)
    given, expected = case.data_sets[0]
    kept, xs = [], []
    for info, array in zip(list(graph.input), given, strict=True):
        slot = list(node.input).index(info.name)
        if slot in (1, 2, 3, 7):  # a layer has its weights
            graph.initializer.append(numpy_helper.from_array(array, info.name))
        else:
            kept.append(info)
            xs.append(array if slot == 4 or layout else np.moveaxis(array, 1, 0))
    del graph.input[:]
    graph.input.extend(kept)
    model = fastlstm.onnx.load(proto.SerializeToString())
    batch = {name: 0 if layout else 1 + (number == 0) for number, name in enumerate(node.output)}
    outputs = outputs_of(model, xs)
    assert len(outputs) == len(expected)
    for y, info, golden in zip(outputs, graph.output, expected, strict=True):
        golden = np.moveaxis(golden, batch[info.name], 0)
        assert y.shape == golden.shape
        np.testing.assert_allclose(y, golden, rtol=1e-5, atol=1e-6)


def exported(archive):
    """Files of another exporter, and what ONNX Runtime answered, by name."""
    with zipfile.ZipFile(DATA / archive) as members:
        files = {Path(name).stem: members.read(name) for name in members.namelist() if name.endswith(".onnx")}
        return files, {name: members.read(f"{name}.npz") for name in files}


TORCH, TORCH_ANSWERS = exported("onnx_torch.zip")
TF, TF_ANSWERS = exported("onnx_tf.zip")


def compare(model, answers):
    with np.load(io.BytesIO(answers)) as archive:
        xs, ys = ([archive[key] for key in sorted(archive) if key[0] == letter] for letter in "xy")
    outputs = outputs_of(model, xs)
    assert len(outputs) == len(ys)
    for y, golden in zip(outputs, ys, strict=True):
        assert y.shape == golden.shape
        np.testing.assert_allclose(y, golden, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TORCH)
def test_models_of_pytorch(name):
    """make_onnx_torch.py wrote them; the batch is moved to the front there."""
    compare(fastlstm.onnx.load(TORCH[name]), TORCH_ANSWERS[name])


@pytest.mark.parametrize("name", [name for name in TF if not name.startswith("gru")])
def test_models_of_tf2onnx(name):
    """make_onnx_tf.py wrote them, each for the operators of the version that its name ends in."""
    compare(fastlstm.onnx.load(TF[name]), TF_ANSWERS[name])


def test_loops_are_refused_by_name():
    with pytest.raises(ValueError, match=r"Node '.*while_loop' \(Loop\) has an operator that is not supported"):
        fastlstm.onnx.load(TF["gru_13"])


def test_layers_of_tf2onnx_are_those_of_keras():
    model = fastlstm.onnx.load(TF["lstm_13"])
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "LSTM", "LSTM", "Dense"]


def test_stacks_run_in_the_engine():
    assert all(line.startswith("engine") for line in described("lstm4_dynamic")[:4])
    assert [type(layer).__name__ for layer in fastlstm.onnx.load(TORCH["classifier_dynamic"]).layers][:3] == [
        "InputLayer",
        "Bidirectional",
        "Bidirectional",
    ]


def described(name):
    model = fastlstm.onnx.load(TORCH[name])
    model.predict(np.zeros((2, 7, 4), np.float32), verbose=0)
    return model._plan.describe()


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(5, return_sequences=True),
        layers.LSTM(5, activation="relu", recurrent_activation="hard_sigmoid", go_backwards=True),
        layers.GRU(5, reset_after=False),
        layers.GRU(5, use_bias=False, return_sequences=True),
        layers.SimpleRNN(5),
        layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
        layers.Conv1D(5, 3, padding="causal"),
        layers.Conv1D(5, 2, strides=2, activation="tanh"),
        layers.MaxPooling1D(2),
        layers.ZeroPadding1D((2, 1)),
        layers.LayerNormalization(),
        layers.Dense(5, activation="softmax"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_there_and_back(layer):
    model = network(layer, layers.Dense(2), shape=(6, 3))
    again = fastlstm.onnx.load(graph_of(model).SerializeToString())
    x = random(4, 6, 3)
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def model_of(nodes, *initializers, shape=("batch", "time", 3), opset=17):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no ONNX model"),
        (b"\x80not one", "no ONNX model"),
        (model_of([helper.make_node("Relu", ["x"], ["y"])], opset=6), "version 6"),
        (model_of([helper.make_node("Det", ["x"], ["y"], name="mine")]), "Node 'mine' (Det)"),
        (model_of([helper.make_node("Relu", ["z"], ["y"], name="mine")]), "takes 'z'"),
        (model_of([helper.make_node("Softmax", ["x"], ["y"], name="mine", axis=0)]), "over the batch"),
        (model_of([helper.make_node("ReduceMean", ["x"], ["y"], name="mine")]), "over the batch"),
        (
            model_of([helper.make_node("LSTM", ["x", "x", "x"], ["y"], name="mine", hidden_size=3)]),
            "Node 'mine' (LSTM)",
        ),
        (
            model_of(
                [
                    helper.make_node("ConstantOfShape", ["huge"], ["c"], name="mine"),
                    helper.make_node("Add", ["x", "c"], ["y"]),
                ],
                numpy_helper.from_array(np.array([2**20, 2**20]), "huge"),
            ),
            "FASTLSTM_LOAD_LIMITS",
        ),
    ],
)
def test_refused(data, words):
    with pytest.raises((ValueError, MemoryError)) as refusal:
        fastlstm.onnx.load(data)
    assert words in str(refusal.value)


@pytest.mark.packed_kernels
def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = network(layers.LSTM(5), layers.Dense(2), shape=(None, 3))
    fastlstm.onnx.save(model, "m.onnx")
    x = random(4, 6, 3)
    np.save("x.npy", x)
    assert cli.main(["predict", "m.onnx", "x.npy", "-o", "y.npy"]) == 0
    np.testing.assert_allclose(np.load("y.npy"), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    capsys.readouterr()
    assert cli.main(["quantize", "m.onnx", "-o", "m.packed", "--to", "int16"]) == 0
    np.testing.assert_allclose(fastlstm.load_packed("m.packed").predict(x, verbose=0), np.load("y.npy"), atol=1e-2)
    assert cli.main(["summary", "m.onnx"]) == 0
    assert "LSTM" in capsys.readouterr().out
