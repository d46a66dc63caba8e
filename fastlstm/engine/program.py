"""Op descriptions → Program: what is checked, copied and decided once, when the weights are set.

A Program is a chain or a graph of ops, whose branches may run side by side; wiring.py cuts it into stages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from fastlstm.engine._engine import ENOUGH_ROWS, Executor, get_num_threads
from fastlstm.engine._op_list import kernel_names
from fastlstm.engine.description import describe_ops, describe_sharing
from fastlstm.engine.graph import Graph, chain
from fastlstm.engine.integers import INTEGER_MODES, quantized_graph
from fastlstm.engine.lowered import Matrix
from fastlstm.engine.lowering import features_of, looked_up, lower_graph, packs, units_of
from fastlstm.engine.ops import (
    Activation,
    ActivationOp,
    AffineOp,
    ConvolutionOp,
    DenseOp,
    EmbeddingOp,
    GlobalPoolOp,
    GRUOp,
    LayerNormOp,
    LSTMOp,
    MaskingOp,
    MergeOp,
    Op,
    PlaneConvolutionOp,
    PoolOp,
    RecurrentOp,
    SimpleRNNOp,
    StateOutOp,
    StepsOp,
)
from fastlstm.engine.packing import Packing, obtain
from fastlstm.engine.wiring import wiring_of
from fastlstm.records import replaced

# `auto` takes for each op what measured faster; `blas` is SciPy's, `packed` the kernels of csrc/gemm_packed.h.
BACKENDS = ("auto", "blas", "packed")
# What the numbers of a Program are.
MODES = ("float32", *INTEGER_MODES)

# Recurrent weights of a thread, times rows, from which on threads that share every layer's units, with a barrier after
# every step, are faster than one; and faster than threads that share the layers (`python -m bench --threads 2`). A
# barrier takes from 0.1 to 0.9 us, as the cores are near each other or not, and where they are virtual that changes.
SHARED_STEP, LONG_SHARED_STEP = 16_000, 60_000


class Program(Executor):
    """An immutable, thread-safe chain or graph of ops with its own copy of the weights.

    Args:
        ops: At least one op; each one's features equal the units of the one before. Or a graph of them.
        masked: How many ops of a row see the mask of a call; None: all.
        isa: Name of the kernels to use, one of `kernel_names()`. Default: the environment's `FASTLSTM_ISA`, else the
            best that this CPU runs.
        backend: Of the products, one of `BACKENDS`. Default: the environment's `FASTLSTM_BACKEND`, else "auto".
        mode: Numeric mode, one of `MODES`: ops whose weights are float32 have their products in it.

    Raises:
        ValueError: The ops do not fit together, or `isa`, `backend` or `mode` is not to be had here.
    """

    def __init__(
        self,
        ops: Sequence[Op] | Graph,
        isa: str | None = None,
        backend: str | None = None,
        mode: str = "float32",
        masked: int | None = None,
    ) -> None:
        isa, backend = isa or default_isa(), backend or default_backend()
        for name, value, known in ("backend", backend, BACKENDS), ("mode", mode, MODES):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {known}. Received: {value!r}")
        given = _checked(ops, masked)
        if mode != "float32":
            given = quantized_graph(given, mode)
        wiring = wiring_of(given)
        graph, tables = looked_up(given)
        if tables:
            wiring = replaced(wiring_of(graph), axes=wiring.axes, out_axes=wiring.out_axes)
        lowered = lower_graph(graph, tables, isa, backend, obtain)
        kernels = [op.recurrent_kernel for op in lowered if op.recurrent_kernel is not None]
        self._n_recurrent = len(kernels)
        # Of a layer, on average, in floats' bytes; 0 where its units cannot be shared.
        self._recurrent_weights = 0
        if kernels and all(op.kind == "LSTMOp" and op.fused for op in lowered if op.recurrent_kernel is not None):
            self._recurrent_weights = sum(map(_floats, kernels)) // len(kernels)
        super().__init__(lowered, wiring, isa)
        self._description = describe_ops(lowered, [stage.first for stage in wiring.stages], isa)

    def describe(self) -> list[str]:
        """What runs, a line per op: stage, kind, sizes, kernels; then how threads share a large call."""
        few, many = (self.split(batch, 2, False, get_num_threads()) for batch in (1, ENOUGH_ROWS))
        sharing = "on one thread" if self.has_callbacks else describe_sharing(few, many, ENOUGH_ROWS)
        return [*self._description, sharing]

    def split(self, batch: int, timesteps: int, masked: bool, threads: int) -> tuple[int, int, int]:
        """How a call large enough for several threads uses them (`python -m bench --threads 2`).

        A batch is cut by rows, each part with all layers. Few rows are not: there all threads work on the same layer,
        each on some of its units, if its steps are long enough; else each has some of the layers, or of the products of
        their inputs, and they pass chunks of time steps on.

        Args:
            batch: Rows.
            timesteps: Steps.
            masked: Whether the call has a mask, with which units are not shared.
            threads: Positive.

        Returns:
            How many parts the batch, the chain and every layer are cut into; at most one of the three is above 1.
        """
        if batch >= ENOUGH_ROWS:
            return min(threads, batch), 1, 1
        # Of several rows each takes about half as long as one alone, which waits for the weights.
        work = 0 if masked else (batch + 1) * self._recurrent_weights // 2
        by_ops = self.pipeline_parts(batch, masked, threads) if timesteps > 1 else 1
        by_units = min(threads, work // LONG_SHARED_STEP)
        if by_units > 1 and by_units >= by_ops:
            return 1, 1, by_units
        by_units = min(threads, work // SHARED_STEP)
        if by_ops > 1 and (self._n_recurrent > 1 or by_units <= 1):
            return 1, by_ops, 1
        return 1, 1, max(1, by_units)


def packings(ops: Sequence[Op] | Graph) -> list[Packing]:
    """What a `Program` of the ops packs, in its order, without packing it. It is the same for every instruction set.

    Args:
        ops: As for `Program`.

    Raises:
        ValueError: As `Program`; or `require_packed` does.
    """
    packed = list[Packing]()

    def record(packing: Packing) -> np.ndarray:
        packed.append(packing)
        return np.empty(0, np.float32)

    lower_graph(*looked_up(_checked(ops)), default_isa(), require_packed(), record)
    return packed


def require_packed() -> str:
    """Return the name of the backend, which packs weights.

    Raises:
        ValueError: Programs have their products from BLAS here, which packs nothing.
    """
    isa, backend = default_isa(), default_backend()
    if not packs(isa, backend):
        raise ValueError(
            f"Packed weights are for the packed kernels, but products are BLAS' here (FASTLSTM_BACKEND is {backend!r}, "
            f"the instruction set {isa!r}). FASTLSTM_BACKEND='packed' has the packed kernels used."
        )
    return backend


def default_isa() -> str:
    """The environment's `FASTLSTM_ISA`, else the best instruction set that this CPU and build have."""
    names = kernel_names()
    isa = os.environ.get("FASTLSTM_ISA") or names[0]
    if isa not in names:
        raise ValueError(f"FASTLSTM_ISA must be one of {names} on this machine. Received: {isa!r}")
    return isa


