"""Op descriptions → TrainingProgram: a chain that is run with a tape, gives gradients, and takes new weights.

Its products are those of the packed kernels on every instruction set, so that what is trained has the same bits on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import numpy as np

from fastlstm.engine._training import Recording, TrainingExecutor
from fastlstm.engine.lowered import NativeActivation
from fastlstm.engine.lowering import lower_activation, units_of
from fastlstm.engine.ops import (
    Activation,
    ActivationOp,
    DenseOp,
    EmbeddingOp,
    GRUOp,
    LSTMOp,
    Op,
    RecurrentOp,
    TrainableOp,
)
from fastlstm.engine.packing import GROUP, gate_order, plain_order
from fastlstm.engine.program import check_chain, default_isa

States = list[list[np.ndarray] | None] | None


class TrainedMatrix(NamedTuple):
    """Columns of a weight as a matrix of its own.

    Args:
        weight: Name of the op's attribute.
        shape: Of the whole weight.
        order: int32 `(columns,)`: the weight's column that stands where, -1 for one of zeros.
        n: Columns without those of zeros.
        first: Where in a row of gates the first of them stands; see `TrainedOp` in _tape.pxd.
        trainable: Whether its gradient is asked for.
        has_bias: Whether there is a bias that belongs to it,
        bias_shape: of this shape,
        bias_start: in which its values begin here.
    """

    weight: str
    shape: tuple[int, int]
    order: np.ndarray
    n: int
    first: int = 0
    trainable: bool = True
    has_bias: bool = False
    bias_shape: tuple[int, ...] = ()
    bias_start: int = 0

    @property
    def features(self) -> int:
        return self.shape[0]


@dataclass
class TrainedOp:
    """`TrainedOp` of _tape.pxd, before it has memory."""

    kind: str
    trainable: bool
    features: int = 0
    units: int = 0
    stride: int = 0
    block: int = 0
    vocabulary: int = 0
    activation: NativeActivation = field(default_factory=NativeActivation)
    recurrent_activation: NativeActivation = field(default_factory=NativeActivation)
    reset_after: bool = False
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False
    matrices: dict[str, TrainedMatrix] = field(default_factory=dict)
    table: np.ndarray | None = None


class TrainingProgram:
    """A chain of ops that is run again and again while its weights change.

    Args:
        ops: As for `Program`. What counts of their weights are the shapes, until `set_weights`, which takes them.
        trainable: Per op whether the gradients of its weights are asked for; None: all are.
        isa: As for `Program`.

    Raises:
        ValueError: The ops do not fit together, or `isa` is not to be had here.
        NotImplementedError: An op, or an activation that is a Python function, has a gradient that nobody knows.
    """

    def __init__(self, ops: Sequence[Op], trainable: Sequence[bool] | None = None, isa: str | None = None):
        check_chain(ops)
        self._ops = [_trainable(op) for op in ops]
        flags = [True] * len(self._ops) if trainable is None else trainable
        self._executor = TrainingExecutor(
            [_lower(op, flag) for op, flag in zip(self._ops, flags, strict=True)], isa or default_isa()
        )
        self._recurrent = [op for op in self._ops if isinstance(op, RecurrentOp)]
        self.set_weights(ops)

    def set_weights(self, ops: Sequence[Op]) -> None:
        """Take the weights of ops that differ in nothing else from those of this program."""
        self._executor.set_weights([_arrays(op) for op in ops])

    def run(self, x: np.ndarray, mask: np.ndarray | None = None, initial_states: States = None) -> Call:
        """Run the chain and record it.

        Args:
            x, mask, initial_states: As for `Program.run`. Nobody changes x and mask until the gradients are had.

        Raises:
            ValueError: A shape or dtype does not fit.
        """
        shape = np.shape(x)
        ids = isinstance(self._ops[0], EmbeddingOp)
        _check("x", x, np.float32, shape)
        if (self._recurrent and len(shape) != (2 if ids else 3)) or len(shape) < 1 or 0 in shape:
            raise ValueError(f"x of shape {shape} does not fit")
        width = 1 if ids else shape[-1]
        batch, steps = shape[:2] if self._recurrent else (x.size // width, 1)
        if ids:
            self._check_ids(x)
        elif width != self._features(width):
            raise ValueError(f"expected {self._features(width)} features, received x of shape {shape}")
        if mask is not None:
            _check("mask", mask, np.bool_, (batch, steps))
        states = [None] * len(self._recurrent) if initial_states is None else list(initial_states)
        self._check_states("initial_states", states, batch)
        out = np.empty(self._output_shape(shape, ids), np.float32)
        return Call(self, x, out, self._executor.forward(x, out, mask, states, batch, steps, width))

    def _features(self, width: int) -> int:
        """Of a row of the input, `width` if any will do."""
        return next((op.kernel.shape[0] for op in self._ops if not isinstance(op, ActivationOp | EmbeddingOp)), width)

    def _output_shape(self, shape: tuple[int, ...], ids: bool) -> tuple[int, ...]:
        shape = (*shape, 1) if ids else shape
        for op in self._ops:
            if isinstance(op, EmbeddingOp):
                shape = (*shape[:-1], op.table.shape[1])
            elif not isinstance(op, ActivationOp):
                ended = isinstance(op, RecurrentOp) and not op.return_sequences
                shape = (*(shape[:1] if ended else shape[:-1]), units_of(op))
        return shape

    def _check_ids(self, x: np.ndarray) -> None:
        op = cast("EmbeddingOp", self._ops[0])
        vocabulary = len(op.table)
        bad = ~((x > -vocabulary - 1) & (x < vocabulary))
        if bad.any():
            raise ValueError(f"{op.name}: ids must be from {-vocabulary} to {vocabulary - 1}. Received: {x[bad][0]}")

    def _check_states(self, name: str, states: list[Any], batch: int) -> None:
        if len(states) != len(self._recurrent):
            raise ValueError(f"{name}: expected {len(self._recurrent)} entries, received {len(states)}")
        for op, given in zip(self._recurrent, states, strict=True):
            count = 2 if isinstance(op, LSTMOp) else 1
            if given is not None and len(given) != count:
                raise ValueError(f"{name}: expected {count} arrays for an op, received {len(given)}")
            for state in given or ():
                _check(name, state, np.float32, (batch, units_of(op)))


class Call:
    """A recorded call of a `TrainingProgram`.

    Args:
        program: Whose call.
        x: Its input.
        output: What it gave.
        recording: The engine's.
    """

    def __init__(self, program: TrainingProgram, x: np.ndarray, output: np.ndarray, recording: Recording) -> None:
        self._program = program
        self._x = x
        self.output = output
        self._recording = recording

    @property
    def states(self) -> list[list[np.ndarray]]:
        """The states after the last step, per recurrent op a list of new arrays."""
        return self._recording.states()

    def backward(
        self, d_out: np.ndarray | None, d_states: States = None, input_gradient: bool = True
    ) -> tuple[np.ndarray | None, list[list[np.ndarray]], list[dict[str, np.ndarray]]]:
        """Return the gradients; once.

        Args:
            d_out: By the output, float32, C-contiguous; None: zeros.
            d_states: Per recurrent op None or those by its states after the last step; None: zeros.
            input_gradient: Whether that by the input is asked for. By ids there is none.

        Returns:
            `(dx, d_initial_states, gradients)`: dx None where it is not asked for; per recurrent op a list of arrays;
            per op a dict of arrays by the names of its weights, empty if it is not trainable.

        Raises:
            ValueError: A shape or dtype does not fit.
            RuntimeError: The gradients have been had.
        """
        program = self._program
        d_out = np.zeros_like(self.output) if d_out is None else d_out
        _check("d_out", d_out, np.float32, self.output.shape)
        d_states = [None] * len(program._recurrent) if d_states is None else list(d_states)
        program._check_states("d_states", d_states, len(self._x))
        asked = input_gradient and not isinstance(program._ops[0], EmbeddingOp)
        dx = np.empty_like(self._x) if asked else None
        d_initial, gradients = self._recording.backward(d_out, d_states, dx)
        return dx, d_initial, gradients


def _check(name: str, array: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    fits = isinstance(array, np.ndarray) and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
    if not fits or array.shape != shape:
        raise ValueError(
            f"{name}: expected a C-contiguous {np.dtype(dtype).name} array of shape {shape}, received "
            f"{type(array).__name__} of dtype {getattr(array, 'dtype', None)} and shape {np.shape(array)}"
        )


def _trainable(op: Op) -> TrainableOp:
    if not isinstance(op, TrainableOp):
        raise NotImplementedError(f"the gradient of {type(op).__name__} is not known")
    return op


_WEIGHTS = ("kernel", "recurrent_kernel", "bias", "table")


def _arrays(op: Op) -> dict[str, np.ndarray]:
    """The op's weights, as the executor reads them."""
    found = {name: getattr(op, name, None) for name in _WEIGHTS}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in found.items() if array is not None}


