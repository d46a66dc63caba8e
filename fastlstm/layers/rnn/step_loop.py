"""The loop over time for cells written in Python, which the engine cannot run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.structure import flatten, map_structure, packed


def run_over_time(
    step: Callable[[np.ndarray, Any], tuple[Any, Any]],
    sequences: np.ndarray,
    states: Any,
    mask: np.ndarray | None = None,
    return_sequences: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[np.ndarray, Any]:
    """Return the outputs and the last states.

    Args:
        step: `step(inputs, states)` returns `(output, new_states)`; one new state alone may be without a list.
        sequences: `(batch, timesteps, ...)`, float32.
        states: Those before the first step, nested as `step` takes them.
        mask: Booleans `(batch, timesteps)`, False where a step is skipped; or None.
        return_sequences: Boolean, every step's output instead of the last one's.
        go_backwards: Boolean, from the last step to the first; outputs stay in the order of reading.
        zero_output_for_mask: Boolean, 0 at skipped steps instead of the output before them.

    Raises:
        ValueError: When there is no time step, or a step does not return as many states as it was given.
    """
    outputs, last, _ = run_over_time_with_gradient(
        lambda inputs, states: (step(inputs, states), None),
        sequences,
        states,
        mask,
        return_sequences,
        go_backwards,
        zero_output_for_mask,
    )
    return outputs, last


def run_over_time_with_gradient(
    step: Callable[[np.ndarray, Any], tuple[tuple[Any, Any], Any]],
    sequences: np.ndarray,
    states: Any,
    mask: np.ndarray | None = None,
    return_sequences: bool = False,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[np.ndarray, Any, Callable[[np.ndarray, Any], tuple[np.ndarray, Any, list[Any]]]]:
    """Return the outputs, the last states, and the way back.

    Args:
        step: As for `run_over_time`, but returns that and the step's own way back, `back((d_output, d_states))`, which
            returns `(d_inputs, d_weights, {"states": d_states})`.
        sequences, states, mask, return_sequences, go_backwards, zero_output_for_mask: As for `run_over_time`.

    Returns:
        `(outputs, states, backward)`: `backward(d_outputs, d_states)` returns the gradients by the sequences, by the
        states before the first step, and by the weights of the step.

    Raises:
        ValueError: As `run_over_time`.
    """
    timesteps = sequences.shape[1]
    if timesteps == 0:
        raise ValueError(f"expected at least one time step, received sequences of shape {sequences.shape}")
    # Copies, so that a cell may write into what it is given.
    like, states = states, map_structure(lambda state: np.array(state, np.float32), states)
    outputs: list[np.ndarray] = []
    ways: list[Any] = []
    previous = None
    order = list(reversed(range(timesteps)) if go_backwards else range(timesteps))
    for t in order:
        (output, new_states), way = step(sequences[:, t].copy(), states)
        output, before, after = as_float32(output), flatten(states), [as_float32(s) for s in flatten(new_states)]
        if len(after) != len(before):
            raise ValueError(f"A cell that was given {len(before)} states returned {len(after)} new ones.")
        if mask is not None:
            if previous is None or zero_output_for_mask:
                previous = np.zeros_like(output)
            output = _select(mask[:, t], output, previous)
            after = [_select(mask[:, t], new, old) for new, old in zip(after, before, strict=True)]
        previous, states = output, packed(like, after)
        ways.append(way)
        if return_sequences:
            outputs.append(output)

    def backward(d_outputs: np.ndarray, d_states: Any) -> tuple[np.ndarray, Any, list[Any]]:
        dx = np.zeros_like(sequences)
        zero = np.float32(0)
        d_kept, of_weights = flatten(d_states), list[Any]()
        # By the output before, which a masked step repeats.
        d_repeated = np.zeros_like(output)
        for place in reversed(range(timesteps)):
            t = order[place]
            d_output = d_repeated
            if return_sequences or place == timesteps - 1:
                d_output = d_output + (d_outputs[:, place] if return_sequences else d_outputs)
            keep = np.ones(len(dx), bool) if mask is None else mask[:, t]
            given = [_select(keep, d, zero) for d in (d_output, *d_kept)]
            d_inputs, d_weights, *rest = ways[place]((given[0], packed(like, given[1:])))
            d_before = [as_float32(d) for d in flatten(rest[0]["states"])]
            d_kept = [_select(keep, new, old) for new, old in zip(d_before, d_kept, strict=True)]
            d_repeated = np.zeros_like(output) if zero_output_for_mask else _select(keep, zero, d_output)
            dx[:, t] = d_inputs
            of_weights = [
                new if old is None else old if new is None else old + new
                for old, new in zip(of_weights or [None] * len(d_weights), d_weights, strict=True)
            ]
        return dx, packed(like, d_kept), of_weights

    return (np.stack(outputs, axis=1) if return_sequences else output), states, backward


def _select(keep: np.ndarray, new: Any, old: Any) -> np.ndarray:
    ndim = max(np.ndim(new), np.ndim(old))
    return np.where(keep.reshape(-1, *(1,) * (ndim - 1)), new, old)
