import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import Self

class Sampler:
    rows: int
    units: int
    def __new__(
        cls, rows: int, units: int, temperature: float = 0.0, top_k: int = 0, seed: int = 0, logits: bool = False
    ) -> Self: ...
    def __call__(self, y: ArrayLike) -> np.ndarray: ...
