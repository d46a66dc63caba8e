"""What `TensorBoard` writes: TensorFlow's bytes, and the events of Keras' callback."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from fastlstm import Model, Sequential, callbacks, layers, utils
from fastlstm.callbacks import event_file
from fastlstm.saving.protobuf import fields

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "events.json").read_text())  # make_event_goldens.py
SQUARES = np.arange(7, dtype="float32") ** 2


def test_records_are_those_of_tensorflow():
    values = {
        "scalar": event_file.scalar("epoch_loss", 0.25),
        "histogram": event_file.histogram("kernel/histogram", np.array([*SQUARES, np.nan, np.inf], "float32")),
        "document": event_file.document("keras", '{"a": 1}', "graph_keras_model", b"1"),
    }
    made = {name: event_file.event(2.5, 300, [value]) for name, value in values.items()}
    made["version"] = event_file.event(1.5, version="brain.Event:2")
    assert {name: event_file.record(event).hex() for name, event in made.items()} == GOLDEN


def events(folder):
    """`{tag: [(step, value), …]}` of the only file in a folder; the value of what is no scalar is its plugin's name."""
    (path,) = folder.iterdir()
    data, found = memoryview(path.read_bytes()), {}
    while data:
        size = struct.unpack("<Q", data[:8])[0]
        event = dict(fields(data[12 : 12 + size]))
        data = data[16 + size :]
        for _, value in fields(event.get(5, memoryview(b""))):
            parts = dict(fields(value))
            plugin = bytes(dict(fields(dict(fields(parts[9]))[1]))[1]).decode()
            number = struct.unpack("<f", dict(fields(parts[8]))[4])[0] if plugin == "scalars" else plugin
            found.setdefault(bytes(parts[1]).decode(), []).append((event.get(2, 0), number))
    return found


def trained(callback, epochs=2, validation=True, **kwargs):
    utils.set_random_seed(4)
    model = Sequential([layers.Input((5, 2)), layers.LSTM(3, name="rnn"), layers.Dense(1, name="out")], name="net")
    model.compile("adam", "mse", metrics=["mae"])
    x, y = np.ones((8, 5, 2), "float32"), np.zeros((8, 1), "float32")
    kwargs |= {"validation_data": (x, y)} if validation else {}
    history = model.fit(x, y, 4, epochs, verbose=0, callbacks=[callback], **kwargs)
    return model, {name: [np.float32(value) for value in values] for name, values in history.history.items()}


def test_metrics_of_epochs(tmp_path):
    _, logs = trained(callbacks.TensorBoard(tmp_path / "a" / "logs"))
    train, validation = (events(tmp_path / "a" / "logs" / name) for name in ("train", "validation"))
    assert train == {
        "keras": [(0, "graph_keras_model")],
        "epoch_loss": list(enumerate(logs["loss"])),
        "epoch_mae": list(enumerate(logs["mae"])),
        "epoch_learning_rate": [(0, np.float32(0.001)), (1, np.float32(0.001))],
    }
    assert validation == {
        "epoch_loss": list(enumerate(logs["val_loss"])),
        "epoch_mae": list(enumerate(logs["val_mae"])),
        "evaluation_loss_vs_iterations": [(2, logs["val_loss"][0]), (4, logs["val_loss"][1])],
        "evaluation_mae_vs_iterations": [(2, logs["val_mae"][0]), (4, logs["val_mae"][1])],
    }


def test_histograms_of_weights(tmp_path):
    trained(callbacks.TensorBoard(tmp_path, 2, write_graph=False), epochs=3, validation=False)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]
    found = events(tmp_path / "train")
    assert found.pop("epoch_loss") and found.pop("epoch_mae") and found.pop("epoch_learning_rate")
    rnn = [f"net/rnn/lstm_cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")]
    tags = [f"{name}/histogram" for name in (*rnn, "net/out/kernel", "net/out/bias")]
    assert found == {tag: [(0, "histograms"), (2, "histograms")] for tag in tags}


def test_metrics_of_batches(tmp_path):
    trained(callbacks.TensorBoard(tmp_path / "a", update_freq="batch", write_steps_per_second=True), validation=False)
    found = events(tmp_path / "a" / "train")
    assert [step for step, _ in found["batch_loss"]] == [1, 2, 3, 4]
    assert found["batch_loss"][1][1] == found["epoch_loss"][0][1]
    assert all(value > 0 for name in ("batch", "epoch") for _, value in found[f"{name}_steps_per_second"])
    trained(callbacks.TensorBoard(str(tmp_path / "b"), update_freq=3))
    assert [step for step, _ in events(tmp_path / "b" / "train")["batch_loss"]] == [3]
    # Two batches in every validation: only at the sixth would one be due.
    assert "evaluation_loss_vs_iterations" not in events(tmp_path / "b" / "validation")


def test_evaluation_by_itself(tmp_path):
    model, _ = trained(callbacks.History(), validation=False)
    callback = callbacks.TensorBoard(tmp_path, write_graph=False)
    loss, _ = model.evaluate(np.ones((4, 5, 2)), np.zeros((4, 1)), verbose=0, callbacks=[callback])
    callback.on_train_end()
    assert events(tmp_path / "validation")["evaluation_loss_vs_iterations"] == [(4, np.float32(loss))]


def test_a_model_that_cannot_be_written_is_left_out(tmp_path):
    inputs = layers.Input((2,))
    model = Model(inputs, layers.Lambda(lambda x: x)(inputs))
    with pytest.warns(UserWarning, match=r"Model failed to serialize as JSON. Ignoring\.\.\. Lambda"):
        callbacks.TensorBoard(tmp_path).set_model(model)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"profile_batch": (2, 4)}, r"Profiling is not available. Received: profile_batch=\(2, 4\) \(must be 0\)"),
        ({"write_images": True}, "Images of weights and embeddings are not written. Received: write_images=True"),
        ({"embeddings_freq": 1}, "embeddings_freq=1"),
    ],
)
def test_what_is_not_written_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        callbacks.TensorBoard(**arguments)
