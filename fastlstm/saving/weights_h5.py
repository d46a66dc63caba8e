"""The weight store of `.keras` and `.weights.h5`: one `vars` group per object, groups numbered by class.

A group's number says how many earlier layers of the same class there are, never the layer's name. Keras 2.12 and 2.13
left gaps in the numbers and called the container `_layer_checkpoint_dependencies`, so layers and groups are paired by
order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from fastlstm.identifiers import snake_case
from fastlstm.saving.array_tree import Store
from fastlstm.saving.assembly import Found, no_weights, read_found
from fastlstm.saving.conversion import Stored
from fastlstm.saving.layout import numbered
from fastlstm.saving.optimizer_state import OptimizerState, write_in_store
from fastlstm.saving.quantized import plain
from fastlstm.saving.replace import replaced_file
from fastlstm.saving.spec import LayerSpec

if TYPE_CHECKING:
    import h5py

_CONTAINERS = {"layers": ("layers", "_layer_checkpoint_dependencies")}
_OTHER_NAMES = {"BatchNormalization": "SyncBatchNormalization", "GRU": "CuDNNGRU", "LSTM": "CuDNNLSTM"}


def read_store(
    root: Store, spec: LayerSpec, stored_classes: Mapping[str, str], *, skip_mismatch: bool
) -> list[np.ndarray | None]:
    """Read the arrays of a model from a weight store.

    Args:
        root: The root group.
        spec: What the model expects.
        stored_classes: Layer name → the class it had when it was written, where today's class is another one.
        skip_mismatch: Leave None, and warn, where a layer does not fit, instead of raising.

    Returns:
        float32 arrays aligned with `list(spec.flatten())`.

    Raises:
        ValueError: No weights at all, a layer's count or shapes differ, or storage that is not accepted.
    """
    found = [item for item in _pair(spec, root, spec.name, stored_classes) if item.layer.variables]
    if found and not any(item.arrays for item in found) and not root.has_arrays(leave_out=("optimizer", "metrics")):
        raise no_weights(spec)
    return read_found(found, skip_mismatch=skip_mismatch)


def _pair(layer: LayerSpec, group: Store | None, path: str, stored_classes: Mapping[str, str]) -> Iterator[Found]:
    arrays = plain(layer, _variables(group)) if layer.stored_form else _variables(group)
    yield Found(layer, path, arrays)
    in_layers = dict(_pairs_in_layers(layer, group, stored_classes)) if layer.subclassed else {}
    for attribute, child in layer.children:
        members = child if isinstance(child, tuple) else (child,)
        if all(id(member) in in_layers for member in members):
            for member in members:
                yield from _pair(member, in_layers[id(member)], f"{path}/layers/{member.name}", stored_classes)
            continue
        below = f"{path}/{attribute}"
        if isinstance(child, tuple):
            container = _first_group(group, _CONTAINERS.get(attribute, (attribute,)))
            for member, member_group in _pair_container(child, container, stored_classes):
                yield from _pair(member, member_group, f"{below}/{member.name}", stored_classes)
            continue
        # Keras 2 made its names of private attributes, too.
        child_group = _first_group(group, (attribute, f"_{attribute}"))
        if child_group is None and attribute == "cell" and arrays:
            child_group = group  # the CuDNN layers have no cell: their arrays are the layer's own
        yield from _pair(child, child_group, below, stored_classes)


def _pairs_in_layers(
    model: LayerSpec, group: Store | None, stored_classes: Mapping[str, str]
) -> Iterator[tuple[int, Store | None]]:
    """The groups of the layers of a subclassed model that are not under the name of their attribute, by their ids.

    Keras walks the attributes in the order of their names, of which `layers` is one, and writes each layer once.
    """
    elsewhere = [child for attribute, child in model.children if group and group.group(attribute) is None]
    members = [one for child in elsewhere for one in (child if isinstance(child, tuple) else (child,))]
    container = group and group.group("layers")
    if not container:
        return
    if all(name in container.names() for name in _names_in_layers(model, members)):
        for name, member in zip(_names_in_layers(model, members), members, strict=True):
            yield id(member), container.group(name)
        return
    for member, found in _pair_container(tuple(members), container, stored_classes):
        yield id(member), found


def _names_in_layers(model: LayerSpec, members: Sequence[LayerSpec]) -> list[str]:
    """What Keras 3 calls some of a subclassed model's layers: numbered among all of them."""
    every = list(model.members())
    names = numbered([snake_case(layer.class_name) for layer in every])
    chosen = set(map(id, members))
    return [name for name, layer in zip(names, every, strict=True) if id(layer) in chosen]


def _first_group(group: Store | None, names: Sequence[str]) -> Store | None:
    return next((found for name in names if group and (found := group.group(name))), None)


def _variables(group: Store | None) -> list[Stored]:
    store = group and group.group("vars")
    if not store:
        return []
    keys = sorted((name for name in store.names() if name.isdecimal()), key=int)
    return [array for key in keys if (array := store.array(key))]


