"""The `.keras` zip and folder, `.weights.h5` and sharded stores: layout written, layouts read."""

from __future__ import annotations

import json
import os
import zipfile

import h5py
import numpy as np
import pytest

from fastlstm.saving import LayerSpec, open_file, write_keras, write_legacy_h5, write_weights


def assert_same(read, arrays):
    assert len(read) == len(arrays)
    for found, expected in zip(read, arrays, strict=True):
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected)


def read(path, spec, **options):
    with open_file(path) as file:
        return file.read_weights(spec, **options)


def write(kind, path, spec, arrays, build):
    if kind == "weights":
        write_weights(path, spec, arrays)
    elif kind == "legacy":
        write_legacy_h5(path, build.config(spec), spec, arrays)
    else:
        write_keras(path, build.config(spec), spec, arrays, zipped=kind == "zip")


@pytest.mark.parametrize("kind", ["zip", "folder", "weights", "legacy"])
def test_round_trip(kind, tmp_path, spec, arrays, build):
    path = tmp_path / "model.weights.h5"  # the content decides, not the name
    write(kind, path, spec, arrays, build)
    assert_same(read(path, spec), arrays)
    with open_file(path) as file:
        if kind == "weights":
            with pytest.raises(ValueError, match="No model config found in the file at"):
                _ = file.config
        else:
            assert file.keras_version.startswith("3.")
            assert [layer["config"]["name"] for layer in file.config["config"]["layers"]] == [
                "foo_input",
                "foo",
                "lstm",
                "dropout",
                "dense",
            ]
            assert file.compile_config["optimizer"] == "adam"


def test_zip_layout(tmp_path, spec, arrays, build):
    write_keras(tmp_path / "m.keras", build.config(spec), spec, arrays)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(archive.read("config.json")) == build.config(spec)
        with archive.open("model.weights.h5") as stream, h5py.File(stream, "r") as file:
            assert set(file["layers"]) == {"lstm", "lstm_1", "dropout", "dense"}
            assert file["layers/lstm/vars"].attrs["name"] == "foo"
            assert file["layers/lstm/cell/vars"].attrs["name"] == "lstm_cell"
            assert file["vars"].attrs["name"] == "model"
            assert list(file["layers/dropout/vars"]) == []
            np.testing.assert_array_equal(file["layers/lstm_1/cell/vars/1"][()], arrays[4])


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, spec, arrays, build):
    path = tmp_path / "m.keras"
    write_keras(path, build.config(spec), spec, arrays)
    before = path.read_bytes()
    for writer in (
        lambda: write_keras(path, build.config(spec), spec, [*arrays[:-1], np.zeros(9)]),
        lambda: write_legacy_h5(path, build.config(spec), spec, [*arrays[:-1], np.zeros(9)]),
    ):
        with pytest.raises(ValueError, match=r"'dense': `bias` has shape \(9,\), expected \(2,\)"):
            writer()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.keras"]


def test_folder_is_replaced_only_if_it_is_a_model(tmp_path, spec, arrays, build):
    write_keras(tmp_path / "m", build.config(spec), spec, arrays, zipped=False)
    write_keras(tmp_path / "m", build.config(spec), spec, [array + 1 for array in arrays], zipped=False)
    assert_same(read(tmp_path / "m", spec), [array + 1 for array in arrays])
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="is not a saved model folder"):
        write_keras(tmp_path / "home", build.config(spec), spec, arrays, zipped=False)
    assert sorted(os.listdir(tmp_path)) == ["home", "m"]


def test_weights_extension(tmp_path, spec, arrays):
    with pytest.raises(ValueError, match=r"The filename must end in `.weights.h5`. Received: filepath="):
        write_weights(tmp_path / "w.h5", spec, arrays)


def store(path, groups, root="layers"):
    """An HDF5 store of `{group: [arrays]}`."""
    with h5py.File(path, "w") as file:
        for group, values in groups.items():
            below = file.create_group(f"{root}/{group}/vars")
            for index, value in enumerate(values):
                below[str(index)] = value


@pytest.mark.parametrize("root", ["layers", "_layer_checkpoint_dependencies"])
def test_groups_pair_by_class_and_order_with_gaps(root, tmp_path, build):
    spec = build.sequential(*(build.dense(f"d{index}", 2, 3) for index in range(12)), build.lstm("lstm_2", 3, 2))
    arrays = build.arrays(spec)
    groups = {f"dense_{2 * index}" if index else "dense": arrays[2 * index : 2 * index + 2] for index in range(12)}
    store(tmp_path / "w", groups | {"lstm/cell": arrays[24:], "lstm_cell": [np.zeros(1)]}, root)
    assert_same(read(tmp_path / "w", spec), arrays)


def test_ten_variables_in_one_group_are_read_by_number(tmp_path, build):
    wide = LayerSpec("wide", "Wide", tuple(build.dense("x", 2, 3).variables[1:]) * 12)
    spec = build.sequential(wide)
    arrays = build.arrays(spec)
    write_weights(tmp_path / "a.weights.h5", spec, arrays)
    assert_same(read(tmp_path / "a.weights.h5", spec), arrays)


