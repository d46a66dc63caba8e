"""Products of a layer's weights with what windows read, in the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from fastlstm.engine import Program, ops, run_windows, takes_windows
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.variable import CHANGES, Watch
from fastlstm.layers.convolutional.windows import Axis, over_blocks, padded, windows, windows_backward


class Product:
    """A product with weights of a layer, as a Program that follows them.

    Args:
        layer: The layer, which is built.
        lower: Returns the product as ops of the engine, with the present weights.
    """

    def __init__(self, layer: Layer, lower: Callable[[], list[ops.Op]]) -> None:
        self._layer = layer
        self._lower = lower
        self._watch = Watch()
        self._made: tuple[int, Program] | None = None

    @property
    def program(self) -> Program:
        """The Program of the present weights."""
        made = self._made
        return self._refreshed() if made is None or made[0] != self._watch.count else made[1]

    def _refreshed(self) -> Program:
        with CHANGES.lock:
            self._layer.watch(self._watch)
            count = self._watch.count
            program = Program(self._lower())
            self._made = count, program
            return program


def product_of_windows(x: np.ndarray, axes: Sequence[Axis], product: Product, channels: int) -> np.ndarray:
    """Return `(batch, *counts, channels)`: the product of the weights with what each window reads, as one row.

    Args:
        x: `(batch, *lengths, features)`.
        axes: The windows along each of the lengths.
        product: Takes rows of `sizes * features` values.
        channels: Values that it gives.
    """
    program = product.program
    if takes_windows(program):
        read = [(axis.count, axis.size, axis.stride, axis.dilation) for axis in axes]
        return run_windows(program, np.ascontiguousarray(padded(x, axes), np.float32), read)
    size = prod(axis.size for axis in axes) * x.shape[-1]

    def compute(windows: np.ndarray) -> np.ndarray:
        places = windows.shape[: len(axes) + 1]
        rows = np.ascontiguousarray(windows).reshape(prod(places), size)
        return program.run(rows)[0].reshape(*places, channels)

    return over_blocks(x, axes, channels, compute)


def product_with_gradient(
    x: np.ndarray, axes: Sequence[Axis], kernel: np.ndarray, bias: np.ndarray | None
) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray | None]]]:
    """Return the product of a kernel with what each window reads, plus a bias, and the way back.

    Args:
        x: `(batch, *lengths, features)`.
        axes: The windows along each of the lengths.
        kernel: `(*sizes, features, channels)`.
        bias: `(channels,)`, or None.

    Returns:
        `(z, backward)`: `backward(d)`, which may be called once, returns the gradients by x, kernel and bias.
    """
    from fastlstm.engine.training import TrainingProgram

    *_, features, channels = kernel.shape
    read = windows(np.ascontiguousarray(padded(x, axes)), axes)
    places = read.shape[: len(axes) + 1]
    rows = np.ascontiguousarray(read).reshape(prod(places), -1)
    call = TrainingProgram([ops.DenseOp(kernel.reshape(-1, channels), bias)]).run(rows)

    def backward(d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        d_rows, _, (found,) = call.backward(np.ascontiguousarray(d, np.float32).reshape(len(rows), channels))
        assert d_rows is not None
        d_read = d_rows.reshape(*places, *(axis.size for axis in axes), features)
        every: tuple[Any, ...] = (slice(None),) * len(places)
        dx = windows_backward(x, axes, lambda position, _: d_read[(*every, *position)])
        return dx, found["kernel"].reshape(kernel.shape), found.get("bias")

    return call.output.reshape(*places, channels), backward
