import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential, ops
from fastlstm.backend import Tensor
from fastlstm.layers import LSTM, Concatenate, Dense, Dropout, Embedding, Layer, Masking
from fastlstm.layers.symbolic import operation
from fastlstm.models import Functional, clone_model, model_from_json
from networks import random, seq2seq, two_branches

RNG = np.random.default_rng(5)
X = RNG.normal(size=(7, 5, 3)).astype(np.float32)
Y = RNG.normal(size=(7, 5, 3)).astype(np.float32)


def test_a_row_is_what_sequential_is():
    a = Input((5, 3), name="a")
    lstm, dense = LSTM(4, return_sequences=True), Dense(2)
    model = Model(a, dense(Dropout(0.5)(lstm(a))), name="f")
    assert type(model) is Functional and isinstance(model, Model) and model.built
    assert model.layers[0].name == "a" and len(model.layers) == 4
    assert (model.input_shape, model.output_shape) == ((None, 5, 3), (None, 5, 2))
    assert model.input is a and model.inputs == [a] and model.outputs == [model.output]
    row = Sequential([Input((5, 3)), lstm, Dropout(0.5), dense])
    expected = row.predict(X, verbose=0)
    # One call into the engine, whoever made the graph.
    assert model.current_plan.whole is not None and len(model.current_plan.whole.layers) == 3
    for outputs in (model.predict(X, verbose=0), model.predict_on_batch(X), model(X).numpy(), model.call(X)):
        np.testing.assert_array_equal(outputs, expected)
    assert type(model(X)) is Tensor and type(model.predict_on_batch(X)) is np.ndarray
    np.testing.assert_array_equal(model.predict(X, batch_size=2, verbose=0), expected)
    assert model.predict(X[:0], verbose=0).shape == (0, 5, 2)


@pytest.mark.parametrize("inputs", [list, tuple, dict])
@pytest.mark.parametrize("outputs", [list, tuple, dict])
def test_structures(inputs, outputs):
    model, left, right = two_branches(inputs, outputs)
    assert (model.input_shape, model.output_shape) == ([(None, 5, 3)] * 2, [(None, 4), (None, 5, 2)])
    assert (type(model.input), type(model.output)) == (inputs, outputs)
    assert model.output_names == ["left", "right"]
    expected = [left(X).numpy(), right(Y).numpy()]
    for given in ({"a": X, "b": Y}, {"b": Y, "a": X, "more": X}, [X, Y], (X, Y)):
        for run in (lambda x: model.predict(x, batch_size=3, verbose=0), model.predict_on_batch, model):
            results = run(given)
            assert type(results) is outputs
            for got, wanted in zip(results.values() if outputs is dict else results, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)
    generated = model.predict((([X[i : i + 1], Y[i : i + 1]],) for i in range(7)), verbose=0)
    first = generated["l"] if outputs is dict else generated[0]
    np.testing.assert_allclose(first, expected[0], rtol=1e-6)


class Counted(Layer):
    """Says how often it was asked for its output shape."""

    supports_masking = True
    asked = 0

    def call(self, x):
        return x

    def compute_output_shape(self, input_shape):
        type(self).asked += 1
        return input_shape


