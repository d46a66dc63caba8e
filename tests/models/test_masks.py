import warnings

import numpy as np
import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import (
    GRU,
    LSTM,
    Activation,
    Add,
    Bidirectional,
    Concatenate,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    Layer,
    Masking,
    RepeatVector,
    TimeDistributed,
)

RNG = np.random.default_rng(3)
VALID = np.arange(6) < np.array([[3], [6], [1], [4]])
X = (RNG.normal(size=(4, 6, 3)) * VALID[..., None]).astype(np.float32)
IDS = (RNG.integers(1, 7, (4, 6)) * VALID).astype(np.int32)


def row(*layers):
    return Sequential([Input((6, 3)), *layers])


def graph(*layers):
    tensor = x = Input((6, 3))
    for layer in layers:
        tensor = layer(tensor)
    return Model(x, tensor)


def by_hand(layers, x):
    for layer in layers:
        x = layer(x)
    return x


STACKS = {
    "recurrent": lambda: [Masking(), LSTM(4, return_sequences=True), Dense(3), GRU(2)],
    "both ways": lambda: [Masking(), Bidirectional(LSTM(4, return_sequences=True)), LSTM(2)],
    "pooled": lambda: [Masking(), TimeDistributed(Dense(3)), GlobalAveragePooling1D()],
    "backwards": lambda: [Masking(), LSTM(4, return_sequences=True, go_backwards=True), LSTM(2, return_sequences=True)],
    "nested": lambda: [Masking(), Sequential([LSTM(4, return_sequences=True), Dense(2)]), LSTM(3)],
    "created inside": lambda: [Sequential([Masking(), Dense(4)]), LSTM(3)],
}


