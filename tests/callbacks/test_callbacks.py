"""Callbacks by themselves, driven by a model of a few lines; Keras' own tests drive them by `fit`."""

import csv

import numpy as np
import pytest

from fastlstm import callbacks, metrics, optimizers
from fastlstm.callbacks import CallbackList


class Compiled:
    metrics: list

    def __init__(self, *members):
        self.metrics = list(members)


class Model:
    """As much of a model as callbacks look at: weights that count epochs, files of text."""

    built = True

    def __init__(self, *compiled):
        self.optimizer = optimizers.SGD(0.5)
        self.metrics = [metrics.Mean(name="loss"), Compiled(*compiled)]
        self.weights = [np.zeros(1)]
        self.stop_training = False
        self._initial_epoch = 0
        self.trainable_variables = [np.zeros(1, np.float32)]

    def get_weights(self):
        return [weight.copy() for weight in self.weights]

    def set_weights(self, weights):
        self.weights = [weight.copy() for weight in weights]

    def save(self, path, overwrite):
        with open(path, "w") as file:
            file.write(str(float(self.weights[0][0])))

    save_weights = save

    def load_weights(self, path):
        with open(path) as file:
            self.weights = [np.array([float(file.read())])]


def fit(model, *given, logs, batches=2, add_history=True):
    """Epochs with the given logs; returns the history of those that were run."""
    called = CallbackList(list(given), add_history=add_history, model=model, epochs=len(logs), steps=batches, verbose=0)
    called.on_train_begin()
    for epoch in range(model._initial_epoch, len(logs)):
        called.on_epoch_begin(epoch)
        model.weights = [np.array([epoch + 1.0])]
        for batch in range(batches):
            called.on_train_batch_begin(batch)
            called.on_train_batch_end(batch, logs[epoch])
        called.on_epoch_end(epoch, logs[epoch])
        if model.stop_training:
            break
    called.on_train_end()
    return model.history if add_history else None


def of(name, values):
    return [{name: value} for value in values]


def test_history():
    history = fit(Model(), logs=[{"loss": np.float32(0.5), "acc": 1.0}, {"loss": np.float32(0.25), "acc": 2.0}])
    assert list(history.history) == ["acc", "loss"]
    assert history.history == {"acc": [1.0, 2.0], "loss": [0.5, 0.25]}
    assert type(history.history["loss"][0]) is float
    assert history.epoch == [0, 1]
    assert history.params == {"epochs": 2, "steps": 2, "verbose": 0}


def test_calls_come_in_order_with_one_dict():
    seen = []

    class First(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["added"] = 1
            seen.append(("first", epoch, dict(logs)))

        def on_batch_end(self, batch, logs=None):
            seen.append(("first batch", batch))

    second = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(("second", epoch, dict(logs))),
        on_train_batch_end=lambda batch, logs: seen.append(("second batch", batch)),
        on_test_begin=lambda logs: seen.append(("test", logs)),
    )
    nested = CallbackList([First(), [second]])
    nested.on_train_batch_end(3)
    nested.on_epoch_end(1, {"b": np.float64(2), "a": {"c": np.ones(2), "d": "x"}})
    nested.on_test_begin()
    nested.on_predict_end()
    assert [item[0] for item in seen] == ["first batch", "second batch", "first", "second", "test"]
    logs = seen[2][2]
    assert list(logs) == ["c", "d", "b", "added"]
    assert seen[3][2].keys() == logs.keys()
    assert CallbackList(second).callbacks == [second]
    assert CallbackList(None, add_history=True, add_progbar=True).callbacks[1].__class__ is callbacks.ProgbarLogger


