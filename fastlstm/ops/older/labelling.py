"""Connectionist temporal classification of an older `keras.backend`: of probabilities, with the blank as last class."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastlstm import ops
from fastlstm.backend import Tensor
from fastlstm.config import epsilon
from fastlstm.ops.ctc import older_decode, older_loss
from fastlstm.ops.older.registry import defined


class SparseTensor(NamedTuple):
    """What TensorFlow calls a sparse tensor, as three arrays.

    Args:
        indices: int64 `(values, axes)`, where the values stand.
        values: `(values,)`.
        dense_shape: int64 `(axes,)`.
    """

    indices: np.ndarray
    values: np.ndarray
    dense_shape: np.ndarray


def _logits(y_pred: Any) -> Any:
    return ops.log(y_pred + epsilon())


@defined
def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """Return the loss of labels of which nobody says where they stand in time `(batch, 1)`.

    Args:
        y_true: Labels `(batch, labels)`; a number that is no label, and all behind it, are left out.
        y_pred: Probabilities `(batch, steps, classes)`, the last class that of blanks.
        input_length, label_length: `(batch, 1)`.
    """
    lengths = (ops.cast(ops.squeeze(length, -1), "int32") for length in (label_length, input_length))
    return ops.expand_dims(older_loss(y_true, _logits(y_pred), *lengths), 1)


@defined
def ctc_decode(y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1) -> Any:
    """Return the labels that probabilities speak of, and their scores; see `fastlstm.ops.ctc_decode`.

    Args:
        y_pred: Probabilities `(batch, steps, classes)`, the last class that of blanks.
        input_length: `(batch,)`.
        greedy: Boolean, whether to take the most probable class of every step; else a beam search is made.
        beam_width, top_paths: How many sequences the search keeps, and returns.

    Returns:
        `(labels, scores)`: a list of an array `(batch, steps)` for each path, with -1 behind the labels, and
        `(batch, paths)`.
    """
    paths = 1 if greedy else top_paths
    strategy = "greedy" if greedy else "beam_search"
    labels, scores = older_decode(_logits(y_pred), input_length, strategy, beam_width, paths)
    return [ops.cast(labels[path], "int64") for path in range(paths)], scores


@defined
def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> SparseTensor:
    """Return labels `(batch, labels)` as a sparse tensor, without what stands behind the lengths `(batch,)`.

    Differs from Keras: the sparse tensor is a tuple of three arrays.
    """
    labels, lengths = np.asarray(labels), np.asarray(label_lengths)
    if labels.ndim != 2 or lengths.shape != labels.shape[:1]:
        raise ValueError(
            "`ctc_label_dense_to_sparse` takes labels of shape `(batch, labels)` and lengths of shape `(batch,)`. "
            f"Received: labels.shape={labels.shape}, label_lengths.shape={lengths.shape}"
        )
    within = np.arange(labels.shape[1]) < lengths[:, np.newaxis]
    made = (np.argwhere(within), labels[within], np.array(labels.shape, np.int64))
    return SparseTensor(*(np.asarray(array).view(Tensor) for array in made))
