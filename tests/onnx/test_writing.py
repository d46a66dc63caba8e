"""`fastlstm.onnx.save`: graphs that ONNX Runtime was seen to answer as fastlstm does (data/make_onnx.py looked)."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import fastlstm
from fastlstm import Input, Model, Sequential, cli, layers
from fastlstm.onnx.writing.model import graph_of
from networks import network, random

DATA = Path(__file__).parents[1] / "data"
GOLDEN = json.loads((DATA / "onnx_written.json").read_text())


@pytest.mark.parametrize("family", GOLDEN)
def test_graphs_are_those_that_were_seen_to_be_right(cases, family):
    seen = set()
    for name, model, _, stateful in cases.cases(family):
        golden = GOLDEN[family][name]
        seen.add(name)
        if isinstance(golden, str):
            with pytest.raises(NotImplementedError) as refusal:
                graph_of(model, stateful)
            assert str(refusal.value) == golden
            continue
        proto = graph_of(model, stateful)
        onnx.checker.check_model(proto, full_check=True)
        digest, total = cases.structure(proto)
        assert (name, digest) == (name, golden[0])
        np.testing.assert_allclose(total, golden[1], rtol=1e-4, atol=1e-2, err_msg=name)
    assert seen == set(GOLDEN[family])


def test_states_are_inputs_and_outputs():
    model = network(layers.LSTM(5, return_sequences=True), layers.GRU(4), shape=(None, 3))
    graph = graph_of(model, stateful=True).graph
    defaults = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    states = [one.name for one in graph.input][1:]
    assert [name.split("/")[-1] for name in states] == ["h", "c", "h"]
    assert [defaults[name].shape for name in states] == [(1, 5), (1, 5), (1, 4)]
    assert all((defaults[name] == 0).all() for name in states)
    assert [one.name for one in graph.output][1:] == [f"{name}_out" for name in states]
    assert len(graph_of(model).graph.input) == len(graph_of(model).graph.output) == 1


def test_open_axes_stay_open():
    graph = graph_of(network(layers.LSTM(5, return_sequences=True), shape=(None, 3))).graph
    sizes = [
        [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in (graph.input[0], graph.output[0])
    ]
    assert sizes[0][0] == sizes[1][0] == "batch"
    assert isinstance(sizes[0][1], str) and sizes[0][2] == 3 and sizes[1][2] == 5


class Doubled(layers.Layer):
    def call(self, inputs):
        return inputs * 2


class OwnLSTM(layers.LSTM):
    def call(self, sequences, initial_state=None, mask=None, training=False):
        return super().call(sequences)


class OwnModel(Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Doubled(name="mine"), "Layer 'mine' (Doubled) has a `call` of its own"),
        (OwnLSTM(4, name="mine"), "Layer 'mine' (OwnLSTM) has a `call` of its own"),
        (layers.Dense(3, activation=lambda x: x * 2, name="mine"), "Layer 'mine' (Dense) has a Python function"),
        (layers.Lambda(lambda x: x, name="mine"), "Layer 'mine' (Lambda)"),
    ],
)
def test_refused_by_name(layer, words):
    model = network(layer, shape=(4, 3))
    with pytest.raises(NotImplementedError) as refusal:
        graph_of(model)
    assert words in str(refusal.value)


def test_models_that_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="not yet been built"):
        fastlstm.onnx.save(Sequential([layers.Dense(3)]), tmp_path / "m.onnx")
    own = OwnModel(name="own")
    own.build((None, 3))
    with pytest.raises(NotImplementedError, match="'own'"):
        fastlstm.onnx.save(own, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_ids_are_whole_numbers():
    x = Input((None,))
    model = Model(x, layers.LSTM(4)(layers.Embedding(9, 3, mask_zero=True)(x)))
    graph = graph_of(model).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT32


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = network(layers.LSTM(5), layers.Dense(2), shape=(None, 3))
    model.save("m.keras")
    assert cli.main(["export", "m.keras", "-o", "m.onnx"]) == 0
    assert capsys.readouterr().out == f"wrote m.onnx: {Path('m.onnx').stat().st_size:,} bytes\n"
    proto = onnx.load("m.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert proto.producer_name == "fastlstm"
    assert cli.main(["export", "m.keras", "-o", "s.onnx", "--stateful"]) == 0
    assert len(onnx.load("s.onnx").graph.input) == 3
    for name in ("m.keras", "-", "nowhere/m.onnx"):
        capsys.readouterr()
        assert cli.main(["export", "m.keras", "-o", name]) == 2
        assert capsys.readouterr().err.startswith("fastlstm: error: ")


def test_the_same_numbers_by_another_engine(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model = network(layers.Masking(), layers.Bidirectional(layers.LSTM(5, return_sequences=True)), shape=(None, 3))
    x = random(4, 6, 3)
    x[1, 2:4] = 0
    fastlstm.onnx.save(model, tmp_path / "m.onnx")
    session = runtime.InferenceSession(tmp_path / "m.onnx")
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
