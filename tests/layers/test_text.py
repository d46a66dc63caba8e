"""Layers that take texts and categories, against what Keras gives: alone, and in files of both Kerases."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastlstm
from fastlstm import layers

DATA = Path(__file__).parents[1] / "data"
sys.path.insert(0, str(DATA))
from text_cases import COLUMN, DOCUMENTS, TEXTS, TOKENS, WORDS, cases  # noqa: E402

CASES = cases()


@pytest.fixture(scope="module")
def goldens() -> Any:
    with zipfile.ZipFile(DATA / "text.zip") as archive:
        yield archive


@pytest.fixture(scope="module")
def results(goldens: zipfile.ZipFile) -> list[dict[str, Any]]:
    return json.loads(goldens.read("cases.json"))


def listed(x: Any) -> Any:
    return [item.decode() for item in x.ravel().tolist()] if x.dtype == object else x.ravel().tolist()


@pytest.mark.parametrize("number", range(len(CASES)))
def test_layer_gives_what_keras_gives(number: int, results: list[dict[str, Any]]) -> None:
    (class_name, arguments, adapted, inputs), expected = CASES[number], results[number]
    layer = getattr(layers, class_name)(**arguments)
    if adapted is not None:
        layer.adapt(np.array(adapted))
    vocabulary = layer.get_vocabulary() if hasattr(layer, "get_vocabulary") else None
    assert vocabulary == expected.get("vocabulary")
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    for one in (layer, again, pickle.loads(pickle.dumps(layer))):
        output = one(inputs)
        assert output.dtype.name == expected["dtype"]
        assert np.shape(output) == np.shape(expected["output"])
        wanted = np.array(expected["output"]).ravel().tolist()
        if output.dtype == np.float32:
            np.testing.assert_allclose(output.ravel(), wanted, rtol=1e-6)
        else:
            assert listed(output) == wanted


def names(goldens: zipfile.ZipFile) -> list[str]:
    files = {name.split("/")[0] for name in goldens.namelist()}
    return sorted(name for name in files if not name.endswith(".json"))


with zipfile.ZipFile(DATA / "text.zip") as _archive:
    NETWORKS = names(_archive)


@pytest.mark.parametrize("name", NETWORKS)
def test_network_from_a_file_gives_what_keras_gives(goldens: zipfile.ZipFile, tmp_path: Path, name: str) -> None:
    for member in goldens.namelist():
        if member == name or member.startswith(f"{name}/"):
            goldens.extract(member, tmp_path)
    golden = json.loads(goldens.read(f"{name.split('.')[0]}.json"))
    model = fastlstm.load_model(tmp_path / name)
    check(model, golden)
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"again{ending}")
        check(fastlstm.load_model(tmp_path / f"again{ending}"), golden)


def check(model: Any, golden: dict[str, Any]) -> None:
    inputs = {
        key: np.array(value, object if key in ("text", "names", "words") else None)
        for key, value in golden["inputs"].items()
    }
    given = list(inputs.values()) if len(inputs) > 1 else next(iter(inputs.values()))
    for outputs in (
        model(given),
        model.predict(given),
        model.predict(given, batch_size=2),
        model.predict_on_batch(given),
    ):
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        for output, wanted in zip(outputs, golden["outputs"], strict=True):
            if output.dtype == object:
                assert listed(output) == np.array(wanted).ravel().tolist()
            else:
                np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-6)


def model_of(*above: Any, **arguments: Any) -> Any:
    vectorization = layers.TextVectorization(vocabulary=WORDS, **arguments)
    return fastlstm.Sequential([layers.Input((1,), dtype="string"), vectorization, *above])


@pytest.mark.parametrize(
    "given",
    [
        np.array(COLUMN),
        np.array(TEXTS),
        np.array(COLUMN, object),
        np.char.encode(np.array(COLUMN), "utf-8"),
        np.array([text.encode() for text in TEXTS], object),
        [np.str_(text) for text in TEXTS],
        TEXTS,
        COLUMN,
        tuple(TEXTS),
    ],
    ids=lambda given: f"{type(given).__name__}-{getattr(given, 'dtype', '')}",
)
def test_strings_of_every_kind_are_taken(given: Any) -> None:
    model = model_of(layers.Embedding(6, 3, mask_zero=True), layers.LSTM(2))
    expected = model.predict(np.array(COLUMN, object))
    assert (model.predict(given) == expected).all()
    assert (model(given) == expected).all()
    assert len({row.tobytes() for row in expected}) > 3


def test_an_input_without_axes_and_a_model_without_input() -> None:
    texts = layers.Input((), dtype="string")
    vectorization = layers.TextVectorization(vocabulary=WORDS, output_sequence_length=3)
    embedding = layers.Embedding(6, 2)
    model = fastlstm.Model(texts, embedding(vectorization(texts)))
    deferred = fastlstm.Sequential([vectorization, embedding])
    assert (model.predict(np.array(TEXTS)) == deferred.predict(np.array(COLUMN))).all()
    assert model.output_shape == (None, 3, 2)


def test_integers_keep_all_their_digits() -> None:
    model = fastlstm.Sequential(
        [layers.Input((2,), dtype="int64"), layers.IntegerLookup(vocabulary=[2**53 + 1, 2**40])]
    )
    assert model.predict(np.array([[2**53 + 1, 2**53], [2**40, 2**40 + 1]])).tolist() == [[1, 0], [2, 0]]


def test_operations_see_the_integers(tmp_path: Path) -> None:
    texts = layers.Input((1,), dtype="string")
    places = layers.TextVectorization(vocabulary=WORDS)(texts)
    assert places.dtype == "int64"
    model = fastlstm.Model(texts, fastlstm.ops.sum(places, axis=1))
    assert model.predict(np.array(["the cat", "x"])).tolist() == [5, 1]


def lengths(texts: np.ndarray) -> np.ndarray:
    return np.char.lower(texts)


def words(texts: np.ndarray) -> list[list[str]]:
    return [text.split(",") for text in texts.tolist()]


def test_functions_come_from_the_caller(tmp_path: Path) -> None:
    arguments = {"standardize": lengths, "split": words, "vocabulary": ["a b", "c"]}
    model = fastlstm.Sequential([layers.Input((1,), dtype="string"), layers.TextVectorization(**arguments)])
    texts = np.array([["A b,c"], ["c,x,C"]])
    assert model.predict(texts).tolist() == [[2, 3, 0], [3, 1, 3]]
    model.save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match=r"a function as `standardize`.*'lengths'"):
        fastlstm.load_model(tmp_path / "own.keras")
    again = fastlstm.load_model(tmp_path / "own.keras", custom_objects={"lengths": lengths, "words": words})
    assert (again.predict(texts) == model.predict(texts)).all()


@pytest.mark.parametrize(
    ("class_name", "arguments", "text"),
    [
        ("TextVectorization", {"ragged": True}, "`ragged` is not supported"),
        ("TextVectorization", {"sparse": True, "output_mode": "count"}, "`sparse` is not supported"),
        ("TextVectorization", {"standardize": "upper"}, "`standardize`"),
        ("TextVectorization", {"split": "words"}, "`split`"),
        ("TextVectorization", {"ngrams": 0}, "`ngrams`"),
        ("TextVectorization", {"output_mode": "vectors"}, "`output_mode`"),
        ("TextVectorization", {"output_mode": "one_hot"}, "one_hot"),
        ("TextVectorization", {"output_mode": "count", "output_sequence_length": 3}, "`output_sequence_length`"),
        ("StringLookup", {"invert": True, "output_mode": "count"}, "invert"),
        ("StringLookup", {"max_tokens": 1}, "`max_tokens`"),
        ("StringLookup", {"pad_to_max_tokens": True}, "`max_tokens`"),
        ("StringLookup", {"num_oov_indices": -1}, "`num_oov_indices`"),
        ("StringLookup", {"vocabulary": ["a", "b", "a"]}, "repeated term"),
        ("StringLookup", {"vocabulary": []}, "empty vocabulary"),
        ("StringLookup", {"vocabulary": ["a", ""], "mask_token": ""}, "reserved mask token"),
        ("StringLookup", {"vocabulary": ["a", "[UNK]"], "invert": True}, "reserved OOV token"),
        ("StringLookup", {"vocabulary": ["a", "b"], "max_tokens": 2}, "larger than the maximum"),
        ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf"}, "idf_weights"),
        ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [1, 2]}, "same length"),
        ("StringLookup", {"idf_weights": [1]}, "`idf_weights`"),
        ("StringLookup", {"salt": "x"}, "`salt`"),
        ("StringLookup", {"oov_method": "other"}, "oov_method"),
        ("IntegerLookup", {"salt": 3}, "`salt`"),
        ("IntegerLookup", {"vocabulary_dtype": "int32"}, "vocabulary_dtype"),
        ("IntegerLookup", {"vocabulary": ["a"]}, "integers"),
        ("CategoryEncoding", {}, "num_tokens"),
        ("CategoryEncoding", {"num_tokens": 0}, "num_tokens"),
        ("CategoryEncoding", {"num_tokens": 3, "output_mode": "int"}, "output_mode"),
        ("Discretization", {}, "num_bins"),
        ("Discretization", {"num_bins": 3, "bin_boundaries": [0.0]}, "num_bins"),
        ("Hashing", {"num_bins": 0}, "num_bins"),
        ("Hashing", {"num_bins": 3, "salt": [1, 2, 3]}, "`salt`"),
    ],
)
def test_arguments_that_do_not_fit(class_name: str, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        getattr(layers, class_name)(**arguments)


def test_calls_that_do_not_fit() -> None:
    known = layers.TextVectorization(vocabulary=WORDS)
    with pytest.raises(ValueError, match="has no vocabulary"):
        layers.TextVectorization()(TEXTS)
    with pytest.raises(ValueError, match="found OOV values"):
        layers.StringLookup(vocabulary=WORDS, num_oov_indices=0)(["the", "x"])
    with pytest.raises(ValueError, match="takes strings"):
        known(np.zeros((2, 1), np.float32))
    with pytest.raises(ValueError, match="takes strings"):
        known(np.array([["the"], [None]], object))
    with pytest.raises(ValueError, match="last shape dimension must be 1"):
        known(np.array(TOKENS))
    with pytest.raises(ValueError, match="takes integers"):
        layers.IntegerLookup(vocabulary=[1])(np.array(["a"]))
    with pytest.raises(ValueError, match="static vocabulary"):
        layers.StringLookup(vocabulary=WORDS).adapt(DOCUMENTS)
    with pytest.raises(ValueError, match="Invalid dtype"):
        fastlstm.Sequential([layers.Input((2,)), layers.Dense(1)]).predict(np.array([["a", "b"]]))
    model = model_of(layers.Embedding(6, 2))
    with pytest.raises(ValueError, match="takes strings"):
        model.predict(np.zeros((2, 1)))
    assert model.predict(np.array(TEXTS)).shape[0] == len(TEXTS)
    with pytest.raises(ValueError, match="no axis of time"):
        model_of(layers.Embedding(6, 2), layers.LSTM(2)).stream()


def test_a_set_vocabulary_replaces_and_a_bad_one_does_not() -> None:
    lookup = layers.StringLookup()
    lookup.set_vocabulary(["a", "b"])
    with pytest.raises(ValueError, match="repeated"):
        lookup.set_vocabulary(["c", "c"])
    assert lookup.get_vocabulary() == ["[UNK]", "a", "b"]
    assert lookup.get_vocabulary(include_special_tokens=False) == ["a", "b"]
    assert lookup.vocabulary_size() == 3
    lookup.adapt(iter([np.array(["c", "b"]), np.array(["b"])]))
    assert lookup.get_vocabulary() == ["[UNK]", "b", "c"]
    counting = layers.StringLookup(vocabulary=["a"], output_mode="count")
    with pytest.raises(RuntimeError, match="cannot be changed"):
        counting.set_vocabulary(["a", "b"])


def test_a_vocabulary_is_read_from_a_file_by_code_alone(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("the\ncat\n")
    lookup = layers.StringLookup(vocabulary=str(tmp_path / "words.txt"))
    assert lookup(["cat", "dog"]).tolist() == [2, 0]
    for class_name in ("StringLookup", "TextVectorization"):
        config = {"name": "text", "vocabulary": str(tmp_path / "words.txt")}
        with pytest.raises(ValueError, match="which is not read"):
            layers.deserialize({"class_name": class_name, "config": config})


def changed(goldens: zipfile.ZipFile, name: str, member: str, data: bytes | None) -> io.BytesIO:
    """A `.keras` file with another content of one of its members, or without it."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(goldens.read(name))) as archive, zipfile.ZipFile(made, "w") as other:
        for item in archive.namelist():
            if item != member:
                other.writestr(item, archive.read(item))
        if data is not None:
            other.writestr(member, data)
    made.seek(0)
    return made