def _lower(op: TrainableOp, trainable: bool) -> TrainedOp:
    lowered = TrainedOp(type(op).__name__, trainable)
    for name, value in vars(op).items():
        if isinstance(value, Activation):
            if value.name == "python":
                raise NotImplementedError(f"the gradient of the activation {value.function!r} is not known")
            setattr(lowered, name, lower_activation(value))
        elif isinstance(value, bool):
            setattr(lowered, name, value)
    if isinstance(op, EmbeddingOp):
        lowered.vocabulary, lowered.units = op.table.shape
    if isinstance(op, ActivationOp | EmbeddingOp):
        return lowered
    lowered.features, lowered.units = op.kernel.shape[0], units_of(op)
    lowered.matrices = _gru_matrices(op, trainable) if isinstance(op, GRUOp) else _matrices(op, trainable)
    lowered.block = GROUP if isinstance(op, LSTMOp) and _is_elementwise(op) else lowered.units
    width = max(matrix.first + len(matrix.order) for matrix in lowered.matrices.values())
    if isinstance(op, GRUOp):
        width = max(width, 4 * lowered.units)
    # An odd number of groups, so that the same columns of many rows do not all fall into the same few sets of a cache.
    lowered.stride = (-(-width // GROUP) | 1) * GROUP
    return lowered


def _is_elementwise(op: LSTMOp) -> bool:
    return not {op.activation.name, op.recurrent_activation.name} & {"softmax", "log_softmax"}


def _matrices(op: RecurrentOp | DenseOp, trainable: bool) -> dict[str, TrainedMatrix]:
    columns = op.kernel.shape[1]
    order = gate_order(units_of(op), 4) if isinstance(op, LSTMOp) and _is_elementwise(op) else plain_order(columns)
    order = order.astype(np.int32)
    has_bias = op.bias is not None
    matrices = {"kernel": TrainedMatrix("kernel", op.kernel.shape, order, columns, 0, trainable, has_bias, (columns,))}
    if not isinstance(op, DenseOp):
        shape = op.recurrent_kernel.shape
        matrices["recurrent_kernel"] = TrainedMatrix("recurrent_kernel", shape, order, columns, 0, trainable)
    return matrices


def _gru_matrices(op: GRUOp, trainable: bool) -> dict[str, TrainedMatrix]:
    """Those that csrc/gru_tape.h has the columns for."""
    units, shape = units_of(op), op.recurrent_kernel.shape
    candidate = np.arange(2 * units, 3 * units)
    has_bias, bias_shape = op.bias is not None, (2, 3 * units) if op.reset_after else (3 * units,)

    def matrix(name: str, shape: tuple[int, int], order: np.ndarray, first: int, bias_start: int = -1) -> TrainedMatrix:
        padded = np.pad(order, (0, -len(order) % GROUP), constant_values=-1).astype(np.int32)
        has_own = has_bias and bias_start >= 0
        return TrainedMatrix(name, shape, padded, len(order), first, trainable, has_own, bias_shape, bias_start)

    kernel = matrix("kernel", op.kernel.shape, np.concatenate([candidate, np.arange(2 * units)]), 0, 0)
    if op.reset_after:
        recurrent = matrix("recurrent_kernel", shape, np.arange(3 * units), units, 3 * units)
        return {"kernel": kernel, "recurrent_kernel": recurrent}
    return {
        "kernel": kernel,
        "recurrent_kernel": matrix("recurrent_kernel", shape, np.arange(2 * units), units),
        "candidate_kernel": matrix("recurrent_kernel", shape, candidate, 0),
    }
