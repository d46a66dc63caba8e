"""`open_file`: which format a path holds is decided by its content, never by its name.

The readers of what TensorFlow writes and of shards are imported by whoever meets such a file: importing fastlstm does
not wait for them."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastlstm.saving import archive, foreign
from fastlstm.saving.backslashes import unfolded
from fastlstm.saving.budget import Budget
from fastlstm.saving.config import stored_classes
from fastlstm.saving.errors import SavedModelError, reading
from fastlstm.saving.hdf5 import Group, find_signature, open_root
from fastlstm.saving.json_data import parse_json
from fastlstm.saving.keras_v3 import CONFIG, METADATA, FolderMembers, ZipMembers
from fastlstm.saving.legacy_h5 import read_legacy
from fastlstm.saving.model_file import Contents, ModelFile, Reader
from fastlstm.saving.optimizer_state import read_state, stored_in_legacy, stored_in_store
from fastlstm.saving.regular import open_regular, size_of
from fastlstm.saving.source import Given, given
from fastlstm.saving.spec import LayerSpec
from fastlstm.saving.vocabularies import of_asset, with_vocabularies
from fastlstm.saving.weights_h5 import read_store

_STORE_GROUPS = ("layers", "_layer_checkpoint_dependencies", "vars")


def open_file(source: Any) -> ModelFile:
    """Open a model or weights file of any Keras version.

    Args:
        source: A `.keras` zip or folder, a legacy `.h5`, a `.weights.h5`, the `.weights.json` of a sharded store, a
            SavedModel folder, a TensorFlow checkpoint or a TensorFlow.js model, under whatever name. What is one file
            may also be given as a file object that is open in binary mode, or as bytes.

    Returns:
        The open file, to be used in a `with` statement.

    Raises:
        ValueError: Not such a file, damaged, or holding what is refused; a missing `.keras` file.
        FileNotFoundError: Any other missing file.
        TypeError: Neither a path nor a file object nor bytes.
    """
    found = given(source)
    with reading(found.name), ExitStack() as stack:
        if found.path is None:
            assert found.stream is not None
            contents = _open_stream(stack.enter_context(found.stream), found, stack)
        elif found.path.is_dir():
            contents = _open_folder(found.path, stack)
        elif not found.path.exists():
            contents = _open_prefix(found.path, stack)
        else:
            contents = _open_stream(stack.enter_context(open_regular(found.path)), found, stack)
        return ModelFile(found.name, contents, stack.pop_all())


def _open_prefix(path: Path, stack: ExitStack) -> Contents:
    """What no file is called: the files of a checkpoint begin with its name."""
    from fastlstm.saving.object_graph import is_checkpoint, open_checkpoint

    if is_checkpoint(path):
        return open_checkpoint(path, stack)
    if path.name.endswith(".keras"):
        raise SavedModelError(
            f"File not found: filepath={path}. Please ensure the file is an accessible `.keras` zip file."
        )
    raise FileNotFoundError(errno.ENOENT, "No such file", str(path))


def _open_stream(stream: BinaryIO, found: Given, stack: ExitStack) -> Contents:
    size = size_of(stream)
    budget = Budget(size)
    start = stream.read(512)
    if start.startswith(archive.SIGNATURES):
        members = ZipMembers(stream, budget)
        if CONFIG not in members.names():
            raise SavedModelError(f"There is no {CONFIG} in the file. {foreign.zip_hint(members.names())}".rstrip())
        return _v3_contents(members, budget)
    if find_signature(stream) is not None:
        return _hdf5_contents(open_root(stream, stack, budget), found.name, budget)
    if start.lstrip().startswith(b"{"):
        budget.check("bytes of JSON", size, found.name)
        stream.seek(0)
        return _json_contents(parse_json(stream.read(size), found.name, budget), found, stack, budget)
    if found.path is not None and found.path.suffix == ".index":
        return _open_index(stream, found.path, stack)
    raise SavedModelError(f"File format not supported: filepath={found.name}. {foreign.hint(start)}".rstrip())


def _open_index(stream: BinaryIO, path: Path, stack: ExitStack) -> Contents:
    from fastlstm.saving.object_graph import open_checkpoint
    from fastlstm.saving.sstable import is_table

    if is_table(stream):
        return open_checkpoint(path.with_suffix(""), stack)
    raise SavedModelError(f"File format not supported: filepath={path}.")


def _open_folder(path: Path, stack: ExitStack) -> Contents:
    if (path / CONFIG).is_file():
        budget = Budget(0)
        return _v3_contents(FolderMembers(path, budget), budget)
    from fastlstm.saving.saved_model import is_saved_model, open_saved_model
    from fastlstm.saving.tfjs import MODEL

    if is_saved_model(path):
        return open_saved_model(path, stack)
    if (path / MODEL).is_file():
        stream = stack.enter_context(open_regular(path / MODEL))
        return _open_stream(stream, Given(str(path / MODEL), path / MODEL), stack)
    raise SavedModelError(f"File format not supported: filepath={path}. {foreign.folder_hint(path)}")


def _json_contents(data: dict[str, Any], found: Given, stack: ExitStack, budget: Budget) -> Contents:
    from fastlstm.saving.sharded import open_shards
    from fastlstm.saving.tfjs import is_tfjs, open_tfjs

    if isinstance(data.get("weight_map"), dict):
        if found.path is None:
            raise SavedModelError("It is the index of a sharded store, whose shards only its path leads to: pass that.")
        return Contents(_store_reader(open_shards(data, found.path, stack, budget)), budget)
    if is_tfjs(data):
        if found.path is None:
            raise SavedModelError("It is a TensorFlow.js model, whose shards only its path leads to: pass that.")
        return open_tfjs(data, found.path, stack, budget)
    if "class_name" in data:
        raise SavedModelError(
            f"{found.name} describes a model without its weights. `model_from_json(text)` makes the model of its text, "
            "and `model.load_weights` reads the weights from another file."
        )
    raise SavedModelError(f"File format not supported: filepath={found.name}. It is JSON, but not of Keras.")


def _v3_contents(members: ZipMembers | FolderMembers, budget: Budget) -> Contents:
    config = members.read(CONFIG)
    if config is None:
        raise SavedModelError(f"There is no {CONFIG} in the file.")
    model = _with_vocabularies(parse_json(config, CONFIG, budget), members, budget)
    metadata = members.read(METADATA)
    version = parse_json(metadata, METADATA, budget).get("keras_version") if metadata else None

    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        with members.weights() as stream, ExitStack() as stack:
            reader = _store_reader(open_root(stream, stack, budget), stored_classes(model))
            return reader(spec, by_name=by_name, skip_mismatch=skip_mismatch)

    def read_optimizer() -> list[np.ndarray]:
        with members.weights() as stream, ExitStack() as stack:
            return read_state(stored_in_store(unfolded(open_root(stream, stack, budget))))

    compile_config = model.get("compile_config")
    return Contents(
        read,
        budget,
        version if isinstance(version, str) else None,
        model,
        compile_config if isinstance(compile_config, dict) else None,
        read_optimizer=read_optimizer,
    )


def _with_vocabularies(model: dict[str, Any], members: ZipMembers | FolderMembers, budget: Budget) -> dict[str, Any]:
    def find(path: str, entry: dict[str, Any]) -> dict[str, Any]:
        def idf_weights() -> np.ndarray | None:
            with members.weights() as stream, ExitStack() as stack:
                stored = unfolded(open_root(stream, stack, budget)).array(f"{path}/vars/idf_weights")
                return None if stored is None else read_state([stored])[0]

        content = members.read(f"assets/{path}/vocabulary.txt")
        budget.take("fields", (content or b"").count(b"\n"), f"The vocabulary of {path}")
        return of_asset(entry, content, idf_weights)

    return with_vocabularies(model, find)


def _store_reader(root: Group, classes: dict[str, str] | None = None) -> Reader:
    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        if by_name:
            raise SavedModelError("`by_name` only supports loading legacy '.h5' or '.hdf5' files.")
        return read_store(unfolded(root), spec, classes or {}, skip_mismatch=skip_mismatch)

    return read


def _hdf5_contents(root: Group, path: str, budget: Budget) -> Contents:
    weights = root.group("model_weights")
    if root.has_attribute("model_config") or weights:
        text = root.text("model_config")
        model = parse_json(text, f"model_config of {path}", budget) if text else None
        version = root.text("keras_version") or (weights.text("keras_version") if weights else None)
        training = _training_config(root, path, budget)

        def read_legacy_optimizer() -> list[np.ndarray]:
            return read_state(stored_in_legacy(root))

        reader = _legacy_reader(weights)
        return Contents(reader, budget, version, model, training, read_optimizer=read_legacy_optimizer, is_legacy=True)
    if root.has_attribute("layer_names"):
        return Contents(_legacy_reader(root), budget, root.text("keras_version") or "1")  # which did not say it
    if any(unfolded(root).group(name) for name in _STORE_GROUPS):

        def read_optimizer() -> list[np.ndarray]:
            return read_state(stored_in_store(unfolded(root)))

        return Contents(_store_reader(root), budget, read_optimizer=read_optimizer)
    raise SavedModelError(f"File format not supported: filepath={path}. It is an HDF5 file, but not one of Keras.")


def _legacy_reader(weights: Group | None) -> Reader:
    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        if weights is None:
            raise SavedModelError("The file contains no weights: there is no group model_weights in it.")
        return read_legacy(weights, spec, by_name=by_name, skip_mismatch=skip_mismatch)

    return read


def _training_config(root: Group, path: str, budget: Budget) -> dict[str, Any] | None:
    """Legacy `training_config` under the names of `compile`'s arguments."""
    text = root.text("training_config")
    if not text:
        return None
    training = parse_json(text, f"training_config of {path}", budget)
    if "optimizer_config" in training:
        training["optimizer"] = training.pop("optimizer_config")
    return training
