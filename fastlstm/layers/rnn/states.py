"""States of recurrent layers, nested as Keras nests them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.structure import flatten, is_shape, map_structure
from fastlstm.memory import require_array
from fastlstm.printable import quoted


def zero_states(state_size: Any, batch_size: int) -> Any:
    """Return zeros `(batch_size, size)` for every size in `state_size`, nested as it is."""
    return map_structure(lambda size: zero_state((batch_size, size)), state_size)


def zero_state(shape: tuple[int, ...]) -> np.ndarray:
    """Return zeros of a shape."""
    require_array(shape, "A state of a recurrent layer")
    return np.zeros(shape, np.float32)


def as_states(states: Any, shapes: Sequence[tuple[int | None, ...]], layer_name: str) -> list[np.ndarray]:
    """Return the states that a caller gave as float32 arrays, one after the other.

    Args:
        states: Arrays of the given shapes, or with a batch of 1 for all rows alike, in lists or tuples; one alone
            may be without a list.
        shapes: What is expected, batch included.
        layer_name: For the error.

    Raises:
        ValueError: When their number or a shape is another one.
    """
    shapes = list(shapes)
    arrays = [as_float32(state) for state in flatten(states)]
    received = [array.shape for array in arrays]
    if received == shapes:
        return arrays
    if received not in (shapes, [(1, *shape[1:]) for shape in shapes]):
        raise ValueError(
            f"The initial state of layer '{layer_name}' should be a list of arrays of shapes {shapes}. "
            f"Received: {quoted(received)}"
        )
    pairs = zip(arrays, shapes, strict=True)
    return [np.ascontiguousarray(np.broadcast_to(array, cast("tuple[int, ...]", shape))) for array, shape in pairs]


def of_sequences(build_config: dict[str, Any]) -> dict[str, Any]:
    """Return the build config of a recurrent layer without the shapes of states.

    Args:
        build_config: Keras 2 wrote those of all inputs, where a layer was called on `[sequences, *states]`.
    """
    shape = build_config.get("input_shape")
    return build_config if shape is None or is_shape(shape) else {**build_config, "input_shape": shape[0]}
