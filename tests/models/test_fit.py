"""Training: `fit`, `evaluate` and the batch-wise methods."""

import numpy as np
import pytest

from fastlstm import (
    Input,
    Model,
    Sequential,
    activations,
    callbacks,
    get_num_threads,
    optimizers,
    set_num_threads,
    utils,
)
from fastlstm.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LayerNormalization,
    Masking,
    TimeDistributed,
)
from fastlstm.models import compiled
from fastlstm.models.training_plan import TrainingPlan

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 7, 3)).astype(np.float32)
Y = (0.1 * X.sum(axis=(1, 2)))[:, None]


def stacked():
    return Sequential([Input((7, 3)), LSTM(9, return_sequences=True), Dropout(0.1), LSTM(6), Dense(1)])


def mixed():
    i = Input((7, 3))
    x = Bidirectional(GRU(5, return_sequences=True))(i)
    return Model(i, Dense(1)(LSTM(4)(LayerNormalization()(x))))


def trained(make, threads=1, epochs=3):
    before = get_num_threads()
    set_num_threads(threads)
    try:
        utils.set_random_seed(3)
        model = make()
        model.compile(optimizer="adam", loss="mse", metrics=["mae"])
        return model, model.fit(X, Y, epochs=epochs, batch_size=16, verbose=0)
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("make", [stacked, mixed])
def test_the_loss_falls(make):
    model, history = trained(make, epochs=12)
    assert history.epoch == list(range(12))
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]
    loss, mae = model.evaluate(X, Y, verbose=0)
    y = model.predict(X, verbose=0)
    np.testing.assert_allclose([loss, mae], [np.mean((y - Y) ** 2), np.mean(np.abs(y - Y))], rtol=1e-5)


