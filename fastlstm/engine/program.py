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

from fastlstm.engine._engine import Executor, kernel_names
from fastlstm.engine.ops import ACTIVATIONS, Activation, ActivationOp, DenseOp, LSTMOp, Op
from fastlstm.engine.packing import lstm_order, pack, plain_order

# `auto` takes for each op what measured faster; `blas` is SciPy's, `packed` the kernels of csrc/gemm_packed.h.
BACKENDS = ("auto", "blas", "packed")


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
        super().__init__([_lower(op, isa, backend) for op in ops], _stages(ops), isa)


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
        if isinstance(op, LSTMOp):
            if ended:
                raise ValueError("A recurrent op needs a sequence, but one before it does not return sequences.")
            ended = not op.return_sequences
        features = op.kernel.shape[0]
        if units is not None and features != units:
            raise ValueError(f"{type(op).__name__} expects {features} features, but the op before gives {units} units.")
        units = op.recurrent_kernel.shape[0] if isinstance(op, LSTMOp) else op.kernel.shape[1]
        columns = 4 * units if isinstance(op, LSTMOp) else units
        shapes = {"kernel": (features, columns), "bias": (columns,), "recurrent_kernel": (units, columns)}
        for name, shape in shapes.items():
            array = getattr(op, name, None)
            if array is not None and (array.shape != shape or 0 in shape):
                raise ValueError(f"{type(op).__name__}: {name} must have shape {shape}, received {array.shape}.")


def _stages(ops: list[Op]) -> list[int]:
    """Index of the first op of every stage."""
    starts = [0]
    for i in range(1, len(ops)):
        before, op = ops[i - 1], ops[i]
        ended = isinstance(before, LSTMOp) and not before.return_sequences
        if ended or (isinstance(op, LSTMOp) and op.go_backwards):
            starts.append(i)
    return starts


def _lower(op: Op, isa: str, backend: str) -> dict:
    """The op as the executor takes it: weights copied or packed, activations as numbers."""
    lowered: dict = {"kind": type(op).__name__}
    for name, value in vars(op).items():
        if isinstance(value, Activation):
            lowered[name] = _activation(value)
        elif isinstance(value, bool):
            lowered[name] = value
    if isinstance(op, ActivationOp):
        return lowered
    packed = _is_packed(op, isa, backend)
    weights = {name: value for name, value in vars(op).items() if isinstance(value, np.ndarray)}
    columns = op.kernel.shape[1]
    units = columns // 4 if isinstance(op, LSTMOp) else columns
    if packed:
        order = lstm_order(units) if isinstance(op, LSTMOp) else plain_order(units)
        weights.setdefault("bias", np.zeros(columns, np.float32))
        weights = {name: pack(value, order) for name, value in weights.items()}
        columns = len(order) if isinstance(op, LSTMOp) else units
    else:
        weights = {name: np.array(value, dtype=np.float32, order="C") for name, value in weights.items()}
    sizes = {"packed": packed, "features": op.kernel.shape[0], "units": units, "columns": columns}
    return {"bias": None, **lowered, **weights, **sizes}


def _is_packed(op: LSTMOp | DenseOp, isa: str, backend: str) -> bool:
    """Whether the op's products run on the packed kernels.

    They are ahead of BLAS wherever the CPU has fused multiply-adds (measured by `python -m bench`). Activations of a
    whole row or of Python's do not fit into their cell update.
    """
    if backend == "blas" or (backend == "auto" and isa == "scalar"):
        return False
    if isinstance(op, DenseOp):
        return True
    return not {op.activation.name, op.recurrent_activation.name} & {"softmax", "log_softmax", "python"}


_KINDS = {name: kind for kind, name in enumerate(ACTIVATIONS)}


def _activation(activation: Activation) -> tuple[int, tuple[float, ...], object]:
    """`(kind, parameters, function)`, kind as in csrc/fastlstm.h."""
    if activation.name == "python":
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
