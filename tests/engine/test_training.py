"""Recorded calls and their gradients: against float64, and the same bits on every instruction set and thread."""

import itertools

import numpy as np
import pytest

from fastlstm.engine import get_num_threads, kernel_names, ops, reference, set_num_threads
from fastlstm.engine import reference_gradients as gradients
from fastlstm.engine.ops import ACTIVATIONS, Activation, ActivationOp, DenseOp, EmbeddingOp, GRUOp, LSTMOp, SimpleRNNOp
from fastlstm.engine.training import TrainingProgram

TANH, SIGMOID = Activation("tanh"), Activation("sigmoid")
KINDS = {"lstm": (4, 2), "gru": (3, 1), "gru_reset_before": (3, 1), "simple_rnn": (1, 1)}
# batch, timesteps, features, units: tails of every kind, several chunks of rows, fewer rows than a tile has
SHAPES = [
    (1, 3, 1, 1),
    (2, 5, 3, 7),
    (5, 9, 16, 17),
    (7, 40, 5, 16),
    (13, 30, 33, 33),
    (300, 2, 4, 50),
    (32, 9, 9, 64),
]
PARAMETERS = {
    "relu": (0.25, 4.5, 0.5),
    "elu": (0.7,),
    "celu": (1.3,),
    "hard_shrink": (0.4,),
    "soft_shrink": (0.4,),
    "squareplus": (3.0,),
}


def native(name):
    return Activation(name, tuple(float(np.float32(p)) for p in PARAMETERS.get(name, ())))


class Random:
    def __init__(self, *seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def op(self, kind, features, units, activation=TANH, recurrent=SIGMOID, use_bias=True, **flags):
        blocks = KINDS[kind][0]
        kernel = self(features, blocks * units, scale=1 / features**0.5)
        recurrent_kernel = self(units, blocks * units, scale=0.8 / units**0.5)
        shape = (2, 3 * units) if kind == "gru" else (blocks * units,)
        bias = self(*shape, scale=0.3) if use_bias else None
        if kind == "simple_rnn":
            return SimpleRNNOp(kernel, recurrent_kernel, bias, activation, **flags)
        if kind == "lstm":
            return LSTMOp(kernel, recurrent_kernel, bias, activation, recurrent, **flags)
        return GRUOp(kernel, recurrent_kernel, bias, activation, recurrent, kind == "gru", **flags)

    def states(self, kind, batch, units):
        return [self(batch, units) for _ in range(KINDS[kind][1])]


def exact(kind, op, d_out, d_states, x, mask, initial):
    """What the reference gives, `(x, initial states, weights)`."""
    keywords = {"go_backwards": op.go_backwards, "zero_output_for_mask": op.zero_output_for_mask, "mask": mask}
    keywords["activation"] = gradients.activation(op.activation.name, *op.activation.parameters)
    if kind != "simple_rnn":
        recurrent = op.recurrent_activation
        keywords["recurrent_activation"] = gradients.activation(recurrent.name, *recurrent.parameters)
    if kind.startswith("gru"):
        keywords["reset_after"] = op.reset_after
    if not op.return_sequences:
        last, d_out = d_out, np.zeros((*x.shape[:2], d_out.shape[-1]))
        d_out[:, -1] = last
    function = getattr(gradients, kind.removesuffix("_reset_before"))
    return function(
        d_out, x, op.kernel, op.recurrent_kernel, op.bias, initial_state=initial, d_states=d_states, **keywords
    )


def close(actual, expected):
    """Within float32's reach of what the largest value is made of."""
    size = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=4e-6 * size)


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_recurrent_against_float64(kind, shape, isa):
    batch, timesteps, features, units = shape
    flags = list(itertools.product([False, True], repeat=3))
    for n, (backwards, zero, masked) in enumerate(flags):
        random = Random(*shape, n)
        sequences, use_bias = n % 3 != 0, n % 4 != 1
        op = random.op(
            kind,
            features,
            units,
            use_bias=use_bias,
            return_sequences=sequences,
            go_backwards=backwards,
            zero_output_for_mask=zero,
        )
        x = random(batch, timesteps, features)
        mask = random.rng.random((batch, timesteps)) < 0.6 if masked else None
        initial = random.states(kind, batch, units) if n % 2 else None
        call = TrainingProgram([op], isa=isa).run(x, mask, [initial])
        d_out, d_states = random(*call.output.shape), random.states(kind, batch, units) if n > 2 else None
        dx, [d_initial], [of_weights] = call.backward(d_out, [d_states])
        expected = exact(kind, op, d_out, d_states, x, mask, initial)
        close(dx, expected.x)
        for actual, state in zip(d_initial, expected.initial_state, strict=True):
            close(actual, state)
        assert set(of_weights) == {"kernel", "recurrent_kernel"} | ({"bias"} if use_bias else set())
        for name, actual in of_weights.items():
            close(actual, expected.weights[name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("activation", "recurrent"),
    [
        ("softmax", "softmax"),
        ("gelu", "hard_sigmoid"),
        ("relu", "sigmoid"),
        ("log_softmax", "sigmoid"),
        ("elu", "sigmoid"),
    ],
)
def test_other_activations(kind, activation, recurrent):
    random = Random(4)
    batch, timesteps, features, units = 6, 7, 5, 21
    op = random.op(kind, features, units, native(activation), native(recurrent), return_sequences=True)
    x, mask, initial = random(batch, timesteps, features), None, random.states(kind, batch, units)
    call = TrainingProgram([op]).run(x, mask, [initial])
    d_out, d_states = random(*call.output.shape), random.states(kind, batch, units)
    dx, [d_initial], [of_weights] = call.backward(d_out, [d_states])
    expected = exact(kind, op, d_out, d_states, x, mask, initial)
    for actual, wanted in [(dx, expected.x), *zip(d_initial, expected.initial_state, strict=True)]:
        close(actual, wanted)
    for name, actual in of_weights.items():
        close(actual, expected.weights[name])


@pytest.mark.parametrize("isa", kernel_names())
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_against_float64(name, isa):
    random = Random(9)
    x, d_out = random(5, 37, scale=3), random(5, 37)
    call = TrainingProgram([ActivationOp(native(name))], isa=isa).run(x)
    dx, _, [none] = call.backward(d_out)
    slope = gradients.activation_gradient(name, *native(name).parameters)
    close(dx, slope(d_out.astype(float), x.astype(float)))
    assert none == {}


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 3), (300, 20, 17), (600, 64, 100)])
def test_dense_against_float64(shape):
    rows, features, units = shape
    random = Random(*shape)
    for activation in (Activation("linear"), native("softmax"), native("gelu")):
        op = DenseOp(random(features, units, scale=0.3), random(units), activation)
        x, d_out = random(rows, 2, features), random(rows, 2, units)
        dx, _, [of_weights] = TrainingProgram([op]).run(x).backward(d_out)
        function = gradients.activation(activation.name, *activation.parameters)
        expected, weights = gradients.dense(d_out, x, op.kernel, op.bias, function)
        close(dx, expected)
        close(of_weights["kernel"], weights["kernel"])
        close(of_weights["bias"], weights["bias"])


