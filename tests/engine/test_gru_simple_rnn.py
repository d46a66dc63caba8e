"""GRU (both reset forms) and SimpleRNN ops against the float64 equations, and the promise of the same bits."""

import itertools
from functools import partial

import numpy as np
import pytest

from fastlstm.engine import Program, kernel_names, reference
from fastlstm.engine.ops import Activation, DenseOp, GRUOp, LSTMOp, SimpleRNNOp

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
KINDS = ["gru", "gru_reset_before", "simple_rnn"]
SHAPES = [(1, 7, 3, 5), (3, 70, 5, 17), (70, 3, 4, 8), (2, 65, 16, 33)]


class Weights:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape, scale=0.4):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def op(self, kind, features, units, use_bias=True, recurrent_activation=SIGMOID, activation=TANH, **flags):
        blocks = 1 if kind == "simple_rnn" else 3
        kernels = self(features, blocks * units), self(units, blocks * units, scale=0.8 / units**0.5)
        if kind == "simple_rnn":
            return SimpleRNNOp(*kernels, self(units) if use_bias else None, activation, **flags)
        reset_after = kind == "gru"
        bias = (self(2, 3 * units) if reset_after else self(3 * units)) if use_bias else None
        return GRUOp(*kernels, bias, activation, recurrent_activation, reset_after, **flags)


def oracle(op, x, mask=None, initial_state=None):
    keywords = {name: getattr(op, name) for name in ("go_backwards", "zero_output_for_mask")}
    keywords |= {"mask": mask, "initial_state": initial_state, "activation": reference.ACTIVATIONS[op.activation.name]}
    if isinstance(op, GRUOp):
        keywords["recurrent_activation"] = reference.ACTIVATIONS[op.recurrent_activation.name]
        keywords["reset_after"] = op.reset_after
    function = reference.gru if isinstance(op, GRUOp) else reference.simple_rnn
    out, h = function(x, op.kernel, op.recurrent_kernel, op.bias, **keywords)
    return (out if op.return_sequences else out[:, -1]), h


def close(actual, exact):
    np.testing.assert_allclose(actual, exact, rtol=3e-6, atol=3e-6)


@pytest.fixture(params=[(isa, backend) for isa in kernel_names() for backend in ("blas", "packed")], ids="-".join)
def build(request):
    isa, backend = request.param
    return partial(Program, isa=isa, backend=backend)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("go_backwards", "sequences", "use_bias"), list(itertools.product([False, True], repeat=3)))
def test_against_float64(build, shape, kind, go_backwards, sequences, use_bias):
    batch, timesteps, features, units = shape
    weights = Weights(sum(shape))
    op = weights.op(kind, features, units, use_bias, go_backwards=go_backwards, return_sequences=sequences)
    x, h0 = weights(batch, timesteps, features, scale=1), weights(batch, units)
    mask = weights.rng.random((batch, timesteps)) < 0.6
    mask[-1] = False
    for m, state in itertools.product((None, mask), (None, h0)):
        given = None if state is None else [[state]]
        out, [[h]] = build([op]).run(x, m, given, return_states=True)
        exact = oracle(op, x, m, state)
        close(out, exact[0])
        close(h, exact[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("activation", "recurrent"), [("relu", "hard_sigmoid"), ("softmax", "softmax"), ("elu", "tanh")]
)
def test_other_activations(kind, activation, recurrent):
    weights = Weights(3)
    parameters = {"relu": (0.1, 2.0, 0.0), "elu": (1.0,)}.get(activation, ())
    op = weights.op(
        kind, 3, 18, activation=Activation(activation, parameters), recurrent_activation=Activation(recurrent)
    )
    x = weights(4, 6, 3, scale=1)
    native = reference.ACTIVATIONS[activation]
    exact = {"activation": lambda z: native(z, *parameters)}
    if kind != "simple_rnn":
        exact |= {"recurrent_activation": reference.ACTIVATIONS[recurrent], "reset_after": op.reset_after}
    function = reference.simple_rnn if kind == "simple_rnn" else reference.gru
    close(Program([op]).run(x)[0], function(x, op.kernel, op.recurrent_kernel, op.bias, **exact)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_packed_bits_depend_on_the_row_alone(kind):
    weights = Weights(5)
    ops = [weights.op(kind, 7, 33, return_sequences=True), weights.op(kind, 33, 15, return_sequences=True)]
    x = weights(9, 80, 7, scale=1)
    program = Program(ops, backend="packed")
    whole = program.run(x)[0]
    for batch in (1, 2, 5):
        np.testing.assert_array_equal(program.run(x[2 : 2 + batch].copy())[0], whole[2 : 2 + batch])
    first, states = program.run(x[:, :30].copy(), None, None, True)
    rest = program.run(x[:, 30:].copy(), None, states)[0]
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), whole)
    for isa in kernel_names():
        np.testing.assert_array_equal(Program(ops, isa, "packed").run(x)[0], whole)


def test_mixed_stack(build):
    weights = Weights(6)
    ops = [
        weights.op("gru", 3, 9, return_sequences=True),
        LSTMOp(weights(9, 20), weights(5, 20), weights(20), TANH, SIGMOID, return_sequences=True, go_backwards=True),
        weights.op("simple_rnn", 5, 7),
        DenseOp(weights(7, 2), weights(2)),
    ]
    x = weights(3, 11, 3, scale=1)
    out, states = build(ops).run(x, return_states=True)
    y = oracle(ops[0], x)[0]
    y = reference.lstm(y, ops[1].kernel, ops[1].recurrent_kernel, ops[1].bias, go_backwards=True)[0]
    y, h = oracle(ops[2], y)
    close(out, y @ ops[3].kernel.astype(float) + ops[3].bias)
    close(states[2][0], h)
    assert [len(state) for state in states] == [1, 2, 1]


def test_wrong_shapes_are_refused():
    weights = Weights(7)
    op = weights.op("gru", 3, 4)
    with pytest.raises(ValueError, match="GRUOp: bias must have shape"):
        Program([GRUOp(op.kernel, op.recurrent_kernel, op.bias[0], TANH, SIGMOID)])
    with pytest.raises(ValueError, match="expected 1 arrays for an op, received 2"):
        Program([op]).run(weights(2, 5, 3), None, [[weights(2, 4), weights(2, 4)]])
