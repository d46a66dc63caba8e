from typing import SupportsFloat

import numpy as np

def adam_step(
    isa: str,
    value: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    largest: np.ndarray | None,
    gradient: np.ndarray,
    part_m: SupportsFloat,
    part_v: SupportsFloat,
    alpha: SupportsFloat,
    epsilon: SupportsFloat,
) -> None: ...
