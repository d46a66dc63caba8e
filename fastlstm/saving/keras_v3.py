"""The `.keras` format: `metadata.json`, `config.json` and `model.weights.h5`, in a zip or in a folder."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastlstm.saving.archive import read_member
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.optimizer_state import OptimizerState
from fastlstm.saving.regular import open_part, size_of
from fastlstm.saving.replace import replaced_file, replaced_folder
from fastlstm.saving.spec import LayerSpec
from fastlstm.saving.version import KERAS_VERSION
from fastlstm.saving.weights_h5 import write_store

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_PICKLED_WEIGHTS = "model.weights.npz"


class ZipMembers:
    """The members of a `.keras` zip.

    Args:
        stream: The open file; it stays open as long as this object.
        budget: What the load may take.
    """

    def __init__(self, stream: BinaryIO, budget: Budget) -> None:
        self._archive, self._budget = zipfile.ZipFile(stream), budget

    def names(self) -> list[str]:
        """The members' names."""
        return self._archive.namelist()

    def read(self, name: str) -> bytes | None:
        """The bytes of a member, or None where it is missing."""
        return read_member(self._archive, name, self._budget)

    def weights(self) -> BinaryIO:
        """The weight store as a stream.

        Raises:
            ValueError: There is none that can be read as data.
        """
        content = self.read(WEIGHTS)
        if content is None:
            raise _no_weights(_PICKLED_WEIGHTS in self.names())
        return io.BytesIO(content)


class FolderMembers:
    """The files of an unzipped `.keras` folder.

    Args:
        folder: The folder.
        budget: What the load may take.
    """

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._folder, self._budget = folder, budget

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, or None where it is missing."""
        if not (self._folder / name).exists():
            return None
        with self._open(name) as file:
            size = size_of(file)
            self._budget.check("bytes of JSON", size, name)
            return file.read(size)

    def _open(self, name: str) -> BinaryIO:
        return open_part(self._folder / name, self._budget)

    def weights(self) -> BinaryIO:
        """The weight store as a stream.

        Raises:
            ValueError: There is none that can be read as data.
        """
        if not (self._folder / WEIGHTS).exists():
            raise _no_weights((self._folder / _PICKLED_WEIGHTS).exists())
        return self._open(WEIGHTS)


def _no_weights(pickled: bool) -> SavedModelError:
    if pickled:
        return SavedModelError(f"The weights are Python pickles ({_PICKLED_WEIGHTS}), which are never read.")
    return SavedModelError(f"The file contains no weights: there is no {WEIGHTS} in it.")


def write_keras(
    path: str | PathLike[str],
    config: dict[str, Any],
    spec: LayerSpec,
    arrays: Sequence[np.ndarray],
    *,
    zipped: bool = True,
    optimizer: OptimizerState | None = None,
) -> None:
    """Write a whole model as Keras 3 does.

    Args:
        path: The file, or with `zipped=False` the folder, to write; replaced atomically.
        config: The model as Keras 3 serializes it (`module`, `class_name`, `config`, `build_config` …).
        spec: The model.
        arrays: float32 arrays aligned with `list(spec.flatten())`.
        zipped: Write one zip file rather than a folder of three files.
        optimizer: The state of the optimizer, None for none.

    Raises:
        ValueError: An array of another shape than the spec's, or a folder that is no saved model.
        OSError: The disk refused; the old file is untouched.
    """
    metadata = {"keras_version": KERAS_VERSION, "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S")}
    texts = {METADATA: json.dumps(metadata).encode(), CONFIG: json.dumps(config).encode()}
    if not zipped:
        with replaced_folder(path, CONFIG) as folder:
            for name, text in texts.items():
                (folder / name).write_bytes(text)
            with open(folder / WEIGHTS, "x+b") as file:
                _write_weights(file, spec, arrays, optimizer)
        return
    weights = io.BytesIO()
    _write_weights(weights, spec, arrays, optimizer)
    with replaced_file(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, content in texts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.writestr(zipfile.ZipInfo(WEIGHTS), weights.getbuffer())


def _write_weights(
    stream: BinaryIO, spec: LayerSpec, arrays: Sequence[np.ndarray], optimizer: OptimizerState | None
) -> None:
    import h5py

    with h5py.File(stream, "w") as file:
        write_store(file, spec, arrays, optimizer)
