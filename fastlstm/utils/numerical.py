"""Arrays to classes and to unit length."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.arguments import explained


@explained
def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Return classes as rows of zeros with a one.

    Args:
        x: Integers from 0 to `num_classes - 1`; a last axis of size 1 is dropped.
        num_classes: Integer, None for the largest class plus 1.

    Returns:
        float64 array with an axis of size `num_classes` more.

    Raises:
        ValueError: When a class is out of range.
    """
    classes = np.array(x, np.int64)
    shape = classes.shape
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    classes = classes.reshape(-1)
    if not num_classes:
        num_classes = int(np.max(classes)) + 1
    categorical = np.zeros((len(classes), num_classes))
    categorical[np.arange(len(classes)), classes] = 1
    return categorical.reshape(*shape, num_classes)


@explained
def normalize(x: Any, axis: int = -1, order: int | float = 2) -> np.ndarray:
    """Return `x` divided by its norms along an axis; where a norm is 0, as it is.

    Args:
        x: Array, or numbers that become a float32 one.
        axis: Integer. As in Keras, 0 divides an array along the last axis by the norms along the first, which needs
            equal sizes.
        order: Order of the norm.
    """
    of_numbers = not isinstance(x, np.ndarray)
    x = np.asarray(x, np.float32) if of_numbers else x
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return x / np.expand_dims(norm, axis if of_numbers else axis or -1)
