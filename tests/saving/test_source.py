"""What `load_model` and `load_weights` take: paths, file objects and bytes; what they say to anything else."""

import gzip
import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest

from fastlstm import Input, Sequential, load_model, save_packed
from fastlstm.layers import LSTM, Dense

pytestmark = pytest.mark.packed_kernels


@pytest.fixture
def model():
    return Sequential([Input((4, 2)), LSTM(3), Dense(1)])


def assert_equal(model, other):
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_one_file_as_path_object_or_bytes(model, tmp_path, name):
    path = tmp_path / name
    model.save(path)
    content = path.read_bytes()
    with path.open("rb") as stream:
        sources = [path, str(path), content, bytearray(content), memoryview(content), io.BytesIO(content), stream]
        for source in sources:
            assert_equal(load_model(source), model)
    # From where the file stands, as of a stream with something else before it.
    stream = io.BytesIO(b"before" + content)
    stream.seek(6)
    assert_equal(load_model(stream), model)
    with gzip.open(tmp_path / "m.gz", "wb") as packed:
        packed.write(content)
    with gzip.open(tmp_path / "m.gz") as packed:
        assert_equal(load_model(packed), model)


def test_weights_as_object_or_bytes(model, tmp_path):
    model.save_weights(tmp_path / "m.weights.h5")
    content = (tmp_path / "m.weights.h5").read_bytes()
    for source in (content, io.BytesIO(content)):
        other = Sequential([Input((4, 2)), LSTM(3), Dense(1)])
        other.load_weights(source)
        assert_equal(other, model)
    model.save_weights(tmp_path / "s.weights.json", max_shard_size=1)
    with pytest.raises(ValueError, match=r"index of a sharded store.*pass that.*the given bytes"):
        model.load_weights((tmp_path / "s.weights.json").read_bytes())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (io.StringIO("{}"), "the given file object gives str, not bytes: open it in binary mode, 'rb'"),
        (7, "Expected a path, a file object .* or bytes. Received: 7"),
        (None, "Received: None"),
        ([b"a"], "of type list"),
    ],
)
def test_what_is_no_file(source, text):
    with pytest.raises(TypeError, match=text):
        load_model(source)


def test_what_is_no_whole_model_says_what_to_call(model, tmp_path):
    model.save_weights(tmp_path / "m.weights.h5")
    model.save_weights(tmp_path / "s.weights.json", max_shard_size=1)
    with h5py.File(tmp_path / "legacy.h5", "w") as file:
        file.attrs["layer_names"] = np.zeros(0)
    for name in ("m.weights.h5", "s.weights.json", "legacy.h5"):
        with pytest.raises(
            ValueError, match=r"No model config found.*It holds weights alone.* call its `load_weights`"
        ):
            load_model(tmp_path / name)
    (tmp_path / "m.json").write_text(model.to_json())
    for read in (load_model, model.load_weights):
        with pytest.raises(ValueError, match=r"describes a model without its weights. `model_from_json\(text\)`"):
            read(tmp_path / "m.json")


def test_files_of_others_say_what_they_are(model, tmp_path):
    save_packed(model, tmp_path / "packed")
    array = io.BytesIO()
    np.save(array, np.zeros(2))
    for content, text in (
        ((tmp_path / "packed").read_bytes(), "open it with `fastlstm.load_packed`"),
        (pickle.dumps({"a": 1}), "a Python pickle, which is never read"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model"),
        (gzip.compress(b"a"), "compressed with gzip: unpack it first"),
        (array.getvalue(), "a NumPy array: pass the arrays of a model to `model.set_weights`"),
        (json.dumps({"a": 1}).encode(), "It is JSON, but not of Keras"),
        (zipped("archive/data.pkl"), "a PyTorch file, whose pickles are never read"),
        (zipped("model/m.h5"), "Unpack it, and pass what is in it: model/m.h5"),
        (zipped("a.txt"), "There is no config.json in the file"),
        (b"\x89PNG", "File format not supported: filepath=the given bytes.$"),
    ):
        with pytest.raises(ValueError, match=text):
            load_model(content)


def zipped(name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, "")
    return content.getvalue()


def test_a_folder_of_another_kind(model, tmp_path):
    with pytest.raises(
        ValueError, match=r"a folder without config.json, .* or saved_model.pb, which a SavedModel has.$"
    ):
        load_model(tmp_path)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"Pass what is in it: m\.keras"):
        load_model(tmp_path)


def test_stores_written_on_windows(formats):
    arrays = np.load(formats / "windows.npz")
    with zipfile.ZipFile(formats / "windows.keras") as archive:
        assert rb"layers\functional\layers" in archive.read("model.weights.h5")
    model = load_model(formats / "windows.keras")
    np.testing.assert_allclose(model.predict(arrays["x0"], verbose=0), arrays["y0"], atol=1e-6)
    expected = model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in expected])
    model.load_weights(formats / "windows.weights.h5")
    for found, weight in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(found, weight)


def test_a_name_of_many_backslashes(tmp_path, model):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("layers\\" * 99)
    with pytest.raises(ValueError, match="A group's name has 100 parts"):
        model.load_weights(tmp_path / "w.h5")
