"""The engine's input language: what a layer says of itself when it is lowered.

A row of ops is a chain, each of which reads what the one before gives; `BranchesOp` has rows side by side.

An op is plain data: float32 arrays in Keras' layout and a few words. The engine copies what it keeps but for read-only
memory, so the arrays may be read-only or views, and may change later without any effect on a Program built from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Activation:
    """An activation as the engine runs it.

    Args:
        name: A name of `ACTIVATIONS`, or `python` for `function`.
        parameters: The native function's parameters, all given (see `ACTIVATIONS`).
        function: Only for `python`: takes a float32 array `(rows, units)`, returns one of the same shape.
    """

    name: str
    parameters: tuple[float, ...] = ()
    function: Callable[[np.ndarray], np.ndarray] | None = None


LINEAR = Activation("linear")


@dataclass(frozen=True, eq=False)
class LSTMOp:
    """`(batch, timesteps, features)` to `(batch, timesteps, units)`, or `(batch, units)` without `return_sequences`.

    Args:
        kernel: `(features, 4*units)`, gate blocks i, f, c, o.
        recurrent_kernel: `(units, 4*units)`.
        bias: `(4*units,)` or None.
        activation: Of the candidate and of the cell's output.
        recurrent_activation: Of the gates i, f, o.
        return_sequences: Every step's output instead of the last one's.
        go_backwards: Read the input from its last step to its first; outputs stay in the order of processing.
        zero_output_for_mask: Output 0 at masked steps instead of the output before.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation
    recurrent_activation: Activation
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False


@dataclass(frozen=True, eq=False)
class GRUOp:
    """As LSTMOp, with gate blocks z, r, h and one state.

    Args:
        kernel: `(features, 3*units)`.
        recurrent_kernel: `(units, 3*units)`.
        bias: `(2, 3*units)` with `reset_after` (of the input and of the state), else `(3*units,)`; or None.
        activation: Of the candidate.
        recurrent_activation: Of the gates z, r.
        reset_after: Whether r scales the candidate's product with the state, rather than the state before it.
        return_sequences, go_backwards, zero_output_for_mask: As for LSTMOp.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation
    recurrent_activation: Activation
    reset_after: bool = True
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False


@dataclass(frozen=True, eq=False)
class SimpleRNNOp:
    """As LSTMOp, with `h = activation(x @ kernel + bias + h_prev @ recurrent_kernel)` and one state.

    Args:
        kernel: `(features, units)`.
        recurrent_kernel: `(units, units)`.
        bias: `(units,)` or None.
        activation: Of the output.
        return_sequences, go_backwards, zero_output_for_mask: As for LSTMOp.
    """

    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation
    return_sequences: bool = False
    go_backwards: bool = False
    zero_output_for_mask: bool = False


@dataclass(frozen=True, eq=False)
class EmbeddingOp:
    """`table[ids]`: ids `(batch, timesteps)` to `(batch, timesteps, units)`. Only as the first op of a chain.

    Ids are float32 and truncated towards 0; a negative one counts from the end.

    Args:
        table: `(vocabulary, units)`.
        name: Whose ids they are, for the error when one is not in the table.
    """

    table: np.ndarray
    name: str = "Embedding"


@dataclass(frozen=True, eq=False)
class DenseOp:
    """`activation(x @ kernel + bias)` on the last axis.

    Args:
        kernel: `(features, units)`, or with more axes, of which all but the last are the features in their order.
        bias: `(units,)` or None.
        activation: Of the output.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation = LINEAR


@dataclass(frozen=True, eq=False)
class ActivationOp:
    """An activation on its own; those over an axis act over the last one."""

    activation: Activation


@dataclass(frozen=True, eq=False)
class AffineOp:
    """`(x - center) * scale + shift` on the last axis.

    Args:
        center, scale, shift: `(features,)`.
    """

    center: np.ndarray
    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class LayerNormOp:
    """`(x - mean) / sqrt(variance + epsilon) * scale + shift`, mean and variance over the last axis.

    Args:
        scale, shift: `(features,)`.
        epsilon: Positive.
        root_mean: Whether the mean is left out: `x / sqrt(mean(x**2) + epsilon) * scale + shift`.
    """

    scale: np.ndarray
    shift: np.ndarray
    epsilon: float
    root_mean: bool = False


