"""The most probable sequences of labels of a network's outputs, as TensorFlow's beam search for CTC finds them.

A beam is a sequence of labels with the probabilities of all alignments so far that end with a blank, and of those that
end with its last label (Hannun et al., 2014, without a language model).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np

from fastlstm.memory import require_array

# Of a beam, by its place: the labels with which others go on from it, and their places.
_Followers = Mapping[int, Sequence[tuple[int, int]]]


class _Prefixes:
    """Sequences of labels by number, each one as a label that follows an earlier sequence; 0 is the empty one."""

    def __init__(self) -> None:
        self.before = [-1]
        self.label = [-1]
        self._numbers: dict[tuple[int, int], int] = {}

    def longer(self, number: int, label: int) -> int:
        """Return the number of a sequence with one label more."""
        found = self._numbers.setdefault((number, label), len(self.label))
        if found == len(self.label):
            self.before.append(number)
            self.label.append(label)
        return found

    def labels(self, number: int) -> list[int]:
        """Return the labels of a sequence."""
        found = []
        while number:
            found.append(self.label[number])
            number = self.before[number]
        return found[::-1]


def best_labels(
    log_p: np.ndarray, blank: int, beam_width: int, top_paths: int
) -> tuple[list[list[int]], list[np.floating]]:
    """Return the most probable sequences of labels of one sample, with the logarithms of their probabilities.

    Args:
        log_p: Logarithms of probabilities `(steps, classes)`.
        blank: The class of blanks.
        beam_width: How many sequences are kept after each step.
        top_paths: How many are returned, at most `beam_width`; fewer where there are no more.
    """
    prefixes, classes = _Prefixes(), log_p.shape[1]
    beams = [0]
    with_blank, with_label = np.zeros(1, log_p.dtype), np.full(1, -np.inf, log_p.dtype)
    for now in log_p:
        # A row of scores in three forms, a beam in some.
        require_array((len(beams), 3 * classes + 100), "A beam search")
        total = np.logaddexp(with_blank, with_label)
        last = np.array([prefixes.label[beam] for beam in beams])
        # What a sequence was before its last label may be kept too: then it comes from there once more.
        place = {beam: number for number, beam in enumerate(beams)}
        parent = np.array([place.get(prefixes.before[beam], -1) for beam in beams])
        inner = np.flatnonzero(parent >= 0)
        repeats = last[inner] == last[parent[inner]]
        with_label[inner] = np.logaddexp(
            with_label[inner], np.where(repeats, with_blank[parent[inner]], total[parent[inner]])
        )
        # Every class after every sequence; one that ends with the class goes on with it only after a blank.
        longer = total[:, np.newaxis] + now
        ends = np.flatnonzero(last >= 0)
        longer[ends, last[ends]] = with_blank[ends] + now[last[ends]]
        longer[:, blank] = longer[parent[inner], last[inner]] = -np.inf
        with_label[ends] += now[last[ends]]
        with_blank = total + now[blank]
        followers: dict[int, list[tuple[int, int]]] = {}
        for number in inner.tolist():
            followers.setdefault(int(parent[number]), []).append((int(last[number]), number))
        chosen = _chosen(total.tolist(), np.logaddexp(with_blank, with_label).tolist(), longer, followers, beam_width)
        new = [divmod(one - len(beams), classes) for one in chosen]
        with_label = np.array(
            [with_label[one] if before < 0 else longer[before, label]
             for one, (before, label) in zip(chosen, new, strict=True)], log_p.dtype)  # fmt: skip
        with_blank = np.array([with_blank[one] if one < len(beams) else -np.inf for one in chosen], log_p.dtype)
        beams = [
            beams[one] if before < 0 else prefixes.longer(beams[before], label)
            for one, (before, label) in zip(chosen, new, strict=True)
        ]
    scores = np.logaddexp(with_blank, with_label)
    return [prefixes.labels(beam) for beam in beams[:top_paths]], list(scores[:top_paths])


def _chosen(
    before: list[float], kept: list[float], longer: np.ndarray, followers: _Followers, beam_width: int
) -> list[int]:
    """The beams of the greatest scores, the greatest first: places of `kept`, and behind them those in `longer`.

    As in TensorFlow a beam that others have driven out does not go on with further labels if the beam without its last
    label comes after that.

    Args:
        before: What the beams' scores were, in descending order.
        kept: What they are if they stay the same.
        longer: `(beams, classes)`, what they are with one label more; -inf where that is one of them.
        followers: The beams that are others with one label more.
        beam_width: How many beams there are.
    """
    beams, classes = longer.shape
    heap = [(score, number) for number, score in enumerate(kept)]
    heapq.heapify(heap)
    out: set[int] = set()
    ended: set[int] = set()
    greatest = longer.max(axis=1).tolist()
    for number, score in enumerate(before):
        least = heap[0][0] if len(heap) == beam_width else -np.inf
        if number in ended or not score > least:
            continue
        events: list[tuple[int, int]] = list(followers.get(number, ()))
        if greatest[number] > least:
            events += [(label, -1) for label in np.flatnonzero(longer[number] > least).tolist()]
            events.sort()
        for label, follower in events:
            if follower >= 0:
                if follower in out:
                    ended.add(follower)
                continue
            item = (longer[number, label].item(), beams + number * classes + label)
            if len(heap) < beam_width:
                heapq.heappush(heap, item)
            elif item[0] > heap[0][0]:
                out.add(heapq.heapreplace(heap, item)[1])
    # Equal ones in the order in which they were found.
    return [number for score, number in sorted(heap, key=lambda item: (-item[0], item[1])) if score > -np.inf]
