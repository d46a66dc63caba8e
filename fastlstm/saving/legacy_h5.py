"""The HDF5 files of Keras 1 and 2, and `.h5` of Keras 3: arrays listed layer by layer, paired by order."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.records import Record, replaced
from fastlstm.saving.assembly import no_weights
from fastlstm.saving.conversion import Recipe, Stored, read_all, recipes, stored_count
from fastlstm.saving.errors import SavedModelError
from fastlstm.saving.hdf5 import Group
from fastlstm.saving.layout import Owner, numbered, owners, top_layers
from fastlstm.saving.optimizer_state import OptimizerState, write_in_legacy
from fastlstm.saving.quantized import plain
from fastlstm.saving.replace import replaced_file
from fastlstm.saving.spec import LayerSpec, VariableSpec
from fastlstm.saving.version import KERAS_VERSION
from fastlstm.saving.weights_h5 import checked

if TYPE_CHECKING:
    import h5py

_ATTRIBUTE_BYTES = 64512  # HDF5 keeps a small attribute in the object header, which holds 64 KB

# Non-trainable whatever the layer's `trainable` flag says.
_STATISTICS = {"moving_mean", "moving_variance", "mean", "variance", "count"}

# A layer's arrays are listed trainable first. The flags of a model that the user built may differ from those of the one
# that was saved, so that the other possible orders are tried where this one does not fit.
_FIRST: tuple[Callable[[VariableSpec], bool], ...] = (
    lambda variable: variable.trainable,
    lambda variable: variable.name not in _STATISTICS,
    lambda variable: True,
)


Saved = tuple[str, list[Stored]]  # a layer's name and its arrays, trainable ones first


class _Step(Record):
    slot: int
    variable: VariableSpec
    recipe: Recipe


def read_legacy(group: Group, spec: LayerSpec, *, by_name: bool, skip_mismatch: bool) -> list[np.ndarray | None]:
    """Read the arrays of a model from the group that lists `layer_names`.

    Args:
        group: `model_weights`, or the root of a weights-only file.
        spec: What the model expects.
        by_name: Pair layers by name; layers without a namesake stay None.
        skip_mismatch: Leave None, and warn, where a shape (with `by_name`: also a count) differs, instead of raising.

    Returns:
        float32 arrays aligned with `list(spec.flatten())`.

    Raises:
        ValueError: No weights at all, counts or shapes that differ, or storage that is not accepted.
    """
    names = _distinct(group.texts("layer_names"), "layer")
    saved = [(name, arrays) for name in names if (arrays := _listed_arrays(group, name))]
    theano = group.text("backend") == "theano"
    return read_listed(saved, spec, by_name=by_name, skip_mismatch=skip_mismatch, theano=theano)


def read_listed(
    saved: Sequence[Saved], spec: LayerSpec, *, by_name: bool, skip_mismatch: bool, theano: bool = False
) -> list[np.ndarray | None]:
    """Read the arrays of a model from lists of arrays per layer.

    Args:
        saved: The layers that have arrays, in the order of the model that was saved.
        spec: What the model expects.
        by_name: Pair layers by name; layers without a namesake stay None.
        skip_mismatch: Leave None, and warn, where a shape (with `by_name`: also a count) differs, instead of raising.
        theano: Whether the file was written on the Theano backend.

    Raises:
        ValueError: No weights at all, counts or shapes that differ, or storage that is not accepted.
    """
    layers = _layers_with_weights(spec)
    if layers and not saved:
        raise no_weights(spec)
    if by_name:
        named = {layer[0].path[1]: layer for layer in layers}
        pairs = [(named[name], name, arrays) for name, arrays in saved if name in named]
    elif len(saved) == len(layers):
        pairs = [(layer, *item) for layer, item in zip(layers, saved, strict=True)]
    else:
        raise SavedModelError(
            "Layer count mismatch when loading weights from file. "
            f"Model expected {len(layers)} layers, found {len(saved)} saved layers."
        )
    plan: dict[int, Recipe] = {}
    for number, (layer, saved_name, arrays) in enumerate(pairs):
        where = f"layer #{number} (named {layer[0].path[1]})"
        steps = _steps(layer, arrays, theano)
        if steps is None:
            message = (
                f"Weight count mismatch for {where}, saved as {saved_name}. Layer expects "
                f"{sum(len(owner.spec.variables) for owner in layer)} weight(s). Received {len(arrays)} saved weight(s)"
            )
            if not (by_name and skip_mismatch):
                raise SavedModelError(message)
            warnings.warn(f"Skipping loading of weights: {message}", stacklevel=3)
            continue
        plan |= _fitting(steps, where, skip_mismatch)
    return read_all(plan.get(slot) for slot, _ in enumerate(spec.flatten()))


def _layers_with_weights(spec: LayerSpec) -> list[list[Owner]]:
    """The owners of variables, grouped by the model's own layers."""
    everything = list(owners(spec))
    if any(len(owner.path) == 1 for owner in everything):
        raise ValueError(f"'{spec.name}' has variables outside its layers, which a legacy file has no place for.")
    remaining = iter(everything)
    grouped = [list(islice(remaining, sum(1 for _ in owners(layer)))) for layer in top_layers(spec)]
    return [layer for layer in grouped if layer]


