"""What is run: a stack of LSTM layers, its weights and its input, the same in every process."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

# kernel (features, 4*units), recurrent_kernel (units, 4*units), bias (4*units,); gate blocks i, f, c, o as in Keras
Weights = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
SEED = 20


@dataclass(frozen=True)
class Case:
    """LSTM layers, all but the last returning sequences; the last one gives its last step, `(batch, units[-1])`."""

    name: str
    batch: int
    timesteps: int
    features: int
    units: tuple[int, ...]

    def widths(self) -> list[tuple[int, int]]:
        """`(features, units)` of every layer."""
        return list(zip((self.features, *self.units), self.units, strict=False))

    def input(self) -> np.ndarray:
        """float32 `(batch, timesteps, features)` from N(0, 1)."""
        shape = (self.batch, self.timesteps, self.features)
        return np.random.default_rng(SEED + 1).standard_normal(shape, np.float32)

    def weights(self) -> Weights:
        """Random float32 weights that keep the gates off their flat ends, biases included."""
        random = np.random.default_rng(SEED)

        def normal(deviation: float, *shape: int) -> np.ndarray:
            return random.standard_normal(shape, np.float32) * np.float32(deviation)

        return [
            (
                normal((2 / (features + 4 * units)) ** 0.5, features, 4 * units),
                normal((1 / units) ** 0.5, units, 4 * units),
                normal(0.1, 4 * units),
            )
            for features, units in self.widths()
        ]


CASES = {
    case.name: case
    for case in (
        Case("seed", 1, 3, 1, (1,)),
        Case("tutorial4", 1, 60, 1, (50,) * 4),
        Case("small", 1, 32, 16, (32,) * 2),
        Case("mid", 1, 100, 64, (128,) * 2),
        Case("deep", 1, 100, 128, (256,) * 4),
        Case("wide", 1, 100, 512, (512,) * 2),
        Case("huge", 1, 50, 1024, (1024,) * 2),
        Case("step64", 1, 1, 64, (64,)),
        Case("step128x2", 1, 1, 64, (128,) * 2),
        Case("step512", 1, 1, 512, (512,)),
        Case("b8mid", 8, 100, 64, (128,) * 2),
        Case("b32mid", 32, 100, 64, (128,) * 2),
        Case("b256mid", 256, 50, 64, (128,) * 2),
        Case("b32tutorial4", 32, 60, 1, (50,) * 4),
        Case("b64wide", 64, 50, 512, (512,) * 2),
        Case("b32huge", 32, 25, 1024, (1024,)),
    )
}


def draw(inputs: list[tuple[list[int], int | None]], rows: int) -> list[np.ndarray]:
    """Inputs of a model, in float32.

    Args:
        inputs: Of each a row's shape, and how many ids there are where its numbers are ids.
        rows: Of the batch.
    """
    random = np.random.default_rng(SEED)
    return [
        random.standard_normal((rows, *shape), np.float32)
        if ids is None
        else random.integers(0, ids, (rows, *shape)).astype(np.float32)
        for shape, ids in inputs
    ]


def parse_case(text: str) -> Case:
    """The case of `batch,timesteps,features,units…`, a layer's units written `50` or, four times over, `50x4`.

    Raises:
        ValueError: The text is not of that form.
    """
    if not re.fullmatch(r"[1-9]\d*,[1-9]\d*,[1-9]\d*(,[1-9]\d*(x[1-9]\d*)?)+", text):
        raise ValueError(f"A case is batch,timesteps,features,units… such as 1,60,1,50x4. Received: {text!r}")
    batch, timesteps, features, *stacks = text.split(",")
    units: list[int] = []
    for stack in stacks:
        width, _, layers = stack.partition("x")
        units += [int(width)] * int(layers or 1)
    return Case(text, int(batch), int(timesteps), int(features), tuple(units))
