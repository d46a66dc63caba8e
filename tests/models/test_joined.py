"""Graphs that run as one Program: against the same layers one by one, and the same bits however they run."""

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, get_num_threads, layers, ops, set_num_threads
from fastlstm.models.parts import GraphPart
from networks import flat, one_by_one, randomized

pytestmark = pytest.mark.packed_kernels

RNG = np.random.default_rng(3)


def values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def lstm(units, **flags):
    return layers.LSTM(units, return_sequences=True, **flags)


def sequences():
    x = Input((11, 8))
    return x, lstm(12)(x), lstm(12)(x)


def merged(layer):
    def make():
        x, a, b = sequences()
        return Model(x, layers.Dense(3)(layer([a, b])))

    return make


def repeated(layer):
    """A merge with a value of one feature, and with one of one step."""

    def make():
        x, a, _ = sequences()
        weight = layers.Dense(1, activation="sigmoid")(a)
        row = layers.GlobalAveragePooling1D()(a)
        return Model(x, layer([layer([a, weight]), row]))

    return make


def encoder_decoder(cell, count):
    def make():
        source, target = Input((9, 5)), Input((7, 4))
        _, *states = cell(10, return_state=True)(source)
        y, *last = cell(10, return_sequences=True, return_state=True)(target, initial_state=states)
        assert len(last) == count
        return Model([source, target], [layers.Dense(3, activation="softmax")(y), *last])

    return make


def decoder_step():
    x, h, c = Input((1, 4)), Input((6,)), Input((6,))
    y, *states = lstm(6, return_state=True)(x, initial_state=[h, c])
    return Model([x, h, c], [layers.TimeDistributed(layers.Dense(2))(y), *states])


def stacked_states():
    x = Input((6, 4))
    states = [Input((size,)) for size in (5, 5, 3, 3)]
    cells = [layers.LSTMCell(5), layers.LSTMCell(3)]
    y, *last = layers.RNN(cells, return_sequences=True, return_state=True)(x, initial_state=states)
    return Model([x, *states], [y, last[-1][1]] if isinstance(last[-1], list) else [y, last[-1]])


def both_directions(merge_mode):
    def make():
        x, target = Input((9, 5)), Input((6, 4))
        layer = layers.Bidirectional(lstm(4, return_state=True), merge_mode=merge_mode)
        found = layer(x)
        outputs, states = found[: -4 if merge_mode else 2], found[-4:]
        h, c = (layers.Concatenate()([states[i], states[i + 2]]) for i in (0, 1))
        y = lstm(8)(target, initial_state=[h, c])
        return Model([x, target], [*outputs, y, layers.Bidirectional(layers.GRU(3))(y)])

    return make


def attention(layer, **call):
    def make():
        query, value = Input((7, 6)), Input((9, 6))
        q, v = lstm(6)(query), lstm(6)(value)
        return Model([query, value], layers.LSTM(4)(layer([q, v], **call)))

    return make


def own_attention(**call):
    def make():
        x = Input((9, 6))
        layer = layers.MultiHeadAttention(3, 4, value_dim=5, use_gate=True)
        y = layers.Add()([x, layer(x, x, **call)])
        return Model(x, layers.LSTM(4)(layers.LayerNormalization()(y)))

    return make


def dots(axes, *shapes):
    def make():
        inputs = [Input(shape) for shape in shapes]
        return Model(inputs, layers.Dot(axes)(inputs))

    return make


def of_sequences(function):
    def make():
        x = Input((9, 6))
        return Model(x, function(lstm(5)(x), x))

    return make


def two_convolutions():
    x = Input((8, 2))
    both = [CONV(4, size, padding="same")(x) for size in (1, 3)]
    return Model(x, layers.GlobalMaxPooling1D()(layers.Add()(both)))


def steps_of(*inner, shape):
    def make():
        found = [layers.TimeDistributed(layer) for layer in inner]
        return Sequential([Input(shape), *found, layers.TimeDistributed(layers.Flatten()), layers.LSTM(5)])

    return make


def planes(*inner, shape):
    return lambda: Sequential([Input(shape), *inner, layers.Flatten(), layers.Dense(3)])


def ids():
    first, second = Input((7,)), Input((5,))
    table = layers.Embedding(6, 12)
    a, b = layers.LSTM(4)(table(first)), layers.LSTM(4)(layers.Embedding(50, 3)(second))
    return Model([first, second], layers.Concatenate()([a, b]))


def shared():
    x, other = Input((8, 3)), Input((8, 3))
    layer = layers.LSTM(5)
    return Model([x, other], layers.Subtract()([layer(x), layer(other)]))


