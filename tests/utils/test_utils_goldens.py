"""`fastlstm.utils` and `fastlstm.preprocessing` against what Keras 3 and Keras 2 answered."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from fastlstm import utils
from fastlstm.preprocessing import sequence, text

RECORDS = json.loads((Path(__file__).parent.parent / "data" / "utils.json").read_text(encoding="utf-8"))
MODULES = {"utils": utils, "sequence": sequence, "text": text}


def of(function):
    return [record for record in RECORDS if record["function"] == function]


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


SIMPLE = [
    "utils.pad_sequences",
    "utils.to_categorical",
    "text.text_to_word_sequence",
    "text.hashing_trick",
    "sequence.make_sampling_table",
    "sequence.skipgrams",
]


@pytest.mark.parametrize("record", [record for name in SIMPLE for record in of(name)], ids=lambda r: r["function"])
def test_functions(record):
    module, name = record["function"].split(".")
    random.seed(5)
    result = getattr(MODULES[module], name)(*record["args"], **record["kwargs"])
    assert plain(result) == record["result"]
    if name == "pad_sequences":
        assert result.dtype == record["kwargs"].get("dtype", "int32")


@pytest.mark.parametrize("record", of("utils.timeseries_dataset_from_array"), ids=str)
def test_timeseries_dataset(record):
    dataset = utils.timeseries_dataset_from_array(*record["args"], **record["kwargs"])
    for _ in range(2):
        assert [plain(batch) for batch in dataset] == record["result"]
    assert len(dataset) == len(record["result"])


@pytest.mark.parametrize("record", of("utils.split_dataset"), ids=str)
def test_split_dataset(record):
    parts = utils.split_dataset([np.array(each) for each in record["args"][0]], **record["kwargs"])
    assert [[[int(value) for value in sample] for sample in part] for part in parts] == record["result"]
    assert [len(part) for part in parts] == [len(part) for part in record["result"]]


@pytest.mark.parametrize("record", of("utils.text_dataset_from_directory"), ids=str)
def test_text_dataset(record, tmp_path):
    for kind, name, content in record["args"][0]:
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / name).write_text(content)
    dataset = utils.text_dataset_from_directory(tmp_path, verbose=False, **record["kwargs"])
    names, expected = record["result"]
    assert dataset.class_names == names
    made = [[part.numpy().tolist() for part in (batch if isinstance(batch, tuple) else (batch,))] for batch in dataset]
    if record["kwargs"].get("shuffle", True):  # the files of a subset are Keras', their order is another one
        made, expected = ([sorted(zip(*batch, strict=True)) for batch in batches] for batches in (made, expected))
        expected = [[tuple(sample) for sample in batch] for batch in expected]
    assert made == expected
    assert len(dataset) == len(expected)


@pytest.mark.parametrize("record", of("sequence.TimeseriesGenerator"), ids=str)
def test_timeseries_generator(record):
    data, targets = map(np.array, record["args"])
    generator = sequence.TimeseriesGenerator(data, targets, **record["kwargs"])
    assert [plain(batch) for batch in generator] == record["result"]
    assert len(generator) == generator.num_batches == len(record["result"])


@pytest.mark.parametrize("record", of("text.Tokenizer"), ids=str)
def test_tokenizer(record):
    texts, more = record["args"]
    expected = record["result"]
    fitted = text.Tokenizer(**record["kwargs"])
    fitted.fit_on_texts(texts)
    fitted.fit_on_texts([["Given", "words", "the"]])
    assert unpacked(fitted.to_json()) == unpacked(expected["json"])
    for tokenizer in (fitted, text.tokenizer_from_json(expected["json"]), text.tokenizer_from_json(fitted.to_json())):
        sequences = tokenizer.texts_to_sequences(more)
        assert sequences == expected["sequences"]
        assert tokenizer.sequences_to_texts([*sequences, [1, 2, 99]]) == expected["texts"]
        for mode in ("binary", "count", "freq", "tfidf"):
            np.testing.assert_allclose(tokenizer.texts_to_matrix(more, mode), expected[mode], rtol=1e-12)


def unpacked(description):
    config = json.loads(description)["config"]
    learnt = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
    return {key: json.loads(value) if key in learnt else value for key, value in config.items()}
