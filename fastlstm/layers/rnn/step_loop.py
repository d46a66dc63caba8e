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
    timesteps = sequences.shape[1]
    if timesteps == 0:
        raise ValueError(f"expected at least one time step, received sequences of shape {sequences.shape}")
    # Copies, so that a cell may write into what it is given.
    like, states = states, map_structure(lambda state: np.array(state, np.float32), states)
    outputs: list[np.ndarray] = []
    previous = None
    for t in reversed(range(timesteps)) if go_backwards else range(timesteps):
        output, new_states = step(sequences[:, t].copy(), states)
        output, before, after = as_float32(output), flatten(states), [as_float32(s) for s in flatten(new_states)]
        if len(after) != len(before):
            raise ValueError(f"A cell that was given {len(before)} states returned {len(after)} new ones.")
        if mask is not None:
            if previous is None or zero_output_for_mask:
                previous = np.zeros_like(output)
            output = _select(mask[:, t], output, previous)
            after = [_select(mask[:, t], new, old) for new, old in zip(after, before, strict=True)]
        previous, states = output, packed(like, after)
        if return_sequences:
            outputs.append(output)
    return (np.stack(outputs, axis=1) if return_sequences else output), states


def _select(keep: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(keep.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