def test_groups_without_variables_may_be_missing(tmp_path, build):
    empty = LayerSpec("td", "TimeDistributed", (), (("layer", LayerSpec("dropout", "Dropout")),))
    full = LayerSpec("td_1", "TimeDistributed", (), (("layer", build.dense("dense", 2, 3)),))
    spec = build.sequential(empty, full)
    arrays = build.arrays(spec)
    store(tmp_path / "w", {"time_distributed_1/layer": arrays})
    assert_same(read(tmp_path / "w", spec), arrays)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<i8"])
def test_dtypes(dtype, tmp_path, build):
    spec = build.sequential(build.dense("dense", 3, 2))
    arrays = [(4 * array).astype(dtype) for array in build.arrays(spec)]
    store(tmp_path / "w", {"dense": arrays})
    assert_same(read(tmp_path / "w", spec), [array.astype("f4") for array in arrays])


def test_bfloat16(tmp_path, build):
    spec = build.sequential(build.dense("dense", 3, 2))
    arrays = [(array.view(np.uint32) & 0xFFFF0000).view(np.float32) for array in build.arrays(spec)]
    store(tmp_path / "w", {"dense": [(array.view(np.uint32) >> 16).astype("<u2").view("V2") for array in arrays]})
    assert_same(read(tmp_path / "w", spec), arrays)  # Keras 2 does not say which type of two bytes it is
    with h5py.File(tmp_path / "w", "a") as file:
        for key in "01":
            file[f"layers/dense/vars/{key}"].attrs["dtype"] = "float17"
    with pytest.raises(ValueError, match="dtype"):
        read(tmp_path / "w", spec)
    with h5py.File(tmp_path / "w", "a") as file:
        for key in "01":
            file[f"layers/dense/vars/{key}"].attrs["dtype"] = "bfloat16"
    assert_same(read(tmp_path / "w", spec), arrays)


def test_errors_name_layer_variable_and_shapes(tmp_path, spec, arrays, build):
    write_weights(tmp_path / "a.weights.h5", spec, arrays)
    other = build.sequential(*dict(spec.children)["layers"][:3], build.dense("head", 3, 5))
    with pytest.raises(
        ValueError, match=r"'head': the shapes of `kernel` must match: expected \(3, 5\), found \(3, 2\)"
    ):
        read(tmp_path / "a.weights.h5", other)
    with pytest.warns(UserWarning, match="A total of 1 objects could not be loaded"):
        result = read(tmp_path / "a.weights.h5", other, skip_mismatch=True)
    assert_same(result[:6], arrays[:6])
    assert result[6:] == [None, None]
    longer = build.sequential(*dict(spec.children)["layers"], build.lstm("more", 2, 3))
    with pytest.raises(ValueError, match=r"A total of 1 objects .*expected 3 variables, but received 0 variables"):
        read(tmp_path / "a.weights.h5", longer)
    with pytest.raises(ValueError, match="`by_name` only supports loading legacy"):
        read(tmp_path / "a.weights.h5", spec, by_name=True)


@pytest.mark.parametrize("kind", ["zip", "weights", "legacy"])
def test_unbuilt_model(kind, tmp_path, spec, build):
    unbuilt = build.sequential(*(LayerSpec(layer.name, layer.class_name) for layer in dict(spec.children)["layers"]))
    write(kind, tmp_path / "m.weights.h5", unbuilt, [], build)
    with pytest.raises(ValueError, match="contains no weights"):
        read(tmp_path / "m.weights.h5", spec)


def test_missing_metadata_and_deflate_are_fine(tmp_path, spec, arrays, build):
    write_keras(tmp_path / "m.keras", build.config(spec), spec, arrays)
    with (
        zipfile.ZipFile(tmp_path / "m.keras") as old,
        zipfile.ZipFile(tmp_path / "n.keras", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in ("model.weights.h5", "config.json"):
            new.writestr(name, old.read(name))
    assert_same(read(tmp_path / "n.keras", spec), arrays)
    with open_file(tmp_path / "n.keras") as file:
        assert file.keras_version is None


def test_sharded(tmp_path, spec, arrays):
    limit = 400 / 1024**3
    write_weights(tmp_path / "s.weights.json", spec, arrays, max_shard_size=limit)
    names = sorted(os.listdir(tmp_path))
    assert names[0] == "s.weights.json"
    assert names[1:] == [f"s_{number:05}.weights.h5" for number in range(len(names) - 1)]
    assert len(names) > 2
    index = json.loads((tmp_path / "s.weights.json").read_text())
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in arrays)
    assert set(index["weight_map"]) == {"/layers/lstm/cell/vars", "/layers/lstm_1/cell/vars", "/layers/dense/vars"}
    assert_same(read(tmp_path / "s.weights.json", spec), arrays)
    with pytest.raises(ValueError, match=r"'foo'|'lstm_cell'.* more than a shard of"):
        write_weights(tmp_path / "t.weights.json", spec, arrays, max_shard_size=1e-8)
    with pytest.raises(ValueError, match=r"must end in `.weights.json` when `max_shard_size` is specified"):
        write_weights(tmp_path / "t.h5", spec, arrays, max_shard_size=limit)
