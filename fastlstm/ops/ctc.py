"""Connectionist temporal classification: the loss of labels that stand somewhere in time, and the labels found."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm import activations
from fastlstm.memory import require_array
from fastlstm.ops import dtypes
from fastlstm.ops.alignment import ALMOST_NEVER, IMPOSSIBLE, Alignments, Labels
from fastlstm.ops.beam_search import best_labels
from fastlstm.ops.definition import NN, operation
from fastlstm.ops.shapes import Shape

# --- losses ---------------------------------------------------------------------------------------------------------


def _loss_shape(target: Shape, output: Shape, target_length: Shape, output_length: Shape, **parameters: Any) -> Shape:
    if (len(target), len(output)) != (2, 3):
        raise ValueError(
            "CTC takes labels of shape `(batch_size, max_length)` and outputs of shape `(batch_size, max_length, "
            f"num_classes)`. Received: target.shape={target}, output.shape={output}"
        )
    for name, shape in (("target_length", target_length), ("output_length", output_length)):
        if len(shape) != 1:
            raise ValueError(f"`{name}` should be of shape `(batch_size,)`. Received: {name}.shape={shape}")
    pairs = (
        ("target", target, "output", output),
        ("target_length", target_length, "target", target),
        ("output_length", output_length, "output", output),
    )
    for name, shape, other, like in pairs:
        if None not in (shape[0], like[0]) and shape[0] != like[0]:
            raise ValueError(
                f"Arguments `{name}` and `{other}` must have the same first dimension. "
                f"Received shapes: `{shape}` and `{like}`."
            )
    return (target[0],)


def _loss_dtype(target: str, output: str, *lengths: str, **parameters: Any) -> dtypes.Rule:
    return None, dtypes.result_type(output, "float32")


def alignments(
    target: np.ndarray, output: np.ndarray, target_length: np.ndarray, output_length: np.ndarray, mask_index: int = 0
) -> Alignments:
    """Return the alignments of labels with outputs, of which the loss and its gradient are made.

    Args:
        target: `(batch, labels)`, numbers of classes; what stands behind the labels is not looked at.
        output: `(batch, steps, classes)`, logits.
        target_length, output_length: `(batch,)`.
        mask_index: The class of blanks, counted from the last one if negative.

    Raises:
        ValueError: When shapes do not fit, or a number is not of a class.
    """
    target, lengths, steps = map(_integers, (target, target_length, output_length))
    _loss_shape(target.shape, output.shape, lengths.shape, steps.shape)
    classes = output.shape[2]
    blank = _blank(mask_index, classes)
    within = np.arange(target.shape[1]) < lengths[:, np.newaxis]
    wrong = target[within & ((target < 0) | (target >= classes))]
    if wrong.size:
        raise ValueError(f"Received a label value of {wrong[0]} which is outside the valid range of [0, {classes}).")
    # As in Keras: in the order of its classes the blank comes first.
    ordered = np.where(target < blank, target + 1, target) if blank else target
    counted = (ordered >= 0) & (ordered < classes)
    own = np.where(counted, np.where(ordered == 0, blank, ordered - (ordered <= blank)), 0)
    labels = Labels(own, counted, counted & (ordered > 0), ordered[:, 1:] == ordered[:, :-1], lengths, blank,
                    ALMOST_NEVER)  # fmt: skip
    return _alignments(output, steps, labels)


def _alignments(output: np.ndarray, steps: np.ndarray, labels: Labels) -> Alignments:
    # Twice the states of each step, in float64.
    require_array((4, output.shape[1], *labels.classes.shape, 2), "CTC")
    return Alignments(output, steps, labels)


def _blank(mask_index: Any, classes: int) -> int:
    """The class of blanks, counted from the first."""
    if mask_index is None:
        return classes - 1
    if not isinstance(mask_index, (int, np.integer)) or not -classes <= mask_index < classes:
        raise ValueError(
            f"`mask_index` is expected to be an integer between {-classes} and {classes - 1}. "
            f"Received: mask_index={mask_index!r:.100}"
        )
    return int(mask_index) % classes


@operation("ctc_loss", "target output target_length output_length", class_name="CTCLoss", module=NN,
           shape=_loss_shape, dtype=_loss_dtype)  # fmt: skip
def _ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Return the negative logarithms of the probabilities of labels `(batch,)`, over all places in time.

    Args:
        target: Labels `(batch, max_labels)`, what stands behind `target_length` of them is not looked at.
        output: Logits `(batch, steps, classes)`.
        target_length, output_length: `(batch,)`.
        mask_index: The class of blanks.

    As in Keras on TensorFlow, labels for which there is not time enough have a loss of about 700.
    """
    return alignments(target, _floats(output), target_length, output_length, mask_index).losses()


