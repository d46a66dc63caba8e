"""Sums of products that are more than a product of two matrices."""

from __future__ import annotations

from collections.abc import Sequence

from fastlstm.onnx.writing.builder import Builder, Shape, Value


def einsum(b: Builder, equation: str, values: Sequence[Value], shape: Shape) -> Value:
    """Return the sums of products that an equation names.

    Args:
        b: The graph.
        equation: With `...` for any axes.
        values: One for each term.
        shape: Of the result.
    """
    return b.op("Einsum", *values, shape=shape, equation=equation.replace(" ", ""))
