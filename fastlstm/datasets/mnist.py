"""Images of digits, whose rows are sequences to many a recurrent network (LeCun et al., 1998)."""

from __future__ import annotations

import numpy as np

from fastlstm.datasets import sequences
from fastlstm.utils.files import get_file

HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

Pair = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "mnist.npz") -> tuple[Pair, Pair]:
    """Return `(x_train, y_train), (x_test, y_test)`: images `(rows, 28, 28)` of uint8, and digits.

    Args:
        path: Name of the file in `~/.keras/datasets`.

    Raises:
        ValueError: When the file is not there or is another one.

    Differs from Keras: nothing is downloaded.
    """
    arrays = sequences.read_arrays(get_file(path, sequences.ORIGIN + "mnist.npz", file_hash=HASH))
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