def _integers(x: Any) -> np.ndarray:
    # What is no number is one that is out of range.
    with np.errstate(invalid="ignore"):
        return np.asarray(x).astype(np.int64)


def _floats(x: np.ndarray) -> np.ndarray:
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)


def older_alignments(
    target: np.ndarray, output: np.ndarray, target_length: np.ndarray, output_length: np.ndarray
) -> Alignments:
    """Return the alignments as older Kerases count them: blanks are the last class, and what is not a label before it
    ends the labels.

    Args:
        target, output, target_length, output_length: As for `alignments`.

    Raises:
        ValueError: When shapes do not fit, a label is of no class, or there are more labels than steps, or none.
    """
    target, lengths, steps = map(_integers, (target, target_length, output_length))
    _loss_shape(target.shape, output.shape, lengths.shape, steps.shape)
    blank, width = output.shape[2] - 1, target.shape[1]
    _check_steps(steps, output.shape[1])
    within = np.arange(width) < lengths[:, np.newaxis]
    null = target >= blank
    ended = np.logical_or.accumulate(null, axis=1)
    problems = (
        (lengths <= 0, "Labels length is zero in batch {}"),
        ((within & ended & ~null).any(axis=1),
         "Saw a non-null label (index >= num_classes - 1) following a null label, batch: {}"),
        ((within & (target < 0)).any(axis=1), "All labels must be nonnegative integers, batch: {}"),
        (within.sum(axis=1) > steps, "Not enough time for target transition sequence, batch: {}"),
    )  # fmt: skip
    for found, text in problems:
        if found.any():
            row = int(np.argmax(found))
            sizes = f"labels: {target[row][within[row]].tolist()!s:.200}, steps: {steps[row]}"
            raise ValueError(f"{text.format(row)} {sizes}, num_classes: {output.shape[2]}")
    real = within & ~ended
    labels = Labels(np.where(real, target, 0), real, real, target[:, 1:] == target[:, :-1], real.sum(axis=1), blank,
                    IMPOSSIBLE)  # fmt: skip
    return _alignments(output, steps, labels)


@operation(None, "target output target_length output_length", class_name="OlderCTCLoss", module=NN,
           shape=_loss_shape, dtype=_loss_dtype)  # fmt: skip
def older_loss(target: Any, output: Any, target_length: Any, output_length: Any) -> Any:
    """Return the losses of labels by logits as older Kerases do, infinite where there is no time for repeated ones."""
    return older_alignments(target, _floats(output), target_length, output_length).losses()


# --- labels ---------------------------------------------------------------------------------------------------------


def _decoded_shape(inputs: Shape, lengths: Shape, strategy: str = "greedy", top_paths: int = 1, **others: Any) -> Any:
    if len(inputs) != 3 or len(lengths) != 1:
        raise ValueError(
            "`ctc_decode` takes inputs of shape `(batch_size, max_length, num_classes)` and lengths of shape "
            f"`(batch_size,)`. Received: inputs.shape={inputs}, sequence_lengths.shape={lengths}"
        )
    if strategy not in ("greedy", "beam_search"):
        raise ValueError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")
    paths = 1 if strategy == "greedy" else _positive("top_paths", top_paths)
    return (paths, *inputs[:2]), (inputs[0], paths)


def _positive(name: str, number: Any) -> int:
    if not isinstance(number, (int, np.integer)) or number < 1:
        raise ValueError(f"`{name}` should be a positive integer. Received: {name}={number!r:.100}")
    return int(number)


def _decoded_dtype(inputs: str, lengths: str, **parameters: Any) -> dtypes.Rule:
    return None, ("int32", dtypes.result_type(inputs, "float32"))


@operation("ctc_decode", "inputs sequence_lengths", class_name="CTCDecode", module=NN, shape=_decoded_shape,
           dtype=_decoded_dtype)  # fmt: skip
def _ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> Any:
    """Return the labels that logits speak of, and their scores.

    Args:
        inputs: Logits `(batch, steps, classes)`.
        sequence_lengths: `(batch,)`.
        strategy: `"greedy"` takes the most probable class of every step, `"beam_search"` looks for the most probable
            labels over all places in time.
        beam_width: How many sequences a beam search keeps.
        top_paths: How many it returns.
        merge_repeated: Boolean, whether greedy decoding takes a class that is repeated with no blank between for one.
        mask_index: The class of blanks, None for the last one.

    Returns:
        `(labels, scores)`, of shapes `(paths, batch, steps)`, with -1 behind the labels, and `(batch, paths)`: the
        logarithms of probabilities, or of a greedy strategy the negative sums of the greatest logits.

    Differs from Keras: a negative `mask_index` counts from the last class in a beam search too.
    """
    inputs, lengths = _floats(inputs), _integers(sequence_lengths)
    _check_lengths(inputs, lengths, strategy)
    blank = _blank(mask_index, inputs.shape[2])
    if strategy == "greedy":
        return greedy(inputs, lengths, blank, merge_repeated)
    return beams(inputs, lengths, blank, beam_width, top_paths, False)