def default_backend() -> str:
    """The environment's `FASTLSTM_BACKEND`, else "auto"."""
    backend = os.environ.get("FASTLSTM_BACKEND") or "auto"
    if backend not in BACKENDS:
        raise ValueError(f"FASTLSTM_BACKEND must be one of {BACKENDS}. Received: {backend!r}")
    return backend


def _checked(ops: Sequence[Op] | Graph, masked: int | None = None) -> Graph:
    """The ops as a graph whose sizes fit together."""
    if not isinstance(ops, Graph):
        if not ops:
            raise ValueError("A Program needs at least one op.")
        graph = chain(ops, len(ops) if masked is None else masked)
    else:
        graph = ops
    units: dict[int, int | None] = {~number: None for number in range(graph.inputs)}
    for number, wire in enumerate(graph.wires):
        op = wire.op
        if isinstance(op, EmbeddingOp) and (wire.inputs[0] >= 0 or op.table.ndim != 2 or 0 in op.table.shape):
            raise ValueError("An EmbeddingOp comes first, with a table of shape (vocabulary, units).")
        features, before = _check_sizes(op), units[wire.inputs[0]] if wire.inputs else None
        if before is not None and features is not None and features != before:
            raise ValueError(
                f"{type(op).__name__} expects {features} features, but the op before gives {before} units."
            )
        units[number] = _units_after(op, [units[value] for value in wire.inputs])
    return graph