@dataclass(frozen=True, eq=False)
class ConvolutionOp:
    """`activation(x * kernel + bias)`, the cross-correlation over time.

    Args:
        kernel: `(size, features/groups, units)`.
        bias: `(units,)` or None.
        activation: Of the output.
        stride, dilation, groups: Positive; not both of the first two are above 1.
        padding: `valid`, `same` or `causal`.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation = LINEAR
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: str = "valid"


@dataclass(frozen=True, eq=False)
class PoolOp:
    """The greatest value of every feature in every window over time, or the mean.

    Args:
        size, stride: Positive.
        padding: `valid`, or `same`: windows reach over both ends, where there is nothing.
        greatest: Whether it is the greatest value.
    """

    size: int
    stride: int
    padding: str = "valid"
    greatest: bool = True


@dataclass(frozen=True, eq=False)
class GlobalPoolOp:
    """As PoolOp, of all steps; the mean is of those that are not masked. One step is left, and its axis if kept.

    Args:
        greatest: As for PoolOp.
        keeps_axis: Whether the axis of time stays.
        total: Whether it is the sum, not the mean; then not the greatest value either.
    """

    greatest: bool = True
    keeps_axis: bool = False
    total: bool = False


@dataclass(frozen=True, eq=False)
class StepsOp:
    """Steps repeated, put in the other order, and zeros at the ends: `(batch, timesteps, features)`.

    Args:
        before, after: How many steps of zeros are added; below 0, how many steps are left out.
        size: How often every step comes.
        backwards: Whether the last step comes first.
        from_row: Whether the input `(batch, features)` is the one step.
    """

    before: int = 0
    after: int = 0
    size: int = 1
    backwards: bool = False
    from_row: bool = False


@dataclass(frozen=True, eq=False)
class ReshapeOp:
    """The values in another shape.

    Args:
        axes: Of the input: 3 `(batch, timesteps, features)`, or 2 `(batch, features)`.
        shape: Of the output without the batch: `(features,)` or `(timesteps, features)`; one may be -1.
    """

    axes: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SliceOp:
    """Some of the steps or features, as a Python slice takes them: `(batch, timesteps, features)`.

    Args:
        of_features: Whether of the features, else of the steps.
        start, stop: As of a slice; None for the ends.
    """

    of_features: bool
    start: int | None
    stop: int | None


@dataclass(frozen=True, eq=False)
class FoldOp:
    """Every step as a sequence of its own, for the ops that follow; UnfoldOp is the way back.

    From `(batch, timesteps, steps * width)` it is `timesteps` sequences `(steps, width)` in every row.

    Args:
        width: Positive.
    """

    width: int


@dataclass(frozen=True, eq=False)
class UnfoldOp:
    """What was made of the steps that FoldOp took apart, as steps again, each with all values that became of it."""


@dataclass(frozen=True, eq=False)
class HeadsOp:
    """`(batch, timesteps, heads * width)` as so many sequences `(timesteps, width)`, or back.

    Args:
        heads: Positive.
        back: Whether it is the way back.
    """

    heads: int
    back: bool = False


@dataclass(frozen=True, eq=False)
class PermuteOp:
    """`(batch, timesteps, features)` to `(batch, features, timesteps)`."""


# What becomes of several values: `concatenate` along the last axis, `concatenate_steps` along that of time, `average`
# of any number; the others are taken from left to right.
MERGES = (
    "concatenate",
    "concatenate_steps",
    "average",
    "add",
    "multiply",
    "subtract",
    "divide",
    "maximum",
    "minimum",
)


@dataclass(frozen=True, eq=False)
class MergeOp:
    """Several values as one.

    Args:
        kind: One of `MERGES`. But for the two that concatenate, values of one step, or one feature, are repeated where
            others have more.
        constant: Where there is one value alone: `(timesteps, features)`, repeated likewise, the second value.
        first: Whether the constant is the first one.
    """

    kind: str
    constant: np.ndarray | None = None
    first: bool = False


@dataclass(frozen=True, eq=False)
class ProductOp:
    """The product of the matrices that two values are, `(timesteps, features)` in each row.

    Args:
        transposed: Whether the second one is taken with its axes swapped.
    """

    transposed: bool


@dataclass(frozen=True, eq=False)
class PairsOp:
    """For every step of the first value, as a sequence of its own (see FoldOp): its sums with the second's steps."""