def test_early_stopping(capsys):
    stopping = callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model = Model()
    history = fit(model, stopping, logs=of("val_loss", [5, 4, 4.5, 4.2, 1]))
    assert history.epoch == [0, 1, 2, 3]
    assert (stopping.best, stopping.best_epoch, stopping.stopped_epoch) == (4, 1, 3)
    assert model.weights[0] == 2
    assert (
        "Epoch 4: early stopping\nRestoring model weights from the end of the best epoch: 2." in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "values", "epochs"),
    [
        ({}, [3, 4, 1], 2),
        ({"min_delta": 1.5, "patience": 1}, [5, 4, 3, 2], 2),
        # What gets better goes on, though it is not better than the baseline yet.
        ({"baseline": 2.0, "patience": 2}, [5, 4, 3, 2.5], 4),
        ({"baseline": 2.0, "patience": 2}, [5, 6, 1, 1], 2),
        ({"mode": "max", "patience": 1}, [1, 2, 2, 3], 3),
        ({"start_from_epoch": 2, "patience": 1}, [1, 9, 5, 6, 4], 4),
        ({"patience": 9}, [1, 2, 3], 3),
        ({"patience": 1}, [np.nan, np.nan, 1], 2),
    ],
)
def test_when_training_stops(arguments, values, epochs):
    stopping = callbacks.EarlyStopping(**arguments)
    for _ in range(2):
        assert len(fit(Model(), stopping, logs=of("val_loss", values)).epoch) == epochs


def test_directions():
    for name, metric, better in (
        ("val_accuracy", metrics.BinaryAccuracy("accuracy"), "up"),
        ("mean_squared_error", metrics.MeanSquaredError(), "down"),
        ("auc", metrics.AUC(name="auc"), "up"),
    ):
        values = [1, 2, 1.5] if better == "up" else [2, 1, 1.5]
        stopping = callbacks.EarlyStopping(monitor=name)
        fit(Model(metrics.AUC(name="other"), metric), stopping, logs=of(name, values))
        assert stopping.best == values[1]
    with pytest.raises(ValueError, match="isn't able to automatically determine whether that metric should be"):
        fit(Model(), callbacks.EarlyStopping(monitor="foo"), logs=of("foo", [1]))
    with pytest.warns(UserWarning, match="EarlyStopping mode 'foo' is unknown, fallback to auto mode"):
        callbacks.EarlyStopping(mode="foo")
    with pytest.warns(UserWarning, match="Early stopping conditioned on metric `val_loss` which is not available"):
        fit(Model(), callbacks.EarlyStopping(), logs=of("loss", [1]))


