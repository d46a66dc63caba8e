"""Files that lie: links, foreign storage, bombs, truncation, flipped bytes. Always a clear exception, never a read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from fastlstm.saving import open_file, write_keras, write_legacy_h5, write_weights
from fastlstm.saving.budget import Budget
from fastlstm.saving.json_data import parse_json


def read(path, spec):
    with open_file(path) as file:
        return file.read_weights(spec)


@pytest.fixture
def dense(build):
    return build.sequential(build.dense("dense", 3, 2))


@pytest.fixture
def store(tmp_path, dense, build):
    """A sound `.weights.h5` and the two datasets in it, to be spoilt."""
    path = tmp_path / "a.weights.h5"
    write_weights(path, dense, build.arrays(dense))
    return path


KERNEL = "layers/dense/vars/0"


def soft_link(file):
    file["elsewhere"] = file[KERNEL][()]
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/elsewhere")


def soft_group(file):
    file.move("layers/dense", "elsewhere")
    file["layers/dense"] = h5py.SoftLink("/elsewhere")


def external_link(file):
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink("other.h5", "/x")


def external_storage(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 2), "f4", external=[("/etc/passwd", 0, 24)])


def virtual(file):
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 2))
    file.create_virtual_dataset(KERNEL, layout)


def lzf(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, data=np.zeros((3, 2), "f4"), compression="lzf")


def strings(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 2), h5py.string_dtype())


@pytest.mark.parametrize("spoil", [soft_link, soft_group, external_link, external_storage, virtual, lzf, strings])
def test_storage_that_is_refused(spoil, store, dense):
    with h5py.File(store, "a") as file:
        spoil(file)
    with pytest.raises(ValueError, match=r"only plain links|another file|filters|which is no weight"):
        read(store, dense)


def test_compressed_datasets_are_read(store, dense, build):
    arrays = build.arrays(dense)
    with h5py.File(store, "a") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, data=arrays[0], compression="gzip", shuffle=True, fletcher32=True)
    np.testing.assert_array_equal(read(store, dense)[0], arrays[0])


def test_declared_size_without_data(store, build):
    with h5py.File(store, "a") as file:
        del file[KERNEL], file["layers/dense/vars/1"]
        file.create_dataset(KERNEL, (2**20, 2**20), "f4")
        file.create_dataset("layers/dense/vars/1", (2**20,), "f4")
    with pytest.raises(ValueError, match=r"found \(1048576, 1048576\)"):
        read(store, build.sequential(build.dense("dense", 3, 2)))
    with pytest.raises(ValueError, match="only 0 are stored"):
        read(store, build.sequential(build.dense("dense", 2**20, 2**20)))


def archive(path, members, **options):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, **options)
    return path


MODEL = json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": []}})


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zips_that_are_refused(tmp_path, dense):
    with pytest.raises(ValueError, match=r"2 members called config\.json"):
        open_file(archive(tmp_path / "a", [("config.json", MODEL), ("config.json", MODEL)]))
    with pytest.raises(ValueError, match="compression method 12"):
        open_file(archive(tmp_path / "b", [("config.json", MODEL)], compress_type=zipfile.ZIP_BZIP2))
    encrypted = bytearray(archive(tmp_path / "c", [("config.json", MODEL)]).read_bytes())
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "c").write_bytes(encrypted)
    with pytest.raises(ValueError, match="encrypted"):
        open_file(tmp_path / "c")
    with pytest.raises(ValueError, match=r"There is no config.json"):
        open_file(archive(tmp_path / "d", [("other", "x")]))
    bomb = (2**20 * 65) * b" "
    with pytest.raises(ValueError, match="more than 25,165,824 bytes of JSON"):
        open_file(archive(tmp_path / "e", [("config.json", bomb)], compress_type=zipfile.ZIP_DEFLATED))
    with (
        open_file(archive(tmp_path / "f", [("config.json", MODEL), ("model.weights.npz", "x")])) as file,
        pytest.raises(ValueError, match="pickles"),
    ):
        file.read_weights(dense)


def test_json_is_capped():
    with pytest.raises(ValueError, match="nested deeper than 80"):
        parse_json('{"a":' * 300 + "1" + "}" * 300, "it", Budget(0))
    with pytest.raises(ValueError, match="not valid JSON"):
        parse_json('{"a":' * 200_000, "it", Budget(0))
    with pytest.raises(ValueError, match="should hold a JSON object"):
        parse_json("[1]", "it", Budget(0))
    assert parse_json('{"a": -Infinity}', "it", Budget(0)) == {"a": -float("inf")}
    assert parse_json('{"a":' * 79 + "[]" + "}" * 79, "it", Budget(0))


@pytest.mark.parametrize(
    "model",
    [
        {"class_name": "Sequential"},
        {"class_name": "Sequential", "config": {"layers": 5}},
        {"class_name": "Sequential", "config": {"layers": [5]}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "LSTM", "config": 5}]}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"dtype": 5}}]}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "RNN", "config": {"cell": 5}}]}},
        {"class_name": "Functional", "config": {"layers": [{"class_name": "Add", "config": {}, "inbound_nodes": 5}]}},
        {"class_name": ["x"], "config": {}},
    ],
)
def test_configs_that_make_no_sense(model, tmp_path):
    path = archive(tmp_path / "m.keras", [("config.json", json.dumps(model))])
    with open_file(path) as file, pytest.raises(ValueError):
        _ = file.config


@pytest.mark.parametrize(
    "name", ["../w.weights.h5", "/etc/w.weights.h5", "a\\w.weights.h5", "..", 5, "gone.weights.h5"]
)
def test_shards_are_looked_for_beside_the_index_only(name, tmp_path):
    (tmp_path / "s.weights.json").write_text(json.dumps({"weight_map": {"/vars": name}}))
    with pytest.raises(ValueError, match=r"only plain file names|not beside it|damaged"):
        open_file(tmp_path / "s.weights.json")


def test_paths_that_are_no_model(tmp_path):
    with pytest.raises(
        ValueError, match=r"File not found: filepath=.*Please ensure the file is an accessible `.keras`"
    ):
        open_file(tmp_path / "gone.keras")
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "gone.h5")
    for content, text in {
        b"version https://git-lfs.github.com/spec/v1\noid": "Git LFS pointer",
        b"": "empty",
        b"\x89PNG": "File format not supported",
        b'{"a": 1}': "File format not supported",
        b"{": "not valid JSON",
    }.items():
        (tmp_path / "m.keras").write_bytes(content)
        with pytest.raises(ValueError, match=text):
            open_file(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"a folder without config.json"):
        open_file(tmp_path)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"] = 1
    with pytest.raises(ValueError, match="not one of Keras"):
        open_file(tmp_path / "x.h5")


def test_hdf5_behind_a_user_block(tmp_path, dense, build):
    with h5py.File(tmp_path / "w", "w", userblock_size=1024) as file:
        for index, array in enumerate(build.arrays(dense)):
            file[f"layers/dense/vars/{index}"] = array
    assert [array.shape for array in read(tmp_path / "w", dense)] == [(3, 2), (2,)]


@pytest.mark.parametrize("kind", ["zip", "legacy", "weights"])
def test_truncation_is_an_error(kind, tmp_path, spec, arrays, build):
    path = tmp_path / "m.weights.h5"
    if kind == "weights":
        write_weights(path, spec, arrays)
    else:
        (write_keras if kind == "zip" else write_legacy_h5)(path, build.config(spec), spec, arrays)
    whole = path.read_bytes()
    for size in range(1, len(whole), len(whole) // 97):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError):
            read(path, spec)


def test_flipped_bytes_are_an_error_or_harmless(tmp_path, spec, arrays, build):
    path = tmp_path / "m.keras"
    write_keras(path, build.config(spec), spec, arrays)
    whole, chance = path.read_bytes(), random.Random(5)
    for _ in range(200):
        spoilt = bytearray(whole)
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        path.write_bytes(spoilt)
        try:
            with open_file(path) as file:
                _ = file.config
                result = file.read_weights(spec)
        except ValueError as error:
            assert str(error)
        else:
            assert all(np.array_equal(a, b) for a, b in zip(result, arrays, strict=True))


def variable_length(path, spec, arrays, **options):
    """A legacy weights-only file whose attributes are variable-length strings, as h5py writes `str`."""
    with h5py.File(path, "w", **options) as file:
        file.attrs["backend"] = "tensorflow"
        file.attrs["layer_names"] = ["dense", "grün"]
        for name in ("dense", "grün"):
            file.create_group(name).attrs["weight_names"] = ["kernel:0", "bias:0"] if name == "dense" else []
        for name, array in zip(("kernel:0", "bias:0"), arrays, strict=True):
            file["dense"][name] = array


@pytest.mark.parametrize("options", [{}, {"userblock_size": 512}, {"libver": "latest"}], ids=str)
def test_variable_length_text(options, tmp_path, dense, build):
    arrays = build.arrays(dense)
    variable_length(tmp_path / "w", dense, arrays, **options)
    for found, expected in zip(read(tmp_path / "w", dense), arrays, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [0, 255])
def test_damaged_text_is_an_error_or_harmless(value, tmp_path, dense, build):
    path, arrays = tmp_path / "w", build.arrays(dense)
    variable_length(path, dense, arrays)
    whole = path.read_bytes()
    heap, names = whole.index(b"GCOL"), whole.index(b"layer_names")
    for position in (*range(heap, heap + 96), *range(names - 32, names + 96)):
        path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
        try:
            result = read(path, dense)
        except ValueError as error:
            assert str(path) in str(error)
        else:
            assert all(np.array_equal(a, b) for a, b in zip(result, arrays, strict=True))


def test_importing_saving_does_not_import_h5py(tmp_path):
    code = "import sys; import fastlstm.saving; sys.exit('h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


def test_the_file_is_closed(tmp_path, spec, arrays, build):
    path = tmp_path / "a.weights.h5"
    write_weights(path, spec, arrays)
    with open_file(path) as file:
        file.read_weights(spec)
    with pytest.raises(ValueError):
        file.read_weights(spec)