def test_embedding_against_float64():
    random = Random(6)
    table, d_out = random(9, 5), random(4, 6, 5)
    ids = random.rng.integers(-9, 9, (4, 6)).astype(np.float32)
    call = TrainingProgram([EmbeddingOp(table)]).run(ids)
    dx, _, [of_weights] = call.backward(d_out)
    assert dx is None and (call.output == table[ids.astype(int)]).all()
    close(of_weights["table"], gradients.embedding(d_out, ids, 9))


CHAINS = {
    "stack": lambda r: [r.op("lstm", 9, 50, return_sequences=True), r.op("lstm", 50, 33), DenseOp(r(33, 3), r(3))],
    "every kind": lambda r: [
        r.op("gru", 9, 20, return_sequences=True),
        DenseOp(r(20, 18), None, TANH),
        r.op("lstm", 18, 31, return_sequences=True, go_backwards=True),
        ActivationOp(native("softsign")),
        r.op("simple_rnn", 31, 12, return_sequences=True),
        r.op("gru_reset_before", 12, 17, return_sequences=True),
    ],
    "dense": lambda r: [
        DenseOp(r(9, 70, scale=0.3), r(70), native("silu")),
        DenseOp(r(70, 4), r(4), native("softmax")),
    ],
    "ids": lambda r: [EmbeddingOp(r(11, 6)), r.op("lstm", 6, 16, return_sequences=True), r.op("gru", 16, 9)],
}


def answer(name, isa=None, masked=True, batch=33):
    """Everything that a call of a chain and its gradients give, in one array."""
    random = Random(len(name))
    chain = CHAINS[name](random)
    x = random(batch, 21, 9)
    if name == "ids":
        x = random.rng.integers(0, 11, (batch, 21)).astype(np.float32)
    is_recurrent = any(isinstance(op, ops.RecurrentOp) for op in chain)
    mask = random.rng.random((batch, 21)) < 0.8 if masked and is_recurrent else None
    call = TrainingProgram(chain, isa=isa).run(x, mask)
    states = call.states
    dx, d_initial, of_weights = call.backward(random(*call.output.shape), [[r * 0 + 0.5 for r in s] for s in states])
    arrays = [call.output, *(() if dx is None else (dx,)), *itertools.chain(*states, *d_initial)]
    return np.concatenate([a.ravel() for a in [*arrays, *itertools.chain(*(g.values() for g in of_weights))]])


@pytest.fixture
def threads():
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_same_bits_on_every_isa_and_thread(name, masked, threads):
    threads(1)
    expected = answer(name, kernel_names()[0], masked)
    assert np.isfinite(expected).all()
    for isa, number in itertools.product(kernel_names(), (1, 2, 3, 5)):
        threads(number)
        assert (answer(name, isa, masked) == expected).all()


