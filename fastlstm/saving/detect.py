"""`open_file`: which format a path holds is decided by its content, never by its name."""

from __future__ import annotations

import os
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastlstm.saving import archive
from fastlstm.saving.config import stored_classes
from fastlstm.saving.errors import SavedModelError, reading
from fastlstm.saving.hdf5 import Group, find_signature, open_root
from fastlstm.saving.json_data import MAX_JSON_BYTES, parse_json
from fastlstm.saving.keras_v3 import CONFIG, METADATA, FolderMembers, ZipMembers
from fastlstm.saving.legacy_h5 import read_legacy
from fastlstm.saving.model_file import Contents, ModelFile
from fastlstm.saving.sharded import open_shards
from fastlstm.saving.spec import LayerSpec
from fastlstm.saving.weights_h5 import read_store

_STORE_GROUPS = ("layers", "_layer_checkpoint_dependencies", "vars")
_HINTS = {
    b"version https://git-lfs": "It is a Git LFS pointer, not the file itself: run `git lfs pull`.",
    b"<!DOCTYPE html": "It is an HTML page: the download went wrong.",
    b"": "It is empty.",
}


def open_file(path: str | PathLike[str]) -> ModelFile:
    """Open a model or weights file of any Keras version.

    Args:
        path: A `.keras` zip or folder, a legacy `.h5`, a `.weights.h5`, or the `.weights.json` of a sharded store,
            under whatever name.

    Returns:
        The open file, to be used in a `with` statement.

    Raises:
        ValueError: Not such a file, damaged, or holding what is refused; a missing `.keras` file.
        FileNotFoundError: Any other missing file.
    """
    if not os.path.exists(path):
        if str(path).endswith(".keras"):
            raise ValueError(
                f"File not found: filepath={path}. Please ensure the file is an accessible `.keras` zip file."
            )
        raise FileNotFoundError(f"No such file: {path}")
    with reading(path), ExitStack() as stack:
        contents = _open_folder(Path(path)) if os.path.isdir(path) else _open_stream(Path(path), stack)
        return ModelFile(path, contents, stack.pop_all())


def _open_stream(path: Path, stack: ExitStack) -> Contents:
    stream = stack.enter_context(path.open("rb"))
    start = stream.read(512)
    if start.startswith(archive.SIGNATURES):
        return _v3_contents(ZipMembers(stream))
    if find_signature(stream) is not None:
        return _hdf5_contents(open_root(stream, stack), str(path))
    if start.lstrip().startswith(b"{"):
        stream.seek(0)
        index = parse_json(stream.read(MAX_JSON_BYTES + 1), str(path))
        if isinstance(index.get("weight_map"), dict):
            return Contents(_store_reader(open_shards(index, path, stack)))
    hint = next((text for sign, text in _HINTS.items() if start.startswith(sign) and (sign or not start)), "")
    raise SavedModelError(f"File format not supported: filepath={path}. {hint}".rstrip())


def _open_folder(path: Path) -> Contents:
    if not (path / CONFIG).is_file():
        raise SavedModelError(f"File format not supported: filepath={path} is a folder without {CONFIG}.")
    return _v3_contents(FolderMembers(path))


def _v3_contents(members: ZipMembers | FolderMembers) -> Contents:
    config = members.read(CONFIG)
    if config is None:
        raise SavedModelError(f"There is no {CONFIG} in the file.")
    model = parse_json(config, CONFIG)
    metadata = members.read(METADATA)
    version = parse_json(metadata, METADATA).get("keras_version") if metadata else None

    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        with members.weights() as stream, ExitStack() as stack:
            reader = _store_reader(open_root(stream, stack), stored_classes(model))
            return reader(spec, by_name=by_name, skip_mismatch=skip_mismatch)

    return Contents(read, version if isinstance(version, str) else None, model, model.get("compile_config") or None)


def _store_reader(root: Group, classes: dict[str, str] | None = None) -> Any:
    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        if by_name:
            raise SavedModelError("`by_name` only supports loading legacy '.h5' or '.hdf5' files.")
        return read_store(root, spec, classes or {}, skip_mismatch=skip_mismatch)

    return read


def _hdf5_contents(root: Group, path: str) -> Contents:
    weights = root.group("model_weights")
    if root.has_attribute("model_config") or weights:
        text = root.text("model_config")
        model = parse_json(text, f"model_config of {path}") if text else None
        version = root.text("keras_version") or (weights and weights.text("keras_version"))
        return Contents(_legacy_reader(weights), version, model, _training_config(root, path))
    if root.has_attribute("layer_names"):
        return Contents(_legacy_reader(root), root.text("keras_version"))
    if any(root.group(name) for name in _STORE_GROUPS):
        return Contents(_store_reader(root))
    raise SavedModelError(f"File format not supported: filepath={path}. It is an HDF5 file, but not one of Keras.")


def _legacy_reader(weights: Group | None) -> Any:
    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        if weights is None:
            raise SavedModelError("The file contains no weights: there is no group model_weights in it.")
        return read_legacy(weights, spec, by_name=by_name, skip_mismatch=skip_mismatch)

    return read


def _training_config(root: Group, path: str) -> dict[str, Any] | None:
    """Legacy `training_config` under the names of `compile`'s arguments."""
    text = root.text("training_config")
    if not text:
        return None
    training = parse_json(text, f"training_config of {path}")
    if "optimizer_config" in training:
        training["optimizer"] = training.pop("optimizer_config")
    return training
