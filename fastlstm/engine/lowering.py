"""Ops → what the executor takes for each: weights copied or packed, activations as numbers.

Another numeric mode is another lowering, with functions of its own for its ops (_forward.pyx, `choose_forward`).
"""

from __future__ import annotations

from contextlib import suppress
from math import prod
from operator import methodcaller
from typing import TYPE_CHECKING, cast

import numpy as np

from fastlstm.engine._engine import Executor
from fastlstm.engine.graph import Graph
from fastlstm.engine.integers import IntegerMatrix, is_elementwise, laid_out
from fastlstm.engine.lowered import Integers, LoweredOp, Matrix, NativeActivation
from fastlstm.engine.ops import (
    ACTIVATIONS,
    MERGES,
    Activation,
    AffineOp,
    ConvolutionOp,
    DenseOp,
    EmbeddingOp,
    FoldOp,
    GRUOp,
    HeadsOp,
    LayerNormOp,
    LSTMOp,
    MaskingOp,
    MergeOp,
    Op,
    PlaneConvolutionOp,
    PlanePoolOp,
    ProductOp,
    RecurrentOp,
    ReshapeOp,
    SliceOp,
    StateInOp,
    StateOutOp,
)
from fastlstm.engine.packing import GRU_PANEL, PANEL, Obtain, Packing, gate_order, pack, plain_order
from fastlstm.engine.wiring import Stage, Wiring

if TYPE_CHECKING:
    from typing_extensions import Buffer


Weight = np.ndarray | IntegerMatrix


def looked_up(graph: Graph) -> tuple[Graph, dict[int, EmbeddingOp]]:
    """Return the graph without the embeddings whose projections are looked up.

    Returns:
        `(graph, tables)`: by the number of a wire, the embedding that its recurrent op has taken in.
    """
    taken = {number for number in range(len(graph.wires)) if _takes_table(graph, number)}
    if not taken:
        return graph, {}
    kept, tables = Graph(), dict[int, EmbeddingOp]()
    numbers = {~number: kept.input(axes) for number, axes in enumerate(graph.axes)}
    for number, wire in enumerate(graph.wires):
        if number in taken:
            numbers[number] = numbers[wire.inputs[0]]
            continue
        if wire.inputs and wire.inputs[0] in taken:
            tables[len(kept.wires)] = cast("EmbeddingOp", graph.wires[wire.inputs[0]].op)
        inputs, mask = (numbers[value] for value in wire.inputs), None if wire.mask is None else numbers[wire.mask]
        numbers[number] = kept.add(wire.op, *inputs, masked=wire.masked, mask=mask)
    kept.outputs = [numbers[value] for value in graph.outputs]
    return kept, tables


def lower_graph(
    graph: Graph, tables: dict[int, EmbeddingOp], isa: str, backend: str, obtain: Obtain
) -> list[LoweredOp]:
    """Return what the executor takes, an op for every wire.

    Args:
        graph, tables: What `looked_up` returned, of ops that fit together.
        isa, backend: As for `Program`, given.
        obtain: Packs.
    """
    return [_lower(wire.op, isa, backend, obtain, tables.get(number)) for number, wire in enumerate(graph.wires)]


def packs(isa: str, backend: str) -> bool:
    """The packed kernels are ahead of BLAS wherever the CPU has fused multiply-adds (`python -m bench`)."""
    return backend == "packed" or (backend == "auto" and isa != "scalar")


def units_of(op: RecurrentOp | DenseOp) -> int:
    """Return how many units the op has."""
    return op.recurrent_kernel.shape[0] if isinstance(op, RecurrentOp) else op.kernel.shape[-1]


def features_of(op: RecurrentOp | DenseOp) -> int:
    """Return how many values of a row the op reads."""
    return prod(op.kernel.shape[:-1])


def _takes_table(graph: Graph, number: int) -> bool:
    """Whether a wire is an embedding whose projection is looked up, for every id, rather than computed for every step.

    Where the table of all projections is no larger than the kernel and costs no more than as many steps, and nobody
    else reads what the ids name.
    """
    op = graph.wires[number].op
    if not isinstance(op, EmbeddingOp) or op.table.shape[0] > op.table.shape[1] or number in graph.outputs:
        return False
    readers = [wire for wire in graph.wires if number in wire.inputs]
    return len(readers) == 1 and isinstance(readers[0].op, RecurrentOp)