def _listed_arrays(group: Group, name: str) -> list[Stored]:
    layer = group.group(name)
    if layer is None:
        raise SavedModelError(f"The layer '{name}' is listed in the file, but its group is missing.")
    arrays: list[Stored] = []
    for weight in _distinct(layer.texts("weight_names"), "weight"):
        array = layer.array(weight)
        if array is None:
            raise SavedModelError(f"The weight '{weight}' of the layer '{name}' is listed in the file, but missing.")
        arrays.append(array)
    return arrays


def _distinct(names: list[str], what: str) -> list[str]:
    """The names, each of which is there once: no Keras lists one twice."""
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise SavedModelError(f"The file lists the {what} '{twice}' more than once.")
    return names


def _steps(layer: list[Owner], arrays: list[Stored], theano: bool) -> list[_Step] | None:
    """Pair the arrays of one layer with its variables; None where their number fits in no order."""
    if len(layer) == 1 and layer[0].spec.stored_form:
        arrays = plain(layer[0].spec, arrays)
    orders = [steps for first in _FIRST if (steps := _in_order(layer, first, arrays, theano)) is not None]
    shapes_fit = [steps for steps in orders if not any(step.recipe.mismatch() for step in steps)]
    names_fit = [steps for steps in shapes_fit if all(_same_name(step) for step in steps)]
    return next(iter(names_fit + shapes_fit + orders), None)


def _same_name(step: _Step) -> bool:
    return step.recipe.sources[0].where.rpartition("/")[2].partition(":")[0] == step.variable.name


def _in_order(
    layer: list[Owner], first: Callable[[VariableSpec], bool], arrays: list[Stored], theano: bool
) -> list[_Step] | None:
    steps = []
    for wanted in (True, False):
        for owner in layer:
            slots = [(slot, variable) for slot, variable in owner.slots() if first(variable) is wanted]
            if not slots:
                continue
            part = replaced(owner.spec, variables=tuple(variable for _, variable in slots))
            count = stored_count(part, arrays)
            if len(arrays) < count:
                return None
            made = recipes(part, arrays[:count], theano=theano)
            steps += [_Step(slot, variable, recipe) for (slot, variable), recipe in zip(slots, made, strict=True)]
            arrays = arrays[count:]
    return None if arrays else steps


def _fitting(steps: list[_Step], where: str, skip_mismatch: bool) -> dict[int, Recipe]:
    fitting = {}
    for step in steps:
        if mismatch := step.recipe.mismatch():
            message = (
                f"Shape mismatch in {where}for weight {step.variable.name}. "
                f"Weight expects shape {mismatch[0]}. Received saved weight with shape {mismatch[1]}"
            )
            if not skip_mismatch:
                raise SavedModelError(message)
            warnings.warn(f"Skipping loading weights: {message}", stacklevel=4)
        else:
            fitting[step.slot] = step.recipe
    return fitting


