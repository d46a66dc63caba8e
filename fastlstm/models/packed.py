"""Models to packed files and back: all processes that load one share its weights, packed as the engine reads them.

A file holds the model's config, its weights in Keras' layout, and whatever Programs make of them (engine/packing.py).
Of a quantized model it holds the integers, which are packed, in place of those weights (engine/integers.py).
Loading maps the file, hands the mapped weights to the layers, and tells the engine that the packings of these very
arrays are there already. Whatever is built from the weights then finds them, a Stream's Program as well as the model's;
weights that are set later are arrays of their own, and are packed as always.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from os.path import isfile
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.engine import (
    INTEGER_MODES,
    LAYOUT_VERSION,
    IntegerMatrix,
    Packing,
    keep,
    obtain,
    packings,
    require_packed,
    shapes_of,
)
from fastlstm.engine.ops import Op
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import deserialize, serialize
from fastlstm.layers.base.variable import CHANGES, Variable
from fastlstm.memory import asking
from fastlstm.models.compilation import arguments_of_file
from fastlstm.models.model import Model
from fastlstm.models.plan import grouped, heads_chain
from fastlstm.models.quantization import quantizable
from fastlstm.saving.config import normalise
from fastlstm.saving.errors import SavedModelError, reading
from fastlstm.saving.version import KERAS_VERSION

if TYPE_CHECKING:
    from fastlstm.saving.budget import Budget
    from fastlstm.saving.packed import NamedArray


# What the names of a quantized weight's arrays end in.
_INTEGERS, _SCALES = " as integers", " scales"


def save_packed(model: Model, filepath: str | PathLike[str]) -> None:
    """Write a model to a file that `load_packed` maps; an old file stays as it was for those who have mapped it.

    Args:
        model: A built model. The states of stateful layers are not written.
        filepath: The file; any name, e.g. `model.packed`.

    Raises:
        ValueError: When the model is not built, a layer holds a function of the caller's, or products are BLAS' here.
        OSError: When the disk refused; the old file is untouched.
    """
    from fastlstm.saving.packed import NamedArray, write_packed

    if not isinstance(model, Model):
        raise ValueError(f"Expected `model` to be a Sequential or a Functional model. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "You are saving a model that has not yet been built. Build it first by calling it on some data."
        )
    require_packed()
    with CHANGES.lock:
        _check_serializable(model)
        config = model.serialized()
        # What is written is what the model that is loaded will ask for.
        twin = _model_of(config)
        if [variable.shape for variable in twin.weights] != [variable.shape for variable in model.weights]:
            raise ValueError(f"The config of model '{model.name}' does not describe the weights that it has.")
        twin.share_weights(model)
        arrays = [NamedArray(name, array) for name, array in _named_weights(twin)]
        arrays += [NamedArray(name, obtain(packing)) for name, packing in _named_packings(twin)]
    write_packed(filepath, LAYOUT_VERSION, config, arrays)


def load_packed(filepath: str | PathLike[str]) -> Model:
    """Return the model in a file that `save_packed` wrote, without copying its weights.

    The weights are read-only memory that all processes share; it stays as long as anything uses it. `set_weights`,
    copies and pickles give weights of their own. Do not write to the file in place: replace it, as `save_packed` does.

    Args:
        filepath: The file.

    Raises:
        ValueError: When it is no such file, is of another version or is damaged, or products are BLAS' here.
        OSError: When there is no such file.
    """
    from fastlstm.saving.packed import KIND, open_packed

    require_packed()
    config, arrays, budget = open_packed(filepath, LAYOUT_VERSION)
    # The layers are lowered at once, and some make arrays of the sizes that the config says.
    with reading(filepath, KIND), asking(budget.take_bytes):
        model = _model_of(config, budget)
        packed = _adopt_arrays(model, arrays)
        named = _named_packings(model)
        _check_arrays([(name, packing.shape, np.dtype(np.float32)) for name, packing in named], packed)
        for (_, packing), (_, array) in zip(named, packed, strict=True):
            keep(packing, array)
        _ = model.current_plan
        arguments = arguments_of_file(config.get("compile_config"), keras3=True)
        if arguments is not None:
            model.compile_as_in_file(arguments)
    return model


def open_model(filepath: str | PathLike[str]) -> Model:
    """Return the model in a file, which may be packed or any that `load_model` opens; it is not compiled.

    Raises:
        ValueError, OSError: As `load_packed` and `load_model`.
    """
    from fastlstm.models.loading import load_model
    from fastlstm.saving.packed import MAGIC

    packed = False
    if isfile(filepath):
        with open(filepath, "rb") as file:
            packed = file.read(len(MAGIC)) == MAGIC
    return load_packed(filepath) if packed else load_model(filepath, compile=False)


def _check_serializable(model: Model) -> None:
    for layer in model.leaves():
        try:
            serialize(layer)
        except ValueError as error:
            raise ValueError(f"Layer '{layer.name}' cannot be written to a file: {error}") from error


def _model_of(config: dict[str, Any], budget: Budget | None = None) -> Model:
    model = deserialize(normalise(config, KERAS_VERSION, budget))
    if not isinstance(model, Model) or not model.built:
        raise SavedModelError(f"The config does not describe a built model, but {model!r}.")
    return model


def _weight_names(model: Model) -> list[str]:
    return [f"{number} {variable.name}" for number, variable in enumerate(model.weights)]


def _named_weights(model: Model) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays that are the weights: of one that is quantized its integers and their scales."""
    for variable, name in zip(model.weights, _weight_names(model), strict=True):
        if variable.integers is None:
            yield name, variable.value
        else:
            yield f"{name}{_INTEGERS}", variable.integers.values
            yield f"{name}{_SCALES}", variable.integers.scales