def _lower(op: Op, isa: str, backend: str, obtain: Obtain, embedding: EmbeddingOp | None = None) -> LoweredOp:
    """The op as the executor takes it; with an embedding, its projection is looked up: the op takes ids."""
    lowered = LoweredOp(type(op).__name__)
    if isinstance(op, EmbeddingOp):
        lowered.table, lowered.units, lowered.name = _unchanging(op.table), op.table.shape[1], op.name
        return lowered
    for name, value in vars(op).items():
        if isinstance(value, Activation):
            setattr(lowered, name, lower_activation(value))
        elif isinstance(value, (bool, int)) and hasattr(lowered, name):
            setattr(lowered, name, value)
    if not isinstance(op, (RecurrentOp, DenseOp)):
        _lower_others(lowered, op, obtain)
        return lowered
    op = laid_out(op)
    packed, columns = packs(isa, backend) or isinstance(op.kernel, IntegerMatrix), op.kernel.shape[-1]
    bias = np.zeros(columns, np.float32) if op.bias is None else np.array(op.bias, np.float32)
    lowered.fused = isinstance(op, LSTMOp) and packed and is_elementwise(op)
    interleaved, order = lowered.fused, gate_order(units_of(op), 4) if lowered.fused else np.arange(columns)
    lowered.features, lowered.units, lowered.z_width = features_of(op), units_of(op), len(order)
    if isinstance(op, GRUOp):
        bias = _lower_gru(lowered, op, bias, packed, obtain)
    elif isinstance(op, LSTMOp) and interleaved:
        lowered.recurrent_kernel = _gates(op.recurrent_kernel, order, obtain)
        lowered.finite = _is_finite(op.recurrent_kernel)
    elif isinstance(op, RecurrentOp):
        lowered.recurrent_kernel = _matrix(op.recurrent_kernel, packed, obtain)
    lowered.bias = pack(bias, order) if interleaved else bias
    if embedding is not None and isinstance(op.kernel, IntegerMatrix):
        lowered.table, lowered.name = _project(embedding, lowered, op.kernel, order, obtain, isa), embedding.name
    elif embedding is not None:
        table = _projections(cast("RecurrentOp", op), bias, order, lowered.fused, embedding, isa, backend)
        lowered.table, lowered.name = obtain(table) if packed else table.make(), embedding.name
    else:
        lowered.kernel = _gates(op.kernel, order, obtain) if interleaved else _matrix(op.kernel, packed, obtain)
    return lowered


PADDINGS = ("valid", "same", "causal")


