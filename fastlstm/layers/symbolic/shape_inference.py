"""Output shapes of layers that do not say them: found by calling the layer on zeros."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.layers.base.added_losses import ADDING
from fastlstm.layers.base.structure import flatten, map_structure, packed
from fastlstm.layers.symbolic.keras_tensor import KerasTensor
from fastlstm.memory import require

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer

# Sizes in place of unknown ones, the batch's first; an output size that differs between the two trials is not known.
_TRIALS = ((2, 8), (3, 9))
# Where a call does not go with these, as one that takes no more labels than steps, of which the number is known.
_SMALLER = ((2, 1), (3, 2))


def inferred_output_shape(layer: Layer, inputs: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
    """Return the shapes of a call's outputs, in their structure, None for sizes that depend on unknown ones.

    Args:
        layer: The layer; layers inside it are built by this.
        inputs: Its first argument, with KerasTensors.
        args, kwargs: The others.

    Raises:
        RuntimeError: When the call fails; the text says what to write instead.
    """
    given = [inputs, args, kwargs or {}]
    # An array among the arguments is a constant, for a batch of its size.
    rows = next((len(leaf) for leaf in flatten(given) if isinstance(leaf, np.ndarray) and leaf.ndim), None)
    count = 2 if _has_unknown(given) else 1
    try:
        trials = _tried(layer, given, rows, _TRIALS[:count])
    except Exception as error:
        try:
            if count == 1:
                raise
            trials = _tried(layer, given, rows, _SMALLER)
        except Exception:
            raise RuntimeError(
                f"Could not automatically infer the output shape / dtype of '{layer.name}' (of type "
                f"{type(layer).__name__}). Either the `{type(layer).__name__}.call()` method is incorrect, or you need "
                f"to implement the `{type(layer).__name__}.compute_output_shape()` method. "
                f"Error encountered:\n\n{error}"
            ) from error
    shapes = [_common(tuple(np.shape(leaf) for leaf in leaves)) for leaves in zip(*map(flatten, trials), strict=True)]
    return packed(trials[0], shapes)


def _tried(layer: Layer, given: Any, rows: int | None, sizes: Sequence[tuple[int, int]]) -> list[Any]:
    """What calls of the layer give, of zeros with these sizes in place of unknown ones."""
    made = []
    for batch, size in sizes:
        zeros = functools.partial(_zeros, batch=batch if rows is None else rows, size=size)
        x, others, named = map_structure(zeros, given)
        with ADDING.into([]):
            made.append(layer.call(x, *others, **named))
    return made


def _has_unknown(given: Any) -> bool:
    return any(isinstance(leaf, KerasTensor) and None in leaf.shape for leaf in flatten(given))


def _zeros(leaf: Any, batch: int, size: int) -> Any:
    if not isinstance(leaf, KerasTensor):
        return leaf
    shape = [(size if axis else batch) if known is None else known for axis, known in enumerate(leaf.shape)]
    # Not what a load may take: the trial's input is gone after it, and of the size of a real one.
    require(4 * prod(shape), "An input to find out the shape of an output")
    return np.zeros(shape, np.float32)


def _common(shapes: tuple[tuple[int, ...], ...]) -> tuple[int | None, ...]:
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True))
