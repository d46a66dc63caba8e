"""Op descriptions → Program: what is checked, copied and decided once, when the weights are set.

A Program is a chain of ops cut into stages. Inside a stage every op works on the same chunk of time steps before the
next chunk is read, so that what passes between layers stays in cache. A new stage begins where an op needs the whole
sequence before its first step (`go_backwards`), or where the sequence has ended (a recurrent op without
`return_sequences`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from fastlstm.engine._engine import ENOUGH_ROWS, Executor, get_num_threads
from fastlstm.engine._op_list import kernel_names
from fastlstm.engine.description import describe_ops, describe_sharing
from fastlstm.engine.lowering import LoweredOp, features_of, lower_chain, packs, units_of
from fastlstm.engine.ops import (
    Activation,
    ActivationOp,
    DenseOp,
    EmbeddingOp,
    GRUOp,
    LSTMOp,
    Op,
    RecurrentOp,
    SimpleRNNOp,
)
from fastlstm.engine.packing import Packing, obtain

# `auto` takes for each op what measured faster; `blas` is SciPy's, `packed` the kernels of csrc/gemm_packed.h.
BACKENDS = ("auto", "blas", "packed")
# What the numbers of a Program are.
MODES = ("float32",)

# Recurrent weights of a thread, times rows, from which on threads that share every layer's units, with a barrier after
# every step, are faster than one; and faster than threads that share the layers (`python -m bench --threads 2`). A
# barrier takes from 0.1 to 0.9 us, as the cores are near each other or not, and where they are virtual that changes.
SHARED_STEP, LONG_SHARED_STEP = 16_000, 60_000


class Program(Executor):
    """An immutable, thread-safe chain of ops with its own copy of the weights.

    Args:
        ops: At least one op; each one's features equal the units of the one before.
        isa: Name of the kernels to use, one of `kernel_names()`. Default: the environment's `FASTLSTM_ISA`, else the
            best that this CPU runs.
        backend: Of the products, one of `BACKENDS`. Default: the environment's `FASTLSTM_BACKEND`, else "auto".
        mode: Numeric mode, one of `MODES`.

    Raises:
        ValueError: The ops do not fit together, or `isa`, `backend` or `mode` is not to be had here.
    """

    def __init__(
        self, ops: Sequence[Op], isa: str | None = None, backend: str | None = None, mode: str = "float32"
    ) -> None:
        ops = list(ops)
        check_chain(ops)
        isa, backend = isa or default_isa(), backend or default_backend()
        for name, value, known in ("backend", backend, BACKENDS), ("mode", mode, MODES):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {known}. Received: {value!r}")
        lowered = lower_chain(ops, isa, backend, obtain)
        recurrent = [op for op in lowered if op.recurrent_kernel is not None]
        self._n_recurrent = len(recurrent)
        # Of a layer, on average; 0 where its units cannot be shared.
        self._recurrent_weights = 0
        if recurrent and all(op.kind == "LSTMOp" and op.fused for op in recurrent):
            weights = [op.recurrent_kernel.size for op in ops if isinstance(op, RecurrentOp)]
            self._recurrent_weights = sum(weights) // len(weights)
        stages = _stages(lowered)
        super().__init__(lowered, stages, isa)
        self._description = describe_ops(lowered, stages, isa)

    def describe(self) -> list[str]:
        """What runs, a line per op: stage, kind, sizes, kernels; then how threads share a large call."""
        few, many = (self.split(batch, 2, False, get_num_threads()) for batch in (1, ENOUGH_ROWS))
        sharing = "on one thread" if self.has_callbacks else describe_sharing(few, many, ENOUGH_ROWS)
        return [*self._description, sharing]

    def split(self, batch: int, timesteps: int, masked: bool, threads: int) -> tuple[int, int, int]:
        """How a call large enough for several threads uses them (`python -m bench --threads 2`).

        A batch is cut by rows, each part with all layers. Few rows are not: there all threads work on the same layer,
        each on some of its units, if its steps are long enough; else each has some of the layers, and they pass chunks
        of time steps on.

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
        work = 0 if masked else batch * self._recurrent_weights
        by_ops = min(threads, self._n_recurrent) if timesteps > 1 else 1
        by_units = min(threads, work // LONG_SHARED_STEP)
        if by_units > 1 and by_units >= by_ops:
            return 1, 1, by_units
        if by_ops > 1:
            return 1, by_ops, 1
        return 1, 1, max(1, min(threads, work // SHARED_STEP))


def packings(ops: Sequence[Op]) -> list[Packing]:
    """What a `Program` of the ops packs, in its order, without packing it. It is the same for every instruction set.

    Args:
        ops: As for `Program`.

    Raises:
        ValueError: As `Program`; or `require_packed` does.
    """
    ops, found = list(ops), []
    check_chain(ops)

    def record(packing: Packing) -> np.ndarray:
        found.append(packing)
        return np.empty(0, np.float32)

    lower_chain(ops, default_isa(), require_packed(), record)
    return found


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


def check_chain(ops: list[Op]) -> None:
    if not ops:
        raise ValueError("A Program needs at least one op.")
    units, ended = None, False
    for op in ops:
        if isinstance(op, ActivationOp):
            continue
        if isinstance(op, EmbeddingOp):
            if op is not ops[0] or op.table.ndim != 2 or 0 in op.table.shape:
                raise ValueError("An EmbeddingOp comes first, with a table of shape (vocabulary, units).")
            units = op.table.shape[1]
            continue
        if isinstance(op, RecurrentOp):
            if ended:
                raise ValueError("A recurrent op needs a sequence, but one before it does not return sequences.")
            ended = not op.return_sequences
        _check_shapes(op)
        if units is not None and features_of(op) != units:
            raise ValueError(
                f"{type(op).__name__} expects {features_of(op)} features, but the op before gives {units} units."
            )
        units = units_of(op)


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


# Blocks of `units` columns in a kernel.
_BLOCKS = {LSTMOp: 4, GRUOp: 3, SimpleRNNOp: 1, DenseOp: 1}


def _stages(ops: list[LoweredOp]) -> list[int]:
    """Index of the first op of every stage."""
    starts = [0]
    for i in range(1, len(ops)):
        before, op = ops[i - 1], ops[i]
        ended = before.recurrent_kernel is not None and not before.return_sequences
        if ended or op.go_backwards:
            starts.append(i)
    return starts


def activate(x: np.ndarray, activation: Activation, isa: str | None = None) -> np.ndarray:
    """`activation(x)` as a new float32 array of x's shape; those over an axis act over the last one.

    Args:
        x: float32, at least one dimension.
        activation: Native or Python.
        isa: As for `Program`.
    """
    return Program([ActivationOp(activation)], isa).run(x)[0]
