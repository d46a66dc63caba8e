from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import Self

from fastlstm.engine._engine import Executor

class Turn:
    def __enter__(self) -> None: ...
    def __exit__(self, *exception: object) -> None: ...

class StepForm:
    batch: int
    x_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    def __new__(cls, batch: int, x_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Self: ...
    def fit(self, x: ArrayLike, axes: int) -> tuple[np.ndarray, bool]: ...
    def check_out(self, out: Any, bare: bool) -> None: ...

class Steps:
    program: Executor
    turn: Turn

def checked_states(
    states: Sequence[Sequence[ArrayLike]], shapes: list[list[tuple[int, ...]]]
) -> list[list[np.ndarray]]: ...
def checked_rows(rows: int | Sequence[int] | np.ndarray | None, batch: int) -> list[int]: ...
