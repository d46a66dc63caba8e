"""Einsum nodes: products with a constant as `EinsumDense`, others as the operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.reading.graph import Node, Reader, reads, tensor
from fastlstm.onnx.reading.limits import require_axes
from fastlstm.onnx.reading.values import Size, Tensor, Unfit, Value


@reads("Einsum")
def read_einsum(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Sum products as an equation says; the batch is the first axis of all tensors."""
    equation = node.attribute("equation").replace(" ", "")
    terms, _, output = equation.partition("->")
    require_axes(len(inputs))
    if all(isinstance(value, np.ndarray) for value in inputs):
        raise Unfit("it takes constants alone")
    values = [value if isinstance(value, np.ndarray) else tensor(value) for value in inputs]
    letters: dict[str, Any] = {}
    for term, value in zip(terms.split(","), values, strict=True):
        if isinstance(value, Tensor):
            if value.batch_axis or term[:1] != output[:1]:
                raise Unfit(f"its equation {equation!r} does not keep the batch first")
            letters |= dict(zip(term, value.natural().sizes, strict="..." not in equation))
        elif term[:1] == output[:1] and "..." not in equation:
            raise Unfit(f"its equation {equation!r} has a constant of the batch")
    given = [value.natural().tensor if isinstance(value, Tensor) else value for value in values]
    known = "..." not in equation
    if known and len(given) == 2 and isinstance(given[1], np.ndarray) and not isinstance(given[0], np.ndarray):
        made = _dense(equation, given[0], given[1])
    else:
        made = ops.einsum(equation, *given)
    sizes = [
        letters[letter] if known and letter in letters else Size("a size") if size is None else size
        for letter, size in zip(output if known else [""] * len(made.shape), made.shape, strict=True)
    ]
    return [Tensor(made, range(len(sizes)), [r.batch, *sizes[1:]])]


def _dense(equation: str, x: Any, kernel: np.ndarray) -> Any:
    """A product with a constant as a layer, whose weight it is."""
    sizes = dict(zip(equation.partition("->")[0].split(",")[0], x.shape, strict=True))
    sizes |= dict(zip(equation.partition("->")[0].split(",")[1], kernel.shape, strict=True))
    output = [sizes[letter] for letter in equation.partition("->")[2][1:]]
    layer = layers.EinsumDense(equation, output)
    made = layer(x)
    layer.set_weights([np.asarray(kernel, np.float32)])
    return made