@pytest.mark.parametrize("name", STACKS)
def test_rows_graphs_and_layers_called_by_hand_agree(name):
    layers = STACKS[name]()
    y = row(*layers).predict(X, verbose=0)
    np.testing.assert_allclose(graph(*layers).predict(X, verbose=0), y, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(by_hand(layers, X), y, rtol=1e-6, atol=1e-7)
    # The first layer's mask given by hand, in its place.
    if type(layers[0]) is Masking:
        rest = row(*layers[1:])
        np.testing.assert_allclose(rest(X, mask=VALID), y, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(rest(layers[0](X)), y, rtol=1e-6, atol=1e-7)
    # Every row is as if it ended with its last valid step.
    if name in ("recurrent", "both ways", "pooled", "nested"):
        shorter = Sequential([Input((None, 3)), *layers[1:]])
        for index, length in enumerate(VALID.sum(1)):
            alone = shorter.predict(X[index : index + 1, :length], verbose=0)
            np.testing.assert_allclose(alone[0], y[index], rtol=1e-5, atol=1e-6)


def test_tensors_carry_masks():
    masked = Masking()(X)
    np.testing.assert_array_equal(masked._keras_mask, VALID)
    np.testing.assert_array_equal(Dense(2)(masked)._keras_mask, VALID)
    np.testing.assert_array_equal(Embedding(7, 2, mask_zero=True)(IDS)._keras_mask, VALID)
    sequences, h, _ = LSTM(2, return_sequences=True, return_state=True)(masked)
    np.testing.assert_array_equal(sequences._keras_mask, VALID)
    assert not hasattr(h, "_keras_mask") and not hasattr(LSTM(2)(masked), "_keras_mask")
    # What NumPy makes of a tensor carries none, as in Keras.
    assert not hasattr(masked + 1, "_keras_mask") and not hasattr(masked[:, :2], "_keras_mask")
    np.testing.assert_array_equal(row(Masking(), Dense(2))(X)._keras_mask, VALID)
    assert not hasattr(row(Dense(2))(X), "_keras_mask")


def test_a_given_mask_counts_before_a_carried_one():
    other = np.roll(VALID, 1, axis=0)
    lstm = LSTM(3)
    np.testing.assert_array_equal(lstm(Masking()(X), mask=other), lstm(X, mask=other))


@pytest.mark.parametrize(
    "layers",
    [[LSTM(2, return_sequences=True), Flatten()], [Flatten(), RepeatVector(2)]],
    ids=["after the engine", "after NumPy"],
)
@pytest.mark.parametrize("model_of", [row, graph])
def test_layers_that_destroy_masks_warn(layers, model_of):
    model = model_of(Masking(), *layers)
    with pytest.warns(
        UserWarning, match=r"\(of type Flatten\) was passed an input with a mask attached to it"
    ) as warned:
        model.predict(X, verbose=0)
    assert len(warned) == 1


def test_layers_of_the_users_destroy_masks_unless_they_say_otherwise():
    class Twice(Layer):
        def call(self, inputs):
            return 2 * inputs

        def compute_output_shape(self, input_shape):
            return input_shape

    class Passing(Twice):
        supports_masking = True

    lstm = LSTM(3)
    with pytest.warns(UserWarning, match=r"Layer 'twice' \(of type Twice\) was passed"):
        y = row(Masking(), Twice(name="twice"), lstm).predict(X, verbose=0)
    np.testing.assert_array_equal(y, lstm(2 * X))
    np.testing.assert_array_equal(row(Masking(), Passing(), lstm).predict(X, verbose=0), lstm(2 * X, mask=VALID))


def test_no_mask_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row(LSTM(2, return_sequences=True), Flatten()).predict(X, verbose=0)
        row(Masking(), LSTM(2), RepeatVector(2)).predict(X, verbose=0)


def test_layers_of_several_inputs_see_all_masks():
    ids, x = Input((6,)), Input((6, 3))
    left, right = Embedding(7, 3, mask_zero=True), Masking()
    joined = Concatenate()([left(ids), right(x), x])
    lstm = LSTM(2)
    model = Model([ids, x], [lstm(joined), LSTM(2)(Add()([left(ids), right(x)]))])
    shifted = np.roll(X, 1, axis=0)
    either = np.ones_like(VALID)
    expected = lstm(np.concatenate([left(IDS), right(shifted), shifted], axis=-1), mask=either)
    outputs = model.predict([IDS, shifted], verbose=0)
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-6, atol=1e-7)
    eager = Add()([left(IDS), right(shifted)])
    np.testing.assert_array_equal(eager._keras_mask, VALID | np.roll(VALID, 1, axis=0))
    np.testing.assert_allclose(outputs[1], model.layers[-1](eager), rtol=1e-6, atol=1e-7)


def test_masks_of_several_inputs_given_by_hand():
    a, b = Input((6, 3)), Input((6, 3))
    first, second = LSTM(2), LSTM(2)
    model = Model([a, b], [first(a), second(b)])
    outputs = model([X, X], mask=[VALID, None])
    np.testing.assert_array_equal(outputs[0], first(X, mask=VALID))
    np.testing.assert_array_equal(outputs[1], second(X))


def test_a_mask_as_a_tensor_of_the_graph():
    ids = Input((6,))
    first, second = LSTM(2, return_sequences=True), LSTM(3)
    embedding, valid = Embedding(7, 2), ids != 0
    model = Model(ids, second(first(embedding(ids), mask=valid), mask=valid))
    y = second(first(embedding(IDS), mask=VALID), mask=VALID)
    np.testing.assert_allclose(model.predict(IDS, verbose=0), y, rtol=1e-6, atol=1e-7)
    # Layers that see the same mask are one call into the engine.
    assert len(model.current_plan.parts) == 3


def test_an_initial_state_hides_a_carried_mask():
    # As in Keras 3, whether that was meant or not; the mask goes on to what follows.
    states = [np.ones((4, 2), np.float32), np.zeros((4, 2), np.float32)]
    lstm, after = LSTM(2, return_sequences=True), LSTM(3)
    masked = Masking()(X)
    y = lstm(masked, initial_state=states)
    np.testing.assert_array_equal(y, lstm(X, initial_state=states))
    np.testing.assert_array_equal(y._keras_mask, VALID)
    x, h, c = Input((6, 3)), Input((2,)), Input((2,))
    model = Model([x, h, c], after(lstm(Masking()(x), initial_state=[h, c])))
    np.testing.assert_allclose(model.predict([X, *states], verbose=0), after(y), rtol=1e-6, atol=1e-7)
    explicit = lstm(masked, initial_state=states, mask=VALID)
    assert np.abs(explicit - y).max() > 0.01


@pytest.mark.parametrize("sequences", [True, False])
def test_nested_models_called_with_a_mask(sequences):
    x = Input((6, 3))
    inner = Model(x, LSTM(4, return_sequences=sequences)(x))
    last = GRU(2) if sequences else Dense(2)
    valid = Input((6,)) != 0
    model = Model([x, valid.node.inputs[0]], last(inner(x, mask=valid)))
    y = model.predict([X, VALID.astype("f4")], verbose=0)
    np.testing.assert_allclose(y, last(inner(X, mask=VALID)), rtol=1e-6, atol=1e-7)
    if sequences:
        np.testing.assert_allclose(y, last(inner.layers[1](X, mask=VALID), mask=VALID), rtol=1e-6, atol=1e-7)


def test_a_model_that_begins_with_an_embedding_carries_its_mask():
    model = Sequential([Input((6,)), Embedding(7, 2, mask_zero=True), LSTM(3, return_sequences=True)])
    np.testing.assert_array_equal(model(IDS)._keras_mask, VALID)
    np.testing.assert_array_equal(model(IDS), model.predict(IDS, verbose=0))


def test_a_mask_is_nothing_to_a_model_without_recurrent_layers():
    inner = Sequential([Input((2,)), Activation("relu")])
    model = Sequential([Input((5, 2)), Masking(), TimeDistributed(inner)])
    x = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
    x[1, 2] = 0
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.maximum(x, 0))