def _lower_others(lowered: LoweredOp, op: Op, obtain: Obtain) -> None:
    """Adds what an op has that is neither recurrent nor a product of rows."""
    if isinstance(op, (AffineOp, LayerNormOp)):
        for name in ("center", "scale", "shift"):
            if hasattr(op, name):
                setattr(lowered, name, np.array(getattr(op, name), np.float32))
        lowered.features = lowered.units = len(op.scale)
        lowered.epsilon = getattr(op, "epsilon", 0.0)
    elif isinstance(op, ReshapeOp):
        *timesteps, units = op.shape
        lowered.timesteps, lowered.units = timesteps[0] if timesteps else 1, max(units, 0)
    elif isinstance(op, MergeOp):
        lowered.merge = MERGES.index(op.kind)
        if op.constant is not None:
            lowered.center, lowered.backwards = np.array(op.constant, np.float32), op.first
            lowered.before, lowered.after = op.constant.shape
    elif isinstance(op, SliceOp):
        # What is None is beyond every end.
        lowered.before = 0 if op.start is None else op.start
        lowered.after = np.iinfo(np.intp).max if op.stop is None else op.stop
        lowered.greatest = op.of_features
    elif isinstance(op, MaskingOp):
        lowered.center, lowered.after = np.array(op.value, np.float32), len(op.value)
    elif isinstance(op, FoldOp):
        lowered.size = op.width
    elif isinstance(op, HeadsOp):
        lowered.size, lowered.backwards = op.heads, op.back
    elif isinstance(op, ProductOp):
        lowered.backwards = op.transposed
    elif isinstance(op, PlanePoolOp):
        (lowered.size, lowered.across), (lowered.stride, lowered.stride_across) = op.sizes, op.strides
    elif isinstance(op, PlaneConvolutionOp):
        lowered.size, lowered.across, lowered.channels, lowered.units = op.kernel.shape
        lowered.stride, lowered.stride_across = op.strides
        lowered.bias = np.zeros(lowered.units, np.float32) if op.bias is None else np.array(op.bias, np.float32)
        lowered.kernel = _matrix(op.kernel, True, obtain)
    elif isinstance(op, (StateInOp, StateOutOp)):
        lowered.state, lowered.size = op.number, op.part
        lowered.units = op.units if isinstance(op, StateOutOp) else 0
    elif isinstance(op, ConvolutionOp):
        size, features, units = op.kernel.shape
        lowered.features, lowered.units, lowered.size = features * op.groups, units, size
        lowered.bias = np.zeros(units, np.float32) if op.bias is None else np.array(op.bias, np.float32)
        if features == 1 and units == op.groups:  # every column alone: the kernel stays (size, units)
            lowered.scale = np.array(op.kernel[:, 0], np.float32, order="C")
        else:
            lowered.kernel = _groups(op, obtain)
    if hasattr(op, "padding"):
        lowered.padding = PADDINGS.index(op.padding)


def _groups(op: ConvolutionOp, obtain: Obtain) -> Matrix:
    """The kernels of all groups, one after the other; always packed: what windows read overlaps, as BLAS has it not."""
    if op.groups == 1:
        return _matrix(op.kernel, True, obtain)
    size, features, units = op.kernel.shape
    kernel, of_group = op.kernel.reshape(-1, units), units // op.groups
    order = plain_order(of_group)

    def make() -> np.ndarray:
        parts = [pack(kernel[:, first : first + of_group], order) for first in range(0, units, of_group)]
        return np.concatenate(parts)

    shape = (len(kernel) * len(order) * op.groups,)
    data = obtain(Packing(f"in {op.groups} groups", (op.kernel,), shape, make))
    return Matrix(data, size * features, of_group, True)


def _is_finite(array: Weight) -> bool:
    """Whether no value is infinite or NaN. Both ends are NaN if one value is; no array of booleans is made."""
    if isinstance(array, IntegerMatrix):
        return True
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _unchanging(array: np.ndarray) -> np.ndarray:
    """float32, C-contiguous: the array itself where its memory is read-only, as a layer's weights are, else a copy."""
    owner = array if array.base is None else array.base
    if not array.flags.writeable:
        with suppress(TypeError):  # an owner without a buffer, which does not say
            if memoryview(cast("Buffer", owner)).readonly:
                return np.require(array, np.float32, "C")
    return np.array(array, np.float32, order="C")


def _projections(
    op: RecurrentOp, bias: np.ndarray, order: np.ndarray, fused: bool, embedding: EmbeddingOp, isa: str, backend: str
) -> Packing:
    """`embedding @ kernel + bias`, its columns in `order`: the same sums as for every step, so the same bits."""

    def make() -> np.ndarray:
        kernel, ordered_bias = (np.where(order < 0, 0, array[..., order]) for array in (op.kernel, bias))
        dense = _lower(DenseOp(kernel, ordered_bias), isa, backend, methodcaller("make"))
        return Executor([dense], _ALONE, isa).run(np.array(embedding.table, np.float32, order="C"))[0]

    sources = (embedding.table, op.kernel) if op.bias is None else (embedding.table, op.kernel, op.bias)
    return Packing("projected, fused" if fused else "projected", sources, (len(embedding.table), len(order)), make)