def _pair_container(
    layers: tuple[LayerSpec, ...], container: Store | None, stored_classes: Mapping[str, str]
) -> Iterator[tuple[LayerSpec, Store | None]]:
    """Pair a container's layers with its groups: class by class, in order, whatever the gaps in the numbers."""
    classes = [stored_classes.get(layer.name, layer.class_name) for layer in layers]
    names = set(container.names()) if container else set()
    pairs: dict[int, str] = {}
    for class_name in dict.fromkeys(classes):
        mine = [index for index, other in enumerate(classes) if other == class_name]
        groups = _numbered_groups(class_name, names) or _numbered_groups(
            _OTHER_NAMES.get(class_name, class_name), names
        )
        if len(groups) < len(mine):  # groups without variables are sometimes left out
            heavy = [index for index in mine if any(layers[index].flatten())]
            exact = dict(zip(mine, numbered([snake_case(class_name)] * len(mine)), strict=True))
            pairs |= dict(zip(heavy, groups, strict=True)) if len(heavy) == len(groups) else exact
        else:
            pairs |= dict(zip(mine, groups, strict=False))
    for index, layer in enumerate(layers):
        yield layer, container.group(pairs[index]) if container and index in pairs else None


def _numbered_groups(class_name: str, names: set[str]) -> list[str]:
    """`lstm`, `lstm_2`, `lstm_10` in this order; `lstm_cell` is another class."""
    pattern = re.compile(rf"{re.escape(snake_case(class_name))}(?:_(\d+))?")
    numbers = {name: int(match[1] or 0) for name in names if (match := pattern.fullmatch(name))}
    return sorted(numbers, key=numbers.__getitem__)


def write_store(
    root: h5py.Group, spec: LayerSpec, arrays: Sequence[np.ndarray], optimizer: OptimizerState | None = None
) -> None:
    """Write the arrays of a model as Keras 3 lays them out, empty `vars` groups included.

    Args:
        root: An empty, writable group.
        spec: The model.
        arrays: float32 arrays aligned with `list(spec.flatten())`.
        optimizer: The state of the optimizer, None for none.
    """
    write_in_store(root, optimizer)
    place = 0
    for path, layer in object_groups(spec):
        store = root.create_group(f"{path}vars")
        store.attrs["name"] = layer.name
        end = place + len(layer.variables)
        own = [
            checked(array, layer, variable.name, variable.shape)
            for variable, array in zip(layer.variables, arrays[place:end], strict=True)
        ]
        repeated = [np.asarray(arrays[end], np.float32)] if "repeats_matrix" in layer.stored_form else []
        for index, array in enumerate(repeated + own):
            store.create_dataset(str(index), data=array)
        place = end
        for name, constant in layer.constants:
            store.create_dataset(name, data=constant)


def object_groups(layer: LayerSpec, path: str = "") -> Iterator[tuple[str, LayerSpec]]:
    """`(path ending in a slash, layer)` for every object of a model, in the order of `spec.flatten()`."""
    yield path, layer
    for attribute, child in layer.children:
        if layer.subclassed and attribute > "layers":
            members = child if isinstance(child, tuple) else (child,)
            for name, member in zip(_names_in_layers(layer, members), members, strict=True):
                yield from object_groups(member, f"{path}layers/{name}/")
            continue
        if not isinstance(child, tuple):
            yield from object_groups(child, f"{path}{attribute}/")
            continue
        names = numbered([snake_case(member.class_name) for member in child])
        for name, member in zip(names, child, strict=True):
            yield from object_groups(member, f"{path}{attribute}/{name}/")


def checked(array: np.ndarray, layer: LayerSpec, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array as it is written, after a check of its shape."""
    if np.shape(array) != shape:
        raise ValueError(f"Layer '{layer.name}': `{name}` has shape {np.shape(array)}, expected {shape}.")
    return np.asarray(array, np.float32)


def write_weights(
    path: str | PathLike[str],
    spec: LayerSpec,
    arrays: Sequence[np.ndarray],
    *,
    max_shard_size: float | None = None,
    optimizer: OptimizerState | None = None,
) -> None:
    """Write a `.weights.h5` file, or a `.weights.json` index and its shards.

    Args:
        path: The file to write, replaced atomically.
        spec: The model.
        arrays: float32 arrays aligned with `list(spec.flatten())`.
        max_shard_size: Size of one shard in GB (1024³ bytes); None writes a single file.
        optimizer: The state of the optimizer, which goes into a single file alone; None for none.

    Raises:
        ValueError: The wrong extension, an array of another shape, or one larger than a shard.
    """
    if max_shard_size is not None:
        from fastlstm.saving.sharded import write_shards

        write_shards(path, spec, arrays, max_shard_size)
        return
    if not str(path).endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={path}")
    import h5py

    with replaced_file(path) as stream, h5py.File(stream, "w") as file:
        write_store(file, spec, arrays, optimizer)