@pytest.mark.parametrize("make", [stacked, mixed])
def test_the_same_seed_gives_the_same_bits_on_any_threads(make):
    weights = [trained(make, threads)[0].get_weights() for threads in (1, 1, 2)]
    for other in weights[1:]:
        for one, same in zip(weights[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_validation_and_frozen_layers():
    model = stacked()
    model.layers[0].trainable = False
    frozen = model.layers[0].get_weights()
    model.compile("sgd", "mse")
    history = model.fit(X, Y, epochs=2, validation_split=0.25, verbose=0)
    assert set(history.history) == {"loss", "val_loss"}
    for before, after in zip(frozen, model.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_batch_at_a_time():
    model = stacked()
    model.compile("sgd", "mse")
    losses = [float(model.train_on_batch(X, Y)) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert float(model.test_on_batch(X, Y)) < losses[0]


def test_dicts_are_in_the_order_of_their_names():
    model = Sequential([Input((4, 2)), LSTM(3), Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", "accuracy"])
    x, y = np.zeros((4, 4, 2)), np.zeros((4, 1))
    for logs in (
        model.evaluate(x, y, verbose=0, return_dict=True),
        model.train_on_batch(x, y, return_dict=True),
        model.test_on_batch(x, y, return_dict=True),
    ):
        assert list(logs) == ["accuracy", "loss", "mae"]


def test_classes_of_sequences_of_ids():
    utils.set_random_seed(1)
    ids = RNG.integers(1, 9, (120, 6))
    labels = (ids == 3).any(axis=1).astype(np.int64)
    model = Sequential([Input((6,)), Embedding(9, 8, mask_zero=True), LSTM(12), Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(ids, labels, epochs=40, batch_size=24, verbose=0)
    assert history.history["accuracy"][-1] > 0.9


def test_a_model_that_is_not_compiled():
    with pytest.raises(ValueError, match="compile"):
        stacked().fit(X, Y, verbose=0)


class Interrupted(callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.begun = epoch, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)
        if epoch == self.epoch:
            self.epoch = None
            raise KeyboardInterrupt


def test_an_interrupted_training_goes_on_from_its_backup(tmp_path):
    stop = Interrupted(2)
    for _ in range(2):
        utils.set_random_seed(3)
        model = stacked_without_dropout()
        model.compile("adam", "mse", metrics=["mae"])
        backup = callbacks.BackupAndRestore(tmp_path / "backup")
        try:
            history = model.fit(X, Y, epochs=4, batch_size=16, shuffle=False, verbose=0, callbacks=[backup, stop])
        except KeyboardInterrupt:
            assert np.isfinite(model.predict(X, verbose=0)).all()
    assert stop.begun == [0, 1, 2, 2, 3]
    assert history.epoch == [2, 3]
    assert not (tmp_path / "backup").exists()
    assert model.fit(X, Y, epochs=1, verbose=0).epoch == [0]


def stacked_without_dropout():
    return Sequential([Input((7, 3)), LSTM(9, return_sequences=True), LSTM(6), Dense(1)])


def test_a_scaled_loss_changes_nothing():
    weights = []
    for factor in (None, 16.0):
        utils.set_random_seed(3)
        model = Sequential([Input((7, 3)), LSTM(4), Dense(1, kernel_regularizer="l2", activity_regularizer="l2")])
        model.compile(optimizers.SGD(0.1, loss_scale_factor=factor), "mse")
        model.fit(X, Y, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_loss_of_a_step_has_the_penalties_of_its_weights():
    model = Sequential([Input((7, 3)), LSTM(4), Dense(1, kernel_regularizer="l2")])
    model.compile(optimizers.SGD(0.1), "mse")
    for _ in range(2):
        (penalty,) = model.losses
        expected = np.mean((model.predict(X, verbose=0) - Y) ** 2) + penalty
        assert penalty > 0.005
        np.testing.assert_allclose(model.test_on_batch(X, Y), expected, rtol=1e-5)
        model.reset_metrics()
        np.testing.assert_allclose(model.train_on_batch(X, Y), expected, rtol=1e-5)
        model.reset_metrics()


def test_what_others_change_during_a_step_counts_in_the_next():
    """The loss, which is somebody's Python, sets the weights of a frozen layer behind one that learns."""
    head = Dense(2, use_bias=False, trainable=False)
    model = Sequential([Input((7, 3)), LSTM(4), head])
    new = [np.full((4, 2), 0.5, np.float32)]

    def squared(y_true, y_pred):
        head.set_weights(new)
        return np.mean((y_pred - y_true) ** 2, axis=-1)

    squared.gradient = lambda y_true, y_pred: y_pred - y_true
    model.compile(optimizers.SGD(0.1), squared)
    model.train_on_batch(X, np.zeros((96, 2)))
    expected = np.mean(model.predict(X, verbose=0) ** 2)
    model.reset_metrics()
    np.testing.assert_allclose(model.train_on_batch(X, np.zeros((96, 2))), expected, rtol=1e-5)


def test_epochs_and_fits_one_after_the_other_share_a_plan(monkeypatch):
    made = []
    monkeypatch.setattr(compiled, "TrainingPlan", lambda calls: made.append(calls) or TrainingPlan(calls))
    model = stacked()
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.EarlyStopping("loss")])
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert len(made) == 1 and len(history.epoch) == 2 and model.history is history
    model.layers[0].activation = activations.relu
    model.fit(X, Y, verbose=0)
    assert len(made) == 2


def test_a_model_at_every_step_trains_with_a_mask():
    """The same layers one by one at every step learn the same."""
    x = X.copy()
    x[:, 4:] = 0
    losses = []
    for nested in (False, True):
        utils.set_random_seed(5)
        inner = [Dense(5, activation="tanh"), LayerNormalization()]
        steps = [Sequential([Input((3,)), *inner])] if nested else inner
        model = Sequential([Input((7, 3)), Masking(), *map(TimeDistributed, steps), LSTM(4), Dense(1)])
        weights = [np.random.default_rng(6).normal(size=array.shape) for array in model.get_weights()]
        model.set_weights(weights)
        model.compile(optimizers.SGD(0.1), "mse")
        losses.append(model.fit(x, Y, epochs=3, batch_size=32, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][-1] < losses[0][0]