def _project(
    embedding: EmbeddingOp, op: LoweredOp, kernel: IntegerMatrix, order: np.ndarray, obtain: Obtain, isa: str
) -> np.ndarray:
    """As `_projections`, of a kernel of integers."""
    dense = LoweredOp("DenseOp", features=op.features, units=len(order), z_width=len(order))
    dense.kernel, dense.bias = _gates(kernel, order, obtain), op.bias
    return Executor([dense], _ALONE, isa).run(np.array(embedding.table, np.float32, order="C"))[0]


# One op, of rows.
_ALONE = Wiring([Stage(0, 1, (0,), 1, False, True, False, False, -1)], [-1, -1], [1], [0], [0])


def _matrix(weights: Weight, packed: bool, obtain: Obtain, first: int = 0, last: int | None = None) -> Matrix:
    """Columns first … last of the weights, as they are; all axes but the last are rows."""
    if isinstance(weights, IntegerMatrix):
        columns = (weights.shape[-1] if last is None else last) - first
        return _of_integers(weights, int(first > 0), columns)
    matrix = weights.reshape(-1, weights.shape[-1])[:, first:last]
    rows, columns = matrix.shape
    if not packed:
        return Matrix(np.array(matrix, np.float32, order="C"), rows, columns, False)
    order = plain_order(columns)
    form = f"columns {first} to {first + columns}"
    data = obtain(Packing(form, (weights,), (rows * len(order),), lambda: pack(matrix, order)))
    return Matrix(data, rows, columns, True)


def _of_integers(weights: IntegerMatrix, part: int, columns: int) -> Matrix:
    """One of the weights' parts, of that many columns."""
    return Matrix(None, weights.features, columns, False, Integers(*weights.part(part), weights.limit))


def _gates(matrix: Weight, order: np.ndarray, obtain: Obtain, panel: int = PANEL) -> Matrix:
    """Weights for `lstm_step_forward` or `gru_step_forward`, whose columns are interleaved by gate."""
    if isinstance(matrix, IntegerMatrix):
        return _of_integers(matrix, 0, len(order))
    rows, columns = len(matrix), len(order)
    data = obtain(Packing(f"gates by {panel}", (matrix,), (rows * columns,), lambda: pack(matrix, order, panel)))
    return Matrix(data, rows, columns, True)


def _lower_gru(lowered: LoweredOp, op: GRUOp, bias: np.ndarray, packed: bool, obtain: Obtain) -> np.ndarray:
    """Adds what a GRU has for its state; returns the bias of its input."""
    gates = 2 * lowered.units
    if not op.reset_after:
        lowered.recurrent_bias = np.zeros_like(bias)
        lowered.recurrent_kernel = _matrix(op.recurrent_kernel, packed, obtain, 0, gates)
        lowered.candidate_kernel = _matrix(op.recurrent_kernel, packed, obtain, gates)
        return bias
    bias, lowered.recurrent_bias = np.zeros((2, bias.shape[-1]), np.float32) if op.bias is None else bias.copy()
    lowered.fused = packed and is_elementwise(op) and not isinstance(op.kernel, IntegerMatrix)
    if not lowered.fused:
        lowered.recurrent_kernel = _matrix(op.recurrent_kernel, packed, obtain)
        return bias
    bias[:gates] += lowered.recurrent_bias[:gates]
    lowered.recurrent_bias = lowered.recurrent_bias[gates:].copy()
    lowered.recurrent_kernel = _gates(op.recurrent_kernel, gate_order(lowered.units, 3), obtain, GRU_PANEL)
    return bias


_KINDS = {name: kind for kind, name in enumerate(ACTIVATIONS)}


def lower_activation(activation: Activation) -> NativeActivation:
    if activation.name == "python":
        if not callable(activation.function):
            raise ValueError(f"Activation 'python' needs a function, received {activation.function!r}.")
        return NativeActivation(len(ACTIVATIONS), (), activation.function)
    if activation.name not in ACTIVATIONS:
        raise ValueError(f"The engine has no activation {activation.name!r}; it has {', '.join(ACTIVATIONS)}.")
    if len(activation.parameters) != len(ACTIVATIONS[activation.name]):
        raise ValueError(f"Activation {activation.name!r} takes the parameters {ACTIVATIONS[activation.name]}.")
    return NativeActivation(_KINDS[activation.name], activation.parameters)