def test_a_layer_called_often_is_asked_once_for_each_kind_of_input():
    short, long = Input((5, 3), name="short"), Input((None, 3), name="long")
    layer = Counted(name="often")
    masked = Masking(name="masking")(long)
    tensors = [short, long, masked]
    for _ in range(4):
        tensors = [layer(x) for x in tensors]
    model = Model([short, long], tensors, name="m")
    Counted.asked = 0
    again = Functional.from_config(model.get_config(), {"Counted": Counted})
    assert Counted.asked <= 3 + 1  # and once as it is built
    assert again.output_shape == model.output_shape == [(None, 5, 3), (None, None, 3), (None, None, 3)]
    assert [tensor.masked for tensor in again.outputs] == [False, False, True]
    assert again.get_config() == model.get_config()
    for got, wanted in zip(again.predict([X, Y], verbose=0), model.predict([X, Y], verbose=0), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_structures_of_one():
    a = Input((5, 3), name="a")
    y = Dense(2)(a)
    for inputs in (a, [a], {"a": a}):
        for given in (X, [X], {"a": X}):
            assert type(Model(inputs, [y]).predict(given, verbose=0)) is np.ndarray
            assert list(Model(inputs, {"y": y}).predict(given, verbose=0)) == ["y"]


def test_an_input_that_is_none():
    with pytest.raises(ValueError, match="The input 'b' is not optional, but None was passed"):
        two_branches()[0]([X, None])
    a, b = Input((5, 3), name="a"), Input((5, 3), name="b")
    unsorted = Model({"b": b, "a": a}, Concatenate()([a, b]))
    with pytest.raises(ValueError, match="The structure of `inputs` doesn't match"):
        unsorted([X, Y])


def test_missing_and_extra_axes_of_one():
    a, b = Input((5, 1), name="a"), Input((5,), name="b")
    model = Model([a, b], [LSTM(2)(a), Dense(2)(b)])
    expected = model.predict([X[..., :1], X[..., 0]], verbose=0)
    for got, wanted in zip(model.predict([X[..., 0], X[..., :1]], verbose=0), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_seq2seq():
    model = seq2seq()
    encoder, decoder, words = (model.get_layer(name) for name in ("encoder", "decoder", "words"))
    target = Y[:, :4, :2]
    expected = words(decoder(target, initial_state=encoder(X)[1:])[0])
    np.testing.assert_allclose(model.predict([X, target], verbose=0), expected, rtol=1e-6, atol=1e-7)
    # The decoder and what follows it are one call into the engine, the encoder another.
    assert len(model.current_plan.parts) == 2
    # The usual way to inference: new models from the layers and tensors of the trained one.
    source = model.input[0]
    inference = Model(source, encoder.output[1:])
    for got, wanted in zip(inference.predict(X, verbose=0), encoder(X)[1:], strict=True):
        np.testing.assert_array_equal(got, wanted)
    states = [Input((4,)), Input((4,))]
    sequences, *after = decoder(model.input[1], initial_state=states)
    step = Model([model.input[1], *states], [words(sequences), *after])
    given = encoder(X)[1:]
    whole = []
    for t in range(4):
        y, *given = step.predict([target[:, t : t + 1], *given], verbose=0)
        whole.append(y)
    np.testing.assert_allclose(np.concatenate(whole, axis=1), expected, rtol=1e-6, atol=1e-7)


def test_models_of_inner_tensors():
    row = Sequential([Input((5, 3)), LSTM(4, return_sequences=True, name="first"), Dense(2)])
    front = Model(row.inputs, row.layers[0].output)
    np.testing.assert_array_equal(front.predict(X, verbose=0), row.layers[0](X))
    back = Model(row.layers[0].output, row.output)
    assert [type(layer).__name__ for layer in back.layers] == ["InputLayer", "Dense"]
    np.testing.assert_array_equal(back.predict(front.predict(X, verbose=0), verbose=0), row.predict(X, verbose=0))
    again = Functional.from_config(back.get_config())
    again.set_weights(back.get_weights())
    np.testing.assert_array_equal(again.predict(row.layers[0](X), verbose=0), row.predict(X, verbose=0))


def test_shared_layers():
    a, b = Input((5, 3)), Input((5, 3))
    lstm = LSTM(4)
    model = Model([a, b], Concatenate()([lstm(a), lstm(b)]))
    assert [type(layer) for layer in model.layers][2:] == [LSTM, Concatenate] and len(model.weights) == 3
    np.testing.assert_array_equal(model.predict([X, Y], verbose=0), np.concatenate([lstm(X), lstm(Y)], axis=1))
    # Both calls have the weights packed once.
    assert len({id(part.bound) for part in model.current_plan.parts[:2]}) == 1
    lstm.set_weights([weight + 0.1 for weight in lstm.get_weights()])
    np.testing.assert_array_equal(model.predict([X, Y], verbose=0), np.concatenate([lstm(X), lstm(Y)], axis=1))


def test_nested_models():
    inner = Sequential([LSTM(4, return_sequences=True), Dropout(0.3), Dense(2)], name="row")
    x = Input((5, 2))
    graph = Model(x, {"q": Dense(3)(x), "p": LSTM(2)(x)}, name="graph")
    a = Input((5, 3))
    results = graph(inner(a))
    assert inner.built and list(results) == ["q", "p"] and results["q"].shape == (None, 5, 3)
    model = Model(a, [results["p"], Dense(1)(results["q"])])
    expected = graph(inner(X))
    np.testing.assert_allclose(model.predict(X, verbose=0)[0], expected["p"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.predict(X, verbose=0)[1], model.layers[-1](expected["q"]), rtol=1e-5, atol=1e-6)
    # The layers inside are joined as if there were no models around them.
    assert len(model.current_plan.parts[0].layers) == 3
    inner.add(Dense(2, name="more"))
    np.testing.assert_allclose(model.predict(X, verbose=0)[0], graph(inner(X))["p"], rtol=1e-6, atol=1e-7)
    assert len(graph.leaves()) == 3 and graph in model.layers and inner in model.layers


def test_a_graph_inside_a_row():
    x = Input((5, 3))
    graph = Model(x, Dense(4)(LSTM(2, return_sequences=True)(x)))
    row = Sequential([graph, LSTM(3)])
    assert row.built and row.output_shape == (None, 3)
    np.testing.assert_allclose(row.predict(X, verbose=0), row.layers[1](graph(X)), rtol=1e-6, atol=1e-7)


def test_nested_shapes_that_are_known_late():
    x = Input((None, 3))
    graph = Model(x, [LSTM(2, return_sequences=True)(x), Dense(1)(x)])
    outputs = graph(Input((6, 3)))
    assert [tensor.shape for tensor in outputs] == [(None, 6, 2), (None, 6, 1)]
    assert graph.compute_output_shape((4, None, 3)) == [(4, None, 2), (4, None, 1)]


def test_operators():
    a, b = Input((5, 3)), Input((5, 3))
    cases = [
        (a + 1, X + 1), (2 - a, 2 - X), (a * b, X * Y), (a / 2, X / 2), (1 / (b * b + 1), 1 / (Y * Y + 1)), (-a, -X),
        (abs(a), abs(X)), (a**2, X**2), (a // 0.5, X // 0.5), (a % 0.7, X % np.float32(0.7)),
        (a + np.arange(3), X + np.arange(3, dtype="f4")), (np.ones(3) * b, Y),
        (a[:, -1], X[:, -1]), (a[:, :, 0], X[:, :, 0]), (a[..., 1:], X[..., 1:]), (a[:, None], X[:, None]),
        (a[:, 1:4:2] * 2, X[:, 1:4:2] * 2), (a > b, X > Y), (a <= 0, X <= 0), (a != 0, X != 0), (a < b, X < Y),
        ((a > 0) & ~(b >= 0), (X > 0) & ~(Y >= 0)), ((a > 0) | (b > 0), (X > 0) | (Y > 0)), ((a > 0) * 2, (X > 0) * 2),
    ]  # fmt: skip
    model = Model([a, b], [tensor for tensor, _ in cases])
    assert len(model.layers) == 2
    again = Functional.from_config(model.get_config())
    for run in (model, again):
        for got, (tensor, expected) in zip(run.predict([X, Y], verbose=0), cases, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6)
            assert got.dtype == tensor.dtype and got.shape[1:] == tensor.shape[1:]
    assert operation.find("Add")()(X, Y).shape == X.shape


def test_unused_inputs_and_inputs_as_outputs():
    a, b = Input((5, 3), name="a"), Input((5, 3), name="b")
    model = Model([a, b], [a, Dense(2, name="d")(a), a])
    assert [layer.name for layer in model.layers] == ["a", "b", "d"]
    first, _, third = model.predict([X, Y], verbose=0)
    np.testing.assert_array_equal(first, X)
    assert not any(np.shares_memory(*pair) for pair in ((first, X), (third, X), (first, third)))


def test_dict_keys_that_are_no_names():
    a = Input((5, 3), name="a")
    with pytest.warns(UserWarning, match="all keys in the dict must match the names"):
        Model({"x": a}, Dense(2)(a))


def test_stateful_layers():
    a = Input(batch_shape=(7, None, 3))
    lstm = LSTM(2, stateful=True, return_sequences=True)
    model = Model(a, [lstm(a), Dense(1)(lstm(a + 1))])
    whole = LSTM(2, return_sequences=True)
    whole.build(X.shape)
    whole.set_weights(lstm.get_weights())
    row = Model(a, lstm(a))
    model.reset_states()
    parts = [row.predict(X[:, :2], batch_size=7, verbose=0), row.predict(X[:, 2:], batch_size=7, verbose=0)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole(X))
    row.reset_states()
    np.testing.assert_array_equal(row.predict(X, batch_size=7, verbose=0), whole(X))


def test_training_calls():
    a = Input((5, 3))
    model = Model(a, Dropout(0.5, seed=1)(a, training=True))
    # As in Keras: what a call says itself holds where the caller says nothing, and `predict` says that it is none.
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)
    assert (model(X).numpy() == 0).any()
    plain = Model(a, Dropout(0.5, seed=1)(a))
    np.testing.assert_array_equal(plain(X), X)
    assert (plain(X, training=True).numpy() == 0).any()


@pytest.mark.parametrize("make", [seq2seq, lambda: two_branches()[0], lambda: two_branches(dict, dict)[0]])
def test_copies(make):
    model = make()
    x = [X, Y[..., :2]] if model.name == "s" else [X, Y]
    expected = model.predict(x, verbose=0)
    ways = {
        "deepcopy": copy.deepcopy,
        "pickle": lambda m: pickle.loads(pickle.dumps(m)),
        "config": lambda m: Functional.from_config(m.get_config()),
        "json": lambda m: model_from_json(m.to_json()),
        "clone": clone_model,
    }
    for way, again in ways.items():
        twin = again(model)
        assert type(twin) is Functional and twin.name == model.name
        assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
        assert not {id(layer) for layer in twin.layers} & {id(layer) for layer in model.layers}
        if way in ("config", "json", "clone"):
            twin.set_weights(model.get_weights())
        results = twin.predict(x, verbose=0)
        assert type(results) is type(expected)
        pairs = zip(*(r.values() if isinstance(r, dict) else r for r in (results, expected)), strict=True)
        for got, wanted in pairs:
            np.testing.assert_array_equal(got, wanted)
    assert Functional.from_config(model.get_config()).get_config() == model.get_config()


def test_a_copied_layer_leaves_the_graph_behind():
    model = seq2seq()
    assert len(pickle.dumps(model.get_layer("words"))) < 5000
    twin = copy.deepcopy(model.get_layer("words"))
    assert twin.nodes == [] and len(model.get_layer("words").nodes) == 1


def test_clones_with_other_layers():
    model, *_ = two_branches()
    clone = clone_model(model, clone_function=lambda layer: type(layer).from_config(layer.get_config() | {"units": 5}))
    assert clone.output_shape == [(None, 5), (None, 5, 5)]
    calls = []
    clone_model(model, call_function=lambda layer, *args, **kwargs: calls.append(layer.name) or layer(*args, **kwargs))
    assert sorted(calls) == ["left", "right"]
    inputs = [Input((9, 3), name="c"), Input((5, 3), name="d")]
    assert clone_model(model, input_tensors=inputs).input_shape == [(None, 9, 3), (None, 5, 3)]
    with pytest.raises(ValueError, match="as many `Input`s as the model has inputs"):
        clone_model(model, input_tensors=inputs[:1])


def test_summary(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    printed = []
    model = seq2seq()
    model.summary(print_fn=printed.append)
    lines = [line for line in printed[0].splitlines() if "│" in line]
    assert "Connected to" in printed[0]
    assert lines[0].split("│")[1:5] == [
        " source (InputLayer)           ", " (None, None, 3)           ", "               0 ",
        " -                          ",
    ]  # fmt: skip
    text = " ".join(printed[0].split())
    for connection in ("source[0][0]", "target[0][0],", "encoder[0][1],", "encoder[0][2]", "decoder[0][0]"):
        assert connection in text
    assert "[(None, 4), (None, 4)," in text
    assert len(lines[0]) == 108
    a = Input((5, 3))
    printed.clear()
    Model(a, Dense(2)(a)).summary(print_fn=printed.append)
    assert "Connected to" not in printed[0]


def test_layers_of_the_users():
    class Gate(Layer):
        def call(self, inputs, scale=1.0):
            x, gate = inputs
            return x * gate * np.float32(scale)

        def compute_output_shape(self, input_shape):
            return input_shape[0]

    a, b = Input((5, 3)), Input((5, 3))
    model = Model([a, b], Gate()([a, b], scale=2.0))
    np.testing.assert_allclose(model.predict([X, Y], verbose=0), 2 * X * Y, rtol=1e-6)
    np.testing.assert_allclose(Gate()((X, Y)), X * Y, rtol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(Sequential([Dense(2)])))(X).shape, (7, 5, 2))


def test_intermediate_values_are_dropped():
    alive = []

    class Watch(Layer):
        def call(self, inputs):
            gc.collect()
            alive.append(sum(reference() is not None for reference in references))
            output = inputs + 1
            references.append(weakref.ref(output))
            return output

        def compute_output_shape(self, input_shape):
            return input_shape

    references = []
    a = Input((5, 3))
    tensor = a
    for _ in range(6):
        tensor = Watch()(tensor)
    Model(a, tensor).predict(X, verbose=0)
    assert max(alive[2:]) <= 1


def test_embedding_and_masks_in_a_graph():
    ids = Input((6,), name="ids")
    lstm = LSTM(3, return_sequences=True)
    model = Model(ids, lstm(Embedding(9, 4, mask_zero=True)(ids)))
    x = np.array([[3, 1, 2, 0, 0, 0], [1, 2, 3, 4, 5, 6]])
    y = model(x)
    np.testing.assert_array_equal(y._keras_mask, x != 0)
    np.testing.assert_array_equal(y[0, 2:], np.repeat(y[:1, 2], 4, axis=0))
    assert Model(ids, Masking()(Embedding(9, 4)(ids))).predict(x, verbose=0).shape == (2, 6, 4)


def test_layers_shared_with_a_nested_model(tmp_path):
    x = Input((5, 3))
    shared = LSTM(4, name="shared")
    encoder = Model(x, Dense(2, name="code")(shared(x)), name="encoder")
    a = Input((5, 3))
    model = Model(a, [encoder(a), shared(a)])
    assert len(model.weights) == 5 and model.count_params() == encoder.count_params()
    model.save(tmp_path / "m.keras")
    expected = model.predict(X, verbose=0)
    model.set_weights([0 * weight for weight in model.get_weights()])
    model.load_weights(tmp_path / "m.keras")
    for got, wanted in zip(model.predict(X, verbose=0), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("function", ["sum", "mean", "max", "amax"])
def test_sums_of_rows_have_the_shape_that_the_graph_says(function, keepdims):
    x = Input((3,))
    made = getattr(ops, function)(x, axis=-1, keepdims=keepdims)
    array = random(4, 3)
    expected = np.asarray(getattr(ops, function)(array, axis=-1, keepdims=keepdims))
    y = Model(x, made).predict(array, verbose=0)
    assert y.shape == expected.shape == (4, *made.shape[1:])
    np.testing.assert_allclose(y, expected, rtol=1e-6)
