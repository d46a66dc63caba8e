from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from fastlstm.engine._array_form import ArrayForm
from fastlstm.engine._op_list import OpList

ENOUGH_ROWS: Final[int]
PARALLEL_WORK: Final[float]

def get_num_threads() -> int: ...
def set_num_threads(number: int) -> None: ...

class Executor(OpList):
    def split(self, batch: int, timesteps: int, masked: bool, threads: int) -> tuple[int, int, int]: ...
    def run(
        self,
        x: np.ndarray,
        mask: np.ndarray | None = None,
        initial_states: Sequence[Sequence[np.ndarray] | None] | None = None,
        return_states: bool = False,
    ) -> Any: ...  # the output, or with return_states the output and lists of states
    def run_fitting(self, x: object, form: ArrayForm) -> np.ndarray | None: ...
    def run_graph(self, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray] | None: ...