def _check_lengths(inputs: np.ndarray, lengths: np.ndarray, strategy: str) -> None:
    _decoded_shape(inputs.shape, lengths.shape, strategy)
    if len(lengths) != len(inputs):
        raise ValueError(f"There are {len(lengths)} sequence lengths for {len(inputs)} samples.")
    if not inputs.shape[2]:
        raise ValueError(f"There are no classes. Received: inputs.shape={inputs.shape}")
    _check_steps(lengths, inputs.shape[1])


def _check_steps(lengths: np.ndarray, steps: int) -> None:
    wrong = (lengths < 0) | (lengths > steps)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"sequence_length({row}) is {lengths[row]}, expected 0 to {steps}")


def greedy(inputs: np.ndarray, lengths: np.ndarray, blank: int, merge_repeated: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels `(1, batch, steps)` of the greatest logits, and the scores `(batch, 1)`."""
    batch, steps, _ = inputs.shape
    within = np.arange(steps) < lengths[:, np.newaxis]
    found = inputs.argmax(axis=2)
    taken = within & (found != blank)
    if merge_repeated:
        taken[:, 1:] &= found[:, 1:] != found[:, :-1]
    decoded = np.full((1, batch, steps), -1, np.int32)
    places = taken.cumsum(axis=1) - 1
    rows = np.nonzero(taken)[0]
    decoded[0, rows, places[taken]] = found[taken]
    greatest = inputs.max(axis=2, initial=-np.inf)
    return decoded, -np.where(within, greatest, 0).astype(inputs.dtype).sum(axis=1, keepdims=True)


def beams(
    inputs: np.ndarray, lengths: np.ndarray, blank: int, beam_width: int, top_paths: int, merge_repeated: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels `(top_paths, batch, steps)` that a beam search finds, and the scores `(batch, top_paths)`.

    Args:
        inputs: Logits `(batch, steps, classes)`.
        lengths: `(batch,)`, of as many steps at most.
        blank: The class of blanks.
        beam_width, top_paths: Integers.
        merge_repeated: Whether labels that follow themselves are taken out of what was found.

    Raises:
        ValueError: When there are fewer sequences than are asked for.
    """
    if _positive("top_paths", top_paths) > _positive("beam_width", beam_width):
        raise ValueError(
            f"Requested more paths than the beam width. Received: top_paths={top_paths}, beam_width={beam_width}"
        )
    batch, steps, _ = inputs.shape
    require_array((top_paths, batch, steps), "`ctc_decode`")
    decoded = np.full((top_paths, batch, steps), -1, np.int32)
    scores = np.empty((batch, top_paths), inputs.dtype)
    log_p = np.asarray(activations.log_softmax(inputs)).astype(inputs.dtype, copy=False)
    for row, length in enumerate(lengths.tolist()):
        found, logs = best_labels(log_p[row, :length], blank, beam_width, top_paths)
        if len(found) < top_paths:
            raise ValueError(f"Less leaves in the beam search than requested: {len(found)} of {top_paths}.")
        scores[row] = logs
        for path, labels in enumerate(found):
            if merge_repeated:
                labels = [label for label, before in zip(labels, [-1, *labels], strict=False) if label != before]
            decoded[path, row, : len(labels)] = labels
    return decoded, scores


@operation(None, "inputs sequence_lengths", class_name="OlderCTCDecode", module=NN, shape=_decoded_shape,
           dtype=_decoded_dtype)  # fmt: skip
def older_decode(
    inputs: Any, sequence_lengths: Any, strategy: str = "greedy", beam_width: int = 100, top_paths: int = 1
) -> Any:
    """Return what `ctc_decode` does; blanks are the last class, and in no result a label follows itself."""
    inputs, lengths = _floats(inputs), _integers(sequence_lengths)
    _check_lengths(inputs, lengths, strategy)
    if strategy == "greedy":
        return greedy(inputs, lengths, inputs.shape[2] - 1, True)
    return beams(inputs, lengths, inputs.shape[2] - 1, beam_width, top_paths, True)
