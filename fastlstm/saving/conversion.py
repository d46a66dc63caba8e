"""Stored arrays of older layouts → arrays as today's layers hold them.

Keras 1 stored one array per gate, CuDNNLSTM/CuDNNGRU stored transposed blocks and two biases, Keras 1 convolutions had
one axis more, and kernels written on the Theano backend run backwards. Shapes alone tell which is which, so that every
shape is checked before any value is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from fastlstm.records import Record
from fastlstm.saving.spec import LayerSpec, VariableSpec

# Where each of today's gate blocks is in the Keras 1 file: LSTM files hold i, c, f, o; GRU files z, r, h.
_KERAS1_GATES = {
    **dict.fromkeys(("LSTM", "LSTMCell", "ConvLSTMCell"), (0, 2, 1, 3)),
    **dict.fromkeys(("GRU", "GRUCell"), (0, 1, 2)),
}

# How many of a layer's first variables are kernels that run backwards in files of the Theano backend.
_CONVOLUTIONS = {"Conv1D": 1, "Conv2D": 1, "Conv3D": 1, "Conv2DTranspose": 1, "ConvLSTMCell": 2}

Shape = tuple[int, ...]


class Stored(Protocol):
    """An array in a file of any format."""

    @property
    def where(self) -> str:
        """Its name in the file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the file declares."""

    def reserve(self) -> None:
        """Take what reading takes from the load's budget, before anything is read."""

    def read(self) -> np.ndarray:
        """The values, float32, C-contiguous and of that shape."""


class Recipe(Record):
    """How to make one variable of the model from arrays of the file.

    Args:
        sources: The stored arrays.
        shapes: The shape that each of them must have.
        build: Makes the variable from the values of `sources`.
    """

    sources: tuple[Stored, ...]
    shapes: tuple[Shape, ...]
    build: Callable[..., np.ndarray] = lambda values: values

    def mismatch(self) -> tuple[Shape, Shape] | None:
        """The first `(expected, found)` pair of shapes that differ, or None."""
        for source, shape in zip(self.sources, self.shapes, strict=True):
            if source.shape != shape:
                return shape, source.shape
        return None

    def read(self) -> np.ndarray:
        """Read and convert; float32 and C-contiguous. `read_all` reserves before."""
        return np.asarray(self.build(*(source.read() for source in self.sources)), np.float32, order="C")


def read_all(plan: Iterable[Recipe | None]) -> list[np.ndarray | None]:
    """Read what a plan says, None where it says nothing; all that it takes is asked for before anything is read.

    Raises:
        ValueError: Storage that is not accepted or damaged, or more than the load may take.
    """
    plan = list(plan)
    for recipe in plan:
        for source in recipe.sources if recipe else ():
            source.reserve()
    return [recipe.read() if recipe else None for recipe in plan]


def stored_count(layer: LayerSpec, stored: list[Stored]) -> int:
    """How many of the arrays that come next in a file belong to this layer's own variables.

    Args:
        layer: A layer with variables of its own.
        stored: The arrays not yet taken by earlier layers.
    """
    gates = _KERAS1_GATES.get(layer.class_name, ())
    return len(layer.variables) * (len(gates) if _one_array_per_gate(layer, stored) else 1)


def recipes(layer: LayerSpec, stored: list[Stored], *, theano: bool = False) -> list[Recipe]:
    """One recipe per own variable of a layer.

    Args:
        layer: A layer with variables of its own.
        stored: `stored_count` arrays, in the order of the file.
        theano: Whether the file was written on the Theano backend.
    """
    shapes = [variable.shape for variable in layer.variables]
    if _one_array_per_gate(layer, stored):
        return _join_gates(_KERAS1_GATES[layer.class_name], shapes, stored)
    if _is_cudnn(layer, stored):
        return _from_cudnn(len(_KERAS1_GATES[layer.class_name]), shapes, stored)
    plain = [Recipe((source,), (shape,)) for source, shape in zip(stored, shapes, strict=True)]
    kernels = _CONVOLUTIONS.get(layer.class_name, 0)
    pairs = zip(stored[:kernels], shapes[:kernels], strict=True)
    return [*(_convolution_kernel(source, shape, theano) for source, shape in pairs), *plain[kernels:]]


def _one_array_per_gate(layer: LayerSpec, stored: list[Stored]) -> bool:
    gates = len(_KERAS1_GATES.get(layer.class_name, ()))
    if not gates or not stored:
        return False
    *rows, columns = layer.variables[0].shape
    return stored[0].shape == (*rows, columns // gates)


def _join_gates(order: tuple[int, ...], shapes: list[Shape], stored: list[Stored]) -> list[Recipe]:
    kinds = len(shapes)
    return [
        Recipe(
            tuple(stored[kinds * gate + kind] for gate in order),
            ((*shape[:-1], shape[-1] // len(order)),) * len(order),
            lambda *blocks: np.concatenate(blocks, axis=-1),
        )
        for kind, shape in enumerate(shapes)
    ]


def _is_cudnn(layer: LayerSpec, stored: list[Stored]) -> bool:
    gates = len(_KERAS1_GATES.get(layer.class_name, ()))
    if not gates or len(layer.variables) != 3 or len(stored) != 3:
        return False
    return stored[2].shape == (2 * layer.variables[0].shape[-1],)


def _from_cudnn(gates: int, shapes: list[Shape], stored: list[Stored]) -> list[Recipe]:
    def kernel(values: np.ndarray) -> np.ndarray:
        # Each gate's block was flattened from (units, features).
        blocks = np.split(values, gates, axis=1)
        return np.concatenate([block.reshape(block.shape[::-1]).T for block in blocks], axis=1)

    def recurrent_kernel(values: np.ndarray) -> np.ndarray:
        return np.concatenate([block.T for block in np.split(values, gates, axis=1)], axis=1)

    def bias(values: np.ndarray) -> np.ndarray:
        # The input and the recurrent bias; an LSTM and an old GRU only ever see their sum.
        return values.reshape(2, -1) if len(shapes[2]) == 2 else values.reshape(2, -1).sum(axis=0)

    builders = (kernel, recurrent_kernel, bias)
    expected = (shapes[0], shapes[1], (2 * shapes[0][-1],))
    return [Recipe((source,), (shape,), build) for source, shape, build in zip(stored, expected, builders, strict=True)]


def _convolution_kernel(source: Stored, shape: Shape, theano: bool) -> Recipe:
    *sizes, features, filters = shape
    # Keras 1 had one axis more over time, and another order of the axes for Theano.
    wide = (*sizes, 1) if len(sizes) == 1 else tuple(sizes)
    turned = source.shape != shape and source.shape == (filters, features, *wide)
    expected = source.shape if turned or source.shape == (*wide, features, filters) else shape

    def build(values: np.ndarray) -> np.ndarray:
        values = (np.moveaxis(values, (1, 0), (-2, -1)) if turned else values).reshape(shape)
        # Theano convolves, everything else correlates.
        return np.flip(values, tuple(range(len(sizes)))) if theano else values

    return Recipe((source,), (expected,), build)


def describe(variable: VariableSpec, mismatch: tuple[Shape, Shape]) -> str:
    """One half-sentence for a shape that differs."""
    expected, found = mismatch
    return f"the shapes of `{variable.name}` must match: expected {expected}, found {found}"
