"""TensorFlow.js layers models for `tfjs.zip`: what its converter made of networks of tf_keras, what it writes itself.

    npm install @tensorflow/tfjs && node make_tfjs.js DIR     (models that TensorFlow.js made and answered)
    pip install --no-deps tensorflowjs && python make_tfjs.py DIR     (with tf_keras, Keras 3 and TensorFlow)

Without DIR, what TensorFlow.js itself wrote is taken from the archive as it is.

A model is a folder of `model.json` and its shards, with an `.npz` of inputs `x0, x1 …` and outputs `y0` beside it.
Those of quantised models are what Keras gives with the weights as they are after quantisation.
"""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import tempfile
import types
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from make_formats import (
    batch_normalization,
    bidirectional,
    conv_lstm,
    embedding_mask,
    frames,
    made,
    nested,
    operations,
    seq2seq,
    stacked,
    time_distributed,
    two_inputs,
)

ARCHIVE = Path(__file__).parent / "tfjs.zip"
CONVERTED = (stacked, bidirectional, nested, seq2seq, batch_normalization, two_inputs, embedding_mask, time_distributed)
CONVERTED += (frames, conv_lstm, operations)


@cache
def converter():
    """The converter's modules for layers models, without the package's others, which want the half of PyPI."""
    root = importlib.util.find_spec("tensorflowjs").submodule_search_locations[0]
    for name, path in (("tensorflowjs", root), ("tensorflowjs.converters", f"{root}/converters")):
        package = types.ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package
    from tensorflowjs import quantization
    from tensorflowjs.converters import keras_h5_conversion

    return keras_h5_conversion, quantization


def write_converted(K, folder):
    """Of `.h5` files of Keras 2, whole, in small shards, by layer and quantised."""
    conversion, quantization = converter()

    def write(model, name, *, split=False, dtype=None, shard=2**22):
        with tempfile.NamedTemporaryFile(suffix=".h5") as file:
            model.save(file.name)
            topology, groups = conversion.h5_merged_saved_model_to_tfjs_format(file.name, split_by_layer=split)
        quantized = {dtype: True} if dtype else None
        (folder / name).mkdir(exist_ok=True)
        conversion.write_artifacts(topology, groups, str(folder / name), quantized, weight_shard_size_bytes=shard)

    for make in CONVERTED:
        model, arrays = made(K, make)
        name = make.__name__
        write(model, name, split=make is seq2seq, shard=100 if make is nested else 2**22)
        np.savez(folder / f"{name}.npz", **arrays)
    # Ten layers of a kind, which lie in the order of their names: lstm, lstm_1, lstm_10, lstm_2 …
    K.backend.clear_session()
    model = K.Sequential([K.Input((3, 2)), *(K.layers.LSTM(2, return_sequences=True) for _ in range(12))])
    x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("float32")
    write(model, "twelve")
    np.savez(folder / "twelve.npz", x0=x, y0=model(x).numpy())
    for dtype in ("uint8", "uint16", "float16"):
        model, arrays = made(K, stacked)
        write(model, f"stacked_{dtype}", dtype=dtype)
        weights = []
        for weight in model.get_weights():
            stored, metadata = quantization.quantize_weights(weight, np.dtype(dtype).type)
            weights.append(quantization.dequantize_weights(stored, metadata))
        model.set_weights(weights)
        np.savez(folder / f"stacked_{dtype}.npz", x0=arrays["x0"], y0=model(arrays["x0"]).numpy())


def write_converted_of_keras_3(folder):
    """Of a `.keras` file of Keras 3, whose weights are called as they are in it."""
    import h5py
    import keras

    conversion, _ = converter()
    keras.utils.set_random_seed(1)
    L = keras.layers
    layers = [L.LSTM(3, return_sequences=True), L.Bidirectional(L.LSTM(2)), L.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((4, 2)), *layers])
    for weight in model.weights:
        weight.assign(np.random.default_rng(len(weight.path)).uniform(-0.7, 0.7, weight.shape))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "m.keras")
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                topology, groups = conversion.h5_v3_merged_saved_model_to_tfjs_format(file, metadata, config)
    (folder / "keras3").mkdir(exist_ok=True)
    conversion.write_artifacts(topology, groups, str(folder / "keras3"))
    x = np.random.default_rng(1).normal(size=(2, 4, 2)).astype("float32")
    np.savez(folder / "keras3.npz", x0=x, y0=np.asarray(model(x)))


def main():
    import tf_keras as K

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    if len(sys.argv) == 1:
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith("made_by_tfjs")])
    for path in folder.glob("*.json"):  # what make_tfjs.js wrote: nested lists
        arrays = {key: np.array(value, "float32") for key, value in json.loads(path.read_text()).items()}
        np.savez(path.with_suffix(".npz"), **arrays)
        path.unlink()
    write_converted(K, folder)
    write_converted_of_keras_3(folder)
    with zipfile.ZipFile(ARCHIVE, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                member = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                archive.writestr(member, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    print(f"{ARCHIVE.name}: {ARCHIVE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