def write_legacy_h5(
    path: str | PathLike[str],
    config: dict[str, Any],
    spec: LayerSpec,
    arrays: Sequence[np.ndarray],
    *,
    optimizer: OptimizerState | None = None,
) -> None:
    """Write a whole model as the `.h5` that Keras 3, tf_keras and older readers open.

    Args:
        path: The file to write, replaced atomically.
        config: The model as Keras 3 serializes it; `compile_config` is optional.
        spec: The model.
        arrays: float32 arrays aligned with `list(spec.flatten())`.
        optimizer: The state of the optimizer, None for none.

    Raises:
        ValueError: An array of another shape than the spec's.
    """
    import h5py

    with replaced_file(path) as stream, h5py.File(stream, "w") as file:
        _write_text(file, "keras_version", KERAS_VERSION)
        _write_text(file, "backend", "tensorflow")
        _write_text(file, "model_config", json.dumps(_legacy_config(config)))
        if config.get("compile_config"):
            training = dict(config["compile_config"])
            training["optimizer_config"] = training.pop("optimizer", None)
            _write_text(file, "training_config", json.dumps(training))
        _write_layers(file.create_group("model_weights"), spec, arrays)
        if optimizer is not None:
            names = write_in_legacy(file, optimizer)
            _write_texts(file["optimizer_weights"], "weight_names", names)


def _legacy_config(model: dict[str, Any]) -> dict[str, Any]:
    """Model and layer entries without what only the `.keras` format has; wrapped layers keep it."""
    config = dict(model["config"])
    if "layers" in config:
        config["layers"] = [_legacy_config(layer) for layer in config["layers"]]
    graph: dict[str, Any] = {key: model[key] for key in ("name", "inbound_nodes") if key in model}
    return {"class_name": model["class_name"], "config": config, **graph}


def _write_layers(group: h5py.Group, spec: LayerSpec, arrays: Sequence[np.ndarray]) -> None:
    layers = top_layers(spec)
    _write_texts(group, "layer_names", [layer.name for layer in layers])
    _write_text(group, "keras_version", KERAS_VERSION)
    _write_text(group, "backend", "tensorflow")
    weights = {owners_[0].path[1]: owners_ for owners_ in _layers_with_weights(spec)}
    # In the order of their names: a name may be the beginning of another one's path.
    for name in sorted(layer.name for layer in layers):
        below = group.create_group(name)
        entries = [(owner, slot, variable) for owner in weights.get(name, []) for slot, variable in owner.slots()]
        entries.sort(key=lambda entry: not entry[2].trainable)
        names = numbered(["/".join((*owner.path, variable.name)) for owner, _, variable in entries])
        _write_texts(below, "weight_names", names)
        for dataset, (owner, slot, variable) in zip(names, entries, strict=True):
            below.create_dataset(dataset, data=checked(arrays[slot], owner.spec, variable.name, variable.shape))
    _write_texts(group.create_group("top_level_model_weights"), "weight_names", [])


def _write_text(group: h5py.Group, name: str, text: str) -> None:
    encoded = text.encode()
    # Fixed length, because old readers decode what they get; only the variable-length form holds long texts.
    group.attrs[name] = np.bytes_(encoded) if len(encoded) <= _ATTRIBUTE_BYTES else encoded


def _write_texts(group: h5py.Group, name: str, texts: Iterable[str]) -> None:
    encoded = [text.encode() for text in texts]
    if not encoded:
        group.attrs[name] = np.zeros(0)
        return
    per_piece = max(1, _ATTRIBUTE_BYTES // max(map(len, encoded)))
    pieces = [encoded[start : start + per_piece] for start in range(0, len(encoded), per_piece)]
    for number, piece in enumerate(pieces):
        group.attrs[name if len(pieces) == 1 else f"{name}{number}"] = np.array(piece, "S")
