"""The engine's input language: what a layer says of itself when it is lowered.

A row of ops is a chain, each of which reads what the one before gives; `BranchesOp` has rows side by side.

An op is plain data: float32 arrays in Keras' layout and a few words. The engine copies what it keeps but for read-only
memory, so the arrays may be read-only or views, and may change later without any effect on a Program built from them.
"""

from __future__ import annotations

import numpy as np

from fastlstm.engine.activation import ACTIVATIONS as ACTIVATIONS
from fastlstm.engine.activation import LINEAR as LINEAR
from fastlstm.engine.activation import ROW_ACTIVATIONS as ROW_ACTIVATIONS
from fastlstm.engine.activation import Activation as Activation
from fastlstm.engine.whole_ops import MERGES as MERGES
from fastlstm.engine.whole_ops import AliasOp as AliasOp
from fastlstm.engine.whole_ops import ConvolutionOp as ConvolutionOp
from fastlstm.engine.whole_ops import FoldOp as FoldOp
from fastlstm.engine.whole_ops import GlobalPoolOp as GlobalPoolOp
from fastlstm.engine.whole_ops import HeadsOp as HeadsOp
from fastlstm.engine.whole_ops import IdsMaskOp as IdsMaskOp
from fastlstm.engine.whole_ops import MaskingOp as MaskingOp
from fastlstm.engine.whole_ops import MaskOp as MaskOp
from fastlstm.engine.whole_ops import MergeOp as MergeOp
from fastlstm.engine.whole_ops import MovingOp as MovingOp
from fastlstm.engine.whole_ops import PairsOp as PairsOp
from fastlstm.engine.whole_ops import PermuteOp as PermuteOp
from fastlstm.engine.whole_ops import PlaneConvolutionOp as PlaneConvolutionOp
from fastlstm.engine.whole_ops import PlanePoolOp as PlanePoolOp
from fastlstm.engine.whole_ops import PoolOp as PoolOp
from fastlstm.engine.whole_ops import ProductOp as ProductOp
from fastlstm.engine.whole_ops import ReshapeOp as ReshapeOp
from fastlstm.engine.whole_ops import SliceOp as SliceOp
from fastlstm.engine.whole_ops import StateInOp as StateInOp
from fastlstm.engine.whole_ops import StateOutOp as StateOutOp
from fastlstm.engine.whole_ops import StepsOp as StepsOp
from fastlstm.engine.whole_ops import UnfoldOp as UnfoldOp
from fastlstm.engine.whole_ops import WholeOp as WholeOp
from fastlstm.engine.whole_ops import WindowOp as WindowOp
from fastlstm.records import Record


class LSTMOp(Record, eq=False):
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


class GRUOp(Record, eq=False):
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


class SimpleRNNOp(Record, eq=False):
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


class EmbeddingOp(Record, eq=False):
    """`table[ids]`: ids `(batch, timesteps)` to `(batch, timesteps, units)`. Only as the first op of a chain.

    Ids are float32 and truncated towards 0; a negative one counts from the end.

    Args:
        table: `(vocabulary, units)`.
        name: Whose ids they are, for the error when one is not in the table.
    """

    table: np.ndarray
    name: str = "Embedding"


class DenseOp(Record, eq=False):
    """`activation(x @ kernel + bias)` on the last axis.

    Args:
        kernel: `(features, units)`, or with more axes, of which all but the last are the features in their order.
        bias: `(units,)` or None.
        activation: Of the output.
    """

    kernel: np.ndarray
    bias: np.ndarray | None
    activation: Activation = LINEAR


class ActivationOp(Record, eq=False):
    """An activation on its own; those over an axis act over the last one."""

    activation: Activation


class AffineOp(Record, eq=False):
    """`(x - center) * scale + shift` on the last axis.

    Args:
        center, scale, shift: `(features,)`.
    """

    center: np.ndarray
    scale: np.ndarray
    shift: np.ndarray


class LayerNormOp(Record, eq=False):
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


class BranchesOp(Record, eq=False):
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
Op = RecurrentOp | EmbeddingOp | RowOp | WholeOp | BranchesOp


def works_in_steps(op: Op) -> bool:
    """Return whether the op gives a step for every step that it reads, which depends on no later one."""
    return not isinstance(op, (WholeOp, BranchesOp)) and not (isinstance(op, RecurrentOp) and op.go_backwards)