def check_chain(ops: Sequence[Op]) -> None:
    """Raise ValueError unless the ops fit together, as for a Program."""
    wiring_of(_checked(list(ops)))


def _units_after(op: Op, before: list[int | None]) -> int | None:
    """Features of what the op gives; None if they depend on the input."""
    if isinstance(op, EmbeddingOp):
        return op.table.shape[1]
    if isinstance(op, (RecurrentOp, DenseOp)):
        return units_of(op)
    if isinstance(op, ConvolutionOp):
        return op.kernel.shape[-1]
    if isinstance(op, (AffineOp, LayerNormOp)):
        return len(op.scale)
    if isinstance(op, StateOutOp):
        return op.units
    if isinstance(op, MergeOp) and op.kind != "concatenate_steps":
        # Those of one feature are repeated.
        if op.kind != "concatenate":
            constant = [] if op.constant is None else [op.constant.shape[-1]]
            return None if None in before else max([*(units or 0 for units in before), *constant])
        known = [units for units in before if units is not None]
        return sum(known) if len(known) == len(before) else None
    same = ActivationOp | PoolOp | GlobalPoolOp | StepsOp | MergeOp | MaskingOp
    return before[0] if isinstance(op, same) else None


def _check_sizes(op: Op) -> int | None:
    """The features that the op reads, None for any; raises ValueError where its own sizes do not fit together."""
    if isinstance(op, (RecurrentOp, DenseOp)):
        _check_shapes(op)
        return features_of(op)
    if isinstance(op, ConvolutionOp):
        _, features, units = op.kernel.shape
        if 0 in op.kernel.shape or units % op.groups or min(op.stride, op.dilation) != 1:
            raise ValueError(
                f"ConvolutionOp: kernel {op.kernel.shape}, {op.groups} groups, {op.stride} x {op.dilation}."
            )
        if op.bias is not None and op.bias.shape != (units,):
            raise ValueError(f"ConvolutionOp: bias must have shape {(units,)}, received {op.bias.shape}.")
        return features * op.groups
    if isinstance(op, PlaneConvolutionOp):
        if 0 in op.kernel.shape or (op.bias is not None and op.bias.shape != op.kernel.shape[-1:]):
            bias = None if op.bias is None else op.bias.shape
            raise ValueError(f"PlaneConvolutionOp: kernel {op.kernel.shape}, bias {bias}.")
        return None
    if isinstance(op, (AffineOp, LayerNormOp)):
        shapes = {name: array.shape for name, array in vars(op).items() if isinstance(array, np.ndarray)}
        if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
            raise ValueError(f"{type(op).__name__} needs arrays of one shape (features,). Received: {shapes}")
        return len(op.scale)
    return None


def _check_shapes(op: RecurrentOp | DenseOp) -> None:
    columns = _BLOCKS[type(op)] * units_of(op)
    two_biases = isinstance(op, GRUOp) and op.reset_after
    rows = op.kernel.shape[:-1] if isinstance(op, DenseOp) and op.kernel.ndim > 1 else op.kernel.shape[:1]
    expected = {"kernel": (*rows, columns), "bias": (2, columns) if two_biases else (columns,)}
    if isinstance(op, RecurrentOp):
        expected["recurrent_kernel"] = (units_of(op), columns)
    for name, shape in expected.items():
        array = getattr(op, name)
        if array is not None and (array.shape != shape or 0 in shape):
            raise ValueError(f"{type(op).__name__}: {name} must have shape {shape}, received {array.shape}.")


def _floats(matrix: Matrix) -> int:
    """As many floats as have the bytes of its weights: about how long it takes to read them."""
    itemsize = 4 if matrix.integers is None else matrix.integers.values.itemsize
    return matrix.features * matrix.columns * itemsize // 4


# Blocks of `units` columns in a kernel.
_BLOCKS = {LSTMOp: 4, GRUOp: 3, SimpleRNNOp: 1, DenseOp: 1}


def activate(x: np.ndarray, activation: Activation, isa: str | None = None) -> np.ndarray:
    """`activation(x)` as a new float32 array of x's shape; those over an axis act over the last one.

    Args:
        x: float32, at least one dimension.
        activation: Native or Python.
        isa: As for `Program`.
    """
    return Program([ActivationOp(activation)], isa).run(x)[0]
