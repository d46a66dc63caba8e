"""Matrices of integers: weights as a scale a column times int16 or int8.

    x @ w  =  (integers of x @ integers of w) * scale of the row * scale of the column

**No sum overflows.** Rows of x become integers of at most `limit` (csrc/integers.h). A column's scale is such that its
largest weight fits the type, and that the sum of its |integers| times `limit` is below 2^31: whatever x is, no partial
sum leaves an int32. In int8 `limit` is 127, as is the largest weight; the sum then only matters beyond 133,000
features. In int16 the two share the 31 bits, and sums are emptied into float32 after every 256 values. With `limit` =
sqrt(2^33 / values) both add about as much to the error where values are normally distributed: rows of 128 features
have 13 bits and a sign, those of 256 and more half a bit less, and weights as many.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cached_property
from math import isqrt, prod
from typing import Any, TypeVar

import numpy as np

from fastlstm.engine.graph import Graph
from fastlstm.engine.ops import ROW_ACTIVATIONS, BranchesOp, DenseOp, GRUOp, LSTMOp, Op, RecurrentOp
from fastlstm.engine.packing import GROUP, PANEL, aligned_empty, gate_order, plain_order
from fastlstm.records import Record, replaced

# What the numbers of a matrix may be, each with its type.
INTEGER_MODES: dict[str, type[np.signedinteger]] = {"int16": np.int16, "int8": np.int8}
_LARGEST_SUM = 2**31 - 1
# Of int16, after which sums are emptied: SUM_VALUES of csrc/integers.h.
_SUM_VALUES = 256
# What ints_dot8 (csrc/vec.h) may add to the values of x.
_OFFSET = 128


class IntegerMatrix(Record, eq=False):
    """A weight `(features, columns)` as integers, laid out as csrc/integers.h says.

    Args:
        values: `(words * columns,)` int16 or int8, C-contiguous, from the start of a cache line on.
        scales: float32, of every column in the order of `layout`, padding included.
        shape: Of the weight in Keras' layout; all axes but the last are features.
        layout: Order of the columns, see `parts_of`.
    """

    values: np.ndarray
    scales: np.ndarray
    shape: tuple[int, ...]
    layout: str

    def __init__(self, values: np.ndarray, scales: np.ndarray, shape: tuple[int, ...], layout: str) -> None:
        super().__init__(values, scales, shape, layout)
        self._seal()

    def _seal(self) -> None:
        for array in (self.values, self.scales):
            array.flags.writeable = False

    def __deepcopy__(self, memo: object) -> IntegerMatrix:
        return self

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("values", "scales", "shape", "layout")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = aligned_empty(len(state["values"]), state["values"].dtype)
        values[:] = state["values"]
        self.__dict__.update(state, values=values)
        self._seal()

    @property
    def mode(self) -> str:
        """Name of the integers."""
        return self.values.dtype.name

    @property
    def features(self) -> int:
        return prod(self.shape[:-1])

    @property
    def size(self) -> int:
        """Number of weights."""
        return prod(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.scales.nbytes

    @property
    def limit(self) -> int:
        """The largest integer of a row of x."""
        return limit_of(self.mode, self.features)

    @cached_property
    def parts(self) -> list[np.ndarray]:
        """Matrices of some of the columns, which follow each other: see `parts_of`."""
        return parts_of(self.layout, self.shape[-1])

    @cached_property
    def offsets(self) -> np.ndarray:
        """int32, of every column: -128 times the sum of its integers."""
        sums = [panel.sum(axis=(0, 2), dtype=np.int64) for panel in panels_of(self.values, self.parts)]
        return (-_OFFSET * np.concatenate(sums)).astype(np.int32)

    def integers(self) -> np.ndarray:
        """Return the integers in Keras' layout, `(features, columns)`."""
        found = np.empty((self.features, self.shape[-1]), self.values.dtype)
        for columns, panel in zip(panel_columns(self.parts), panels_of(self.values, self.parts), strict=True):
            rows = panel.transpose(0, 2, 1).reshape(-1, len(columns))[: self.features]
            found[:, columns[columns >= 0]] = rows[:, columns >= 0]
        return found

    def column_scales(self) -> np.ndarray:
        """Return the scales in Keras' order, `(columns,)`."""
        scales = np.empty(self.shape[-1], np.float32)
        order = np.concatenate(self.parts)
        scales[order[order >= 0]] = self.scales[order >= 0]
        return scales

    def dequantized(self) -> np.ndarray:
        """Return the weight that the integers stand for, a new float32 array."""
        return (self.integers() * self.column_scales()).reshape(self.shape)

    def laid_out(self, layout: str) -> IntegerMatrix:
        """Return the same integers in another layout."""
        if layout == self.layout:
            return self
        integers, scales = self.integers(), self.column_scales()
        return _packed(
            self.shape,
            self.mode,
            layout,
            lambda columns: (np.where(columns < 0, 0, integers[:, columns]), np.where(columns < 0, 1, scales[columns])),
        )

    def is_bounded(self) -> bool:
        """Whether no sum overflows, nor a product of two int8: so is what `quantized_matrix` makes."""
        largest_sum = _LARGEST_SUM // self.limit
        words = sum_values(self.mode, self.features) * self.values.itemsize // 4
        fits = all(
            (np.abs(panel[start : start + words], dtype=np.int64).sum(axis=(0, 2)) <= largest_sum).all()
            for panel in panels_of(self.values, self.parts)
            for start in range(0, len(panel), max(1, words))
        )
        return fits and bool(self.values.min() > np.iinfo(self.values.dtype).min and np.isfinite(self.scales).all())

    def part(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return values, scales and offsets of one of the parts."""
        first = sum(map(len, self.parts[:number]))
        last, per_column = first + len(self.parts[number]), len(self.values) // len(self.scales)
        return self.values[first * per_column : last * per_column], self.scales[first:last], self.offsets[first:last]


def panel_columns(parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the columns of every panel."""
    for part in parts:
        for start in range(0, len(part), PANEL):
            yield part[start : start + PANEL]


def panels_of(values: np.ndarray, parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield views `(words, columns, values of a word)` of the panels of packed values."""
    in_word, per_column, first = 4 // values.itemsize, len(values) // sum(map(len, parts)), 0
    for columns in panel_columns(parts):
        size = per_column * len(columns)
        yield values[first : first + size].reshape(-1, len(columns), in_word)
        first += size


def shapes_of(shape: tuple[int, ...], mode: str, layout: str) -> tuple[tuple[int], tuple[int]]:
    """Return the shapes of the values and of the scales of a weight of a shape, which nothing need have the size of."""
    thirds = layout == "split"
    widths = (shape[-1] * 2 // 3, shape[-1] // 3) if thirds else (shape[-1],)
    columns, in_word = sum(-(-width // GROUP) * GROUP for width in widths), 4 // np.dtype(mode).itemsize
    return (-(-prod(shape[:-1]) // in_word) * in_word * columns,), (columns,)


def sum_values(mode: str, features: int) -> int:
    """Return how many values are added up in integers."""
    return features if mode == "int8" else min(features, _SUM_VALUES)


def limit_of(mode: str, features: int) -> int:
    """Return the largest integer of a row of x; see above."""
    return 127 if mode == "int8" else min(np.iinfo(np.int16).max, isqrt(2**33 // sum_values(mode, features)))


def parts_of(layout: str, columns: int) -> list[np.ndarray]:
    """Return which column lies where, -1 for padding, of every matrix that a weight is.

    Args:
        layout: "plain"; "gates" of an LSTM whose cell update is fused; "split": two thirds and the last third.
        columns: How many there are.
    """
    if layout == "gates":
        return [gate_order(columns // 4, 4)]
    if layout == "plain":
        return [plain_order(columns)]
    gates, last = plain_order(columns * 2 // 3), plain_order(columns // 3)
    return [gates, np.where(last < 0, -1, columns * 2 // 3 + last)]


def quantized_matrix(weight: np.ndarray, mode: str, layout: str) -> IntegerMatrix:
    """Return a weight as integers.

    Args:
        weight: float32, all finite.
        mode: One of `INTEGER_MODES`.
        layout: See `parts_of`.
    """
    matrix = weight.reshape(-1, weight.shape[-1])

    def quantized(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        block = np.where(columns < 0, 0, matrix[:, columns]).astype(np.float64)
        scales = column_scales(block, mode)
        return np.rint(block / scales), scales

    return _packed(weight.shape, mode, layout, quantized)


def _packed(
    shape: tuple[int, ...], mode: str, layout: str, of_columns: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> IntegerMatrix:
    """Some columns after the other, of which a function gives the integers and scales; number -1 is one of zeros."""
    parts, ((size,), (total,)) = parts_of(layout, shape[-1]), shapes_of(shape, mode, layout)
    values, scales, start = aligned_empty(size, INTEGER_MODES[mode]), np.empty(total, np.float32), 0
    for columns, panel in zip(panel_columns(parts), panels_of(values, parts), strict=True):
        words, _, in_word = panel.shape
        block = np.zeros((words * in_word, len(columns)), values.dtype)
        block[: prod(shape[:-1])], scales[start : start + len(columns)] = of_columns(columns)
        panel[:] = block.reshape(words, in_word, -1).transpose(0, 2, 1)
        start += len(columns)
    return IntegerMatrix(values, scales, shape, layout)


def column_scales(columns: np.ndarray, mode: str) -> np.ndarray:
    """Return the scale of every column: the least that keeps the two bounds above.

    Args:
        columns: float64 `(features, n)`.
        mode: As above.

    Returns:
        float32; 1 where a column is all zeros.
    """
    sizes, features = np.abs(columns), len(columns)
    values = sum_values(mode, features)
    # Rounding adds at most a half to every integer's size.
    largest_sum = _LARGEST_SUM // limit_of(mode, features) - values / 2
    # Added up in order, whatever NumPy's own sum does: the integers are the same everywhere.
    starts = range(0, len(sizes), values)
    sums = np.maximum.reduce([np.add.accumulate(sizes[start : start + values])[-1] for start in starts])
    exact = np.maximum(sizes.max(axis=0) / np.iinfo(INTEGER_MODES[mode]).max, sums / largest_sum)
    scales = exact.astype(np.float32)
    scales = np.where(scales < exact, np.nextafter(scales, np.float32(np.inf)), scales)
    return np.where(exact == 0, np.float32(1), scales)


AnyOp = TypeVar("AnyOp", bound=Op)


def quantized_op(op: AnyOp, mode: str) -> AnyOp:
    """Return the op with its products in integers, where it has any."""
    if isinstance(op, BranchesOp):
        branches = tuple(tuple(quantized_op(inner, mode) for inner in branch) for branch in op.branches)
        return replaced(op, branches=branches)
    found = {
        name: quantized_matrix(getattr(op, name), mode, layout)
        for name, layout in layouts_of(op).items()
        if isinstance(getattr(op, name), np.ndarray)
    }
    return replaced(op, **found) if found else op


def laid_out(op: AnyOp) -> AnyOp:
    """Return the op with its integers in the layouts that it takes, which its activations have a say in."""
    weights = {name: (getattr(op, name), layout) for name, layout in layouts_of(op).items()}
    moved = {
        name: weight.laid_out(layout)
        for name, (weight, layout) in weights.items()
        if isinstance(weight, IntegerMatrix) and weight.layout != layout
    }
    return replaced(op, **moved) if moved else op


def quantized_graph(graph: Graph, mode: str) -> Graph:
    """Return the graph with its products in integers, where they are none."""
    quantized = copy.copy(graph)
    quantized.wires = [wire._replace(op=quantized_op(wire.op, mode)) for wire in graph.wires]
    return quantized


def layouts_of(op: Op) -> dict[str, str]:
    """Return the names of the weights of an op that can be integers, each with its layout."""
    if not isinstance(op, (RecurrentOp, DenseOp)):
        return {}
    layout = "gates" if isinstance(op, LSTMOp) and is_elementwise(op) else "plain"
    if isinstance(op, DenseOp):
        return {"kernel": layout}
    split = isinstance(op, GRUOp) and not op.reset_after
    return {"kernel": layout, "recurrent_kernel": "split" if split else layout}


def is_elementwise(op: LSTMOp | GRUOp) -> bool:
    """Whether the cell update may run on a few units at a time."""
    return not {op.activation.name, op.recurrent_activation.name} & ROW_ACTIVATIONS


def mode_of(op: Op) -> str:
    """Return what the numbers of the op's products are."""
    kernel = getattr(op, "kernel", None)
    return kernel.mode if isinstance(kernel, IntegerMatrix) else "float32"