def test_damaged_vocabularies(goldens: zipfile.ZipFile) -> None:
    text, numbers = (f"assets/layers/{kind}/vocabulary.txt" for kind in ("text_vectorization", "integer_lookup"))
    with pytest.raises(ValueError, match="cannot be read"):
        fastlstm.load_model(changed(goldens, "adapted_k3.keras", text, b"\xff\xfe"))
    with pytest.raises(ValueError, match="cannot be read"):
        fastlstm.load_model(changed(goldens, "both_k3.keras", numbers, b"-1\nabc"))
    with pytest.raises(ValueError, match="repeated"):
        fastlstm.load_model(changed(goldens, "adapted_k3.keras", text, b"\n[UNK]\na\na"))
    model = fastlstm.load_model(changed(goldens, "adapted_k3.keras", text, None))
    with pytest.raises(ValueError, match="has no vocabulary"):
        model.predict(np.array(TEXTS))
    model.layers[0].set_vocabulary(WORDS)
    assert np.isfinite(model.predict(np.array(TEXTS))).all()


def test_a_saved_model_without_the_graph_has_no_vocabulary(goldens: zipfile.ZipFile, tmp_path: Path) -> None:
    for member in goldens.namelist():
        if member.startswith("adapted_k2/") and not member.endswith("saved_model.pb"):
            goldens.extract(member, tmp_path)
    model = fastlstm.load_model(tmp_path / "adapted_k2")
    with pytest.raises(ValueError, match="has no vocabulary"):
        model.predict(np.array(TEXTS))
    shutil.rmtree(tmp_path / "adapted_k2")
