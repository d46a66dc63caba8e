"""Connectionist temporal classification: the loss of labels of which nobody says at which time steps they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastlstm.losses.differentiable import Pullback, differentiable
from fastlstm.losses.loss import FunctionLoss


@differentiable
def ctc(y_true: Any, y_pred: Any) -> tuple[np.ndarray, Pullback]:
    """The negative logarithm of the probability of labels, over all places where they may stand in time.

    Args:
        y_true: `(batch, labels)`, numbers of classes from 1 on; 0, the blank, stands behind the labels.
        y_pred: `(batch, steps, classes)`, logits, those of the blank first.

    Raises:
        ValueError: With Keras' text, when the shapes are others, or a label is out of range.
    """
    if y_true.ndim != 2:
        raise ValueError(
            "Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in integer format. "
            f"Received: y_true.shape={y_true.shape}"
        )
    if y_pred.ndim != 3:
        raise ValueError(
            "Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, num_classes)`. "
            f"Received: y_pred.shape={y_pred.shape}"
        )
    # Loaded when it is first used: other losses make do without operations.
    from fastlstm.ops.ctc import alignments

    steps = np.full(len(y_pred), y_pred.shape[1])
    aligned = alignments(y_true, y_pred, np.count_nonzero(y_true, axis=-1), steps)
    return aligned.losses(), lambda d_values: aligned.d_logits() * d_values[:, np.newaxis, np.newaxis]


class CTC(FunctionLoss):
    """The loss of labels that stand somewhere in a sequence, from logits; see `ctc`.

    Args:
        reduction, name, dtype: As for `Loss`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(ctc)