def several_outputs():
    x = Input((8, 3), name="x")
    y = lstm(5)(x)
    return Model({"x": x}, {"all": y, "last": layers.Dense(2)(layers.LSTM(4)(y)), "input": x, "again": y})


def nothing_done():
    x = Input((8, 3))
    y = lstm(5)(x)
    return Model(x, [layers.Dropout(0.5)(y), layers.Dropout(0.5)(x), y])


def with_numpy_between():
    x = Input((8, 3))
    y = layers.Reshape((2, 4, 3))(x)
    z = layers.Permute((3, 1, 2))(y)
    return Model(x, layers.Add()([layers.LSTM(4)(x), layers.Dense(4)(layers.Flatten()(z))]))


CONV, POOL = layers.Conv1D, layers.MaxPooling1D
GRAPHS = {
    **{
        name: merged(layer)
        for name, layer in {
            "add": layers.Add(),
            "subtract": layers.Subtract(),
            "multiply": layers.Multiply(),
            "average": layers.Average(),
            "maximum": layers.Maximum(),
            "minimum": layers.Minimum(),
            "features": layers.Concatenate(),
            "steps": layers.Concatenate(axis=1),
        }.items()
    },
    **{
        f"repeated {kind}": repeated(getattr(layers, kind)())
        for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum")
    },
    "encoder and decoder": encoder_decoder(layers.LSTM, 2),
    "GRU encoder and decoder": encoder_decoder(layers.GRU, 1),
    "SimpleRNN encoder and decoder": encoder_decoder(layers.SimpleRNN, 1),
    "decoder step": decoder_step,
    "stacked states": stacked_states,
    "both directions": both_directions("concat"),
    "both directions, summed": both_directions("sum"),
    "attention": attention(layers.Attention()),
    "scaled attention": attention(layers.Attention(use_scale=True)),
    "attention of sums": attention(layers.Attention(use_scale=True, score_mode="concat")),
    "causal attention": attention(layers.Attention(), use_causal_mask=True),
    "additive attention": attention(layers.AdditiveAttention()),
    "unscaled additive attention": attention(layers.AdditiveAttention(use_scale=False)),
    "own attention": own_attention(),
    "causal own attention": own_attention(use_causal_mask=True),
    "dot": dots(1, (5,), (5,)),
    "dot 1": dots((1, 1), (4, 5), (4, 3)),
    "dot 2": dots((2, 2), (4, 5), (3, 5)),
    "dot 1, 2": dots((1, 2), (4, 5), (3, 4)),
    "dot 2, 1": dots((2, 1), (4, 5), (5, 3)),
    "dot of a row": dots((2, 1), (4, 5), (5,)),
    "dot with a row": dots((1, 2), (5,), (4, 5)),
    "softmax of steps": of_sequences(lambda y, x: layers.Softmax(axis=1)(y)),
    "softmax": of_sequences(lambda y, x: layers.Softmax()(y)),
    "PReLU": of_sequences(lambda y, x: layers.PReLU()(y)),
    "shared PReLU": of_sequences(lambda y, x: layers.PReLU(shared_axes=1)(y)),
    "PReLU of rows": of_sequences(lambda y, x: layers.PReLU()(layers.LSTM(3)(y))),
    "last step": of_sequences(lambda y, x: y[:, -1]),
    "one step kept": of_sequences(lambda y, x: y[:, 3:4, :]),
    "some steps": of_sequences(lambda y, x: y[:, 2:-3]),
    "some features": of_sequences(lambda y, x: y[..., -3:-1]),
    "one feature": of_sequences(lambda y, x: y[:, :, 2]),
    "turned": of_sequences(lambda y, x: y[:, ::-1, 1:]),
    "features of a row": of_sequences(lambda y, x: layers.LSTM(7)(y)[:, 2:5]),
    "arithmetic": of_sequences(
        lambda y, x: (1 - y) * 2.5 + x[..., :5] / (3 + ops.square(y)) - np.float32([1, 2, 3, 4, 5])
    ),
    "functions": of_sequences(lambda y, x: ops.tanh(ops.relu(y)) + ops.sigmoid(-y) * ops.abs(y) + ops.exp(y)),
    "leaky": of_sequences(lambda y, x: ops.leaky_relu(y, 0.1) + ops.elu(y, 0.5) + ops.gelu(y)),
    "extremes": of_sequences(lambda y, x: ops.maximum(y, 0.05) + ops.minimum(0.02, y)),
    "sum": of_sequences(lambda y, x: ops.sum(y, axis=1)),
    "kept mean": of_sequences(lambda y, x: y - ops.mean(y, axis=1, keepdims=True)),
    "greatest feature": of_sequences(lambda y, x: ops.max(y, axis=-1)),
    "kept sum of features": of_sequences(lambda y, x: y / ops.sum(ops.exp(y), axis=-1, keepdims=True)),
    "sum of a row": of_sequences(lambda y, x: ops.sum(layers.LSTM(7)(y), axis=1, keepdims=True)),
    "softmax operation": of_sequences(lambda y, x: ops.softmax(y, axis=1) * ops.softmax(y)),
    "axes": of_sequences(lambda y, x: ops.squeeze(ops.expand_dims(layers.LSTM(4)(y), 1), 1)),
    "matmul": of_sequences(lambda y, x: ops.matmul(ops.transpose(x, (0, 2, 1)), y)),
    "concatenation": of_sequences(lambda y, x: ops.concatenate([y, x], axis=-1)),
    "global pools": of_sequences(
        lambda y, x: layers.Concatenate()([layers.GlobalMaxPooling1D()(y), layers.GlobalAveragePooling1D()(x)])
    ),
    "TimeDistributed convolutions": steps_of(
        CONV(6, 3, activation="relu"), CONV(4, 2, padding="same"), POOL(2), shape=(4, 9, 3)
    ),
    "TimeDistributed normalization": steps_of(CONV(6, 2), layers.BatchNormalization(), layers.ReLU(), shape=(3, 8, 2)),
    "TimeDistributed pool": lambda: Sequential(
        [Input((3, 8, 2)), layers.TimeDistributed(layers.GlobalAveragePooling1D()), layers.LSTM(4)]
    ),
    "TimeDistributed planes": steps_of(
        layers.Conv2D(5, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, (2, 3), strides=(1, 2)),
        layers.AveragePooling2D(2, padding="same"),
        shape=(3, 9, 11, 2),
    ),
    "TimeDistributed model": lambda: Sequential(
        [
            Input((3, 8, 7, 2)),
            layers.TimeDistributed(
                Sequential([layers.Conv2D(4, 3), layers.ReLU(), layers.MaxPooling2D(2), layers.Flatten()])
            ),
            layers.LSTM(5),
        ]
    ),
    "TimeDistributed graph": lambda: Sequential(
        [Input((3, 8, 2)), layers.TimeDistributed(two_convolutions()), layers.LSTM(5)]
    ),
    "TimeDistributed global pool": lambda: Sequential(
        [Input((3, 6, 5, 2)), layers.TimeDistributed(layers.GlobalMaxPooling2D()), layers.LSTM(4)]
    ),
    "planes": planes(
        layers.Conv2D(6, 3, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ELU(),
        layers.AveragePooling2D((2, 3), strides=(1, 2)),
        shape=(10, 12, 3),
    ),
    "plane of rows": planes(layers.Conv2D(6, (1, 5)), layers.MaxPooling2D((1, 2), padding="same"), shape=(3, 20, 2)),
    "global pool of planes": lambda: Sequential(
        [Input((6, 5, 3)), layers.Conv2D(4, 2), layers.GlobalAveragePooling2D()]
    ),
    "reshaped to planes": lambda: Sequential(
        [
            Input((24,)),
            layers.Reshape((2, 4, 3)),
            layers.TimeDistributed(CONV(5, 2)),
            layers.Reshape((2, -1)),
            layers.GRU(4),
        ]
    ),
    "ids": ids,
    "shared layer": shared,
    "several outputs": several_outputs,
    "nothing done": nothing_done,
}


def made(name):
    model = GRAPHS[name]()
    randomized(model)
    return model


def inputs_of(model, rows, name):
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    if name == "ids":
        return [RNG.integers(0, 6, (rows, *shape)).astype(np.float32) for shape in shapes]
    return [values(rows, *shape) for shape in shapes]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("rows", [1, 5])
def test_one_program_gives_what_the_layers_give(name, rows):
    model = made(name)
    assert [type(part) for part in model.current_plan._runs] == [GraphPart]
    assert "NumPy" not in model.plan()
    x = inputs_of(model, rows, name)
    outputs, expected = flat(model.predict_on_batch(x)), one_by_one(model, x)
    assert len(outputs) == len(expected)
    for output, exact in zip(outputs, expected, strict=True):
        assert output.shape == exact.shape and output.flags.c_contiguous
        np.testing.assert_allclose(output, exact, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_same_bits_in_any_batch_and_on_any_threads(name):
    model = made(name)
    x = inputs_of(model, 19, name)
    expected = flat(model.predict_on_batch(x))
    before = get_num_threads()
    try:
        for threads in (1, 2, 3):
            set_num_threads(threads)
            for rows in (slice(0, 19), slice(3, 4), slice(7, 16)):
                outputs = flat(model.predict_on_batch([array[rows].copy() for array in x]))
                for output, whole in zip(outputs, expected, strict=True):
                    np.testing.assert_array_equal(output, whole[rows])
    finally:
        set_num_threads(before)


def test_a_level_for_every_layer_in_numpy():
    model = with_numpy_between()
    randomized(model)
    x = values(3, 8, 3)
    kinds = [type(part).__name__ for part in model.current_plan._runs]
    assert kinds == ["GraphPart", "LayerPart", "GraphPart"]
    np.testing.assert_allclose(model.predict_on_batch(x), one_by_one(model, [x])[0], rtol=1e-5, atol=1e-6)


def test_more_inputs_than_a_program_has():
    inputs = [Input((3,)) for _ in range(40)]
    model = Model(inputs, [layers.Dense(2)(layers.Concatenate()(inputs)), layers.Average()(inputs)])
    x = [values(2, 3) for _ in inputs]
    outputs = model.predict_on_batch(x)
    np.testing.assert_allclose(outputs[1], np.mean(x, axis=0), rtol=1e-5, atol=1e-6)


def test_masks_have_the_layers_run_one_by_one():
    x, a, b = sequences()
    model = Model(x, layers.LSTM(4)(layers.Add()([a, b])))
    randomized(model)
    given, mask = values(2, 11, 8), np.arange(11) < np.array([[7], [11]])
    masked = model(given, mask=mask).numpy()
    np.testing.assert_array_equal(masked[1], model.predict_on_batch(given)[1])
    assert np.abs(masked[0] - model.predict_on_batch(given)[0]).max() > 1e-3


def test_other_lengths_than_in_the_graph_and_other_weights():
    x, other = Input((None, 3)), Input((None, 3))
    model = Model([x, other], layers.Add()([lstm(4)(x), lstm(4)(other)]))
    for timesteps in (1, 2, 9):
        given = [values(2, timesteps, 3), values(2, timesteps, 3)]
        before = model.predict_on_batch(given)
        np.testing.assert_allclose(before, one_by_one(model, given)[0], rtol=1e-5, atol=1e-6)
    model.set_weights([weight + 0.5 for weight in model.get_weights()])
    assert np.abs(model.predict_on_batch(given) - before).max() > 1e-2
    with pytest.raises(ValueError, match="broadcast"):
        model.predict_on_batch([values(2, 4, 3), values(2, 5, 3)])
    np.testing.assert_array_equal(model.predict_on_batch(given), model.predict_on_batch(given))


def test_a_subclass_with_a_call_of_its_own_runs_itself():
    class Doubled(layers.Add):
        def call(self, inputs, mask=None):
            return 2 * super().call(inputs, mask)

    x, a, b = sequences()
    model = Model(x, [Doubled()([a, b]), layers.Add()([a, b])])
    doubled, plain = model.predict_on_batch(values(2, 11, 8))
    np.testing.assert_allclose(doubled, 2 * plain, rtol=1e-6)
    assert "NumPy: Doubled" in model.plan()


def test_ids_of_several_axes():
    x, other = Input((4, 3)), Input((4,))
    table = layers.Embedding(6, 2)
    both = layers.Concatenate()([layers.Flatten()(table(x)), layers.Flatten()(table(other))])
    model = Model([x, other], layers.Dense(2)(both))
    given = [RNG.integers(0, 6, (2, *shape)).astype(np.float32) for shape in ((4, 3), (4,))]
    np.testing.assert_allclose(model.predict_on_batch(given), one_by_one(model, given)[0], rtol=1e-5, atol=1e-6)


def test_ids_that_the_table_does_not_have():
    model = made("ids")
    x = inputs_of(model, 2, "ids")
    with pytest.raises(ValueError, match=r"ids must be from -6 to 5\. Received: 6"):
        model.predict_on_batch([np.full((2, 7), 6, np.float32), x[1]])
    assert model.predict_on_batch(x).shape == (2, 8)


def test_what_does_not_fit_is_said_in_words():
    model = Sequential([Input((None, 4)), layers.Conv1D(3, 5), layers.LSTM(2)])
    with pytest.raises(ValueError, match="Convolution expected at least 5 steps, it would get 3"):
        model.predict_on_batch(values(2, 3, 4))
