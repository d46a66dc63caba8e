"""What a model's plan is made of, when it is made anew, and what streams share with it."""

import numpy as np
import pytest

from fastlstm import Model, Sequential, activations
from fastlstm.backend import Tensor
from fastlstm.engine import Program
from fastlstm.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Input,
    LSTMCell,
    Masking,
    RepeatVector,
    TimeDistributed,
    UnitNormalization,
)
from fastlstm.models import clone_model
from fastlstm.models.plan import Plan

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def mixed():
    return Sequential(
        [Input((5, 3)), Dense(3), UnitNormalization(), LSTM(4, return_sequences=True), UnitNormalization(), GRU(2)]
    )


@pytest.fixture
def made(monkeypatch):
    """The ops of every Program that is made."""
    found = []
    init = Program.__init__

    def counted(self, ops, *args, **kwargs):
        found.append(ops)
        init(self, ops, *args, **kwargs)

    monkeypatch.setattr(Program, "__init__", counted)
    return found


def test_weights_set_in_one_model_leave_the_plans_of_others_alone():
    one, other = mixed(), mixed()
    plans = one.current_plan, other.current_plan
    other.set_weights(other.get_weights())
    assert one.current_plan is plans[0]
    assert other.current_plan is not plans[1]


def test_a_shared_layer_changes_every_model_that_has_it(made):
    shared = LSTM(4)
    first, second = Sequential([Input((5, 3)), shared]), Sequential([Input((5, 3)), shared])
    before = [model.predict(X, verbose=0) for model in (first, second)]
    shared.set_weights([weight + 0.1 for weight in shared.get_weights()])
    after = [model.predict(X, verbose=0) for model in (first, second)]
    np.testing.assert_array_equal(*after)
    assert not np.allclose(before[0], after[0])
    assert len(made) == 2  # one Program serves both, before and after


def test_what_has_not_changed_is_not_packed_again(made):
    model = mixed()
    model.predict(X, verbose=0)
    assert len(made) == 3
    model.layers[2].set_weights(model.layers[2].get_weights())
    model.predict(X, verbose=0)
    assert len(made) == 4


def test_streams_and_pools_share_the_programs_of_predict(made):
    model = mixed()
    expected = model.predict(X, verbose=0)
    stream, pool = model.stream(2), model.stream_pool()
    ids = [pool.open(), pool.open()]
    for t in range(5):
        outputs = stream.step(X[:, t].copy()), pool.step(ids, X[:, t].copy())
    for output in outputs:
        np.testing.assert_array_equal(output, expected)
    assert len(made) == 3


def test_an_attribute_or_a_layer_inside_that_changes_is_seen():
    inner = Sequential([Input((5, 3)), LSTM(4, return_sequences=True)])
    model = Sequential([Input((5, 3)), inner, LSTM(2)])
    before = model.predict(X, verbose=0)
    inner.layers[0].activation = activations.relu
    assert not np.allclose(before, model.predict(X, verbose=0))
    inner.add(Dropout(0.5))
    inner.pop()
    plan = model.current_plan
    inner.add(Dense(4))
    assert model.current_plan is not plan


def test_both_directions_are_a_part():
    model = Sequential([Input((5, 3)), Bidirectional(LSTM(4)), Dense(1)])
    lines = model.plan().splitlines()
    assert [line.split()[3] for line in lines[:4]] == ["LSTM", "LSTM", "Merge", "Dense"]
    assert len(model.current_plan.parts) == 1
    assert "NumPy" not in model.plan()


def test_a_subclass_with_a_call_of_its_own_is_not_the_engines():
    class Doubled(Dense):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs)

    class Same(LSTM):
        pass

    model = Sequential([Input((5, 3)), Same(4), Doubled(1), Dense(1)])
    assert [layer.native for layer in model.layers] == [True, False, True]
    plain = Sequential([Input((5, 3)), LSTM(4), Dense(1)])
    plain.set_weights(model.get_weights()[:5])
    model.layers[2].set_weights([np.ones((1, 1)), np.zeros(1)])
    np.testing.assert_array_equal(model.predict(X, verbose=0), 2 * plain.predict(X, verbose=0))


@pytest.mark.parametrize("where", ["layer", "cell"])
def test_states_that_a_subclass_begins_from(where):
    def get_initial_state(self, batch_size):
        return [np.full((batch_size, 4), value, np.float32) for value in (0.5, -1.0)]

    if where == "layer":
        layer = type("Begun", (LSTM,), {"get_initial_state": get_initial_state})(4)
    else:
        layer = RNN(type("BegunCell", (LSTMCell,), {"get_initial_state": get_initial_state})(4))
    model = Sequential([Input((5, 3)), layer])
    plain = LSTM(4)
    plain.build((None, 5, 3))
    plain.set_weights(model.get_weights())
    expected = plain(X, initial_state=get_initial_state(None, 2))
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)
    with pytest.raises(ValueError, match="states of its own"):
        model.stream()


def test_embeddings_whose_masks_begin_a_chain_do_not_shrink_the_batch():
    model = Sequential([Input((None,)), Embedding(9, 3, mask_zero=True), LSTM(4)])
    ids = [np.array([1, 0, 2, 3]), np.array([4, 5])]
    for output, alone in zip(model.predict(ids, verbose=0), ids, strict=True):
        np.testing.assert_array_equal(output, model.predict(alone[None], verbose=0)[0])


def test_parts_of_an_encoder_and_decoder():
    layers = [LSTM(4), RepeatVector(3), LSTM(4, return_sequences=True), TimeDistributed(Dense(1))]
    model = Sequential([Input((5, 3)), *layers, BatchNormalization()])
    assert [len(part.layers) for part in model.current_plan.parts] == [5]


def test_an_array_that_fits_goes_straight_to_the_program(monkeypatch):
    model = Sequential([Input((5, 3)), LSTM(4), Dense(2)])
    expected = model.predict_on_batch(X)
    monkeypatch.setattr(Plan, "run", None)
    for outputs, kind in (
        (model.predict_on_batch(X), np.ndarray),
        (model(X), Tensor),
        (model(X, training=False), Tensor),
    ):
        assert type(outputs) is kind
        np.testing.assert_array_equal(outputs, expected)
    monkeypatch.undo()
    model.set_weights([2 * weights for weights in model.get_weights()])
    changed = model.predict(X, verbose=0)
    assert not np.array_equal(changed, expected)
    for given in X, X, X.astype(np.float64), np.asfortranarray(X):
        np.testing.assert_array_equal(model.predict_on_batch(given), changed)
    with pytest.raises(ValueError, match="shape"):
        model.predict_on_batch(X[:, :, :2])


@pytest.mark.parametrize(
    "layer",
    [LSTM(4), LSTM(4, stateful=True), LSTM(4, return_state=True), Masking(), Dropout(0.5)],
    ids=["dict", "stateful", "states", "masking", "dropout"],
)
def test_what_is_more_than_a_run_of_the_program_stays_so(layer):
    i = Input(batch_shape=X.shape)
    model = Model(i, {"y": layer(i)})
    again = clone_model(model)
    again.set_weights(model.get_weights())
    for _ in range(3):
        one, other = model.predict_on_batch(X)["y"], again.predict(X, verbose=0)["y"]
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)
    if isinstance(layer, Dropout):
        assert (np.asarray(model(X, training=True)["y"]) == 0).any()