@dataclass(frozen=True, eq=False)
class PlaneConvolutionOp:
    """`activation(x * kernel + bias)`, the cross-correlation over `(batch, rows, columns * channels)`.

    Args:
        kernel: `(rows, columns, channels, units)`.
        bias: `(units,)` or None.
        activation: Of the output.
        strides: Positive.
        padding: `valid` or `same`.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation = LINEAR
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"


@dataclass(frozen=True, eq=False)
class PlanePoolOp:
    """As PoolOp over rows and columns: `(batch, rows, columns * channels)`.

    Args:
        sizes, strides: Positive, of rows and columns.
        channels: Positive.
        padding, greatest: As for PoolOp.
    """

    sizes: tuple[int, int]
    strides: tuple[int, int]
    channels: int
    padding: str = "valid"
    greatest: bool = True


@dataclass(frozen=True, eq=False)
class StateInOp:
    """Reads a state, `(batch, units)`, from which a recurrent op further on begins. It gives nothing.

    Args:
        number: Of the recurrent op, among those of the graph.
        part: 0 for h, 1 for c.
    """

    number: int
    part: int


@dataclass(frozen=True, eq=False)
class StateOutOp:
    """The state of a recurrent op before it at its last step, `(batch, units)`. It reads no value.

    Args:
        number, part: As for StateInOp.
        units: The recurrent op's.
    """

    number: int
    part: int
    units: int


@dataclass(frozen=True, eq=False)
class BranchesOp:
    """Rows of ops that all read the input, and what becomes of what they give.

    Args:
        branches: At least one op each.
        merge: Of what they give.
    """

    branches: tuple[tuple[Op, ...], ...]
    merge: MergeOp


RecurrentOp = LSTMOp | GRUOp | SimpleRNNOp
# Work on every row of features by itself.
RowOp = DenseOp | ActivationOp | AffineOp | LayerNormOp
# Those that have gradients.
TrainableOp = RecurrentOp | EmbeddingOp | DenseOp | ActivationOp
# Give the values that they read, as another shape.
AliasOp = ReshapeOp | FoldOp | UnfoldOp
WindowOp = ConvolutionOp | PoolOp | GlobalPoolOp | PlaneConvolutionOp | PlanePoolOp
MovingOp = StepsOp | SliceOp | HeadsOp | PermuteOp
WholeOp = WindowOp | MovingOp | AliasOp | MergeOp | ProductOp | PairsOp | StateInOp | StateOutOp
Op = RecurrentOp | EmbeddingOp | RowOp | WholeOp | BranchesOp


def works_in_steps(op: Op) -> bool:
    """Return whether the op gives a step for every step that it reads, which depends on no later one."""
    return not isinstance(op, (WholeOp, BranchesOp)) and not (isinstance(op, RecurrentOp) and op.go_backwards)


# Those that a layer's units cannot be taken apart for: over a row, or in Python.
ROW_ACTIVATIONS = {"softmax", "log_softmax", "python"}

# Every native activation with the names of its parameters. The order of the rows is the order of `fl_activation` in
# csrc/fastlstm.h.
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "relu": ("negative_slope", "max_value", "threshold"),
    "elu": ("alpha",),
    "selu": (),
    "celu": ("alpha",),
    "gelu": (),
    "gelu_tanh": (),
    "silu": (),
    "hard_silu": (),
    "mish": (),
    "softplus": (),
    "softsign": (),
    "sigmoid": (),
    "hard_sigmoid": (),
    "hard_sigmoid_keras2": (),
    "sparse_sigmoid": (),
    "log_sigmoid": (),
    "tanh": (),
    "hard_tanh": (),
    "tanh_shrink": (),
    "hard_shrink": ("threshold",),
    "soft_shrink": ("threshold",),
    "squareplus": ("b",),
    "sparse_plus": (),
    "exponential": (),
    "softmax": (),
    "log_softmax": (),
}
