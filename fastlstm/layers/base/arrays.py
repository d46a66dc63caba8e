"""Arrays that come from a caller: float32 and contiguous, or refused; masks as booleans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import arguments
from fastlstm.backend import Tensor
from fastlstm.layers.base.structure import flatten, map_structure

# The kinds of NumPy's dtypes that hold strings.
_STRINGS = "USOT"


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
    if array.dtype == np.float32:
        return np.require(array, np.float32, ("C", "A", "E"))
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, order="C", subok=False)


def as_shaped(x: Any) -> Any:
    """Return `x`, or an array of it if it has no shape."""
    return x if hasattr(x, "shape") else np.asarray(x)


def float32_copy(x: Any, what: str) -> np.ndarray:
    """Return a C-contiguous float32 array of one's own.

    Args:
        x: What NumPy can make one from.
        what: It, for errors: the subject of the sentence.

    Raises:
        ValueError: When it has numbers beyond those of float32.
    """
    try:
        return np.array(x, dtype=np.float32, order="C")
    except OverflowError as error:
        raise ValueError(f"{what} have numbers that float32 does not: {error}") from error


def as_values(x: Any) -> np.ndarray:
    """Return `x` as `as_float32` does, but strings as the array that they are."""
    array = np.asarray(x)
    return array if array.dtype.kind in _STRINGS else as_float32(array)


def as_raw(x: Any) -> np.ndarray:
    """Return `x` as the array that it is, of strings or numbers.

    Raises:
        ValueError: When the dtype is another one.
    """
    array = np.asarray(x)
    if array.dtype.kind not in _STRINGS + "biuf":
        raise ValueError(f"Invalid dtype: {array.dtype.name}")
    return array


def is_strings(x: Any) -> bool:
    """Return whether `x` is a list or tuple of nothing but strings at any depth."""
    if not isinstance(x, (list, tuple)) or not x:
        return False
    try:
        return all(isinstance(one, (str, bytes)) or is_strings(one) for one in x)
    except RecursionError:
        return False


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
    array = arguments.array(mask, what="A mask")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    expected = tuple(shape[:2])
    if array.ndim != 2 or array.shape[1:] != expected[1:] or array.shape[0] not in (1, expected[0]):
        raise ValueError(
            f"`mask` should have shape {expected} (batch, timesteps). Received: mask.shape={np.shape(mask)}"
        )
    return np.ascontiguousarray(np.broadcast_to(array, expected), dtype=bool)


def is_array(x: Any) -> bool:
    """Return whether `x` is an array of some library, rather than a Python number, string or list."""
    return hasattr(x, "__array__")


def input_arrays(inputs: Any, layer_name: str, several: bool = False) -> Any:
    """Return the array in what a layer was called with, or the structure of arrays.

    Args:
        inputs: An array, or a list, tuple or dict of arrays.
        layer_name: For the errors.
        several: Whether the layer takes more than one; they come as a list then, rather than a tuple.

    Raises:
        ValueError: With Keras' text, when there is something else, or more than one where one is expected.
    """
    if is_array(inputs):
        return inputs
    leaves = flatten(inputs)
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
    if several:
        return list(inputs) if isinstance(inputs, tuple) else inputs
    if len(leaves) != 1:
        received = ", ".join(f"Tensor(shape={np.shape(leaf)})" for leaf in leaves)
        raise too_many_inputs(layer_name, len(leaves), received)
    return leaves[0]


def too_many_inputs(layer_name: str, count: int, received: str) -> ValueError:
    """Return Keras' error for a layer of one input that was given several."""
    return ValueError(
        f'Layer "{layer_name}" expects 1 input(s), but it received {count} input tensors. Inputs received: [{received}]'
    )


def carried_mask(x: Any) -> np.ndarray | None:
    """Return the mask that a tensor carries, None if it has none."""
    return getattr(x, "_keras_mask", None)


def as_tensors(outputs: Any, masks: Sequence[Any] = ()) -> Any:
    """Return arrays, alone or in a structure, as tensors that have `numpy()`.

    Args:
        outputs: What a layer or a model gave.
        masks: Those that the first tensors are to carry, in the order of `flatten`; None for none.
    """
    if isinstance(outputs, np.ndarray) and not masks:
        return outputs.view(Tensor)
    remaining = iter(masks)

    def tensor(array: np.ndarray) -> Tensor:
        made = array.view(Tensor)
        mask = next(remaining, None)
        if mask is not None:
            made._keras_mask = mask
        return made

    return map_structure(tensor, outputs)
