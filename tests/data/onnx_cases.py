"""Models that are written as ONNX: of `make_onnx.py` with ONNX Runtime, and of the tests without it.

`cases(family)` yields `(name, model, inputs, stateful)`: every layer of layers.npz, operations, and recurrent layers
with all that they take; weights and inputs are the same in every run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import op_cases

import fastlstm
from fastlstm import Input, Model, Sequential, layers, ops
from networks import network, random, randomized

DATA = Path(__file__).parent
BATCH, STEPS, FEATURES, UNITS = 3, 7, 4, 5
ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "hard_silu", "mish", "softplus"),
    *("softsign", "softmax", "log_softmax", "sigmoid", "hard_sigmoid", "hard_sigmoid_keras2", "sparse_sigmoid"),
    *("log_sigmoid", "tanh", "hard_tanh", "tanh_shrink", "hard_shrink", "soft_shrink", "squareplus", "sparse_plus"),
    *("exponential", "sparsemax"),
)


def layer_cases():
    """The layers of layers.npz, behind a `Masking` where an input is masked there."""
    with np.load(DATA / "layers.npz") as archive:
        described = json.loads(archive["cases"].tobytes())
    for number, case in enumerate(described):
        if case["call"].get("training"):
            continue
        shapes = [shape for name, _, shape in case["arrays"] if name[0] == "x"]
        masked = {name[4:] for name, _, _ in case["arrays"] if name.startswith("mask")}
        xs = [random(*shape, seed=number + at) for at, shape in enumerate(shapes)]
        if case["arguments"].get("data_format") == "channels_first":
            masked = set()
        if case["layer"] == "Embedding":
            xs = [np.abs(x * 2).astype(np.int32) % case["arguments"]["input_dim"] for x in xs]
        inputs = [Input(shape[1:]) for shape in shapes]
        given = []
        for at, (tensor, x) in enumerate(zip(inputs, xs, strict=True)):
            if str(at) in masked and x.ndim == 3:
                x[:, ::3] = 0
                tensor = layers.Masking()(tensor)
            given.append(tensor)
        layer = getattr(layers, case["layer"])(**case["arguments"])
        outputs = layer(given if case["several"] else given[0], **case["call"])
        yield f"{number} {case['layer']}", randomized(Model(inputs, outputs), seed=number), xs, False


def operation_cases():
    """The operations of `op_cases` whose tensors can be inputs of a model."""
    arrays = op_cases.arrays(lambda array: array)
    for number, (name, call) in enumerate(op_cases.CASES):
        inputs, xs = {}, {}
        for key, array in arrays.items():
            if key in ("c", "row") or array.dtype.name in ("int8", "uint8", "float64"):
                inputs[key] = array
            else:
                inputs[key] = Input(array.shape[1:], dtype=array.dtype.name, name=f"{key}_{number}")
                xs[id(inputs[key])] = array
        with contextlib.suppress(Exception):  # what a symbolic call refuses is no case
            made = call(ops, inputs)
            made = [one for one in (made if isinstance(made, (list, tuple)) else [made]) if hasattr(one, "node")]
            used = [tensor for tensor in inputs.values() if id(tensor) in xs and _reaches(tensor, made)]
            if used and made and all(one.shape for one in made):
                yield f"{number} ops.{name}", Model(used, made), [xs[id(tensor)] for tensor in used], False


def _reaches(tensor, outputs):
    pending = list(outputs)
    while pending:
        one = pending.pop()
        if one is tensor:
            return True
        pending += one.node.inputs
    return False


def sequences(masked, seed=0):
    """Sequences in which steps are missing everywhere, and one that has none at all."""
    x = random(BATCH, STEPS, FEATURES, seed=seed)
    if masked:
        x[0, [0, 2, 3, 6]] = 0
        x[1] = 0
    return x


def recurrent_cases():
    """Recurrent layers of every kind in every direction, with and without masks and states."""
    for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        more = [{}, {"reset_after": False}] if kind is layers.GRU else [{}]
        for masked in (False, True):
            before = [layers.Masking()] if masked else []
            for of_kind in more:
                for how in ({}, {"return_sequences": True}, {"go_backwards": True, "return_sequences": True},
                            {"go_backwards": True}, {"use_bias": False, "return_state": True}):  # fmt: skip
                    model = network(*before, kind(UNITS, **of_kind, **how), shape=(None, FEATURES))
                    yield f"{kind.__name__} {of_kind} {how} {masked}", model, [sequences(masked)], False
                for merge in ("concat", "sum", "mul", "ave", None):
                    inner = kind(UNITS, return_sequences=merge != "mul", return_state=merge == "ave", **of_kind)
                    model = network(*before, layers.Bidirectional(inner, merge_mode=merge), shape=(None, FEATURES))
                    yield f"Bidirectional {kind.__name__} {of_kind} {merge} {masked}", model, [sequences(masked)], False
            for name in ACTIVATIONS if kind is layers.LSTM else ("relu", "softplus", "silu", "elu", "gelu"):
                gates = {} if kind is layers.SimpleRNN else {"recurrent_activation": "hard_silu"}
                for more_gates in ({}, gates):
                    layer = kind(UNITS, activation=name, return_sequences=True, **more_gates)
                    model = network(*before, layer, shape=(None, FEATURES), scale=0.2)
                    yield f"{kind.__name__} {name} {more_gates} {masked}", model, [sequences(masked)], False
            yield f"stacked {kind.__name__} {masked}", stacked(kind, before), [sequences(masked)], False
            yield f"states {kind.__name__} {masked}", *with_states(kind, masked), False
            yield f"stateful {kind.__name__} {masked}", stacked(kind, before), [sequences(masked)], True


def stacked(kind, before):
    cells = [getattr(layers, f"{kind.__name__}Cell")(units) for units in (UNITS, UNITS + 1)]
    inner = layers.TimeDistributed(Sequential([Input((UNITS + 1,)), layers.Dense(3, activation="tanh")]))
    return network(
        *before,
        layers.RNN(cells, return_sequences=True, zero_output_for_mask=True),
        inner,
        kind(UNITS, return_sequences=True),
        layers.TimeDistributed(layers.Dense(2, activation="softmax")),
        shape=(None, FEATURES),
    )


def with_states(kind, masked):
    """An encoder whose states a decoder begins with, and the inputs of both."""
    source, target = Input((None, FEATURES)), Input((None, FEATURES))
    encoded = layers.Masking()(source) if masked else source
    _, *states = kind(UNITS, return_state=True)(encoded)
    decoded = kind(UNITS, return_sequences=True)(target, initial_state=states)
    return randomized(Model([source, target], [decoded, states[-1]])), [sequences(masked), sequences(False, seed=1)]


def activation_cases():
    for name in (*ACTIVATIONS, "glu"):
        layer = layers.Activation(name)
        yield f"Activation {name}", network(layer, shape=(STEPS, FEATURES)), [random(BATCH, STEPS, FEATURES)], False


def attention_cases():
    """Attention of several heads, with masks of every sort."""
    for how in ({}, {"use_causal_mask": True}, {"return_attention_scores": True}):
        for masked in (False, True):
            for layer in (layers.MultiHeadAttention(2, 3, value_dim=4), layers.GroupQueryAttention(3, 4, 2),
                          layers.MultiHeadAttention(2, 3, output_shape=5, use_bias=False)):  # fmt: skip
                query, value = Input((None, FEATURES)), Input((None, FEATURES))
                given = [layers.Masking()(one) if masked else one for one in (query, value)]
                model = randomized(Model([query, value], layer(*given, **how)))
                xs = [sequences(masked), sequences(masked, seed=1)[:, :5]]
                yield f"{layer.name} {how} {masked}", model, xs, False
    query = Input((3, 4, FEATURES))
    model = Model(query, layers.MultiHeadAttention(2, 3, attention_axes=(1, 2))(query, query))
    yield "MultiHeadAttention over two axes", randomized(model), [random(BATCH, 3, 4, FEATURES)], False


FAMILIES = {
    "layers": layer_cases,
    "operations": operation_cases,
    "recurrent": recurrent_cases,
    "activations": activation_cases,
    "attention": attention_cases,
}


def cases(family):
    """Yield those of a family."""
    fastlstm.backend.clear_session()
    yield from FAMILIES[family]()


def structure(proto):
    """A digest of a graph's nodes, whatever its values are called, and a number made of all its constants."""
    numbers = {"": 0}

    def text(graph):
        found = []
        for info in (*graph.input, *graph.output):
            kind = info.type.tensor_type
            sizes = [size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim]
            found.append((number(info.name), kind.elem_type, sizes))
        for node in graph.node:
            attributes = sorted((one.name, attribute(one)) for one in node.attribute)
            found.append((node.op_type, *map(number, node.input), *map(number, node.output), *attributes))
        return repr(found)

    def number(name):
        return numbers.setdefault(name, len(numbers))

    def attribute(one):
        value = onnx.helper.get_attribute_value(one)
        return text(value) if isinstance(value, onnx.GraphProto) else repr(value)

    total = 0.0
    kinds = []
    for one in proto.graph.initializer:
        array = onnx.numpy_helper.to_array(one)
        kinds.append((number(one.name), array.dtype.name, array.shape))
        values = np.clip(np.nan_to_num(array.astype(float)), -1e6, 1e6).ravel()
        total += float(values @ np.cos(np.arange(values.size)))
    described = text(proto.graph) + repr(kinds)
    return hashlib.sha256(described.encode()).hexdigest()[:16], round(total, 4)