def _adopt_arrays(model: Model, arrays: list[NamedArray]) -> list[NamedArray]:
    """Hand the weights in a file to the model that it describes; return the arrays that are left."""
    layout_of: dict[Variable, str] = {}
    for _, layer in quantizable(model):
        layout_of |= layer.integer_weights()
    remaining = list(reversed(arrays))
    for variable, name in zip(model.weights, _weight_names(model), strict=True):
        if not remaining:
            raise SavedModelError(f"The model needs {len(model.weights)} arrays; the file has {len(arrays)}.")
        found = remaining.pop()
        if found.name != name + _INTEGERS or variable not in layout_of:
            _check_arrays([(name, variable.shape, np.dtype(np.float32))], [found], f" for {variable.path!r}")
            variable.adopt(found.array)
            continue
        scales = remaining.pop() if remaining else None
        mode = found.array.dtype.name
        if mode not in INTEGER_MODES:
            raise SavedModelError(f"Array {found.name[:200]!r} has the dtype {mode}; expected one of integers.")
        shapes = shapes_of(variable.shape, mode, layout_of[variable])
        wanted: list[tuple[str, tuple[int, ...], np.dtype[Any]]] = [
            (name + suffix, shape, np.dtype(dtype))
            for suffix, shape, dtype in zip((_INTEGERS, _SCALES), shapes, (mode, np.float32), strict=True)
        ]
        _check_arrays(wanted, [found] if scales is None else [found, scales], f" for {variable.path!r}")
        integers = IntegerMatrix(found.array, cast("NamedArray", scales).array, variable.shape, layout_of[variable])
        if not integers.is_bounded():
            raise SavedModelError(
                f"Array {found.name!r} has sums that do not fit 32 bits, or a scale that is not finite."
            )
        variable.adopt_integers(integers)
    return remaining[::-1]


def _named_packings(model: Model) -> list[tuple[str, Packing]]:
    """What the model's Programs make of its weights, each once, in their order."""
    names = {
        id(variable.value): name
        for variable, name in zip(model.weights, _weight_names(model), strict=True)
        if variable.integers is None
    }
    named = {}
    for lowered in _programs(model):
        for packing in packings(lowered) if lowered else ():
            sources = [names[id(source)] for source in packing.sources if id(source) in names]
            # An array that a layer makes anew every time has no packing that could be kept.
            if len(sources) == len(packing.sources):
                named[f"{packing.form} of {', '.join(sources)}"] = packing
    return list(named.items())


def _programs(layer: Layer) -> Iterator[list[Op]]:
    """The ops of which Programs are made: those of the chains of a model's plan, and those of layers in NumPy."""
    if isinstance(layer, Model):
        for group in grouped(layer.calls()):
            if heads_chain(group[0]):
                yield [op for call in group for op in call.layer.lower()]
            else:
                yield from _programs(group[0].layer)
    elif layer.native:
        yield layer.lower()
    else:
        yield from layer.lower_inside()
        for child in layer.children:
            # One that only knows shapes, as the convolution of a ConvLSTM, is not built.
            if child.built:
                yield from _programs(cast(Layer, child))


def _check_arrays(
    wanted: list[tuple[str, tuple[int, ...], np.dtype]], found: list[NamedArray], what_for: str = ""
) -> None:
    """Raise ValueError, which says what they are for, unless arrays have the wanted names, shapes and dtypes."""
    present = [(name, array.shape, array.dtype) for name, array in found]
    if wanted == present:
        return
    pairs = (pair for pair in zip(wanted, present, strict=False) if pair[0] != pair[1])
    wrong = next(pairs, None)
    if wrong is None:
        raise SavedModelError(f"The model needs {len(wanted)} arrays; the file has {len(present)}.")
    (name, shape, dtype), (found_name, found_shape, found_dtype) = wrong
    raise SavedModelError(
        f"The model needs array {name!r} of shape {shape} and dtype {dtype}{what_for}; the file has "
        f"{found_name[:200]!r} of shape {found_shape} and dtype {found_dtype}."
    )
