"""Labels and outputs of connectionist temporal classification, for `make_ctc_goldens.py` and the tests."""

from __future__ import annotations

import numpy as np

COUNT = 60
# Of these, the gradients are kept too.
WITH_GRADIENTS = range(0, COUNT, 4)
# Arguments of `ctc_decode`, but the class of blanks, which is what a case says.
DECODERS = [
    {},
    {"merge_repeated": False},
    {"strategy": "beam_search", "beam_width": 5, "top_paths": 2},
    {"strategy": "beam_search"},
]
OLDER_DECODERS = [{}, {"greedy": False, "beam_width": 4, "top_paths": 2}]


def case(number):
    """Outputs, labels, their lengths, those of the outputs, and the class of blanks.

    Every third case has something else behind the labels than classes, or the blank; labels follow themselves, are
    none at all, and are too many for the steps.
    """
    rng = np.random.default_rng(number)
    batch, steps, classes, labels = (int(n) for n in rng.integers([1, 1, 3, 1], [5, 13, 8, 7]))
    blank = int(rng.integers(-classes, classes))
    x = np.round(rng.uniform(-2, 2, (batch, steps, classes)) * rng.choice([1, 3, 20]), 3).astype("float32")
    target = rng.integers(0, classes - 1, (batch, labels))
    target += target >= blank % classes
    lengths = rng.integers(0, labels + 1, batch)
    if number % 3 == 0:
        behind = int(rng.choice([-1, 0, 99, blank % classes]))
        target = np.where(np.arange(labels) < lengths[:, np.newaxis], target, behind)
    return x, target, lengths, rng.integers(0, steps + 1, batch), blank


def older_case(number):
    """As `case`: probabilities, and labels for which there are steps; the blank is the last class."""
    rng = np.random.default_rng(1000 + number)
    batch, steps, classes = (int(n) for n in rng.integers([1, 2, 3], [5, 13, 8]))
    x = np.exp(rng.uniform(-2, 2, (batch, steps, classes)) * rng.choice([1, 3]))
    taken = rng.integers(1, steps + 1, batch)
    lengths = rng.integers(1, taken + 1)
    target = rng.integers(0, classes - 1, (batch, int(lengths.max())))
    if number % 2:
        # What is no class ends the labels, as does their length.
        target = np.where(np.arange(target.shape[1]) < np.maximum(lengths - 1, 1)[:, np.newaxis], target, 99)
    return np.round(x / x.sum(axis=-1, keepdims=True), 4).astype("float32"), target, lengths, taken
