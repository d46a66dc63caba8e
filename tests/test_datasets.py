"""`datasets` on small files in place of the real ones, against real Keras' results on the same files."""

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastlstm import datasets
from fastlstm.datasets import sequences

GOLDEN = json.loads((Path(__file__).parent / "data" / "datasets.json").read_text())  # make_dataset_goldens.py
LISTS, LABELS = np.array(GOLDEN["lists"], dtype="object"), np.array(GOLDEN["labels"])
FILES = {
    "imdb": {"x_train": LISTS[:7], "y_train": LABELS[:7], "x_test": LISTS[7:], "y_test": LABELS[7:]},
    "reuters": {"x": LISTS, "y": LABELS},
    "mnist": {
        name: np.arange(4, dtype="uint8") + k for k, name in enumerate(["x_train", "y_train", "x_test", "y_test"])
    },
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with the small files, which are taken for the real ones."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets"
    folder.mkdir()
    for name, arrays in FILES.items():
        np.savez(folder / f"{name}.npz", **arrays)
        content = (folder / f"{name}.npz").read_bytes()
        monkeypatch.setattr(getattr(datasets, name), "HASH", hashlib.sha256(content).hexdigest())
    return folder


@pytest.mark.parametrize(("name", "arguments", "expected"), GOLDEN["results"])
def test_results_are_those_of_keras(cache, name, arguments, expected):
    parts = getattr(datasets, name).load_data(**arguments)
    assert [[x.tolist(), y.tolist()] for x, y in parts] == expected
    assert all(x.dtype == object for x, _ in parts)


def test_mnist(cache):
    (x_train, y_train), (x_test, y_test) = datasets.mnist.load_data()
    for number, array in enumerate((x_train, y_train, x_test, y_test)):
        np.testing.assert_array_equal(array, np.arange(4) + number)


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_words(cache, name, monkeypatch):
    module, content = getattr(datasets, name), json.dumps({"a": 1, "é": 2}).encode()
    (cache / f"{name}_word_index.json").write_bytes(content)
    monkeypatch.setattr(module, "WORDS_HASH", hashlib.md5(content).hexdigest())
    assert module.get_word_index() == {"a": 1, "é": 2}


def test_topics():
    assert list(datasets.reuters.get_label_names()) == GOLDEN["topics"]


def test_a_file_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"downloads nothing. Put the file there.*https://.*/imdb.npz, expected"):
        datasets.imdb.load_data()
    with pytest.raises(ValueError, match=r"reuters_word_index.json, expected at .*datasets"):
        datasets.reuters.get_word_index()


def test_no_sequence_is_short_enough(cache):
    with pytest.raises(ValueError, match=r"no sequence was kept. Increase maxlen"):
        datasets.imdb.load_data(maxlen=2)


class Evil:
    def __reduce__(self):
        return (print, ("code of a file has been run",))


def test_nothing_from_a_file_is_run(tmp_path, capsys):
    np.savez(tmp_path / "evil.npz", x=np.array([Evil()], dtype="object"))
    with pytest.raises(ValueError, match=r"The file holds builtins.print, which is no array of lists"):
        sequences.read_arrays(str(tmp_path / "evil.npz"))
    assert capsys.readouterr().out == ""


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="is no file of arrays"):
        sequences.read_arrays(str(path))
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([[1], [2, 3]], dtype="object"))
    header = buffer.getvalue()[: buffer.getvalue().index(b"\n") + 1]
    for content in (pickle.dumps([1, 2]), pickle.dumps(np.zeros(3)), b"", b"\x80"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", header + content)
        with pytest.raises(ValueError, match=r"is no file of arrays|is no array of the shape"):
            sequences.read_arrays(str(path))
