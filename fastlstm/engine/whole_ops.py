"""The ops that read whole sequences, of `ops.py`: windows, and what moves, joins or reshapes values."""

from __future__ import annotations

import numpy as np

from fastlstm.engine.activation import LINEAR, Activation
from fastlstm.records import Record


class ConvolutionOp(Record, eq=False):
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


class PoolOp(Record, eq=False):
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


class GlobalPoolOp(Record, eq=False):
    """As PoolOp, of all steps; the mean is of those that are not masked. One step is left, and its axis if kept.

    Args:
        greatest: As for PoolOp.
        keeps_axis: Whether the axis of time stays.
        total: Whether it is the sum, not the mean; then not the greatest value either.
    """

    greatest: bool = True
    keeps_axis: bool = False
    total: bool = False


class StepsOp(Record, eq=False):
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


class ReshapeOp(Record, eq=False):
    """The values in another shape.

    Args:
        axes: Of the input: 3 `(batch, timesteps, features)`, or 2 `(batch, features)`.
        shape: Of the output without the batch: `(features,)` or `(timesteps, features)`; one may be -1.
    """

    axes: int
    shape: tuple[int, ...]


class SliceOp(Record, eq=False):
    """Some of the steps or features, as a Python slice takes them: `(batch, timesteps, features)`.

    Args:
        of_features: Whether of the features, else of the steps.
        start, stop: As of a slice; None for the ends.
    """

    of_features: bool
    start: int | None
    stop: int | None


class FoldOp(Record, eq=False):
    """Every step as a sequence of its own, for the ops that follow; UnfoldOp is the way back.

    From `(batch, timesteps, steps * width)` it is `timesteps` sequences `(steps, width)` in every row.

    Args:
        width: Positive.
    """

    width: int


class UnfoldOp(Record, eq=False):
    """What was made of the steps that FoldOp took apart, as steps again, each with all values that became of it."""


class HeadsOp(Record, eq=False):
    """`(batch, timesteps, heads * width)` as so many sequences `(timesteps, width)`, or back.

    Args:
        heads: Positive.
        back: Whether it is the way back.
    """

    heads: int
    back: bool = False


class IdsMaskOp(Record, eq=False):
    """A mask for other ops: the steps whose id is not 0. It gives no values."""


class MaskingOp(Record, eq=False):
    """A mask for other ops: the steps whose features do not all equal a value; it gives zeros in place of the others.

    Args:
        value: `(features,)`, or `(1,)` for all of them.
    """

    value: np.ndarray


class PermuteOp(Record, eq=False):
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


class MergeOp(Record, eq=False):
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


class ProductOp(Record, eq=False):
    """The product of the matrices that two values are, `(timesteps, features)` in each row.

    Args:
        transposed: Whether the second one is taken with its axes swapped.
    """

    transposed: bool


class PairsOp(Record, eq=False):
    """For every step of the first value, as a sequence of its own (see FoldOp): its sums with the second's steps."""


class PlaneConvolutionOp(Record, eq=False):
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


class PlanePoolOp(Record, eq=False):
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


class StateInOp(Record, eq=False):
    """Reads a state, `(batch, units)`, from which a recurrent op further on begins. It gives nothing.

    Args:
        number: Of the recurrent op, among those of the graph.
        part: 0 for h, 1 for c.
    """

    number: int
    part: int


class StateOutOp(Record, eq=False):
    """The state of a recurrent op before it at its last step, `(batch, units)`. It reads no value.

    Args:
        number, part: As for StateInOp.
        units: The recurrent op's.
    """

    number: int
    part: int
    units: int


# Give the values that they read, as another shape.
AliasOp = ReshapeOp | FoldOp | UnfoldOp
WindowOp = ConvolutionOp | PoolOp | GlobalPoolOp | PlaneConvolutionOp | PlanePoolOp
MaskOp = IdsMaskOp | MaskingOp
MovingOp = StepsOp | SliceOp | HeadsOp | PermuteOp | MaskOp
WholeOp = WindowOp | MovingOp | AliasOp | MergeOp | ProductOp | PairsOp | StateInOp | StateOutOp
