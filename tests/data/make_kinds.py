"""Files of kinds that few models have, for `kinds.zip`. Run once with Keras 3 and once with tf_keras 2:

    python make_kinds.py keras
    python make_kinds.py tf_keras

Every case is `<package>_<case>.keras` and `.h5`, as far as the package can write it, with an `.npz` of inputs `x0, x1
…` and of what the model gives, `y0, y1 …`. `<case>.weights.h5` has the weights alone.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ARCHIVE = Path(__file__).parent / "kinds.zip"
RNG = np.random.default_rng(7)
IDS = np.array([[1, 2, 3, 0, 0, 0], [1, 0, 3, 4, 5, 0]])


def series(*shape):
    return RNG.normal(size=shape).astype("float32")


def sequential(K, shape, *layers, **given):
    return K.Sequential([K.Input(shape, **given), *layers])


# --- quantized, and with low-rank updates ---------------------------------------------------------------------------


def quantized(mode):
    def case(K):
        L = K.layers
        dense = L.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")
        model = sequential(
            K,
            (6,),
            L.Embedding(10, 5),
            L.LSTM(4, return_sequences=True),
            dense,
            L.GRU(3),
            L.Dense(7, "relu"),
            L.Dense(2),
        )
        disturb(model)
        model.quantize(mode)
        return model, [IDS]

    return case


def quantized_heads(K):
    L = K.layers
    heads = L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de")
    merged = L.EinsumDense("abde,def->abf", output_shape=(None, 4))
    model = sequential(K, (5, 4), L.LSTM(4, return_sequences=True), heads, merged, L.GRU(3))
    disturb(model)
    model.quantize("int8")
    return model, [series(2, 5, 4)]


def lora(K):
    L = K.layers
    table, conv, last = L.Embedding(10, 4), L.Conv1D(3, 2), L.Dense(2)
    dense = L.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")
    model = sequential(K, (6,), table, conv, L.LSTM(4, return_sequences=True), dense, L.GRU(3), last)
    for layer in (table, conv, dense):
        layer.enable_lora(2)
    last.enable_lora(2, lora_alpha=6)
    disturb(model)
    return model, [IDS]


# --- what older versions had ----------------------------------------------------------------------------------------


def synchronized(K):
    L = K.layers
    with_statistics = L.experimental.SyncBatchNormalization(name="together")
    model = sequential(K, (4, 3), L.LSTM(5, return_sequences=True), with_statistics, L.BatchNormalization(), L.GRU(2))
    disturb(model)
    return model, [series(2, 4, 3)]


def ragged(K):
    L = K.layers
    model = sequential(K, (None, 3), L.LSTM(3, return_sequences=True), L.GRU(2), ragged=True)
    disturb(model)
    return model, [series(2, 4, 3)]


def unmasked(K):
    """Layers that are called with `mask=None`, beside such as see the mask."""
    L = K.layers
    ids = K.Input((6,))
    x = L.Embedding(10, 4, mask_zero=True)(ids)
    y = L.GRU(3, return_sequences=True, return_state=True)
    first, state = y(x, mask=None)
    second, _ = y(x)
    later = L.LSTM(4)(first, mask=None)
    model = K.Model(ids, [L.GRU(2)(first), L.GRU(2)(second), later, L.GRU(3)(x, initial_state=state, mask=None)])
    disturb(model)
    return model, [IDS]


def local(implementation):
    def case(K):
        L = K.layers
        given = {"implementation": implementation, "padding": "valid" if implementation == 1 else "same"}
        first = L.LocallyConnected1D(4, 3, strides=2, activation="tanh", **given)
        model = sequential(K, (9, 3), first, L.LocallyConnected1D(2, 2, use_bias=False), L.LSTM(2))
        disturb(model)
        return model, [series(2, 9, 3)]

    return case


# --- what stands around recurrent layers now and then ---------------------------------------------------------------


def images(K):
    L = K.layers
    each = K.Sequential(
        [
            *(L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.2, 0.3), L.RandomTranslation(0.1, 0.1)),
            *(L.RandomContrast(0.2), L.RandomBrightness(0.2), L.Resizing(5, 11), L.Resizing(7, 6, "nearest")),
            *(L.CenterCrop(4, 5), L.Flatten()),
        ]
    )
    model = sequential(K, (3, 8, 9, 2), L.TimeDistributed(each), L.LSTM(3))
    disturb(model)
    return model, [series(2, 3, 8, 9, 2)]


def spectral(K):
    L = K.layers
    wrapped = (L.SpectralNormalization(L.Conv1D(4, 3)), L.LSTM(3), L.SpectralNormalization(L.Dense(2), 2))
    model = sequential(K, (6, 3), *wrapped)
    disturb(model)
    x = series(2, 6, 3)
    model(x, training=True)
    return model, [x]


def half(K):
    """Weights of bfloat16, of which a legacy file says nothing but that they have two bytes; Keras cannot read it."""
    L = K.layers
    model = sequential(K, (4, 3), L.LSTM(5), L.Dense(2, dtype="bfloat16"))
    disturb(model)
    return model, [series(2, 4, 3)]


def disturb(model):
    """No weight stays zero or one."""
    for weight in model.weights:
        if "bfloat16" not in str(weight.dtype):
            weight.assign(np.array(weight) + RNG.uniform(0.05, 0.3, weight.shape))


CASES = {
    "keras": {
        "half": half,
        "int4": quantized("int4"),
        "int8": quantized("int8"),
        "int8_heads": quantized_heads,
        "images": images,
        "lora": lora,
        "spectral": spectral,
    },
    "tf_keras": {
        "half": half,
        "images": images,
        "local": local(1),
        "local_dense": local(2),
        "ragged": ragged,
        "synchronized": synchronized,
        "unmasked": unmasked,
    },
}


def outputs(model, inputs):
    made = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
    made = made if isinstance(made, (list, tuple)) else [made]
    return [np.asarray(each).astype("float32") for each in made]


def written(K, case, folder):
    """The files of one case, by the endings of their names."""
    K.backend.clear_session()
    K.utils.set_random_seed(1)
    model, inputs = case(K)
    arrays = {f"x{number}": x for number, x in enumerate(inputs)}
    arrays |= {f"y{number}": y for number, y in enumerate(outputs(model, inputs))}
    files = {}
    for ending in ("keras", "h5"):
        path = Path(folder, f"model.{ending}")
        try:
            model.save(path)
        except Exception as error:
            print(f"{ending} is not written: {type(error).__name__}: {str(error)[:90]}")
            continue
        files[ending] = path.read_bytes()
    path = Path(folder, "model.weights.h5")
    model.save_weights(path)
    files["weights.h5"] = path.read_bytes()
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return files | {"npz": stream.getvalue()}


def main(package, *names):
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    K = importlib.import_module(package)
    kept = {}
    if ARCHIVE.exists():
        with zipfile.ZipFile(ARCHIVE) as archive:
            kept = {name: archive.read(name) for name in archive.namelist()}
    for name in names or CASES[package]:
        print(name)
        with tempfile.TemporaryDirectory() as folder:
            files = written(K, CASES[package][name], folder)
        kept = {each: data for each, data in kept.items() if not each.startswith(f"{package}_{name}.")}
        kept |= {f"{package}_{name}.{ending}": data for ending, data in files.items()}
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        for name in sorted(kept):
            archive.writestr(zipfile.ZipInfo(name), kept[name], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(*sys.argv[1:])
