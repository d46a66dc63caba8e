"""What makes no functional model, and inputs that do not fit one."""

import pickle

import numpy as np
import pytest

from fastlstm import Input, Model
from fastlstm.layers import LSTM, Concatenate, Dense
from fastlstm.models import Functional
from networks import random, two_branches

X = random(7, 5, 3)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X, "Layer \"m\" expects 2 named input(s) with keys ['a', 'b'], but it received 1 input tensors. "
            "Pass inputs as a dict, e.g. `layer({'a': ..., 'b': ...})`."),
        ([X, X, X], "but it received 3 input tensors"),
        ({"a": X, "c": X}, "Missing data for input \"b\". You passed a data dictionary with keys ['a', 'c']. "
                           "Expected the following keys: ['a', 'b']"),
        ([X, X[:2]], "Data cardinality is ambiguous. Make sure all arrays contain the same number of samples."
                     "'x' sizes: 7, 2\n"),
        ([X, X[:, :4]], "Input 0 with name 'b' of layer 'm' is incompatible with the layer: expected "
                        "shape=(None, 5, 3), found shape=(7, 4, 3)"),
        ([X[..., :2], X], "expected shape=(None, 5, 3), found shape=(7, 5, 2)"),
        ([X[0], X], "Invalid input shape for input Tensor(shape=(5, 3), dtype=float32) with name 'a'"),
        ([X, None], "Unrecognized data type"),
        ([X, X.astype(object)], "Invalid dtype: object"),
    ],
    ids=lambda value: "",
)  # fmt: skip
def test_refused_inputs(x, message):
    with pytest.raises(ValueError) as error:
        two_branches()[0].predict(x, verbose=0)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: a + Input((4, 3)), ValueError, "Cannot broadcast"),
        (lambda a: a[:, 5], ValueError, "Index 5 is out of range"),
        (lambda a: a[:, [0, 1]], ValueError, "Only integers, slices, None and `...`"),
        (lambda a: a[0, 0, 0, 0], ValueError, "Too many indices"),
        (lambda a: bool(a), TypeError, "cannot be used as a boolean"),
        (lambda a: list(a), NotImplementedError, "Iterating"),
        (lambda a: np.array(a), ValueError, "no values"),
        (lambda a: Dense(2, name="d")([a, a]), ValueError, 'Layer "d" expects 1 input(s), but it received 2 input'),
        (lambda a: LSTM(2)(a, foo=1), TypeError, "got an unexpected keyword argument 'foo'"),
        (lambda a: LSTM(2, name="l")(a[:, 0]), ValueError, "of layer 'l' is incompatible with the layer"),
        (lambda a: LSTM(2, stateful=True)(a), ValueError, "the batch size must be static"),
        (lambda a: Concatenate(name="c")([a, None]), ValueError, "Layer 'c' was called on None"),
        (lambda a: Model(a, Dense(2)(Input((2,)))), ValueError, "Output with path `` is not connected to `inputs`"),
        (lambda a: Model(a, []), ValueError, "`outputs` argument cannot be empty"),
        (lambda a: Model(a, 3), ValueError, "All `outputs` values must be KerasTensors. Received: outputs=3"),
        (lambda a: Model(3, a), ValueError, "All `inputs` values must be KerasTensors. Received: inputs=3"),
        (lambda a: Model(a, Dense(2, name="d")(Dense(2, name="d")(a))), ValueError,
         'The name "d" is used 2 times in the model.'),
        (lambda a: Model()(np.ones((1, 2))), NotImplementedError, "Model Model does not have a `call"),
        (lambda a: type("Mine", (Model,), {})()(np.ones((1, 2))), NotImplementedError, "Mine does not have a `call"),
    ],
    ids=lambda value: "",
)  # fmt: skip
def test_refused(call, error, message):
    with pytest.raises(error) as raised:
        call(Input((5, 3), name="a"))
    assert message in str(raised.value)


def test_deep_graphs():
    # Deeper than Python's stack.
    tensor = a = Input((3,))
    for _ in range(3000):
        tensor = tensor + 1
    model = Model(a, tensor)
    np.testing.assert_allclose(model.predict(X[:, 0], verbose=0), X[:, 0] + 3000, rtol=1e-5)
    assert len(pickle.loads(pickle.dumps(model)).graph.layers) == 3001


def config_of(**changes):
    a = Input((5, 3), name="a")
    config = Model(a, Dense(2, name="d")(Dense(3, name="c")(a))).get_config()
    layers_ = {layer["name"]: layer for layer in config["layers"]}
    for path, value in changes.items():
        if path in layers_:
            layers_[path].update(value)
        else:
            config[path] = value
    return config


def called_on(*history):
    return {"inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": history}}]}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c": called_on("d", 0, 0)}, "either has loops or disconnected nodes"),
        ({"c": called_on("c", 0, 0)}, "either has loops or disconnected nodes"),
        ({"c": called_on("x", 0, 0)}, "Layer 'c' takes the output of call 0 of layer 'x', which there is not"),
        ({"c": called_on("a", 1, 0)}, "call 1 of layer 'a'"),
        ({"c": called_on("a", 0, 1)}, "There is no output 1 of call 0 of layer 'a'"),
        ({"c": called_on("a", 0, -1)}, "There is no output -1"),
        ({"c": called_on("a", 0)}, "It names a tensor as"),
        ({"c": called_on("a", 0, 10**30)}, "There is no output 1000"),
        ({"c": called_on(["a"], 0, True)}, "It names a tensor as"),
        ({"c": {"inbound_nodes": [{"args": []}]}}, "Layer 'c' is called on no tensor"),
        ({"c": {"inbound_nodes": [{"args": [5]}]}}, "Layer 'c' is called on no tensor"),
        ({"a": called_on("c", 0, 0)}, "An InputLayer takes nothing"),
        ({"c": {"name": "d"}}, "Two layers of the functional model are called 'd'"),
        ({"output_layers": ["d", 1, 0]}, "There is no output 0 of call 1 of layer 'd'"),
        ({"output_layers": ["x", 0, 0]}, "layer 'x'"),
        ({"output_layers": 5}, "It names an input or output as 5"),
        ({"output_layers": []}, "`outputs` argument cannot be empty"),
        ({"input_layers": [["c", 0, 0], 3]}, "It names an input or output as 3"),
        ({"input_layers": []}, "`inputs` argument cannot be empty"),
        ({"layers": [{}]}, "was passed a `config` object that is not"),
    ],
    ids=lambda value: "",
)
def test_configs_that_make_no_graph(changes, message):
    with pytest.raises(ValueError) as error:
        Functional.from_config(config_of(**changes))
    assert message in str(error.value)
    config = config_of()
    del config["output_layers"]
    with pytest.raises(ValueError, match="output_layers"):
        Functional.from_config(config)


def test_models_that_would_run_forever():
    x = Input((2,))
    model = Model(x, x + 1)
    for _ in range(20):
        x = Input((2,))
        model = Model(x, model(model(model(x))))
    with pytest.raises(ValueError, match="more than 100000 calls"):
        model.predict(X[:, 0, :2], verbose=0)
