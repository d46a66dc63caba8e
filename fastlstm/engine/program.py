"""Op descriptions → Program: what is checked, copied and decided once, when the weights are set.

A Program is a chain of ops cut into stages. Inside a stage every op works on the same chunk of time steps before the
next chunk is read, so that what passes between layers stays in cache. A new stage begins where an op needs the whole
sequence before its first step (`go_backwards`), or where the sequence has ended (a recurrent op without
`return_sequences`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from fastlstm.engine._engine import Executor, get_num_threads
from fastlstm.engine._op_list import kernel_names
from fastlstm.engine.description import describe_ops, describe_sharing
from fastlstm.engine.ops import (
    ACTIVATIONS,
    LINEAR,
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
from fastlstm.engine.packing import GRU_PANEL, PANEL, Obtain, Packing, gate_order, obtain, pack, plain_order

# `auto` takes for each op what measured faster; `blas` is SciPy's, `packed` the kernels of csrc/gemm_packed.h.
BACKENDS = ("auto", "blas", "packed")

# Rows from which on threads share a batch: with fewer, every one of them would read all weights for few.
ENOUGH_ROWS = 8
# Recurrent weights of a thread, times rows, from which on threads that share every layer's units, and meet after every
# step, are faster than one; and faster than threads that share the layers (`python -m bench --threads 2`). A meeting
# takes from 0.1 to 0.9 us, as the cores are near each other or not, and where they are virtual that changes.
SHARED_STEP, LONG_SHARED_STEP = 16_000, 60_000


class Program(Executor):
    """An immutable, thread-safe chain of ops with its own copy of the weights.

    Args:
        ops: At least one op; each one's features equal the units of the one before.
        isa: Name of the kernels to use, one of `kernel_names()`. Default: the environment's `FASTLSTM_ISA`, else the
            best that this CPU runs.
        backend: Of the products, one of `BACKENDS`. Default: the environment's `FASTLSTM_BACKEND`, else "auto".

    Raises:
        ValueError: The ops do not fit together, or `isa` or `backend` is not to be had here.
    """

    def __init__(self, ops: Sequence[Op], isa: str | None = None, backend: str | None = None):
        ops = list(ops)
        _check_chain(ops)
        isa, backend = isa or default_isa(), backend or default_backend()
        recurrent = [op for op in ops if isinstance(op, RecurrentOp)]
        ops, lowered = _lower_chain(ops, isa, backend, obtain)
        self._n_recurrent = len(recurrent)
        shares_units = bool(recurrent) and all(
            taken["kind"] == "LSTMOp" and taken["fused"] for taken in lowered if "recurrent_kernel" in taken
        )
        # Of a layer, on average; 0 where its units cannot be shared.
        self._recurrent_weights = (
            sum(op.recurrent_kernel.size for op in recurrent) // len(recurrent) if shares_units else 0
        )
        for op, taken in zip(ops, lowered, strict=True):
            if isinstance(op, LSTMOp) and taken["fused"]:
                taken["finite"] = _is_finite(op.recurrent_kernel)
        super().__init__(lowered, _stages(ops), isa)
        self._description = describe_ops(lowered, _stages(ops), isa)

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
    _check_chain(ops)

    def record(packing: Packing) -> np.ndarray:
        found.append(packing)
        return np.empty(0, np.float32)

    _lower_chain(ops, default_isa(), require_packed(), record)
    return found


def require_packed() -> str:
    """Return the name of the backend, which packs weights.

    Raises:
        ValueError: Programs have their products from BLAS here, which packs nothing.
    """
    isa, backend = default_isa(), default_backend()
    if not _packs(isa, backend):
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


def _check_chain(ops: list[Op]) -> None:
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
        if units is not None and op.kernel.shape[0] != units:
            raise ValueError(
                f"{type(op).__name__} expects {op.kernel.shape[0]} features, but the op before gives {units} units."
            )
        units = _units(op)


def _check_shapes(op: RecurrentOp | DenseOp) -> None:
    columns = _BLOCKS[type(op)] * _units(op)
    two_biases = isinstance(op, GRUOp) and op.reset_after
    expected = {"kernel": (op.kernel.shape[0], columns), "bias": (2, columns) if two_biases else (columns,)}
    if isinstance(op, RecurrentOp):
        expected["recurrent_kernel"] = (_units(op), columns)
    for name, shape in expected.items():
        array = getattr(op, name)
        if array is not None and (array.shape != shape or 0 in shape):
            raise ValueError(f"{type(op).__name__}: {name} must have shape {shape}, received {array.shape}.")


# Blocks of `units` columns in a kernel.
_BLOCKS = {LSTMOp: 4, GRUOp: 3, SimpleRNNOp: 1, DenseOp: 1}


def _units(op: RecurrentOp | DenseOp) -> int:
    return op.recurrent_kernel.shape[0] if isinstance(op, RecurrentOp) else op.kernel.shape[1]


def _stages(ops: list[Op]) -> list[int]:
    """Index of the first op of every stage."""
    starts = [0]
    for i in range(1, len(ops)):
        before, op = ops[i - 1], ops[i]
        ended = isinstance(before, RecurrentOp) and not before.return_sequences
        if ended or (isinstance(op, RecurrentOp) and op.go_backwards):
            starts.append(i)
    return starts


def _takes_table(ops: list[Op]) -> bool:
    """Whether the first layer's projection is looked up, for every id, rather than computed for every step.

    Where the table of all projections is no larger than the kernel and costs no more than as many steps.
    """
    return (
        len(ops) > 1
        and isinstance(ops[0], EmbeddingOp)
        and isinstance(ops[1], RecurrentOp)
        and (ops[0].table.shape[0] <= ops[0].table.shape[1])
    )


def _lower_chain(ops: list[Op], isa: str, backend: str, obtain: Obtain) -> tuple[list[Op], list[dict]]:
    """The ops that are run, and what the executor takes for each."""
    if not _takes_table(ops):
        return ops, [_lower(op, isa, backend, obtain) for op in ops]
    embedding, first, *others = ops
    lowered = _lower(first, isa, backend, obtain, embedding)
    return ops[1:], [lowered, *(_lower(op, isa, backend, obtain) for op in others)]


def _lower(op: Op, isa: str, backend: str, obtain: Obtain, embedding: EmbeddingOp | None = None) -> dict:
    """The op as the executor takes it: weights copied or packed, activations as numbers.

    With an embedding, its projection is looked up: the op takes ids.
    """
    lowered: dict = {"kind": type(op).__name__}
    if isinstance(op, EmbeddingOp):
        lowered["activation"] = _activation(LINEAR)
        return lowered | {"table": _unchanging(op.table), "units": op.table.shape[1], "name": op.name}
    for name, value in vars(op).items():
        if isinstance(value, Activation):
            lowered[name] = _activation(value)
        elif isinstance(value, bool):
            lowered[name] = value
    if isinstance(op, ActivationOp):
        return lowered
    packed, columns = _packs(isa, backend), op.kernel.shape[1]
    bias = np.zeros(columns, np.float32) if op.bias is None else np.array(op.bias, np.float32)
    interleaved = isinstance(op, LSTMOp) and packed and _is_elementwise(op)
    order = gate_order(_units(op), 4) if interleaved else np.arange(columns)
    lowered |= {"features": op.kernel.shape[0], "units": _units(op), "z_width": len(order)}
    if isinstance(op, LSTMOp):
        lowered["fused"] = interleaved
    if isinstance(op, GRUOp):
        lowered |= _lower_gru(op, bias, packed, obtain)
        bias = lowered["bias"]
    elif interleaved:
        lowered |= {"recurrent_kernel": _gates(op.recurrent_kernel, order, obtain), "bias": pack(bias, order)}
    elif isinstance(op, RecurrentOp):
        lowered |= {"recurrent_kernel": _matrix(op.recurrent_kernel, packed, obtain), "bias": bias}
    else:
        lowered["bias"] = bias
    if embedding is not None:
        table = _projections(op, bias, order, lowered.get("fused", False), embedding, isa, backend)
        return lowered | {"table": obtain(table) if packed else table.make(), "name": embedding.name}
    kernel = _gates(op.kernel, order, obtain) if interleaved else _matrix(op.kernel, packed, obtain)
    return lowered | {"kernel": kernel}


def _packs(isa: str, backend: str) -> bool:
    """The packed kernels are ahead of BLAS wherever the CPU has fused multiply-adds (`python -m bench`)."""
    return backend == "packed" or (backend == "auto" and isa != "scalar")


def _is_finite(array: np.ndarray) -> bool:
    """Whether no value is infinite or NaN. Both ends are NaN if one value is; no array of booleans is made."""
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _unchanging(array: np.ndarray) -> np.ndarray:
    """float32, C-contiguous: the array itself where its memory is read-only, as a layer's weights are, else a copy."""
    owner = array if array.base is None else array.base
    if not array.flags.writeable:
        with suppress(TypeError):  # an owner without a buffer, which does not say
            if memoryview(owner).readonly:
                return np.require(array, np.float32, "C")
    return np.array(array, np.float32, order="C")


