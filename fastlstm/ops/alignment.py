"""The alignments of labels with time steps that connectionist temporal classification sums over (Graves et al., 2006).

A label stands at one step or several in a row, blanks between labels, and between two equal ones at least one blank.
The states of a sequence of n labels are 2n + 1: blank, label, blank, … label, blank.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from fastlstm import activations
from fastlstm.engine.ops import Activation, ActivationOp
from fastlstm.engine.program import Program

# In place of the logarithm of 0.
IMPOSSIBLE = -1e30
# What Keras takes for the logarithm of 0 where an alignment may begin and end: it gives labels for which there is no
# time a large loss, and not an infinite one.
ALMOST_NEVER = float(np.float32(np.log(1e-307)))


class Labels(NamedTuple):
    """Sequences of labels.

    Args:
        classes: int array `(batch, labels)`, the class of each.
        counted: Boolean array, whether it is one: what is none is as probable as can be, whatever the outputs are.
        returned: Boolean array, whether the class gets the gradient.
        repeated: Boolean array `(batch, labels - 1)`, whether the next one is the same.
        lengths: int array `(batch,)`.
        blank: The class of blanks.
        never: The logarithm of the probability to begin in the midst of the labels, or to end there.
    """

    classes: np.ndarray
    counted: np.ndarray
    returned: np.ndarray
    repeated: np.ndarray
    lengths: np.ndarray
    blank: int
    never: float


class Alignments:
    """All alignments of each sequence of labels with the outputs of a network.

    Args:
        logits: float32 or float64 array `(batch, steps, classes)`.
        steps: int array `(batch,)`, how many steps count.
        labels: The labels.
    """

    def __init__(self, logits: np.ndarray, steps: np.ndarray, labels: Labels) -> None:
        self._dtype = logits.dtype
        self._log_p = _log_softmax(logits)
        self._counts = np.arange(logits.shape[1]) < steps[:, np.newaxis]
        self._labels = labels
        batch, number = labels.classes.shape
        # (steps, batch, states)
        self._seen = np.empty((logits.shape[1], batch, 2 * number + 1))
        self._seen[:, :, ::2] = self._log_p[:, :, labels.blank].T[:, :, np.newaxis]
        of_labels = np.take_along_axis(self._log_p, labels.classes[:, np.newaxis], 2)
        self._seen[:, :, 1::2] = np.where(labels.counted, of_labels.transpose(1, 0, 2), 0)
        np.maximum(self._seen, IMPOSSIBLE, out=self._seen)
        # From a label to the next one, with no blank between.
        self._skips = np.where(labels.repeated, IMPOSSIBLE, 0.0)
        self._after: np.ndarray | None = None

    def losses(self) -> np.ndarray:
        """Return the negative logarithms of the probabilities of the labels `(batch,)`."""
        none = np.where(self._labels.lengths == 0, 0.0, self._labels.never)
        if not len(self._seen):
            return _negative(none, self._dtype)
        # An alignment begins with the first blank or the first label.
        first = (self._walk_back()[0] + self._seen[0])[:, :2]
        log_p = self._sum(first[:, :1], first[:, 1:])[:, 0] if first.shape[1] > 1 else first[:, 0]
        return _negative(np.where(self._counts[:, 0], log_p, none), self._dtype)

    def d_logits(self) -> np.ndarray:
        """Return the gradients of the losses by the logits, as a new array; 0 at steps that do not count."""
        after, states = self._walk_back(), np.empty_like(self._seen)
        now = np.full(self._seen.shape[1:], self._labels.never)
        for step, seen in enumerate(self._seen):
            before = now
            now = before.copy()
            now[:, 1:] = self._sum(before[:, 1:], before[:, :-1])
            now[:, 3::2] = self._sum(now[:, 3::2], before[:, 1:-2:2] + self._skips)
            if step == 0:
                now[:, :2] = self._sum(now[:, :2], np.zeros_like(now[:, :2]))
            now += seen
            np.add(now, after[step], out=states[step])
        return self._by_class(_shares(states, self._dtype))

    def _walk_back(self) -> np.ndarray:
        """The logarithms of the probabilities of what comes after each step, given its state; found once."""
        if self._after is None:
            states = np.arange(self._seen.shape[2])
            ends = (2 * self._labels.lengths)[:, np.newaxis]
            last = np.where((states == ends) | ((states == ends - 1) & (ends > 0)), 0.0, self._labels.never)
            self._after = np.empty_like(self._seen)
            self._after[-1] = now = last
            for step in range(len(self._seen) - 1, 0, -1):
                ahead = now + self._seen[step]
                now = ahead.copy()
                now[:, :-1] = self._sum(ahead[:, :-1], ahead[:, 1:])
                now[:, 1:-2:2] = self._sum(now[:, 1:-2:2], ahead[:, 3::2] + self._skips)
                self._after[step - 1] = now = np.where(self._counts[:, step, np.newaxis], now, last)
        return self._after

    def _sum(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """`log(exp(a) + exp(b))`; the engine's softplus has the same bits on every instruction set."""
        if not a.size:
            return a.copy()
        apart = -np.abs(a - b)
        if self._dtype == np.float32:
            less = _softplus().run(apart.astype(np.float32, order="C"))[0]
        else:
            less = np.log1p(np.exp(apart))
        return np.maximum(a, b) + less

    def _by_class(self, shares: np.ndarray) -> np.ndarray:
        """The gradients, from what share of the alignments is in each state at each step."""
        labels = self._labels
        d = _exp(self._log_p)
        d[:, :, labels.blank] -= shares[:, :, ::2].sum(axis=2).T
        rows = np.arange(len(d))
        of_labels = np.where(labels.returned, shares[:, :, 1::2], 0).astype(self._dtype)
        for number, classes in enumerate(labels.classes.T):
            d[rows, :, classes] -= of_labels[:, :, number].T
        d[~self._counts] = 0
        return d


@functools.cache
def _softplus() -> Program:
    """What takes the softplus of arrays: made once, as there are two calls of it for every step."""
    return Program([ActivationOp(Activation("softplus"))])


def _negative(log_p: np.ndarray, dtype: Any) -> np.ndarray:
    """Losses, infinite where nothing is possible."""
    return -np.where(log_p < IMPOSSIBLE / 2, -np.inf, log_p).astype(dtype)


def _shares(states: np.ndarray, dtype: Any) -> np.ndarray:
    """The exponentials of what is given, divided by their sums over the last axis; 0 where nothing is possible."""
    most = states.max(axis=-1, keepdims=True)
    shares = _exp((states - most).astype(dtype))
    shares /= shares.sum(axis=-1, keepdims=True)
    return np.where(most < IMPOSSIBLE / 2, dtype.type(0), shares)


def _log_softmax(x: np.ndarray) -> np.ndarray:
    if x.dtype == np.float32:
        return np.asarray(activations.log_softmax(x))
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def _exp(x: np.ndarray) -> np.ndarray:
    return np.array(activations.exponential(x)) if x.dtype == np.float32 else np.exp(x)
