"""Write `text.zip`: what Keras' layers for texts and categories give, and networks with them in files of both Kerases.

    python tests/data/make_text.py          # with keras, tf_keras and tensorflow

`cases.json` has the results of `text_cases.py`; a network is a file or a folder, with `NAME.json` beside it: the inputs
by name, and the outputs.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from text_cases import COLUMN, DOCUMENTS, TOKENS, WORDS, cases

HERE = Path(__file__).parent


def listed(x: Any) -> Any:
    array = np.asarray(x)
    if array.dtype == object:
        array = np.array([item.decode() for item in array.ravel()], object).reshape(array.shape)
    return array.tolist()


def result(case: Any) -> dict[str, Any]:
    class_name, arguments, adapted, inputs = case
    layer = getattr(keras.layers, class_name)(**arguments)
    if adapted is not None:
        layer.adapt(np.array(adapted))
    output = layer(tf.constant(inputs) if class_name in ("Hashing", "StringLookup") else np.asarray(inputs))
    found = {"output": listed(output), "dtype": np.asarray(output).dtype.name}
    if hasattr(layer, "get_vocabulary"):
        found["vocabulary"] = [word if isinstance(word, str) else int(word) for word in layer.get_vocabulary()]
    return found


def texts(k: Any, **more: Any) -> Any:
    layer = k.layers.TextVectorization(**more)
    if "vocabulary" not in more:
        layer.adapt(np.array(DOCUMENTS))
    return layer


def vectorized(k: Any, vectorization: Any, *above: Any) -> Any:
    return k.Sequential([k.Input((1,), dtype="string"), vectorization, *above])


def recurrent(k: Any) -> list[Any]:
    return [k.layers.Embedding(20, 4, mask_zero=True), k.layers.LSTM(3)]


def of_both(k: Any) -> Any:
    """Strings and integers beside each other, one of them in a nested model."""
    names, ids = k.Input((3,), dtype="string", name="names"), k.Input((2,), dtype="int64", name="ids")
    strings = k.layers.StringLookup(mask_token="")
    strings.adapt(np.array(TOKENS))
    inner = k.Input((3,), dtype="string")
    embedded = k.layers.LSTM(3)(k.layers.Embedding(12, 4, mask_zero=True)(strings(inner)))
    numbers = k.layers.IntegerLookup()
    numbers.adapt(np.array([[4000000007, 36], [36, 5]]))
    other = k.layers.IntegerLookup(vocabulary=[36, 5], output_mode="multi_hot", num_oov_indices=2)
    row = k.layers.Flatten()(k.layers.Embedding(6, 2)(numbers(ids)))
    return k.Model([names, ids], k.layers.Concatenate()([k.Model(inner, embedded)(names), row, other(ids)]))


def categories(k: Any) -> Any:
    words, numbers = k.Input((3,), dtype="string", name="words"), k.Input((2,), name="numbers")
    hashed = k.layers.Embedding(7, 3)(k.layers.Hashing(7)(words))
    bins = k.layers.Discretization([0.0, 1.0])(numbers)
    return k.Model([words, numbers], [k.layers.LSTM(2)(hashed), k.layers.CategoryEncoding(3, "count")(bins)])


def inverse(k: Any) -> Any:
    places = k.Input((3,), dtype="int64", name="places")
    return k.Model(places, k.layers.StringLookup(vocabulary=WORDS, invert=True)(places))


COLUMNS = {"text": COLUMN}
BOTH = {"names": TOKENS, "ids": [[36, 4000000007], [5, 1], [36, 36]]}
CATEGORIES = {"words": TOKENS, "numbers": [[0.0, 2.0], [-1.0, 0.5], [1.0, 1.5]]}


def networks(k: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    vocabulary = {"vocabulary": ["cat", "the"], "output_sequence_length": 5}
    return {
        "adapted": (vectorized(k, texts(k, output_sequence_length=6), *recurrent(k)), COLUMNS),
        "vocabulary": (vectorized(k, texts(k, **vocabulary), *recurrent(k)), COLUMNS),
        "counts": (vectorized(k, texts(k, output_mode="count", ngrams=2), k.layers.Dense(2)), COLUMNS),
        "idf": (vectorized(k, texts(k, output_mode="tf_idf"), k.layers.Dense(2)), COLUMNS),
        "both": (of_both(k), BOTH),
        "categories": (categories(k), CATEGORIES),
        "inverse": (inverse(k), {"places": [[0, 1, 4], [3, 9, 2]]}),
    }


def answer(model: Any, inputs: dict[str, Any]) -> str:
    arrays = [tf.constant(value, tf.float32 if name == "numbers" else None) for name, value in inputs.items()]
    outputs = model(arrays if len(arrays) > 1 else arrays[0])
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return json.dumps({"inputs": inputs, "outputs": [listed(output) for output in outputs]})


def write(archive: zipfile.ZipFile, name: str, data: bytes | str) -> None:
    archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_LZMA)


def main() -> None:
    keras.utils.set_random_seed(7)
    with zipfile.ZipFile(HERE / "text.zip", "w") as archive, tempfile.TemporaryDirectory() as folder:
        write(archive, "cases.json", json.dumps([result(case) for case in cases()], ensure_ascii=False))
        for suffix, k in (("k3", keras), ("k2", tf_keras)):
            for name, (model, inputs) in networks(k).items():
                for ending in (".keras", ".h5", "") if k is tf_keras else (".keras", ".h5"):
                    path = Path(folder, f"{name}_{suffix}{ending}")
                    if ending == ".h5" and name not in ("vocabulary", "categories", "inverse"):
                        continue  # neither Keras writes a vocabulary that was adapted to it
                    if not ending and name not in ("adapted", "both"):
                        continue
                    model.save(path, **({} if ending else {"save_format": "tf"}))
                    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
                    for file in files:
                        write(archive, str(file.relative_to(folder)), file.read_bytes())
                write(archive, f"{name}_{suffix}.json", answer(model, inputs))


if __name__ == "__main__":
    main()