def _projections(
    op: RecurrentOp, bias: np.ndarray, order: np.ndarray, fused: bool, embedding: EmbeddingOp, isa: str, backend: str
) -> Packing:
    """`embedding @ kernel + bias`, its columns in `order`: the same sums as for every step, so the same bits."""

    def make() -> np.ndarray:
        kernel, ordered_bias = (np.where(order < 0, 0, array[..., order]) for array in (op.kernel, bias))
        program = Program([DenseOp(kernel, ordered_bias)], isa, backend)
        return program.run(np.array(embedding.table, np.float32, order="C"))[0]

    sources = (embedding.table, op.kernel) if op.bias is None else (embedding.table, op.kernel, op.bias)
    return Packing("projected, fused" if fused else "projected", sources, (len(embedding.table), len(order)), make)


def _matrix(
    weights: np.ndarray, packed: bool, obtain: Obtain, first: int = 0, last: int | None = None
) -> tuple[np.ndarray, int, int, bool]:
    """Columns first … last of the weights, as they are."""
    matrix = weights[:, first:last]
    rows, columns = matrix.shape
    if not packed:
        return np.array(matrix, np.float32, order="C"), rows, columns, False
    order = plain_order(columns)
    form = f"columns {first} to {first + columns}"
    return obtain(Packing(form, (weights,), (rows * len(order),), lambda: pack(matrix, order))), rows, columns, True


