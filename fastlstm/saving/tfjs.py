"""TensorFlow.js layers models: `model.json`, with the config and a list of weights, beside shards of their bytes.

What wrote the file decides what its weights are called and how they are ordered:

    the converter, of Keras 2    layers in the order of their names, `lstm_1/lstm_cell/kernel`
    the converter, of Keras 3    paths of the weight store, `layers/lstm/cell/vars/0`
    TensorFlow.js itself         all trainable ones first, `lstm_LSTM1/kernel`

Quantised weights are numbers `q` of 8 or 16 bits that mean `scale * q + min`, or float16.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastlstm.printable import printable, shown
from fastlstm.saving.array_tree import ArrayTree
from fastlstm.saving.budget import Budget
from fastlstm.saving.config import entries
from fastlstm.saving.conversion import Stored
from fastlstm.saving.dialects import CLASSES
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.layout import top_layers
from fastlstm.saving.legacy_h5 import Saved, read_listed
from fastlstm.saving.model_file import Contents
from fastlstm.saving.operations import OPERATIONS
from fastlstm.saving.regular import size_of
from fastlstm.saving.sharded import open_beside
from fastlstm.saving.spec import LayerSpec
from fastlstm.saving.weights_h5 import read_store

MODEL = "model.json"
_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "u1", "float16": "<f2", "uint8": "u1", "uint16": "<u2"}
_QUANTIZED = {"uint8", "uint16", "float16"}
_MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class _Shards:
    """The files of a group, whose bytes follow each other.

    Args:
        files: `(open file, its size)` each.
    """

    files: tuple[tuple[BinaryIO, int], ...]

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from a place on, however many files they are in."""
        pieces = []
        for file, length in self.files:
            if 0 <= offset < length and size:
                file.seek(offset)
                pieces.append(file.read(min(size, length - offset)))
                size -= len(pieces[-1])
                offset += len(pieces[-1])
            offset -= length
        if size:
            raise SavedModelError("The shards end before the weights that are listed.")
        return b"".join(pieces)


@dataclass(frozen=True)
class _ShardedArray:
    """One weight; nothing is read before `read`."""

    where: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    minimum: float
    shards: _Shards
    offset: int
    budget: Budget

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def reserve(self) -> None:
        """Take what reading takes, before anything is read."""
        wide = 8 * math.prod(self.shape) if self._quantized else 0
        self.budget.take_bytes(self.nbytes + wide + 4 * math.prod(self.shape), f"'{self.where}'")

    @property
    def _quantized(self) -> bool:
        return (self.scale, self.minimum) != (1.0, 0.0)

    def read(self) -> np.ndarray:
        """The values as a float32, C-contiguous array of the declared shape; to be reserved before."""
        values = np.frombuffer(self.shards.read(self.offset, self.nbytes), self.dtype).reshape(self.shape)
        if self._quantized:
            values = values * self.scale + self.minimum  # in float64, as whoever quantised it
        return np.array(values, np.float32)


def is_tfjs(data: dict[str, Any]) -> bool:
    """Return whether a JSON object is a TensorFlow.js model's."""
    return "modelTopology" in data and "weightsManifest" in data


