"""Sequences of different lengths in one `predict`: each gets what it would get alone, and nothing is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from fastlstm.layers.base.arrays import is_array
from fastlstm.layers.base.chain import BoundChain
from fastlstm.models.plan import Plan
from fastlstm.models.progress import Progress


def is_ragged(x: Any, shape: Sequence[int | None] | None, takes_ids: bool) -> bool:
    """Return whether `x` is a list of sequences `(timesteps, features)`, or of ids `(timesteps,)`, for a model of such.

    Args:
        x: What `predict` was given.
        shape: Of the model's one input, with the batch; None while it is not known.
        takes_ids: Whether the input is ids.
    """
    if not isinstance(x, (list, tuple)) or not x or not all(map(is_array, x)):
        return False
    ndim = {2} if shape is None else {len(shape) - 1} if takes_ids or len(shape) == 3 else set()
    # An array alone in a list is the input; where it lacks only a last axis of size 1, Keras adds that.
    return {np.ndim(item) for item in x} == ndim and (len(x) > 1 or (shape is not None and shape[-1] != 1))


def predict(plan: Plan, arrays: Sequence[np.ndarray], batch_size: int, verbose: Any) -> Any:
    """Return the outputs for sequences of any lengths.

    Where the model is one chain for the engine that reads forwards, a batch runs until its shortest sequence ends,
    goes on from its states without that one, and so on: a sequence's output does not depend on the cuts. Elsewhere
    sequences of one length are a batch.

    Args:
        plan: How the model runs.
        arrays: The sequences, each a batch of one that the model takes.
        batch_size: Sequences that are run at once.
        verbose: As for `Model.predict`.

    Returns:
        An array, or a tuple of them for several outputs; a list of arrays in place of one whose rows differ in shape.
    """
    order = sorted(range(len(arrays)), key=lambda index: -arrays[index].shape[1])
    rows: list[tuple[np.ndarray, ...]] = [()] * len(arrays)
    chain = plan.whole
    joined = chain is not None and chain.continues
    batches = list(_batches(order, [array.shape[1] for array in arrays], batch_size, joined))
    with Progress(verbose, len(batches)) as progress:
        for batch in batches:
            given = [arrays[index] for index in batch]
            outputs = _shrinking(chain, given) if joined else _alike(plan, given)
            for index, row in zip(batch, outputs, strict=True):
                rows[index] = row
            progress.advance()
    outputs = tuple(_collected(parts) for parts in zip(*rows, strict=True))
    return outputs[0] if len(outputs) == 1 else outputs


def _batches(order: Sequence[int], lengths: Sequence[int], batch_size: int, joined: bool) -> Iterator[Sequence[int]]:
    """Cut the indexes into batches, with equal lengths only unless different ones may be joined."""
    groups = [list(order)] if joined else [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
    for group in groups:
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


def _alike(plan: Plan, arrays: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
    """The outputs of every row of sequences of one length."""
    outputs = plan.run(np.concatenate(arrays))
    return zip(*(outputs if isinstance(outputs, tuple) else (outputs,)), strict=True)


def _shrinking(chain: BoundChain, arrays: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    """The outputs of every row of sequences that do not grow in length."""
    lengths = [array.shape[1] for array in arrays]
    parts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in arrays]
    states, start = None, 0
    for end in sorted(set(lengths)):
        active = sum(length >= end for length in lengths)
        x = np.concatenate([array[:, start:end] for array in arrays[:active]])
        if states is not None:
            states = [[state[:active] for state in of_op] for of_op in states]
        outputs, states = chain.advance(x, states)
        for row in range(active):
            parts[row].append(tuple(output[row] for output in outputs))
        start = end
    return [_over_time(row, chain.returns_sequences) for row in parts]


def _over_time(parts: Sequence[tuple[np.ndarray, ...]], sequences: bool) -> tuple[np.ndarray, ...]:
    """One row's outputs from those of its cuts: the last ones, but for an output of every step."""
    output, *states = parts[-1]
    if sequences and len(parts) > 1:
        output = np.concatenate([part[0] for part in parts])
    return (output, *states)


def _collected(rows: Sequence[np.ndarray]) -> Any:
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    return [row.copy() for row in rows]
