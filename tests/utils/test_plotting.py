"""Drawings of models: what stands in them, and what they are refused for."""

import shutil

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import LSTM, Concatenate, Dense
from fastlstm.utils import model_to_dot, plot_model

pytest.importorskip("pydot", reason="needs pydot (the `plot` extra)")


@pytest.fixture
def model():
    left, right = Input((5, 3), name="left"), Input((5, 3), name="right")
    inner = Sequential(
        [Input((5, 3)), LSTM(4, return_sequences=True, name="first"), Dense(3, "relu", name="second")],
        name='the "x" <y>',
    )
    joined = Concatenate(name="joined")([inner(left), right])
    last, h, _ = LSTM(6, return_state=True, name="last")(joined)
    return Model([left, right], [Dense(1, name="one")(last), Dense(2, name="two")(h)])


def named(model, **arguments):
    """`(nodes, edges)` of a drawing, by the names of the layers."""
    dot = model_to_dot(model, **arguments)
    graphs, nodes = [dot], {}
    for graph in graphs:
        graphs += graph.get_subgraphs()
        for node in graph.get_nodes():
            if node.get_name() != "node":
                nodes[node.get_name()] = node.get_label().split('align="left">')[1].split(" (")[0]
    edges = {(nodes[e.get_source()], nodes[e.get_destination()]) for graph in graphs for e in graph.get_edges()}
    return set(nodes.values()), edges


def test_layers_and_what_they_are_called_on(model):
    nodes, edges = named(model)
    assert nodes == {"left", "right", "the &quot;x&quot; &lt;y&gt;", "joined", "last", "one", "two"}
    assert ("left", "the &quot;x&quot; &lt;y&gt;") in edges and ("right", "joined") in edges
    assert ("last", "one") in edges and ("last", "two") in edges and len(edges) == 6


def test_models_in_a_model(model):
    nodes, edges = named(model, expand_nested=True)
    assert {"first", "second"} < nodes
    assert {("left", "first"), ("first", "second"), ("second", "joined")} < edges


def test_a_row():
    layers = [LSTM(4, return_sequences=True, name="a"), LSTM(4, name="b"), Dense(1, name="c")]
    assert named(Sequential([Input((5, 3)), *layers])) == ({"a", "b", "c"}, {("a", "b"), ("b", "c")})


def test_a_model_with_a_call_of_its_own_is_one_node():
    class Own(Model):
        def __init__(self):
            super().__init__(name="own")
            self.inner = Dense(2)

        def call(self, x):
            return self.inner(x)

    model = Own()
    model(np.ones((1, 3), np.float32))
    assert named(model) == ({"own"}, set())


def test_what_stands_beside_a_class(model):
    model.get_layer("two").trainable = False
    text = model_to_dot(
        model, show_shapes=True, show_dtype=True, show_layer_activations=True, show_trainable=True, rankdir="LR", dpi=70
    ).to_string()
    for words in (
        "Output shape: <b>[(None, 6), (None, 6), (None, 6)]</b>",
        "Activation: <b>tanh</b>",
        "Output dtype: <b>float32</b>",
        "Trainable: <b>True</b>",
        "Trainable: <b>False</b>",
        "rankdir=LR",
        "dpi=70",
    ):
        assert words in text
    assert "shape:" not in model_to_dot(model).to_string()
    assert "joined" not in model_to_dot(model, show_layer_names=False).to_string()


def test_a_file_of_dot(model, tmp_path):
    assert plot_model(model, tmp_path / "model.dot") is None
    assert (tmp_path / "model.dot").read_text(encoding="utf-8").startswith("digraph")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_pictures(model, tmp_path):
    plot_model(model, str(tmp_path / "model.svg"), expand_nested=True, show_layer_names=True)
    assert "joined" in (tmp_path / "model.svg").read_text(encoding="utf-8")
    plot_model(model, tmp_path / "model.png", dpi=30)
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


def test_refused(model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="not yet been built"):
        plot_model(Sequential([Dense(1)]))
    with pytest.raises(ValueError, match=r"`rankdir` should be one of .* Received: rankdir='up'"):
        model_to_dot(model, rankdir="up")
    with pytest.raises(ValueError, match=r"`to_file` should end in .* Received: .*model.doc"):
        plot_model(model, tmp_path / "model.doc")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match=r"no\w* .*`?dot|apt install graphviz"):
        plot_model(model, tmp_path / "model.svg")
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(__import__("sys").modules, "pydot", None)
    with pytest.raises(ImportError, match="You must install pydot"):
        plot_model(model)
