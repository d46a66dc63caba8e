"""Folders and checkpoints that tf_keras (Keras 2) and TensorFlow wrote, for `formats.zip`.

    python make_formats.py            (with tf_keras and TensorFlow)

Every network is written as a SavedModel folder (`NAME/`, without the graph of operations, which nobody reads here) and
as a checkpoint (`NAME.ckpt.index` and its data), with an `.npz` of inputs `x0, x1 …` and outputs `y0, y1 …` beside
them. Further members, each described where it is made: other layouts of the first network, and what is to be refused.
"""

from __future__ import annotations

import io
import ntpath
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "TF_USE_LEGACY_KERAS": "1"}

ARCHIVE = Path(__file__).parent / "formats.zip"


# --- networks -------------------------------------------------------------------------------------------------------


def stacked(K, rng):
    L = K.layers
    lstm = L.LSTM(4, return_sequences=True)
    model = K.Sequential([K.Input((5, 3)), lstm, L.Dropout(0.2), L.LSTM(4), L.Dense(2, "softmax")])
    return model, [rng.normal(size=(3, 5, 3))]


def bidirectional(K, rng):
    """Trained for a step, so that the optimizer's variables are in the files too."""
    L = K.layers
    model = K.Sequential([K.Input((None, 2)), L.Bidirectional(L.LSTM(3, return_sequences=True)), L.Dense(2)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2)), verbose=0)
    return model, [rng.normal(size=(2, 4, 2))]


def gru_built_by_a_call(K, rng):
    L = K.layers
    model = K.Sequential([L.GRU(3, return_sequences=True), L.GRU(2, reset_after=False, go_backwards=True)])
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    model(x)
    return model, [x]


def two_inputs(K, rng):
    L = K.layers
    series, facts = K.Input((6, 2), name="series"), K.Input((3,), name="facts")
    y = L.Concatenate()([L.LSTM(3, name="reader")(series), L.Dense(2, "relu")(facts)])
    return K.Model([series, facts], L.Dense(1, name="y")(y)), [rng.normal(size=(2, 6, 2)), rng.normal(size=(2, 3))]


def embedding_mask(K, rng):
    L = K.layers
    model = K.Sequential([K.Input((5,)), L.Embedding(9, 3, mask_zero=True), L.LSTM(4), L.Dense(1, "sigmoid")])
    return model, [np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 8]])]


def nested(K, rng):
    """A model in a model in a model, and a layer that is called twice."""
    L = K.layers
    inner = K.Sequential([K.Input((4, 3)), L.Dense(3), L.LSTM(3, return_sequences=True)], name="inner")
    x = K.Input((4, 3))
    shared = L.Dense(3, "tanh")
    middle = K.Model(x, L.Add()([inner(shared(x)), shared(x)]), name="middle")
    outer = K.Input((4, 3))
    return K.Model(outer, L.LSTM(2)(middle(outer))), [rng.normal(size=(2, 4, 3))]


def seq2seq(K, rng):
    L = K.layers
    source, target = K.Input((None, 3)), K.Input((None, 2))
    _, *states = L.LSTM(4, return_state=True)(source)
    decoded = L.LSTM(4, return_sequences=True)(target, initial_state=states)
    return K.Model([source, target], L.Dense(2, "softmax")(decoded)), [
        rng.normal(size=(2, 5, 3)),
        rng.normal(size=(2, 4, 2)),
    ]


def time_distributed(K, rng):
    L = K.layers
    layers = [L.TimeDistributed(L.Conv1D(3, 2)), L.TimeDistributed(L.Flatten()), L.LSTM(3, return_sequences=True)]
    return K.Sequential([K.Input((3, 4, 2)), *layers, L.TimeDistributed(L.Dense(2))]), [rng.normal(size=(2, 3, 4, 2))]


def batch_normalization(K, rng):
    """With a frozen layer, whose variables other formats move to the end, and variables not called as attributes."""
    L = K.layers
    frozen = L.LSTM(3, return_sequences=True, trainable=False)
    normalization = L.Normalization()
    normalization.adapt(rng.normal(size=(20, 2)))
    layers = [normalization, L.BatchNormalization(), frozen, L.LayerNormalization(), L.PReLU(shared_axes=[1]), L.GRU(2)]
    return K.Sequential([K.Input((4, 2)), *layers]), [rng.normal(size=(2, 4, 2))]


def stateful(K, rng):
    L = K.layers
    cells = L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True)
    return K.Sequential([K.Input((4, 2), batch_size=2), cells, L.LSTM(3, stateful=True)]), [rng.normal(size=(2, 4, 2))]


def frames(K, rng):
    """Convolutions over frames before an LSTM."""
    L = K.layers
    layers = [L.Conv2D(3, 3, activation="relu"), L.DepthwiseConv2D(2), L.MaxPooling2D(2), L.Flatten()]
    above = [L.SeparableConv1D(3, 2, padding="same"), L.LSTM(3)]
    model = K.Sequential([K.Input((4, 8, 8, 2)), *map(L.TimeDistributed, layers), *above])
    return model, [rng.normal(size=(2, 4, 8, 8, 2))]


def conv_lstm(K, rng):
    L = K.layers
    layers = [L.ConvLSTM2D(3, 2, padding="same", return_sequences=True), L.BatchNormalization(), L.ConvLSTM2D(2, 3)]
    return K.Sequential([K.Input((3, 6, 5, 2)), *layers, L.GlobalAveragePooling2D()]), [
        rng.normal(size=(2, 3, 6, 5, 2))
    ]


