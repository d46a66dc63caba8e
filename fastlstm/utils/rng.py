"""One seed for all random numbers."""

from __future__ import annotations

import random as python_random

import numpy as np

from fastlstm.random import set_global_seed


def set_random_seed(seed: int) -> None:
    """Seed Python's, NumPy's and this package's random numbers, so that what follows can be repeated.

    Args:
        seed: Integer from 0 to `2**32 - 1`.

    Raises:
        ValueError: For anything else.
    """
    set_global_seed(seed)
    python_random.seed(seed)
    np.random.seed(seed)
