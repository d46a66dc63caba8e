"""Sequences of different lengths, and inputs of many callers, in one run: each gets what it would get alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any, cast

import numpy as np

from fastlstm.layers.base.arrays import is_array
from fastlstm.layers.base.chain import BoundChain
from fastlstm.layers.core.lambda_layer import Lambda
from fastlstm.layers.symbolic.operation import Operation
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
    batches = list(_batches(order, [array.shape[1] for array in arrays], batch_size, joins_lengths(plan)))
    with Progress(verbose, len(batches)) as progress:
        for batch in batches:
            for index, outputs in zip(batch, run_joined(plan, [arrays[index] for index in batch]), strict=True):
                rows[index] = tuple(output[0] for output in outputs)
            progress.advance()
    outputs = tuple(_collected(parts) for parts in zip(*rows, strict=True))
    return outputs[0] if len(outputs) == 1 else outputs


def _batches(order: Sequence[int], lengths: Sequence[int], batch_size: int, joined: bool) -> Iterator[Sequence[int]]:
    """Cut the indexes into batches, with equal lengths only unless different ones may be joined."""
    groups = [list(order)] if joined else [list(group) for _, group in groupby(order, key=lengths.__getitem__)]
    for group in groups:
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


def keeps_rows_apart(model: Any) -> bool:
    """Return whether a row's outputs depend on that row alone, so far as is known, so that batches may be joined."""
    if not model.expands or any(tensor.shape[0] is not None for tensor in model.inputs):
        return False
    # A call that was recorded as one of training draws, or looks at the whole batch.
    return all(_keeps_rows_apart(call.layer) and not call.kwargs.get("training") for call in model.calls().calls)


def _keeps_rows_apart(layer: Any) -> bool:
    known = type(layer).__module__.startswith("fastlstm.") and not isinstance(layer, (Lambda, Operation))
    return known and not getattr(layer, "stateful", False) and all(map(_keeps_rows_apart, layer.children))


def joins_lengths(plan: Plan) -> bool:
    """Return whether sequences of different lengths run in one batch."""
    return plan.whole is not None and plan.whole.continues


def run_joined(plan: Plan, arrays: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    """Return the outputs of each of several inputs, run as one batch: views of arrays that are theirs together.

    Args:
        plan: How the model, which has one input, runs.
        arrays: Each `(rows, timesteps, ...)` as the model takes it, the longest first; of one length, unless the plan
            `joins_lengths`.
    """
    if len(arrays) > 1 and arrays[0].shape[1:] != arrays[-1].shape[1:]:
        return _shrinking(cast("BoundChain", plan.whole), arrays)
    outputs = plan.run(np.concatenate(arrays) if len(arrays) > 1 else arrays[0])
    return split(outputs if isinstance(outputs, tuple) else (outputs,), [len(array) for array in arrays])


def split(outputs: Sequence[np.ndarray], rows: Sequence[int]) -> list[tuple[np.ndarray, ...]]:
    """Cut outputs of a batch into those of so many rows each, which are views."""
    ends = list(accumulate(rows, initial=0))
    return [tuple(output[start:end] for output in outputs) for start, end in pairwise(ends)]


def _shrinking(chain: BoundChain, arrays: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
    """The outputs of each input of those that do not grow in length."""
    lengths = [array.shape[1] for array in arrays]
    parts: list[list[tuple[np.ndarray, ...]]] = [[] for _ in arrays]
    states, start = None, 0
    for end in sorted(set(lengths)):
        active = arrays[: sum(length >= end for length in lengths)]
        x = np.concatenate([array[:, start:end] for array in active])
        if states is not None:
            states = [[state[: len(x)] for state in of_op] for of_op in states]
        outputs, states = chain.advance(x, states)
        for place, of_input in enumerate(split(outputs, [len(array) for array in active])):
            parts[place].append(of_input)
        start = end
    return [_over_time(of_input, chain.returns_sequences) for of_input in parts]


def _over_time(parts: Sequence[tuple[np.ndarray, ...]], sequences: bool) -> tuple[np.ndarray, ...]:
    """An input's outputs from those of its cuts: the last ones, but for an output of every step."""
    output, *states = parts[-1]
    if sequences and len(parts) > 1:
        output = np.concatenate([part[0] for part in parts], axis=1)
    return (output, *states)


def _collected(rows: Sequence[np.ndarray]) -> Any:
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    return [row.copy() for row in rows]
