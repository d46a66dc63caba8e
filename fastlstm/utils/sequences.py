"""Sequences of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastlstm.arguments import explained


@explained
def pad_sequences(
    sequences: Sequence[Sequence[Any]],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float | str = 0.0,
) -> np.ndarray:
    """Return sequences as one array, the short ones padded and the long ones cut.

    Args:
        sequences: Sequences of numbers, of strings or of arrays of one shape.
        maxlen: Timesteps of the result, None for the length of the longest sequence.
        dtype: Dtype of the result; `object` for strings.
        padding: `"pre"` or `"post"`, the side on which a short one is padded.
        truncating: `"pre"` or `"post"`, the side on which a long one is cut.
        value: What to pad with.

    Returns:
        Array `(len(sequences), maxlen, …)`.

    Raises:
        ValueError: When a sequence is none, one differs from the others in the shape of its steps, or an argument is
            not valid.
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"`sequences` must be a list of iterables. Found non-iterable: {sequence!s}")
    if maxlen is None:
        maxlen = max(map(len, sequences))
    is_text = np.issubdtype(dtype, np.str_) or np.issubdtype(dtype, np.bytes_)
    if isinstance(value, str) and dtype is not object and not is_text:
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)}\n"
            "You should set `dtype=object` for variable length strings."
        )
    step_shape = next((np.asarray(sequence).shape[1:] for sequence in sequences if len(sequence)), ())
    padded = np.full((len(sequences), maxlen, *step_shape), value, dtype)
    for index, sequence in enumerate(sequences):
        if not len(sequence):
            continue
        if truncating not in ("pre", "post"):
            raise ValueError(f'Truncating type "{truncating}" not understood')
        # As in Keras, a `maxlen` of 0 takes all of the sequence, which then does not fit.
        kept = np.asarray(sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen], dtype)
        if kept.shape[1:] != step_shape:
            raise ValueError(
                f"Shape of sample {kept.shape[1:]} of sequence at position {index} is different from expected shape "
                f"{step_shape}"
            )
        if padding == "post":
            padded[index, : len(kept)] = kept
        elif padding == "pre":
            padded[index, -len(kept) :] = kept
        else:
            raise ValueError(f'Padding type "{padding}" not understood')
    return padded