def open_tfjs(data: dict[str, Any], path: Path, stack: ExitStack, budget: Budget) -> Contents:
    """Open a model.

    Args:
        data: The JSON object.
        path: Its path; the shards lie beside it.
        stack: Closes the files.
        budget: What the load may take.

    Raises:
        ValueError: A graph of operations, or something is damaged or missing.
    """
    topology = data["modelTopology"]
    if data.get("format") == "graph-model" or (isinstance(topology, dict) and "node" in topology):
        raise SavedModelError(
            "It is a graph model of TensorFlow.js: TensorFlow's operations, not layers. Convert the Keras model that "
            "it was made from, or convert that with `--output_format=tfjs_layers_model`."
        )
    if not isinstance(topology, dict):
        raise SavedModelError("The model's topology is missing.")
    model = topology.get("model_config", topology)
    version = topology.get("keras_version")
    arrays = _arrays(data["weightsManifest"], path, stack, budget)

    def read(spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
        if any(array.where.startswith("layers/") and "/vars/" in array.where for array in arrays):
            if by_name:
                raise SavedModelError("`by_name` does not support models that were converted from Keras 3.")
            return read_store(
                ArrayTree({array.where: array for array in arrays}), spec, {}, skip_mismatch=skip_mismatch
            )
        in_order = _by_scope if data.get("convertedBy") is None else _by_sorted_names
        return read_listed(in_order(arrays, model, spec), spec, by_name=by_name, skip_mismatch=skip_mismatch)

    return Contents(read, budget, version if isinstance(version, str) else None, model)


def _arrays(manifest: Any, path: Path, stack: ExitStack, budget: Budget) -> list[_ShardedArray]:
    """All weights in the order of the list."""
    arrays = []
    for group in manifest if isinstance(manifest, list) else ():
        names = [name.removeprefix("./") if isinstance(name, str) else name for name in group.get("paths") or []]
        if len(set(map(str, names))) < len(names):
            raise SavedModelError(f"{path} names a shard twice.")
        files = [(file, size_of(file)) for file in open_beside(path, names, stack, budget)]
        shards, offset = _Shards(tuple(files)), 0
        for entry in group["weights"]:
            array = _array(entry, shards, offset, budget)
            arrays.append(array)
            offset += array.nbytes
        if offset > sum(size for _, size in files):
            raise SavedModelError("The shards end before the weights that are listed.")
    return arrays


def _array(entry: dict[str, Any], shards: _Shards, offset: int, budget: Budget) -> _ShardedArray:
    name, shape, quantization = str(entry["name"]), entry["shape"], entry.get("quantization") or {}
    budget.take("names", 1, "The list of weights")
    budget.check("characters in a name", len(name), f"The weight '{printable(name)}'")
    dtype = quantization.get("dtype", entry.get("dtype"))
    if not isinstance(dtype, str) or dtype not in (_QUANTIZED if quantization else _DTYPES):
        raise SavedModelError(f"'{name}' has the dtype {shown(dtype)}, which is no weight.")
    sizes = isinstance(shape, list) and all(type(size) is int and 0 <= size < 2**31 for size in shape)
    if not sizes or len(shape) > _MAX_DIMENSIONS:
        raise SavedModelError(f"'{name}' has the shape {shown(shape)}.")
    scale, minimum = float(quantization.get("scale", 1.0)), float(quantization.get("min", 0.0))
    return _ShardedArray(name, tuple(shape), _DTYPES[dtype], scale, minimum, shards, offset, budget)


def _by_sorted_names(arrays: list[_ShardedArray], model: Any, spec: LayerSpec) -> list[Saved]:
    """The converter's list: it went through the groups of a legacy file, which HDF5 keeps in the order of names."""
    layers = [layer for layer in _layers(model) if layer.class_name not in ("InputLayer", *OPERATIONS)]
    own = [layer for layer in top_layers(spec) if layer.class_name != "InputLayer"]
    if [layer.class_name for layer in layers] != [layer.class_name for layer in own]:
        raise SavedModelError(
            f"The file's layers are {', '.join(layer.class_name for layer in layers)}, those of '{spec.name}' "
            f"{', '.join(layer.class_name for layer in own)}."
        )
    counts = {layer.name: sum(1 for _ in mine.flatten()) for layer, mine in zip(layers, own, strict=True)}
    if sum(counts.values()) != len(arrays):
        raise SavedModelError(f"The file has {len(arrays)} weights, '{spec.name}' has {sum(counts.values())}.")
    taken: dict[str, list[Stored]] = {}
    remaining = iter(arrays)
    for name in sorted(counts, key=lambda name: name.split("/")):
        taken[name] = [next(remaining) for _ in range(counts[name])]
    return [(layer.name, taken[layer.name]) for layer in layers if taken[layer.name]]


def _by_scope(arrays: list[_ShardedArray], model: Any, spec: LayerSpec) -> list[Saved]:
    """TensorFlow.js' own list: a weight's name begins with that of its layer, which may be in a model inside."""
    layers = _layers(model)
    holders = {name: layer.name for layer in layers for name in layer.all_names}
    taken: dict[str, list[Stored]] = {layer.name: [] for layer in layers}
    for array in arrays:
        holder = holders.get(array.where.partition("/")[0])
        if holder is None:
            raise SavedModelError(f"The weight '{array.where}' belongs to none of the file's layers.")
        taken[holder].append(array)
    return [(name, found) for name, found in taken.items() if found]


@dataclass(frozen=True)
class _Layer:
    """A layer of the file's model.

    Args:
        name: Its name.
        class_name: Today's name of its class.
        all_names: Its name and those of all layers inside it.
    """

    name: str
    class_name: str
    all_names: frozenset[str]


def _layers(model: Any) -> list[_Layer]:
    """The layers of a serialized model, as it was written."""
    config = model["config"]
    layers = []
    for entry in config if isinstance(config, list) else config["layers"]:
        names = [str(found["config"].get("name")) for found in entries(entry)]
        layers.append(_Layer(names[0], CLASSES.get(entry["class_name"], entry["class_name"]), frozenset(names)))
    return layers
