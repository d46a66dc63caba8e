"""Weights spread over several files: an index `x.weights.json` beside `x_00000.weights.h5`, `x_00001.weights.h5` …"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

import numpy as np

from fastlstm.printable import printable, shown
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.hdf5 import Group, join, open_root
from fastlstm.saving.regular import open_part
from fastlstm.saving.replace import replaced_file
from fastlstm.saving.spec import LayerSpec
from fastlstm.saving.weights_h5 import checked, object_groups

_GIGABYTE = 1024**3


def open_shards(index: dict[str, Any], path: Path, stack: ExitStack, budget: Budget) -> Group:
    """Open every shard that an index names, as one group.

    Args:
        index: The parsed index.
        path: Its path; the shards are looked for in the same folder, whatever the index says.
        stack: Closes the files.
        budget: What the load may take.

    Raises:
        ValueError: A malformed index, a name that is a path, a missing shard, or too many.
    """
    names: dict[str, None] = {}
    for entry in index["weight_map"].values():
        for name in entry if isinstance(entry, list) else [entry]:
            if not isinstance(name, str):
                raise _no_shard(path, name)
            names[name] = None
    shards = open_beside(path, list(names), stack, budget)
    return join([open_root(shard, stack, budget) for shard in shards])


def open_beside(path: Path, names: Sequence[Any], stack: ExitStack, budget: Budget) -> list[BinaryIO]:
    """Open the shards that an index names.

    Args:
        path: The index.
        names: What it says; nothing of that is taken on trust.
        stack: Closes the files.
        budget: What the load may take.

    Raises:
        ValueError: A name that is a path or no text, a missing shard, one under two names, or too many.
    """
    budget.take("shards", len(names), str(path))
    shards = []
    for name in names:
        if not _is_file_name(name):
            raise _no_shard(path, name)
        shard = path.with_name(name)
        if not shard.exists():
            raise SavedModelError(f"{path} names the shard {printable(name)}, which is not beside it.")
        shards.append(stack.enter_context(open_part(shard, budget)))
    return shards


def _no_shard(path: Path, name: Any) -> SavedModelError:
    return SavedModelError(f"{path} names the shard {shown(name)}; only plain file names are followed.")


def _is_file_name(name: Any) -> bool:
    """Whether it leads nowhere else, on any system."""
    plain = isinstance(name, str) and PurePosixPath(name).name == name == PureWindowsPath(name).name
    return plain and name not in ("", ".", "..")


def write_shards(
    path: str | PathLike[str], spec: LayerSpec, arrays: Sequence[np.ndarray], max_shard_size: float
) -> None:
    """Write an index and its shards; the index comes last, so that it never names a file that is not there.

    Args:
        path: `x.weights.json` (or `x.weights.h5`, which names the same index).
        spec: The model.
        arrays: float32 arrays aligned with `list(spec.flatten())`.
        max_shard_size: Size of one shard in GB (1024³ bytes).

    Raises:
        ValueError: The wrong extension, an array of another shape, or one larger than a shard.
    """
    target = Path(path)
    if not target.name.endswith(("weights.h5", "weights.json")):
        raise ValueError(
            f"The filename must end in `.weights.json` when `max_shard_size` is specified. Received: filepath={path}"
        )
    target = target.with_suffix(".json")
    pieces = _place(spec, arrays, max_shard_size * _GIGABYTE)
    weight_map: dict[str, list[str]] = {}
    for shard in range(pieces[-1].shard + 1):
        name = f"{target.stem.replace('.weights', '')}_{shard:05}.weights.h5"
        here = [piece for piece in pieces if piece.shard == shard]
        _write_shard(target.with_name(name), here)
        for piece in here:
            if piece.datasets:
                weight_map.setdefault(f"/{piece.group}", []).append(name)
    size = sum(array.nbytes for piece in pieces for array in piece.datasets.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    with replaced_file(target) as stream:
        stream.write(json.dumps(index, indent=4).encode())


@dataclass(frozen=True)
class _Piece:
    """What one shard holds of one object."""

    shard: int
    group: str
    layer_name: str
    datasets: dict[str, np.ndarray] = field(default_factory=dict)


def _place(spec: LayerSpec, arrays: Sequence[np.ndarray], limit: float) -> list[_Piece]:
    """Fill one shard after the other, in the order of `spec.flatten()`."""
    pieces: list[_Piece] = []
    shard = filled = 0
    remaining = iter(arrays)
    for path, layer in object_groups(spec):
        group = f"{path}vars"
        pieces.append(_Piece(shard, group, layer.name))
        for index, variable in enumerate(layer.variables):
            array = checked(next(remaining), layer, variable.name, variable.shape)
            if array.nbytes > limit:
                raise ValueError(
                    f"Layer '{layer.name}': `{variable.name}` has {array.nbytes} bytes, more than a shard of "
                    f"{limit:.0f} bytes holds. Pass a larger `max_shard_size`."
                )
            if filled + array.nbytes > limit:
                shard, filled = shard + 1, 0
                pieces.append(_Piece(shard, group, layer.name))
            filled += array.nbytes
            pieces[-1].datasets[str(index)] = array
    return pieces


def _write_shard(path: Path, pieces: list[_Piece]) -> None:
    import h5py

    with replaced_file(path) as stream, h5py.File(stream, "w") as file:
        for piece in pieces:
            store = file.require_group(piece.group)
            store.attrs["name"] = piece.layer_name
            for key, array in piece.datasets.items():
                store.create_dataset(key, data=array)
