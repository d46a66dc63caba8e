"""Sequences of different lengths in one `predict`: each gets what it would get alone, and nothing is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.layers.base.arrays import is_array
from fastlstm.layers.base.chain import Chain
from fastlstm.models.progress import Progress

if TYPE_CHECKING:
    from fastlstm.models.model import Model


def is_ragged(x: Any, model: Model) -> bool:
    """Return whether `x` is a list of sequences `(timesteps, features)` for a model of one input of such."""
    if not isinstance(x, (list, tuple)) or len(x) < 2 or not all(is_array(item) and np.ndim(item) == 2 for item in x):
        return False
    return not model.built or (len(model.inputs) == 1 and len(model.inputs[0].shape) == 3)


def predict(model: Model, sequences: Sequence[Any], batch_size: int, verbose: Any, steps: int | None) -> Any:
    """Return the outputs for sequences of any lengths.

    Where the model is one chain for the engine that reads forwards, a batch runs until its shortest sequence ends,
    goes on from its states without that one, and so on: a sequence's output does not depend on the cuts. Elsewhere
    sequences of one length are a batch.

    Args:
        model: The model.
        sequences: Arrays `(timesteps, features)`.
        batch_size: Sequences that are run at once.
        verbose: As for `Model.predict`.
        steps: As for `Model.predict`: only None.

    Returns:
        An array, or a tuple of them for several outputs; a list of arrays in place of one whose rows differ in shape.

    Raises:
        ValueError: When the sequences do not fit.
    """
    if steps is not None:
        raise ValueError(f"`steps` is not supported for a list of sequences. Received: steps={steps}")
    arrays = [model.prepared(np.asarray(sequence)[np.newaxis], 1) for sequence in sequences]
    order = sorted(range(len(arrays)), key=lambda index: -arrays[index].shape[1])
    rows: list[tuple[np.ndarray, ...]] = [()] * len(arrays)
    chain = model.current_plan.chain
    joined = chain is not None and chain.continues
    batches = list(_batches(order, [array.shape[1] for array in arrays], batch_size, joined))
    with Progress(verbose, len(batches)) as progress:
        for batch in batches:
            given = [arrays[index] for index in batch]
            outputs = _shrinking(chain, given) if joined else _alike(model, given)
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


def _alike(model: Model, arrays: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
    """The outputs of every row of sequences of one length."""
    outputs = model.current_plan.run(np.concatenate(arrays))
    return zip(*(outputs if isinstance(outputs, tuple) else (outputs,)), strict=True)


def _shrinking(chain: Chain, arrays: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    """The outputs of every row of sequences that do not grow in length."""
    lengths = [array.shape[1] for array in arrays]
    parts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in arrays]
    program, states, start = chain.program, None, 0
    for end in sorted(set(lengths)):
        active = sum(length >= end for length in lengths)
        x = np.concatenate([array[:, start:end] for array in arrays[:active]])
        if states is not None:
            states = [[state[:active] for state in of_op] for of_op in states]
        outputs, states = chain.advance(program, x, states)
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
