"""The float64 gradients against central differences of the float64 equations, and against those of real Keras."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from fastlstm import activations, layers
from fastlstm.engine import ops, reference
from fastlstm.engine import reference_gradients as gradients
from fastlstm.engine.ops import ACTIVATIONS

DATA = Path(__file__).parents[1] / "data"
CASES = json.loads((DATA / "gradients.json").read_text(encoding="utf-8"))
PARAMETERS = {
    "relu": (0.25, 4.5, 0.5),
    "elu": (0.7,),
    "celu": (1.3,),
    "hard_shrink": (0.4,),
    "soft_shrink": (0.4,),
    "squareplus": (3.0,),
}
STEP = 1e-5


@pytest.fixture(scope="module")
def goldens():
    with np.load(DATA / "gradients.npz") as archive:
        return dict(archive)


def same_slope(function, arrays, slopes, rng):
    """Whether the gradients are those of `function(*arrays)`, a scalar, along random directions."""
    for place, (array, slope) in enumerate(zip(arrays, slopes, strict=True)):
        direction = rng.standard_normal(array.shape)
        ahead, behind = list(arrays), list(arrays)
        ahead[place], behind[place] = array + STEP * direction, array - STEP * direction
        expected = (function(*ahead) - function(*behind)) / (2 * STEP)
        np.testing.assert_allclose((slope * direction).sum(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    rng = np.random.default_rng(5)
    parameters = PARAMETERS.get(name, ())
    x, r = rng.standard_normal((2, 6, 7)) * 3
    dx = gradients.activation_gradient(name, *parameters)(r, x)
    same_slope(lambda x: (reference.ACTIVATIONS[name](x, *parameters) * r).sum(), [x], [dx], rng)


@pytest.mark.parametrize("call", [call for call in CASES["activations"] if call != "sparsemax"])
def test_activations_as_keras(call, goldens):
    name, *arguments = call.split()
    given = {key: eval(value) for key, value in (argument.split("=") for argument in arguments)}
    calls = []

    class Recorded(Exception):
        pass

    def record(x, activation):
        calls.append(activation)
        raise Recorded

    patch = pytest.MonkeyPatch()
    with patch.context() as context, pytest.raises(Recorded):
        context.setattr(activations, "activate", record)
        getattr(activations, name)(np.ones((1, 1)), **given)
    (native,) = calls
    x, r = goldens["x_activation"].astype(float), goldens["r_activation"].astype(float)
    dx = gradients.activation_gradient(native.name, *native.parameters)(r, x)
    expected = goldens["activations"][CASES["activations"].index(call)]
    if name == "celu":  # to which TensorFlow gives twice the slope at its corner, 0
        dx, expected = dx[x != 0], expected[x != 0]
    np.testing.assert_allclose(dx, expected, rtol=2e-5, atol=2e-5)


KINDS = {"lstm": (4, 2), "gru": (3, 1), "gru_reset_before": (3, 1), "simple_rnn": (1, 1)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("activation", "recurrent"),
    [("tanh", "sigmoid"), ("softmax", "softmax"), ("silu", "hard_sigmoid"), ("elu", "tanh")],
)
@pytest.mark.parametrize(("backwards", "zero"), list(itertools.product([False, True], repeat=2)))
def test_recurrent(kind, activation, recurrent, backwards, zero):
    batch, timesteps, features, units = 3, 6, 4, 5
    blocks, n_states = KINDS[kind]
    rng = np.random.default_rng([blocks, backwards, zero])
    functions = {"activation": gradients.activation(activation, *PARAMETERS.get(activation, ()))}
    if kind != "simple_rnn":
        functions["recurrent_activation"] = gradients.activation(recurrent)
    over_time = {"go_backwards": backwards, "zero_output_for_mask": zero, "mask": rng.random((batch, timesteps)) < 0.7}
    if kind.startswith("gru"):
        over_time["reset_after"] = kind == "gru"
    bias_shape = (2, 3 * units) if kind == "gru" else (blocks * units,)
    shapes = [(batch, timesteps, features), (features, blocks * units), (units, blocks * units), bias_shape]
    shapes += [(batch, units)] * n_states
    arguments = [rng.standard_normal(shape) * 0.7 for shape in shapes]
    random = [rng.standard_normal(shape) for shape in [(batch, timesteps, units), *[(batch, units)] * n_states]]
    name = kind.removesuffix("_reset_before")

    def total(*arguments):
        values = {key: function.value for key, function in functions.items()}
        initial = arguments[4:] if n_states > 1 else arguments[4]
        outputs = getattr(reference, name)(*arguments[:4], initial_state=initial, **values, **over_time)
        return sum((output * r).sum() for output, r in zip(outputs, random, strict=True))

    found = getattr(gradients, name)(
        random[0], *arguments[:4], initial_state=arguments[4:], d_states=random[1:], **functions, **over_time
    )
    slopes = [found.x, *(found.weights[key] for key in ("kernel", "recurrent_kernel", "bias")), *found.initial_state]
    same_slope(total, arguments, slopes, rng)


def test_dense_and_embedding():
    rng = np.random.default_rng(8)
    x, kernel, bias, r = (rng.standard_normal(shape) for shape in [(3, 4, 5), (5, 6), (6,), (3, 4, 6)])
    function = gradients.activation("softsign")
    dx, weights = gradients.dense(r, x, kernel, bias, function)
    same_slope(
        lambda x, kernel, bias: (function.value(x @ kernel + bias) * r).sum(),
        [x, kernel, bias],
        [dx, weights["kernel"], weights["bias"]],
        rng,
    )
    ids = rng.integers(0, 5, (3, 4))
    table = rng.standard_normal((5, 6))
    same_slope(lambda table: (table[ids] * r).sum(), [table], [gradients.embedding(r, ids, 5)], rng)


def engine_cases():
    """The numbers of the stored cases that one op of the engine runs."""
    for number, case in enumerate(CASES["layers"]):
        if case["layer"].startswith(("LSTM", "GRU", "SimpleRNN", "Dense", "Embedding")):
            yield pytest.param(number, id=case["layer"])


def split(array, shapes):
    """The arrays of these shapes that were stored one after the other, and what is left."""
    ends = np.cumsum([0, *(np.prod(shape, dtype=int) for shape in shapes)])
    parts = [array[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], shapes, strict=False)]
    return parts, array[ends[-1] :]


@pytest.mark.parametrize("number", list(engine_cases()))
def test_as_keras(number, goldens):
    case = CASES["layers"][number]
    layer = eval(case["layer"], vars(layers).copy())
    (x,) = (goldens[name] for name in case["inputs"])
    layer.build(x.shape)
    shapes = [weight.shape for weight in layer.weights]
    weights, rest = split(goldens[str(number)].astype(float), shapes)
    layer.set_weights(weights)
    (op,) = layer.lower()
    states, rest = split(rest, [(len(x), op.recurrent_kernel.shape[0])] * 2 if case["initial_state"] else [])
    if case["initial_state"] and not isinstance(op, ops.LSTMOp):
        states, rest = states[:1], np.concatenate([states[1].ravel(), rest])
    output = layer.compute_output_shape(x.shape)
    random, rest = split(rest, output if isinstance(output[0], tuple) else [output])
    found = of_op(op, x, random, states, goldens.get(f"mask_{case['mask']}"), weights)
    np.testing.assert_allclose(np.concatenate([g.ravel() for g in found]), rest, rtol=2e-5, atol=2e-5)


def of_op(op, x, random, states, mask, weights):
    """The reference's gradients in the order in which Keras' were stored."""
    if isinstance(op, ops.EmbeddingOp):
        return [gradients.embedding(random[0], x, len(weights[0]))]
    activation = gradients.activation(op.activation.name, *op.activation.parameters)
    if isinstance(op, ops.DenseOp):
        dx, of_weights = gradients.dense(random[0], x, op.kernel, op.bias, activation)
        return [dx, of_weights["kernel"], of_weights["bias"]][: 1 + len(weights)]
    d_out = random[0]
    if not op.return_sequences:
        d_out = np.zeros((*x.shape[:2], random[0].shape[-1]))
        d_out[:, -1] = random[0]
    keywords = {"go_backwards": op.go_backwards, "zero_output_for_mask": op.zero_output_for_mask, "mask": mask}
    keywords |= {"initial_state": states or None, "d_states": random[1:] or None, "activation": activation}
    if not isinstance(op, ops.SimpleRNNOp):
        recurrent = op.recurrent_activation
        keywords["recurrent_activation"] = gradients.activation(recurrent.name, *recurrent.parameters)
    if isinstance(op, ops.GRUOp):
        keywords["reset_after"] = op.reset_after
    name = {ops.LSTMOp: "lstm", ops.GRUOp: "gru", ops.SimpleRNNOp: "simple_rnn"}[type(op)]
    found = getattr(gradients, name)(d_out, x, op.kernel, op.recurrent_kernel, op.bias, **keywords)
    of_weights = [found.weights[key] for key in ("kernel", "recurrent_kernel", "bias")][: len(weights)]
    return [found.x, *(found.initial_state if states else ()), *of_weights]
