from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.engine._engine import Executor

def run_pair(
    first: Executor,
    second: Executor,
    x: np.ndarray,
    mask: np.ndarray | None = None,
    first_states: Sequence[Sequence[np.ndarray] | None] | None = None,
    second_states: Sequence[Sequence[np.ndarray] | None] | None = None,
    return_states: bool = False,
) -> tuple[Any, Any]: ...
