from typing import Any

import numpy as np

class Memory: ...

class TrainingExecutor:
    lowered: list[Any]
    def __init__(self, lowered: list[Any], isa: str) -> None: ...
    def set_weights(self, weights: list[dict[str, np.ndarray]]) -> None: ...
    def forward(
        self,
        x: np.ndarray,
        out: np.ndarray,
        mask: np.ndarray | None,
        states: list[Any],
        batch: int,
        steps: int,
        width: int,
    ) -> Recording: ...

class Recording:
    def states(self) -> list[list[np.ndarray]]: ...
    def backward(
        self, d_out: np.ndarray, d_states: list[Any], dx: np.ndarray | None
    ) -> tuple[list[list[np.ndarray]], list[dict[str, np.ndarray]]]: ...
