"""What the executor takes for each op: `Op` of _structs.pxd in Python, as lowering.py fills it."""

from __future__ import annotations

import numpy as np

from fastlstm.records import Record


class Matrix(Record):
    """A matrix `(features, columns)`: row-major for BLAS, packed as csrc/gemm_packed.h says, or of integers."""

    data: np.ndarray | None
    features: int
    columns: int
    packed: bool
    integers: Integers | None = None


class Integers(Record):
    """What a matrix of integers has in place of `data`: see `IntegerMatrix`."""

    values: np.ndarray
    scales: np.ndarray
    offsets: np.ndarray
    limit: int


class NativeActivation(Record):
    """An activation by its number in csrc/fastlstm.h, with its parameters; the last number has a Python function."""

    kind: int = 0
    parameters: tuple[float, ...] = ()
    function: object = None


class LoweredOp(Record, frozen=False):
    """`Op` of _structs.pxd, with arrays: C-contiguous float32 that nobody else changes.

    Args:
        kind: Name of the op's class.
        fused: Whether the products with the state and the cell update are one kernel.
        name: Whose ids they are, where there is a table.
    """

    kind: str
    features: int = 0
    units: int = 0
    z_width: int = 0
    activation: NativeActivation = NativeActivation()
    recurrent_activation: NativeActivation = NativeActivation()
    kernel: Matrix | None = None
    recurrent_kernel: Matrix | None = None
    candidate_kernel: Matrix | None = None
    bias: np.ndarray | None = None
    recurrent_bias: np.ndarray | None = None
    table: np.ndarray | None = None
    name: str = ""
    center: np.ndarray | None = None
    scale: np.ndarray | None = None
    shift: np.ndarray | None = None
    epsilon: float = 0.0
    root_mean: bool = False
    size: int = 1
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: int = 0
    before: int = 0
    after: int = 0
    backwards: bool = False
    timesteps: int = 1
    merge: int = 0
    state: int = 0
    across: int = 1
    stride_across: int = 1
    channels: int = 0
    total: bool = False
    greatest: bool = False
    fused: bool = False
    finite: bool = False
    reset_after: bool = False
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False
