"""The loop over time steps of an older `keras.backend`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastlstm import ops
from fastlstm.ops.older.registry import defined


@defined
def rnn(
    step_function: Callable[[Any, list[Any]], tuple[Any, Sequence[Any]]],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, list[Any]]:
    """Call a function for one time step after the other.

    Args:
        step_function: `(input, states + constants)` to `(output, new states)`; all are tensors `(batch, ...)`.
        inputs: Tensor `(batch, steps, ...)`.
        initial_states: List of the states before the first step.
        go_backwards: Boolean, whether to begin with the last step.
        mask: Tensor `(batch, steps)` or `(batch, steps, 1)`, False where a row has no step: it keeps its states and the
            output of before.
        constants: List of tensors that every step is given behind the states.
        unroll: As in Keras; the steps are one after the other either way.
        input_length: None, or the number of steps that all rows have.
        time_major: Boolean, whether the first axis of inputs, mask and outputs is that of time.
        zero_output_for_mask: Boolean, whether masked steps give 0 in place of the output of before.
        return_all_outputs: Boolean, whether the second result has all steps, not the last alone.

    Returns:
        `(last output, outputs (batch, steps, ...), last states)`.

    Raises:
        ValueError: When the number of steps is not known.
        NotImplementedError: When rows have other lengths.
    """
    axis = 0 if time_major else 1
    steps = inputs.shape[axis]
    if steps is None:
        raise ValueError("`rnn` needs to know the number of time steps: give `Input` a shape without None.")
    if input_length is not None and not (isinstance(input_length, int) and input_length == steps):
        raise NotImplementedError("`input_length` is not supported: give a `mask` of the steps that each row has.")
    states, outputs, further = list(initial_states), list[Any](), list(constants or ())
    previous = None
    for t in reversed(range(steps)) if go_backwards else range(steps):
        output, new_states = step_function(_step(inputs, t, axis), states + further)
        if mask is not None:
            given = _step(mask, t, axis)
            repeated = ops.zeros_like(output) if previous is None or zero_output_for_mask else previous
            output = _chosen(given, output, repeated)
            new_states = [_chosen(given, new, old) for new, old in zip(new_states, states, strict=True)]
        previous, states = output, list(new_states)
        outputs.append(output)
    return previous, ops.stack(outputs if return_all_outputs else outputs[-1:], axis), states


def _step(sequences: Any, t: int, axis: int) -> Any:
    return sequences[t] if axis == 0 else sequences[:, t]


def _chosen(given: Any, new: Any, old: Any) -> Any:
    while len(given.shape) < len(new.shape):
        given = ops.expand_dims(given, -1)
    return ops.where(given, new, old)
