"""Arrays that come from a caller: float32 and contiguous, or refused; masks as booleans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlstm.backend import Tensor


def as_float32(x: Any) -> np.ndarray:
    """Return `x` as a C-contiguous, aligned float32 array; the array itself if it is one already.

    Args:
        x: Array of any boolean, integer or floating dtype, any memory order, or what NumPy can make one from.

    Raises:
        ValueError: When the dtype is another one.
    """
    if type(x) is np.ndarray and x.dtype == np.float32 and x.flags.carray:
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ValueError(f"Invalid dtype: {array.dtype.name}")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.require(array, np.float32, "CAE")


def as_mask(mask: Any, shape: Sequence[int]) -> np.ndarray | None:
    """Return a mask as booleans of shape `(batch, timesteps)`, True where a step counts.

    Args:
        mask: None, or an array `(batch, timesteps)` or `(batch, timesteps, 1)`; a batch of 1 serves every row.
        shape: Shape of the input, at least `(batch, timesteps)`.

    Raises:
        ValueError: When the mask has another shape.
    """
    if mask is None:
        return None
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    expected = tuple(shape[:2])
    if array.ndim != 2 or array.shape[1:] != expected[1:] or array.shape[0] not in (1, expected[0]):
        raise ValueError(
            f"`mask` should have shape {expected} (batch, timesteps). Received: mask.shape={np.shape(mask)}"
        )
    return np.ascontiguousarray(np.broadcast_to(array, expected), dtype=bool)


def as_states(states: Any, batch: int, state_size: Sequence[int], layer_name: str) -> list[np.ndarray]:
    """Return the states of a recurrent layer as float32 arrays `(batch, units)`.

    Args:
        states: List or tuple of arrays, each `(batch, units)`, or `(1, units)` for all rows alike.
        batch: Rows of the call.
        state_size: Units of each state.
        layer_name: For the error.

    Raises:
        ValueError: When their number or a shape is another one.
    """
    expected = [(batch, units) for units in state_size]
    received: Any = type(states).__name__
    if isinstance(states, (list, tuple)):
        arrays = [as_float32(state) for state in states]
        received = [array.shape for array in arrays]
        if received in (expected, [(1, units) for units in state_size]):
            pairs = zip(arrays, expected, strict=True)
            return [np.ascontiguousarray(np.broadcast_to(array, shape)) for array, shape in pairs]
    raise ValueError(
        f"The initial state of layer '{layer_name}' should be a list of arrays of shapes {expected}. "
        f"Received: {received}"
    )


def is_array(x: Any) -> bool:
    """Return whether `x` is an array of some library, rather than a Python number, string or list."""
    return hasattr(x, "__array__")


def one_input(inputs: Any, layer_name: str) -> Any:
    """Return the array in what a layer was called with.

    Args:
        inputs: An array, or a list or tuple of one.
        layer_name: For the errors.

    Raises:
        ValueError: With Keras' text, when there is none or more than one.
    """
    if is_array(inputs):
        return inputs
    leaves = list(_leaves(inputs))
    for leaf in leaves:
        if leaf is None:
            raise ValueError(
                "Inputs to a layer should be tensors. "
                f"Got 'None' (of type <class 'NoneType'>) as input for layer '{layer_name}'."
            )
        if not is_array(leaf):
            raise ValueError(
                "Only input tensors may be passed as positional arguments. The following argument value should be "
                f"passed as a keyword argument: {leaf} (of type {type(leaf)})"
            )
    if len(leaves) != 1:
        received = ", ".join(f"Tensor(shape={np.shape(leaf)})" for leaf in leaves)
        raise too_many_inputs(layer_name, len(leaves), received)
    return leaves[0]


def too_many_inputs(layer_name: str, count: int, received: str) -> ValueError:
    """Return Keras' error for a layer of one input that was given several."""
    return ValueError(
        f'Layer "{layer_name}" expects 1 input(s), but it received {count} input tensors. Inputs received: [{received}]'
    )


def as_tensors(outputs: Any) -> Any:
    """Return arrays, alone or in a tuple or list, as tensors that have `numpy()`."""
    if isinstance(outputs, np.ndarray):
        return outputs.view(Tensor)
    return type(outputs)(as_tensors(output) for output in outputs)


def _leaves(nested: Any) -> Iterator[Any]:
    if isinstance(nested, (list, tuple)):
        for item in nested:
            yield from _leaves(item)
    else:
        yield nested