def _gates(
    matrix: np.ndarray, order: np.ndarray, obtain: Obtain, panel: int = PANEL
) -> tuple[np.ndarray, int, int, bool]:
    """Weights for `lstm_step_forward` or `gru_step_forward`, whose columns are interleaved by gate."""
    rows, columns = len(matrix), len(order)
    data = obtain(Packing(f"gates by {panel}", (matrix,), (rows * columns,), lambda: pack(matrix, order, panel)))
    return data, rows, columns, True


def _is_elementwise(op: LSTMOp | GRUOp) -> bool:
    """Whether the cell update may run on a few units at a time."""
    return not {op.activation.name, op.recurrent_activation.name} & {"softmax", "log_softmax", "python"}


def _lower_gru(op: GRUOp, bias: np.ndarray, packed: bool, obtain: Obtain) -> dict:
    gates = 2 * _units(op)
    if not op.reset_after:
        kernels = {
            "recurrent_kernel": _matrix(op.recurrent_kernel, packed, obtain, 0, gates),
            "candidate_kernel": _matrix(op.recurrent_kernel, packed, obtain, gates),
        }
        return {"fused": False, "bias": bias, "recurrent_bias": np.zeros_like(bias), **kernels}
    bias, recurrent_bias = np.zeros((2, bias.shape[-1]), np.float32) if op.bias is None else bias.copy()
    if not packed or not _is_elementwise(op):
        kernel = _matrix(op.recurrent_kernel, packed, obtain)
        return {"fused": False, "bias": bias, "recurrent_bias": recurrent_bias, "recurrent_kernel": kernel}
    bias[:gates] += recurrent_bias[:gates]
    kernel = _gates(op.recurrent_kernel, gate_order(_units(op), 3), obtain, GRU_PANEL)
    return {"fused": True, "bias": bias, "recurrent_bias": recurrent_bias[gates:].copy(), "recurrent_kernel": kernel}


_KINDS = {name: kind for kind, name in enumerate(ACTIVATIONS)}


def _activation(activation: Activation) -> tuple[int, tuple[float, ...], object]:
    """`(kind, parameters, function)`, kind as in csrc/fastlstm.h."""
    if activation.name == "python":
        if not callable(activation.function):
            raise ValueError(f"Activation 'python' needs a function, received {activation.function!r}.")
        return len(ACTIVATIONS), (), activation.function
    if activation.name not in ACTIVATIONS:
        raise ValueError(f"The engine has no activation {activation.name!r}; it has {', '.join(ACTIVATIONS)}.")
    if len(activation.parameters) != len(ACTIVATIONS[activation.name]):
        raise ValueError(f"Activation {activation.name!r} takes the parameters {ACTIVATIONS[activation.name]}.")
    return _KINDS[activation.name], activation.parameters, None


def activate(x: np.ndarray, activation: Activation, isa: str | None = None) -> np.ndarray:
    """`activation(x)` as a new float32 array of x's shape; those over an axis act over the last one.

    Args:
        x: float32, at least one dimension.
        activation: Native or Python.
        isa: As for `Program`.
    """
    return Program([ActivationOp(activation)], isa).run(x)[0]