def test_reduce_lr_on_plateau(capsys):
    model = Model()
    rates = fit(
        model,
        callbacks.ReduceLROnPlateau(patience=2, factor=0.5, cooldown=1, min_lr=0.2, verbose=1),
        logs=of("val_loss", [5, 5, 5, 5, 5, 5, 5, 5]),
    ).history["learning_rate"]
    # As in Keras, an epoch's rate is the one before it may be lowered.
    assert rates == pytest.approx([0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    assert "Epoch 3: ReduceLROnPlateau reducing learning rate to 0.25." in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"does not support a factor >= 1\.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.warns(UserWarning, match="Learning rate reduction is conditioned on metric `val_loss`"):
        fit(Model(), callbacks.ReduceLROnPlateau(), logs=of("loss", [1]))


def test_learning_rate_scheduler(capsys):
    for schedule in (
        lambda epoch: 1.0 / (epoch + 1),
        lambda epoch, rate: np.float32(rate / (epoch + 1) if epoch else 1),
    ):
        history = fit(Model(), callbacks.LearningRateScheduler(schedule, verbose=1), logs=of("loss", [1, 1]))
        assert history.history["learning_rate"] == [1.0, 0.5]
    assert "Epoch 2: LearningRateScheduler setting learning rate to 0.5." in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"The output of the `schedule` function should be a float\. Got: 1"):
        fit(Model(), callbacks.LearningRateScheduler(lambda epoch: 1), logs=of("loss", [1]))
    model = Model()
    model.optimizer = None
    with pytest.raises(ValueError, match='Optimizer must have a "learning_rate" attribute'):
        fit(model, callbacks.LearningRateScheduler(lambda epoch: 1.0), logs=of("loss", [1]))


def test_terminate_on_nan(capsys):
    for value in (np.nan, np.inf):
        history = fit(Model(), callbacks.TerminateOnNaN(), logs=of("loss", [1, value, 1]))
        assert len(history.epoch) == 2
        assert "Batch 0: Invalid loss, terminating training" in capsys.readouterr().out
        with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 0"):
            fit(Model(), callbacks.TerminateOnNaN(raise_error=True), logs=of("loss", [value]))


def test_checkpoints_of_the_best(tmp_path, capsys):
    path = tmp_path / "new" / "best-{epoch:02d}-{val_loss:.1f}.keras"
    fit(Model(), callbacks.ModelCheckpoint(path, save_best_only=True, verbose=1), logs=of("val_loss", [3, 4, 2]))
    assert {file.name: file.read_text() for file in path.parent.iterdir()} == {
        "best-01-3.0.keras": "1.0",
        "best-03-2.0.keras": "3.0",
    }
    out = capsys.readouterr().out
    for text in ("improved from None to 3.00000, saving", "did not improve from 3.0", "finished saving model to"):
        assert text in out


def test_checkpoints_by_batches(tmp_path):
    path = tmp_path / "e{epoch}b{batch}.weights.h5"
    saving = callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)
    fit(Model(), saving, logs=of("loss", [1, 1, 1, 1]), batches=2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e2b1.weights.h5", "e3b2.weights.h5"]


def test_checkpoints_above_a_threshold(tmp_path):
    saving = callbacks.ModelCheckpoint(tmp_path / "x.keras", save_best_only=True, initial_value_threshold=2.0)
    fit(Model(), saving, logs=of("val_loss", [3, 2.5]))
    assert not list(tmp_path.iterdir())
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        fit(Model(), saving, logs=of("loss", [3]))
    assert (tmp_path / "x.keras").exists()
    saving = callbacks.ModelCheckpoint(tmp_path / "x.keras", save_best_only=True)
    with pytest.warns(UserWarning, match="Can save best model only when `monitor` is a scalar value"):
        fit(Model(), saving, logs=[{"val_loss": np.ones(2)}])


def test_checkpoint_refuses(tmp_path):
    for arguments, message in (
        ({"filepath": "a"}, "The filepath provided must end in `.keras`"),
        ({"filepath": "a.keras", "save_weights_only": True}, "the filepath provided must end in `.weights.h5`"),
        ({"filepath": "a.keras", "save_freq": "batch"}, "Unrecognized save_freq: batch"),
    ):
        with pytest.raises(ValueError) as raised:
            callbacks.ModelCheckpoint(**arguments)
        assert message in str(raised.value)
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(OSError, match="Filepath used is an existing directory"):
        fit(Model(), callbacks.ModelCheckpoint(tmp_path / "folder.keras"), logs=of("val_loss", [1]))
    with pytest.raises(KeyError, match="Failed to format this callback filepath"):
        fit(Model(), callbacks.ModelCheckpoint(tmp_path / "{foo}.keras"), logs=of("val_loss", [1]))


def rows(path, **dialect):
    with open(path, newline="") as file:
        return list(csv.reader(file, **dialect))


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    logger = callbacks.CSVLogger(path, separator=";")
    fit(Model(), logger, logs=[{"loss": 0.5, "b": np.ones(2)}, {"loss": 0.25, "b": "x", "val_loss": 3.0}])
    expected = [
        ["epoch", "b", "loss", "val_b", "val_loss"],
        ["0", '"[1.0, 1.0]"', "0.5", "NA", "NA"],
        ["1", "x", "0.25", "NA", "3.0"],
    ]
    assert rows(path, delimiter=";") == expected
    fit(Model(), callbacks.CSVLogger(path, ";", append=True), logs=[{"loss": 1.0, "b": 2.0}])
    assert rows(path, delimiter=";") == [*expected, ["0", "2.0", "1.0", "NA", "NA"]]
    fit(Model(), callbacks.CSVLogger(path), logs=[{"val_loss": 1.0}])
    assert rows(path) == [["epoch", "val_loss"], ["0", "1.0"]]


def test_backup_and_restore(tmp_path):
    class Interrupt(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    folder = tmp_path / "backup"
    logs = of("loss", [4, 3, 2, 1])
    with pytest.raises(KeyboardInterrupt):
        fit(Model(), Interrupt(), callbacks.BackupAndRestore(folder, double_checkpoint=True), logs=logs)
    assert sorted(file.name for file in folder.iterdir()) == [
        "latest.weights.h5",
        "latest.weights.h5.bkp",
        "training_metadata.json",
        "training_metadata.json.bkp",
    ]
    (folder / "latest.weights.h5").write_text("damaged")
    seen = []
    looking = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    model = Model()
    fit(model, callbacks.BackupAndRestore(folder, double_checkpoint=True), looking, logs=logs)
    # The last save is damaged: it goes on from the one before.
    assert seen == [1, 2, 3]
    assert model.optimizer.built
    assert not folder.exists()
    with pytest.raises(ValueError, match="Empty `backup_dir` argument passed"):
        callbacks.BackupAndRestore("")
    with pytest.raises(ValueError, match="Invalid value for argument `save_freq`"):
        callbacks.BackupAndRestore(folder, save_freq="batch")
    model.built = False
    with pytest.raises(ValueError, match="you model must be built before you call `fit"):
        fit(model, callbacks.BackupAndRestore(folder), logs=logs)


def test_backup_by_batches(tmp_path):
    backup = callbacks.BackupAndRestore(tmp_path / "b", save_freq=3, delete_checkpoint=False)
    fit(Model(), backup, logs=of("loss", [1, 1]), batches=2)
    assert (tmp_path / "b" / "training_metadata.json").read_text() == '{"epoch": 1, "batch": 0}'


def test_swapped_averages():
    weight = np.array([1.0], np.float32)
    model = Model()
    model.optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    model.optimizer.apply([np.array([-1.0])], [weight])
    model.optimizer.apply([np.array([-1.0])], [weight])
    swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
    called = CallbackList([swap], model=model, epochs=1, steps=1, verbose=0)
    assert weight == 3
    called.on_test_begin()
    assert weight == 2.5
    called.on_test_end()
    assert weight == 3
    called.on_epoch_begin(0)
    called.on_epoch_end(0)
    assert weight == model.optimizer.averages == 2.5
    model.optimizer = optimizers.SGD()
    with pytest.raises(ValueError, match="SwapEMAWeights must be used when `use_ema=True` is set on the optimizer"):
        callbacks.CallbackList([callbacks.SwapEMAWeights()], model=model).on_test_begin()


def test_progress(capsys):
    fit(Model(), callbacks.ProgbarLogger(), logs=of("loss", [1, 0.5]), add_history=False)
    assert capsys.readouterr().out == ""
    bar = CallbackList([], add_progbar=True, model=Model(), epochs=2, steps=None, verbose="auto")
    for epoch in range(2):
        bar.on_train_begin()
        bar.on_epoch_begin(epoch)
        for batch in range(3):
            bar.on_train_batch_end(batch, {"loss": 1.0 / (batch + 1)})
        bar.on_test_begin()
        bar.on_test_batch_end(0, {"loss": 7.0})
        bar.on_test_end({"loss": 7.0})
        bar.on_epoch_end(epoch, {"loss": 0.25, "val_loss": 7.0})
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines] == ["Epoch 1/2", "3/3 ━━━━━", "Epoch 2/2", "3/3 ━━━━━"]
    assert lines[-1].endswith("loss: 0.2500 - val_loss: 7.0000")
    alone = CallbackList([], add_progbar=True, epochs=1, steps=2, verbose=2)
    alone.on_test_begin()
    alone.on_test_batch_end(0, {"loss": 1.0})
    alone.on_test_end({"loss": 2.0})
    assert capsys.readouterr().out.endswith("loss: 2.0000\n")
    alone.on_predict_begin()
    alone.on_predict_batch_end(0, {"outputs": np.ones(3)})
    alone.on_predict_end({"outputs": np.ones(3)})
    assert capsys.readouterr().out.startswith("2/2 - 0s")