@pytest.mark.parametrize("name", CHAINS)
def test_chains_follow_the_rule_of_chains(name):
    """A chain's gradients are those of its ops one by one."""
    random = Random(len(name))
    chain = CHAINS[name](random)
    x = random(5, 21, 9)
    if name == "ids":
        x = random.rng.integers(0, 11, (5, 21)).astype(np.float32)
    whole = TrainingProgram(chain).run(x)
    d_out = random(*whole.output.shape)
    dx, _, of_weights = whole.backward(d_out)
    calls = []
    for op in chain:
        calls.append(TrainingProgram([op]).run(x))
        x = calls[-1].output
    assert (x == whole.output).all()
    for call, expected in zip(reversed(calls), reversed(of_weights), strict=True):
        d_out, _, [found] = call.backward(d_out)
        for key, array in found.items():
            close(array, expected[key])
    if dx is not None:
        close(d_out, dx)


def test_forwards_is_what_a_program_gives():
    random = Random(3)
    op = random.op("lstm", 4, 19, return_sequences=True)
    x, initial = random(6, 11, 4), random.states("lstm", 6, 19)
    mask = random.rng.random((6, 11)) < 0.7
    call = TrainingProgram([op]).run(x, mask, [initial])
    out, h, c = reference.lstm(x, op.kernel, op.recurrent_kernel, op.bias, mask=mask, initial_state=initial)
    close(call.output, out)
    close(call.states[0][0], h)
    close(call.states[0][1], c)


def test_new_weights_and_frozen_ops():
    random = Random(2)
    first, second = ([random.op("lstm", 3, 8, return_sequences=True), random.op("gru", 8, 5)] for _ in range(2))
    x, d_out = random(4, 6, 3), random(4, 5)
    program = TrainingProgram(first)
    before = program.run(x).backward(d_out)
    program.set_weights(second)
    of_weights, expected = (made.run(x).backward(d_out)[2] for made in (program, TrainingProgram(second)))
    assert all((a[name] == b[name]).all() for a, b in zip(of_weights, expected, strict=True) for name in b)
    program.set_weights(first)
    frozen = TrainingProgram(first, trainable=[False, True]).run(x).backward(d_out, input_gradient=False)
    assert frozen[0] is None and frozen[2][0] == {}
    assert all((frozen[2][1][name] == before[2][1][name]).all() for name in before[2][1])


def test_calls_do_not_disturb_each_other():
    random = Random(2)
    program = TrainingProgram([random.op("lstm", 3, 8, return_sequences=True), random.op("lstm", 8, 5)])
    x, y, d_out = random(4, 6, 3), random(4, 6, 3), random(4, 5)
    alone = [program.run(given).backward(d_out) for given in (x, y)]
    calls = [program.run(given) for given in (x, y)]
    for call, expected in zip(calls, alone, strict=True):
        dx, _, of_weights = call.backward(d_out)
        assert (dx == expected[0]).all() and (of_weights[0]["kernel"] == expected[2][0]["kernel"]).all()
    with pytest.raises(RuntimeError, match="once"):
        calls[0].backward(d_out)


def test_masked_rows_may_hold_anything():
    random = Random(2)
    for kind in KINDS:
        program = TrainingProgram([random.op(kind, 3, 18, return_sequences=True)])
        x, mask = random(4, 6, 3), np.ones((4, 6), bool)
        mask[1, 4:] = mask[2, :3] = False
        x[~mask] = np.nan
        call = program.run(x, mask)
        dx, _, _ = call.backward(random(*call.output.shape))
        assert np.isfinite(call.output).all() and np.isfinite(dx).all()


def test_refuses_what_does_not_fit():
    random = Random(2)
    program = TrainingProgram([random.op("lstm", 3, 8)])
    x = random(4, 6, 3)
    for bad in (random(4, 6, 2), random(4, 3), x.astype(float), x[:, ::2], np.zeros((0, 6, 3), np.float32)):
        with pytest.raises(ValueError):
            program.run(bad)
    with pytest.raises(ValueError, match="mask"):
        program.run(x, np.ones((4, 5), bool))
    with pytest.raises(ValueError, match="initial_states"):
        program.run(x, None, [[random(4, 8), random(3, 8)]])
    with pytest.raises(ValueError, match="d_out"):
        program.run(x).backward(random(4, 7))
    with pytest.raises(ValueError, match="d_states"):
        program.run(x).backward(random(4, 8), [[random(4, 8)]])
    with pytest.raises(NotImplementedError, match="gradient of the activation"):
        TrainingProgram([ActivationOp(Activation("python", (), np.tanh))])
    with pytest.raises(ValueError, match="ids must be"):
        TrainingProgram([EmbeddingOp(random(4, 2))]).run(np.full((2, 3), 4, np.float32))
