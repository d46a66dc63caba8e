"""Write utils.json: what `keras.utils` (Keras 3.15.1) and `keras.preprocessing` (of Keras 2: tf_keras) answer.

A record is `{function, args, kwargs, result}`; arrays are nested lists. Run with Keras and tf_keras.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import keras
import numpy as np
import tf_keras

TEXTS = [
    "The cat sat on the mat.",
    "The dog sat on the log, the cat on the dog!",
    "Dogs and cats living together",
    "",
    "ÜBER the (mat)\tand\nunder",
]
MORE = ["the cat and a bird", "unknown words only", "mat log dog the"]
RAGGED = [[1, 2, 3, 4, 5], [6], [], [7, 8, 9]]


def plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def numerical():
    for kwargs in (
        {},
        {"padding": "post"},
        {"maxlen": 2},
        {"maxlen": 2, "truncating": "post", "value": 9},
        {"maxlen": 7, "dtype": "float32", "value": -1.5, "padding": "post"},
    ):
        yield "utils.pad_sequences", [RAGGED], kwargs, keras.utils.pad_sequences(RAGGED, **kwargs)
    vectors = [[[1, 2], [3, 4]], [[5, 6]]]
    yield "utils.pad_sequences", [vectors], {"maxlen": 3}, keras.utils.pad_sequences(vectors, maxlen=3)
    for x, kwargs in (([0, 2, 1], {}), ([[3], [0]], {"num_classes": 5}), ([[1, 0], [0, 2]], {})):
        yield "utils.to_categorical", [x], kwargs, keras.utils.to_categorical(x, **kwargs)


def windows():
    data = np.arange(13)
    for kwargs in (
        {"sequence_length": 4},
        {"sequence_length": 3, "sequence_stride": 2, "sampling_rate": 2, "batch_size": 2},
        {"sequence_length": 3, "start_index": 2, "end_index": 9, "batch_size": 3},
        {"sequence_length": 2, "batch_size": None, "end_index": 5},
    ):
        for targets in (None, (data * 10).tolist()):
            batches = keras.utils.timeseries_dataset_from_array(
                data, None if targets is None else np.array(targets), **kwargs
            )
            result = [
                plain([np.asarray(part) for part in batch]) if targets else plain(np.asarray(batch))
                for batch in batches
            ]
            yield "utils.timeseries_dataset_from_array", [data.tolist(), targets], kwargs, result
    for kwargs in (
        {"length": 4},
        {"length": 5, "sampling_rate": 2, "stride": 3, "batch_size": 2, "reverse": True},
        {"length": 3, "start_index": 2, "end_index": 10, "batch_size": 4},
    ):
        generator = tf_keras.preprocessing.sequence.TimeseriesGenerator(data, data * 10, **kwargs)
        result = [plain(generator[index]) for index in range(len(generator))]
        yield "sequence.TimeseriesGenerator", [data.tolist(), (data * 10).tolist()], kwargs, result


def splits():
    for rows, kwargs in ((10, {"left_size": 0.75}), (11, {"left_size": 0.5}), (10, {"right_size": 3}),
                         (10, {"left_size": 2, "right_size": 3})):  # fmt: skip
        data = [list(range(rows)), list(range(100, 100 + rows))]
        parts = keras.utils.split_dataset([np.array(each) for each in data], **kwargs)
        result = [[[int(part) for part in sample] for sample in each] for each in parts]
        yield "utils.split_dataset", [data], kwargs, result


def text_files(folder):
    """What stands in the files: `(folder, name, text)`."""
    files = [(kind, f"{number}.txt", f"{kind} {number}") for kind in ("neg", "pos") for number in range(5)]
    for kind, name, content in files:
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / name).write_text(content)
    return [list(each) for each in files]


def texts():
    with tempfile.TemporaryDirectory() as folder:
        files = text_files(Path(folder))
        for kwargs in (
            {"shuffle": False, "batch_size": 4},
            {"shuffle": False, "batch_size": None, "label_mode": "binary"},
            {"shuffle": False, "label_mode": "categorical", "class_names": ["pos", "neg"]},
            {"shuffle": False, "labels": None, "batch_size": 7, "max_length": 4},
            {"shuffle": False, "validation_split": 0.3, "subset": "validation", "batch_size": 2},
            {"validation_split": 0.3, "subset": "validation", "seed": 1337},
            {"validation_split": 0.3, "subset": "training", "seed": 1337},
        ):
            batches = keras.utils.text_dataset_from_directory(folder, verbose=False, **kwargs)
            result = []
            for batch in batches:
                first, *label = batch if isinstance(batch, tuple) else (batch,)
                decoded = np.vectorize(bytes.decode, otypes=[object])(first.numpy())
                result.append([plain(decoded.tolist()), *(plain(each.numpy().tolist()) for each in label)])
            yield "utils.text_dataset_from_directory", [files], kwargs, [batches.class_names, result]


def words():
    text = tf_keras.preprocessing.text
    for kwargs in ({}, {"filters": "aeiou", "lower": False}, {"split": "-"}):
        yield "text.text_to_word_sequence", [TEXTS[1]], kwargs, text.text_to_word_sequence(TEXTS[1], **kwargs)
    yield "text.hashing_trick", [TEXTS[1], 50, "md5"], {}, text.hashing_trick(TEXTS[1], 50, "md5")
    for kwargs in (
        {},
        {"num_words": 5},
        {"num_words": 4, "oov_token": "<?>"},
        {"oov_token": "<?>", "lower": False},
        {"char_level": True, "num_words": 12},
        {"filters": "", "split": "t"},
    ):
        tokenizer = text.Tokenizer(**kwargs)
        tokenizer.fit_on_texts(TEXTS)
        tokenizer.fit_on_texts([["Given", "words", "the"]])
        sequences = tokenizer.texts_to_sequences(MORE)
        result = {
            "json": tokenizer.to_json(),
            "sequences": sequences,
            "texts": tokenizer.sequences_to_texts([*sequences, [1, 2, 99]]),
            **{mode: plain(tokenizer.texts_to_matrix(MORE, mode)) for mode in ("binary", "count", "freq", "tfidf")},
        }
        yield "text.Tokenizer", [TEXTS, MORE], kwargs, result


def skipgrams():
    sequence = tf_keras.preprocessing.sequence
    yield "sequence.make_sampling_table", [8, 1e-3], {}, plain(sequence.make_sampling_table(8, 1e-3))
    for kwargs in (
        {"window_size": 2, "seed": 3},
        {"window_size": 1, "negative_samples": 0.0, "categorical": True, "seed": 3},
        {"shuffle": False, "negative_samples": 0.5, "window_size": 2},
        {"sampling_table": [0.0, 0.9, 0.5, 0.2, 0.1, 0.9], "seed": 1},
    ):
        random.seed(5)
        yield "sequence.skipgrams", [[1, 2, 0, 3, 4, 5], 6], kwargs, sequence.skipgrams([1, 2, 0, 3, 4, 5], 6, **kwargs)


def main() -> None:
    records = [
        {"function": function, "args": args, "kwargs": kwargs, "result": plain(result)}
        for cases in (numerical, windows, splits, texts, words, skipgrams)
        for function, args, kwargs, result in cases()
    ]
    lines = ",\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    (Path(__file__).parent / "utils.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
