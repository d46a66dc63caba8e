"""Files of real Keras that fastlstm must refuse, for `refused.zip`. Run once with Keras 3 and once with tf_keras 2:

    python make_refused.py keras
    python make_refused.py tf_keras

which add their models to the archive, as `<package>_<case>.keras` and `.h5` where the package can write it. Names of
cases behind that write these alone.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

ARCHIVE = Path(__file__).parent / "refused.zip"
# From a string, so that the marshalled code in the files names no path.
CODE = eval("lambda x: x * 2")


def sequential(K, *layers, shape=(5, 3), **given):
    return K.Sequential([K.Input(shape, **given), *layers])


def functional(K, function):
    x = K.Input((5, 3))
    return K.Model(x, function(x))


def registered(K, base, call=None):
    """A subclass, as users register theirs."""
    members = {"call": call} if call else {}
    return K.saving.register_keras_serializable("mine")(type(f"My{base.__name__}", (base,), members))


def saved_model(K):
    with tempfile.TemporaryDirectory() as folder:
        sequential(K, K.layers.LSTM(2)).export(folder, verbose=False)
        return sequential(K, K.layers.TFSMLayer(folder, call_endpoint="serve", name="saved"))


def transformed(K, x):
    if K.__name__ == "keras":
        return K.ops.fft((x, x))[0]
    tensorflow = importlib.import_module("tensorflow")
    return tensorflow.math.real(tensorflow.signal.fft(tensorflow.cast(x, "complex64")))


def squared(x):
    return x * x


def custom_activation(K):
    function = K.saving.register_keras_serializable("mine")(squared)
    return sequential(K, K.layers.LSTM(4, activation=function, name="acting"))


CASES = {
    "cell_of_ones_own": lambda K: sequential(K, K.layers.RNN(registered(K, K.layers.LSTMCell)(4, name="cell"))),
    "custom": lambda K: sequential(K, registered(K, K.layers.Layer, lambda self, x: x * 2)(name="twice")),
    "custom_activation": custom_activation,
    "custom_lstm": lambda K: sequential(K, registered(K, K.layers.LSTM)(4, name="mine")),
    "lambda": lambda K: sequential(K, K.layers.LSTM(4), K.layers.Lambda(CODE, name="doubled")),
    "lambda_in_graph": lambda K: functional(K, lambda x: K.layers.Lambda(CODE, name="more")(x)),
    "operation": lambda K: functional(K, lambda x: transformed(K, x)),
    "saved_model": saved_model,
    "sparse": lambda K: sequential(K, K.layers.Dense(3), shape=(5,), sparse=True, name="few"),
    "time_major": lambda K: sequential(K, K.layers.LSTM(4, time_major=True, name="turned", return_sequences=True)),
    "time_major_inside": lambda K: sequential(
        K, K.layers.Bidirectional(K.layers.GRU(4, time_major=True, name="turned", return_sequences=True))
    ),
}


def main(package, *cases):
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    keras = importlib.import_module(package)
    kept = {}
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as archive:
            kept = {name: archive.read(name) for name in archive.namelist()}
    cases = cases or CASES
    again = {f"{package}_{case}" for case in cases}
    stems = {f"{one}_{case}" for one in ("keras", "tf_keras") for case in CASES}
    kept = {name: data for name, data in kept.items() if name.partition(".")[0] in stems - again}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            for ending in ("keras", "h5"):
                path = Path(folder, f"{package}_{case}.{ending}")
                keras.backend.clear_session()
                try:
                    CASES[case](keras).save(path)
                except Exception as error:  # each version has its own idea of what can be written
                    print(f"{path.name} is not written: {type(error).__name__}: {str(error)[:90]}")
                else:
                    kept[path.name] = path.read_bytes()
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(*sys.argv[1:])
