from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import Self

from fastlstm.engine._engine import Executor
from fastlstm.engine._sampling import Sampler
from fastlstm.engine._steps import Steps

class Stepper(Steps):
    batch: int
    states: list[list[np.ndarray]]
    output: np.ndarray | None
    def __new__(cls, program: Executor, batch: int = 1) -> Self: ...
    @property
    def capsule(self) -> Any: ...
    @property
    def moves(self) -> int: ...
    def step(self, x: ArrayLike, out: np.ndarray | None = None) -> np.ndarray: ...
    def run(self, x: ArrayLike) -> np.ndarray: ...
    def generate(self, x: np.ndarray, steps: int, sampler: Sampler | None = None) -> np.ndarray: ...
    def reset(self, rows: int | Sequence[int] | np.ndarray | None = None) -> None: ...
