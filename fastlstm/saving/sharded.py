"""Weights spread over several files: an index `x.weights.json` beside `x_00000.weights.h5`, `x_00001.weights.h5` …"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from .errors import SavedModelError
from .hdf5 import Group, join, open_root
from .replace import replaced_file
from .spec import LayerSpec
from .weights_h5 import checked, object_groups

_GIGABYTE = 1024**3
_MAX_SHARDS = 10_000


def open_shards(index: dict[str, Any], path: Path, stack: ExitStack) -> Group:
    """Open every shard that an index names, as one group.

    Args:
        index: The parsed index.
        path: Its path; the shards are looked for in the same folder, whatever the index says.
        stack: Closes the files.

    Raises:
        ValueError: A malformed index, a name that is a path, or a missing shard.
    """
    names: dict[str, None] = {}
    for entry in index["weight_map"].values():
        names |= dict.fromkeys(entry if isinstance(entry, list) else [entry])
    if len(names) > _MAX_SHARDS:
        raise SavedModelError(f"{path} names {len(names)} shards.")
    groups = []
    for name in names:
        if not isinstance(name, str) or PurePosixPath(name).name != name or PureWindowsPath(name).name != name:
            raise SavedModelError(f"{path} names the shard {name!r}; only plain file names are followed.")
        shard = path.with_name(name)
        if not shard.is_file():
            raise SavedModelError(f"{path} names the shard {name}, which is not beside it.")
        groups.append(open_root(stack.enter_context(shard.open("rb")), stack))
    return join(groups)


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
    placed, number, filled = [], 0, 0
    remaining = iter(arrays)
    for group, layer in object_groups(spec):
        placed.append((number, group, layer.name, []))
        for index, variable in enumerate(layer.variables):
            array = checked(next(remaining), layer, variable.name, variable.shape)
            if array.nbytes > max_shard_size * _GIGABYTE:
                raise ValueError(
                    f"Layer '{layer.name}': `{variable.name}` has {array.nbytes} bytes, more than a shard of "
                    f"{max_shard_size} GB holds. Pass a larger `max_shard_size`."
                )
            if filled + array.nbytes > max_shard_size * _GIGABYTE:
                number, filled = number + 1, 0
                placed.append((number, group, layer.name, []))
            filled += array.nbytes
            placed[-1][3].append((str(index), array))
    weight_map: dict[str, list[str]] = {}
    for shard in range(number + 1):
        name = f"{target.stem.replace('.weights', '')}_{shard:05}.weights.h5"
        here = [entry[1:] for entry in placed if entry[0] == shard]
        _write_shard(target.with_name(name), here)
        for group, _, datasets in here:
            if datasets:
                weight_map.setdefault(f"/{group}vars", []).append(name)
    index = {"metadata": {"total_size": sum(np.asarray(array).size * 4 for array in arrays)}, "weight_map": weight_map}
    with replaced_file(target) as stream:
        stream.write(json.dumps(index, indent=4).encode())


def _write_shard(path: Path, entries: list[tuple[str, str, list[tuple[str, np.ndarray]]]]) -> None:
    import h5py

    with replaced_file(path) as stream, h5py.File(stream, "w") as file:
        for group, layer_name, datasets in entries:
            store = file.require_group(f"{group}vars")
            store.attrs["name"] = layer_name
            for key, array in datasets:
                store.create_dataset(key, data=array)