def heads(K, rng):
    L = K.layers
    x = K.Input((5, 4))
    y = L.MultiHeadAttention(2, 3, name="heads")(x, x, use_causal_mask=True)
    y = L.LayerNormalization()(L.Add()([x, y]))
    return K.Model(x, L.LSTM(3)(L.GroupNormalization(groups=2)(y))), [rng.normal(size=(2, 5, 4))]


def operations(K, rng):
    """TensorFlow's functions between layers, with constants."""
    import tensorflow as tf

    x = K.Input((4, 3))
    y = K.layers.LSTM(3, return_sequences=True)(x)
    y = tf.concat([y, x * tf.constant([0.5, -1.0, 2.0])], axis=-1)
    y = tf.reduce_mean(tf.nn.softmax(y[:, 1:], axis=-1), axis=1, keepdims=True) - tf.expand_dims(x[:, -1, :1], 1)
    return K.Model(x, K.layers.Dense(2)(tf.squeeze(y, 1))), [rng.normal(size=(2, 4, 3))]


NETWORKS = [stacked, bidirectional, gru_built_by_a_call, two_inputs, embedding_mask, nested, seq2seq]
NETWORKS += [time_distributed, batch_normalization, stateful, frames, conv_lstm, heads, operations]


def made(K, make):
    """The network with random weights, its inputs and its outputs."""
    rng = np.random.default_rng(len(make.__name__))
    K.backend.clear_session()
    K.utils.set_random_seed(1)
    model, xs = make(K, rng)
    for weight in model.weights:
        if weight.name not in ("mean:0", "variance:0", "count:0"):  # which `adapt` has set
            weight.assign(rng.uniform(0.2 if "variance" in weight.name else -0.7, 0.7, tuple(weight.shape)))
    xs = [np.asarray(x, "float32") for x in xs]
    y = model(xs if len(xs) > 1 else xs[0]).numpy()
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_states()
    return model, {f"x{n}": x for n, x in enumerate(xs)} | {"y0": y}


# --- files ----------------------------------------------------------------------------------------------------------


def write_networks(K, folder):
    for make in NETWORKS:
        model, arrays = made(K, make)
        name = make.__name__
        model.save(folder / name, save_format="tf")
        (folder / name / "saved_model.pb").unlink()
        (folder / name / "fingerprint.pb").unlink(missing_ok=True)
        model.save_weights(folder / f"{name}.ckpt")
        np.savez(folder / f"{name}.npz", **arrays)


def write_old_layout(K, folder):
    """As TensorFlow 2.0 to 2.4 did: Keras' metadata is in saved_model.pb. Its graph of operations is left out."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tf_keras.protobuf import saved_metadata_pb2

    model, _ = made(K, stacked)
    target = folder / "old_layout"
    model.save(target, save_format="tf")
    content = saved_model_pb2.SavedModel.FromString((target / "saved_model.pb").read_bytes())
    metadata = saved_metadata_pb2.SavedMetadata.FromString((target / "keras_metadata.pb").read_bytes())
    nodes = {node.node_id: node.metadata for node in metadata.nodes}
    for number, node in enumerate(content.meta_graphs[0].object_graph_def.nodes):
        if node.WhichOneof("kind") == "user_object":
            node.user_object.metadata = nodes.get(number, "")
    (target / "saved_model.pb").write_bytes(content.SerializeToString())
    (target / "keras_metadata.pb").unlink()
    strip(target)


def write_windows(K, folder):
    """As Keras 2 did on Windows: paths inside the weight store are joined as paths are there."""
    from tf_keras.src.saving import saving_lib

    gfile = saving_lib.tf.io.gfile
    model, arrays = made(K, nested)
    plain, gfile.join = gfile.join, ntpath.join
    try:
        model.save(folder / "windows.keras")
        model.save_weights(folder / "windows.weights.h5")
    finally:
        gfile.join = plain
    np.savez(folder / "windows.npz", **arrays)


def write_refused(K, folder):
    """What has no layers: an export of TensorFlow, a class of its own, a checkpoint of variables by name."""
    import tensorflow as tf

    model, _ = made(K, stacked)
    tf.train.Checkpoint(model=model, step=tf.Variable(1)).write(str(folder / "told_of.ckpt"))
    tf.saved_model.save(model, str(folder / "exported"))

    class Own(K.Model):
        def __init__(self):
            super().__init__()
            self.lstm = K.layers.LSTM(2)

        def call(self, inputs):
            return self.lstm(inputs)

    own = Own()
    own(np.zeros((1, 3, 2), "float32"))
    own.save(folder / "own_class", save_format="tf")
    own.save_weights(folder / "own_class.ckpt")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variable = tf.compat.v1.get_variable("kernel", initializer=np.ones((2, 2), "float32"))
        session.run(variable.initializer)
        tf.compat.v1.train.Saver([variable]).save(session, str(folder / "by_name.ckpt"), write_meta_graph=False)
    for name in ("exported", "own_class"):
        strip(folder / name)


def strip(folder):
    """Leave the graph of objects in saved_model.pb, and nothing else."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    content.meta_graphs[0].ClearField("graph_def")
    content.meta_graphs[0].object_graph_def.ClearField("concrete_functions")
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())
    (folder / "fingerprint.pb").unlink(missing_ok=True)


def main():
    import tf_keras as K

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for write in (write_networks, write_old_layout, write_windows, write_refused):
            write(K, folder)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name not in ("checkpoint", "fingerprint.pb"):
                    member = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                    archive.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
        ARCHIVE.write_bytes(content.getvalue())
        print(f"{ARCHIVE.name}: {len(content.getvalue())} bytes")


if __name__ == "__main__":
    main()
