"""Nodes that act on each value alone, arithmetic, and sums along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.reading.counting import as_number, realised
from fastlstm.onnx.reading.graph import Node, Reader, constant, place, reads, tensor
from fastlstm.onnx.reading.limits import check_sizes, take_broadcast, take_layers
from fastlstm.onnx.reading.values import Filled, Ramp, Size, Sizes, Stack, Tensor, Unfit, Value

# --- activations ----------------------------------------------------------------------------------------------------

_ACTIVATIONS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Mish": "mish",
    "Tanh": "tanh",
}


def _layer_of(node: Node) -> Any:
    """The layer of an activation."""
    if node.operator in _ACTIVATIONS:
        return layers.Activation(_ACTIVATIONS[node.operator])
    if node.operator == "LeakyRelu":
        return layers.LeakyReLU(float(node.attribute("alpha", 0.01)))
    if node.operator == "Elu":
        return layers.ELU(float(node.attribute("alpha", 1.0)))
    if node.operator == "Gelu":
        if node.attribute("approximate", "none") != "none":
            raise Unfit("its attribute `approximate` is not supported")
        return layers.Activation("gelu")
    if node.operator == "Selu":
        alpha, gamma = node.attribute("alpha", 1.67326319), node.attribute("gamma", 1.05070102)
        if not np.allclose((alpha, gamma), (1.67326319, 1.05070102), rtol=1e-5):
            raise Unfit(f"it has alpha={alpha} and gamma={gamma}")
        return layers.Activation("selu")
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    for name, known in (("hard_sigmoid_keras2", 0.2), ("hard_sigmoid", 1 / 6), ("sparse_sigmoid", 0.5)):
        if np.allclose((alpha, beta), (known, 0.5), rtol=1e-6):
            return layers.Activation(name)
    raise Unfit(f"it has alpha={alpha} and beta={beta}")


@reads("Celu", "Shrink", "ThresholdedRelu", "PRelu")
def read_bent(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Apply an activation that is an operation."""
    x = tensor(inputs[0])
    if node.operator == "Celu":
        return [x.with_tensor(ops.celu(x.tensor, float(node.attribute("alpha", 1.0))))]
    if node.operator == "ThresholdedRelu":
        return [x.with_tensor(ops.threshold(x.tensor, float(node.attribute("alpha", 1.0)), 0.0))]
    if node.operator == "PRelu":
        _, slope = _aligned(x, constant(inputs[1], "slope"))
        below = ops.multiply(ops.minimum(x.tensor, np.float32(0)), slope)
        return [x.with_tensor(ops.add(ops.relu(x.tensor), below))]
    limit, bias = float(node.attribute("lambd", 0.5)), float(node.attribute("bias", 0.0))
    if bias not in (0.0, limit):
        raise Unfit(f"it has lambd={limit} and bias={bias}")
    return [x.with_tensor((ops.soft_shrink if bias else ops.hard_shrink)(x.tensor, limit))]


