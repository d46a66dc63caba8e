"""Matrices that Keras 3 stores in integers, or with a low-rank update (LoRA) beside them → stored arrays of floats."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastlstm.records import Record
from fastlstm.saving.conversion import Stored
from fastlstm.saving.spec import LayerSpec

# A layer's arrays as `.keras` and `.weights.h5` list them; legacy files have their names.
_ORDER = ("kernel", "embeddings", "bias", "kernel_scale", "embeddings_scale", "kernel_zero", "embeddings_zero", "g_idx")


class Computed(Record):
    """An array of floats that is computed from several in the file; it stands for the first of them.

    Args:
        sources: The arrays in the file.
        shape: That of the floats.
        compute: Makes them of the values.
    """

    sources: tuple[Stored, ...]
    shape: tuple[int, ...]
    compute: Callable[..., np.ndarray]

    @property
    def where(self) -> str:
        """The name of the first array in the file."""
        return self.sources[0].where

    def reserve(self) -> None:
        """Take what reading all of them takes."""
        for source in self.sources:
            source.reserve()

    def read(self) -> np.ndarray:
        """Return the floats."""
        return np.ascontiguousarray(self.compute(*(source.read() for source in self.sources)), np.float32)


def plain(layer: LayerSpec, arrays: list[Stored]) -> list[Stored]:
    """Return the arrays of a layer as it would have them in floats; as they are, where they do not fit.

    Args:
        layer: The layer; its `stored_form` says how they are stored.
        arrays: Its arrays, as listed in the file.
    """
    form, shape = layer.stored_form, layer.variables[0].shape if layer.variables else ()
    if "repeats_matrix" in form:
        return arrays[-1:] if len(arrays) == 2 else arrays
    named = {array.where.rpartition("/")[2].partition(":")[0]: array for array in arrays}
    updates = [named[name] for name in named if name.startswith("lora_")]
    if "lora_scale" in form and len(updates) == 2:
        arrays = [array for array in arrays if array not in updates]
    arrays = _in_order(arrays, named)
    count = len(layer.variables)
    if form.get("quantized") and len(arrays) == count + (1 if form["quantized"] == "int8" else 3):
        found = (_of_int8 if form["quantized"] == "int8" else _of_int4)(layer, arrays[0], arrays[count:])
        arrays = [found, *arrays[1:count]] if found is not None else arrays
    if "lora_scale" in form and len(updates) == 2 and arrays[0].shape == shape:
        arrays = [_updated(arrays[0], updates, form["lora_scale"]), *arrays[1:]]
    return arrays


def _in_order(arrays: list[Stored], named: dict[str, Stored]) -> list[Stored]:
    if len(named) < len(arrays) or not all(name in _ORDER or name.startswith("lora_") for name in named):
        return arrays
    return [named[name] for name in _ORDER if name in named]


def _updated(kernel: Stored, updates: list[Stored], scale: float) -> Stored:
    a, b = updates
    *rows, columns = kernel.shape
    if a.shape[:-1] != tuple(rows) or b.shape != (a.shape[-1], columns):
        return kernel
    return Computed((kernel, a, b), kernel.shape, lambda kernel, a, b: kernel + np.float32(scale) * (a @ b))


def _of_int8(layer: LayerSpec, kernel: Stored, others: list[Stored]) -> Stored | None:
    """`integers / scale`, of which there is one for each row of a table, or for each output."""
    (scale,), shape = others, kernel.shape
    if layer.class_name == "Embedding":
        axes = (-1, *(1,) * (len(shape) - 1))
        return Computed((kernel, scale), shape, lambda q, s: q / s.reshape(axes)) if scale.shape == shape[:1] else None
    equation = layer.stored_form.get("equation")
    if not isinstance(equation, str):
        return Computed((kernel, scale), shape, lambda q, s: q / s) if scale.shape == shape[-1:] else None
    terms, _, output = equation.replace("...", "").replace(" ", "").partition("->")
    weight = terms.partition(",")[2]
    letters = [letter for letter in output if letter in weight]
    sizes = dict(zip(weight, shape, strict=True)) if len(weight) == len(shape) else {}
    if not sizes or math.prod(scale.shape) != math.prod(sizes[letter] for letter in letters):
        return None

    def compute(q: np.ndarray, s: np.ndarray) -> np.ndarray:
        # The scale has the axes of the outputs; here it gets those of the matrix.
        s = s.reshape([sizes[letter] for letter in letters])
        s = s.transpose([letters.index(letter) for letter in weight if letter in letters])
        return q / s.reshape([sizes[letter] if letter in letters else 1 for letter in weight])

    return Computed((kernel, scale), shape, compute)


def _of_int4(layer: LayerSpec, kernel: Stored, others: list[Stored]) -> Stored | None:
    """`(integers - zero) * scale`, two integers in a byte, with a scale and a zero for each group of inputs."""
    shape = layer.variables[0].shape
    of_rows = layer.class_name != "Embedding"  # else the groups are of the columns
    rows, columns = (shape[0], math.prod(shape[1:])) if len(shape) != 3 or not of_rows else (0, 0)
    scale, zero, groups = others
    fits = kernel.shape == (rows, (columns + 1) // 2) and scale.shape == zero.shape and len(scale.shape) == 2
    if not fits or groups.shape != ((rows,) if of_rows else (columns,)):
        return None
    if scale.shape[int(of_rows)] != (columns if of_rows else rows):
        return None

    def compute(packed: np.ndarray, s: np.ndarray, z: np.ndarray, group: np.ndarray) -> np.ndarray:
        packed = packed.astype(np.int8)
        halves = np.stack([packed << 4 >> 4, packed >> 4], axis=-1)  # with their signs
        q = halves.reshape(rows, -1)[:, :columns].astype(np.float32)
        axis = 0 if of_rows else 1
        index = np.clip(group.astype(np.int64), 0, s.shape[axis] - 1)
        return ((q - np.take(z, index, axis)) * np.take(s, index, axis)).reshape(shape)

    return Computed((kernel, scale, zero, groups), shape, compute)