@reads(*_ACTIVATIONS, "LeakyRelu", "Elu", "Gelu", "Selu", "HardSigmoid")
def read_activation(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make an activation a layer, which the engine runs with the one before it."""
    x = inputs[0]
    if isinstance(x, Stack):
        take_layers(r.budget, len(x.items))
        return [_of_each(x, lambda item: item.with_tensor(_layer_of(node)(item.tensor)))]
    x = tensor(x)
    return [x.with_tensor(_layer_of(node)(x.tensor))]


def _of_each(x: Stack, function: Callable[[Tensor], Tensor]) -> Stack:
    joined = None if x.joined is None else function(x.joined)
    if joined is None:
        return Stack([function(item) for item in x.items], x.axis)
    return Stack([function(item) for item in x.items], x.axis, joined)


@reads("Softmax", "LogSoftmax")
def read_softmax(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make a softmax a layer; before version 13 it was over all axes from one on."""
    x = tensor(inputs[0])
    axis = place(node.attribute("axis", 1 if r.opset < 13 else -1), x.rank)
    if r.opset < 13 and axis != x.rank - 1:
        raise Unfit("it is over several axes")
    ours = x.order[axis]
    if ours == 0:
        raise Unfit("it is over the batch")
    if node.operator == "Softmax":
        last = ours == x.rank - 1
        layer = layers.Activation("softmax") if last else layers.Softmax(ours)
        return [x.with_tensor(layer(x.tensor))]
    return [x.with_tensor(ops.log_softmax(x.tensor, axis=ours))]


# --- functions ------------------------------------------------------------------------------------------------------

_UNARY = {
    **{"Abs": "absolute", "Ceil": "ceil", "Cos": "cos", "Erf": "erf", "Exp": "exp", "Floor": "floor", "Log": "log"},
    **{"Neg": "negative", "Not": "logical_not", "Reciprocal": "reciprocal", "Round": "round", "Sign": "sign"},
    **{"Sin": "sin", "Sqrt": "sqrt", "Tan": "tan", "IsNaN": "isnan", "Cosh": "cosh", "Sinh": "sinh", "Acos": "arccos"},
    **{"Acosh": "arccosh", "Asin": "arcsin", "Asinh": "arcsinh", "Atan": "arctan", "Atanh": "arctanh"},
}


@reads(*_UNARY)
def read_function(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Apply a function."""
    (x,) = inputs
    function = getattr(ops, _UNARY[node.operator])
    if isinstance(x, np.ndarray):
        return [np.asarray(function(x))]
    if isinstance(x, Stack):
        take_layers(r.budget, len(x.items))
        return [_of_each(x, lambda item: item.with_tensor(function(item.tensor)))]
    x = tensor(x)
    return [x.with_tensor(function(x.tensor))]


@reads("Clip")
def read_clip(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Limit values."""
    x = inputs[0]
    given = [None if value is None else constant(value, "limit") for value in inputs[1:3]]
    lowest, highest = (*given, None, None)[:2]
    least = node.attribute("min") if lowest is None else lowest
    most = node.attribute("max") if highest is None else highest
    low, high = (-np.inf if least is None else float(least)), (np.inf if most is None else float(most))
    if isinstance(x, np.ndarray):
        return [np.clip(x, low, high).astype(x.dtype)]
    x = tensor(x)
    if low == 0.0:
        limit = None if high == np.inf else high
        return [x.with_tensor(layers.ReLU(limit)(x.tensor))]
    return [x.with_tensor(ops.clip(x.tensor, low, high))]


# --- of two ---------------------------------------------------------------------------------------------------------

_BINARY = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
    "Pow": "power",
    "Max": "maximum",
    "Min": "minimum",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "And": "logical_and",
    "Or": "logical_or",
    "Xor": "logical_xor",
}
_MERGES = {"Add": layers.Add, "Mul": layers.Multiply, "Sub": layers.Subtract}


@reads(*_BINARY)
def read_arithmetic(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Calculate with two values or more."""
    take_layers(r.budget, len(inputs) - 1)
    made = inputs[0]
    for other in inputs[1:]:
        made = _calculated(r, node, made, other)
    return [made]


def _calculated(r: Reader, node: Node, a: Value, b: Value) -> Value:
    function = getattr(ops, _BINARY[node.operator])
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        take_broadcast(r.budget, (a, b))
        return _of_constants(node, function, a, b)
    a, b = _sizes_beside(r, a, b), _sizes_beside(r, b, a)
    if isinstance(a, Sizes) or isinstance(b, Sizes):
        return _of_sizes(node, a, b)
    if isinstance(a, Filled) or isinstance(b, Filled):
        a, b = (value.number.reshape(()) if isinstance(value, Filled) else value for value in (a, b))
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.rank == b.rank:
        b = b.in_order(a.order)
        if node.operator in _MERGES and all(_alike(x, y) for x, y in zip(a.sizes, b.sizes, strict=True)):
            return a.with_tensor(_MERGES[node.operator]()([a.tensor, b.tensor]))
        return _sized(a, function(a.tensor, b.tensor))
    if isinstance(a, np.ndarray):
        b = tensor(b)
        wide, constant_ = _aligned(b, a)
        return _sized(wide, function(constant_, wide.tensor))
    a = tensor(a)
    if isinstance(b, np.ndarray):
        wide, constant_ = _aligned(a, b)
        return _sized(wide, function(wide.tensor, constant_))
    b = tensor(b)
    if a.rank < b.rank:
        a = _widened(a, b)
    elif b.rank < a.rank:
        b = _widened(b, a)
    return _sized(a, function(a.tensor, b.in_order(a.order).tensor))


def _sizes_beside(r: Reader, x: Value, other: Value) -> Value:
    """A size as a tensor, where it meets one."""
    return as_number(r, x, tensor(other)) if isinstance(x, Sizes) and isinstance(other, (Tensor, Stack)) else x


def _alike(x: Any, y: Any) -> bool:
    return x is y or (not isinstance(x, Size) and not isinstance(y, Size) and x == y)


def _sized(like: Tensor, made: Any) -> Tensor:
    """A result in the order of a tensor, with sizes that may have grown."""
    sizes = [
        own if isinstance(own, Size) else Size("a size") if size is None else size
        for own, size in zip(like.sizes, made.shape, strict=True)
    ]
    return Tensor(made, like.order, sizes)


def _of_constants(node: Node, function: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if node.operator == "Div" and a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.trunc(a / b).astype(a.dtype)
    made = np.asarray(function(a, b))
    keeps = made.dtype.kind in "iuf" and a.dtype == b.dtype
    return made.astype(a.dtype) if keeps else made


def _of_sizes(node: Node, a: Value, b: Value) -> Value:
    """Arithmetic of sizes: exact where they are known, another size where not."""
    first, second = (value.items if isinstance(value, Sizes) else np.asarray(value).astype(object) for value in (a, b))
    first, second = np.broadcast_arrays(first, second)
    check_sizes(first)
    made = np.empty(first.shape, object)
    functions: dict[str, Callable[[Any, Any], Any]] = {
        "Add": lambda x, y: x + y,
        "Sub": lambda x, y: x - y,
        "Mul": lambda x, y: x * y,
        "Div": lambda x, y: int(x / y),
    }
    neutral = {"Add": 0, "Sub": 0, "Mul": 1, "Div": 1}
    for place_, (x, y) in enumerate(zip(first.ravel(), second.ravel(), strict=True)):
        at = np.unravel_index(place_, first.shape)
        if node.operator == "Equal":
            made[at] = x is y or (not isinstance(x, Size) and not isinstance(y, Size) and x == y)
        elif node.operator not in functions:
            raise Unfit("it calculates with the size of a batch or of time")
        elif not isinstance(x, Size) and not isinstance(y, Size):
            made[at] = functions[node.operator](x, y)
        elif isinstance(x, Size) and not isinstance(y, Size) and y == neutral[node.operator]:
            made[at] = x
        else:
            made[at] = Size("a size")
    return made.astype(bool) if node.operator == "Equal" else Sizes(made)


def _aligned(x: Tensor, array: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """A constant with its axes where the tensor has them."""
    array = array.astype(np.float32) if array.dtype.kind == "f" else array
    if array.ndim > x.rank:
        raise Unfit("a constant has more axes than the tensor that it is calculated with")
    if array.size == 1:
        return x, array.reshape(())
    wide = array.reshape((1,) * (x.rank - array.ndim) + array.shape)
    wide = np.ascontiguousarray(wide.transpose([x.order.index(axis) for axis in range(x.rank)]))
    if wide.shape[0] != 1:
        raise Unfit("a constant has another row for each one of a batch")
    return x, wide.reshape(wide.shape[1:]) if x.rank == 2 else wide


def _widened(x: Tensor, like: Tensor) -> Tensor:
    """A tensor with axes of size 1 in front of those that the graph sees, as another one has them."""
    more = like.rank - x.rank
    if like.batch_axis != x.batch_axis + more:
        raise Unfit("the batch of one tensor would meet another axis of the other")
    made = x.tensor
    for _ in range(more):
        made = ops.expand_dims(made, -1)
    order = [*range(x.rank, like.rank), *x.order]
    return Tensor(made, order, [*x.sizes, *[1] * more])


@reads("Where")
def read_where(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Choose between values; where the condition is known, one of them may be all."""
    condition, a, b = inputs
    if isinstance(condition, np.ndarray) and condition.size and (condition == condition.ravel()[0]).all():
        return [a if condition.ravel()[0] else b]
    if all(isinstance(value, (np.ndarray, Sizes)) for value in inputs):
        take_broadcast(r.budget, [value.items if isinstance(value, Sizes) else value for value in inputs])
    if all(isinstance(value, np.ndarray) for value in inputs):
        return [np.where(condition, a, b)]
    if isinstance(condition, np.ndarray) and any(isinstance(value, Sizes) for value in (a, b)):
        a, b = (value.items if isinstance(value, Sizes) else np.asarray(value, object) for value in (a, b))
        return [Sizes(np.where(condition, a, b))]
    like = next(tensor(value) for value in inputs if isinstance(value, (Tensor, Stack)))
    inputs = [realised(r, value) if isinstance(value, Filled) and value.rank else value for value in inputs]
    parts: list[Any] = []
    for value in inputs:
        if isinstance(value, np.ndarray):
            parts.append(_aligned(like, value)[1])
        else:
            value = tensor(value)
            value = _widened(value, like) if value.rank < like.rank else value
            parts.append(value.in_order(like.order).tensor)
    return [_sized(like, ops.where(*parts))]


# --- along axes -----------------------------------------------------------------------------------------------------

# What is done before the sum, the sum, and what is done after it.
_REDUCTIONS: dict[str, tuple[str | None, str, str | None]] = {
    "ReduceMean": (None, "mean", None),
    "ReduceSum": (None, "sum", None),
    "ReduceMax": (None, "max", None),
    "ReduceMin": (None, "min", None),
    "ReduceProd": (None, "prod", None),
    "ReduceL1": ("absolute", "sum", None),
    "ReduceL2": ("square", "sum", "sqrt"),
    "ReduceSumSquare": ("square", "sum", None),
    "ReduceLogSum": (None, "sum", "log"),
    "ReduceLogSumExp": (None, "logsumexp", None),
}


def _reduced(operator: str, x: Any, **over: Any) -> Any:
    before, function, after = _REDUCTIONS[operator]
    x = x if before is None else getattr(ops, before)(x)
    made = getattr(ops, function)(x, **over)
    return made if after is None else getattr(ops, after)(made)


@reads(*_REDUCTIONS)
def read_reduction(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Sum along axes."""
    x = inputs[0]
    keep = bool(node.attribute("keepdims", 1))
    rank = x.ndim if isinstance(x, np.ndarray) else len(x.shape)
    axes = r.axes(node, inputs, 1, rank)
    if isinstance(x, np.ndarray):
        return [
            np.asarray(_reduced(node.operator, x, axis=None if axes is None else tuple(axes), keepdims=keep)).astype(
                x.dtype
            )
        ]
    if isinstance(x, Sizes):
        return [_product(node, x, keep)]
    x = tensor(x)
    if axes is None:
        raise Unfit("it is over the batch")
    ours = sorted(x.order[axis] for axis in axes)
    if 0 in ours:
        raise Unfit("it is over the batch")
    made = _reduced(node.operator, x.tensor, axis=tuple(ours), keepdims=keep)
    if keep:
        return [Tensor(made, x.order, [1 if at in ours else size for at, size in enumerate(x.sizes)])]
    left = [at for at in range(x.rank) if at not in ours]
    order = [left.index(at) for at in x.order if at in left]
    return [Tensor(made, order, [x.sizes[at] for at in left])]


def _product(node: Node, x: Sizes, keep: bool) -> Value:
    if node.operator != "ReduceProd":
        raise Unfit("it calculates with the size of a batch or of time")
    items = x.items.ravel().tolist()
    unknown = [item for item in items if isinstance(item, Size)]
    others = int(np.prod([item for item in items if not isinstance(item, Size)], dtype=object))
    made = np.empty((1,) if keep else (), object)
    made[...] = others if not unknown else unknown[0] if len(unknown) == 1 and others == 1 else Size("a size")
    return Sizes(made)


@reads("Range")
def read_range(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Count."""
    limits = [value.items.item() if isinstance(value, Sizes) else constant(value, "limit").item() for value in inputs]
    start, limit, step = limits
    if isinstance(limit, Size) and (start, step) == (0, 1):
        return [Ramp(limit)]
    if any(isinstance(item, Size) for item in limits):
        raise Unfit("it counts from or by a size that is not known")
    count = max(0, int(np.ceil((limit - start) / step))) if step else 0
    r.budget.take_bytes(8 * count, "A constant")
    return [np.arange(count) * step + start]
