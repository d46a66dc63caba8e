"""Operations of `keras.ops` in a graph, each by the operator of its name or a few."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.onnx.writing.activations import glu, over_axes, sparsemax, written
from fastlstm.onnx.writing.builder import BOOL, INT, Builder, Shape, Value
from fastlstm.onnx.writing.call import Call, Outputs, refusal, writes
from fastlstm.onnx.writing.products import einsum
from fastlstm.ops.indexing import _key as indices_of

# b, operands, parameters, shape of the result → the result
Write = Callable[[Builder, Sequence[Any], Any, Any], Any]


@writes(Operation)
def write_operation(call: Call) -> Outputs:
    """Write an operation: its tensors cast as Keras casts them, the operator, and the result in its dtype."""
    b, layer = call.b, call.layer
    definition, parameters = layer.definition, layer.parameters
    name = type(layer).__name__
    write = _WRITERS.get(name)
    if write is None:
        raise refusal(layer, "is an operation that has no operators in ONNX")
    operands = definition.operands((call.inputs, *call.args), call.kwargs)
    shape = definition.output_shape(operands, parameters)
    cast, dtype = definition.casts(operands, parameters)

    def value(one: Any) -> Value:
        made = one if isinstance(one, Value) else b.constant(np.asarray(one, _dtype_of(one)))
        return made if cast is None else b.cast(made, cast)

    values = definition._map(value, operands)
    made = write(b, values, parameters, shape)
    if isinstance(made, list):
        each = dtype if isinstance(dtype, tuple) else [dtype] * len(made)
        return [b.cast(one, of) for one, of in zip(made, each, strict=True)]
    return b.cast(made, dtype)


def _dtype_of(one: Any) -> Any:
    """The dtype of a constant; numbers from Python are as in Keras."""
    if hasattr(one, "dtype"):
        return None
    return {"f": np.float32, "i": np.int32}.get(np.asarray(one).dtype.kind)


# --- of each value --------------------------------------------------------------------------------------------------


def _unary(op: str) -> Write:
    return lambda b, values, parameters, shape: b.op(op, values[0])


def _activation(name: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        function = activation_layer.get(name)
        given = {key: value for key, value in parameters.items() if value is not None}
        lowered = activation_layer.lower_activation(function, 1)
        slots = {"alpha": 0, "negative_slope": 0, "threshold": 0, "b": 0}
        of = list(lowered.parameters)
        for key, number in given.items():
            if key in slots and of:
                of[slots[key]] = float(number)
        return written(b, type(lowered)(lowered.name, tuple(of)), values[0])

    return write


def _gelu(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    if not parameters["approximate"]:
        return written(b, activation_layer.lower_activation(activation_layer.get("gelu"), 1), x)
    cube = b.mul(x, x, x, b.number(0.044715))
    inner = b.op("Tanh", b.mul(b.add(x, cube), b.number(float(np.sqrt(2 / np.pi)))))
    return b.mul(x, b.number(0.5), b.add(inner, b.number(1)))


# Of booleans, which ONNX does not add.
_OF_BOOLEANS = {"Add": "Or", "Mul": "And", "Max": "Or", "Min": "And"}


def _binary(op: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        if values[0].dtype == BOOL and op in _OF_BOOLEANS:
            return b.op(_OF_BOOLEANS[op], *values, shape=shape, dtype=BOOL)
        return b.elementwise(op, *values)

    return write


def _comparison(op: str, negated: bool = False) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        values = [b.cast(one, "int32") if one.dtype == BOOL else one for one in values]
        made = b.compare(op, *values)
        return b.op("Not", made, dtype=BOOL) if negated else made

    return write


def _logic(op: str) -> Write:
    return lambda b, values, parameters, shape: b.op(
        op, *(b.cast(one, BOOL) for one in values), shape=shape, dtype=BOOL
    )


def _floor_divide(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    floats = [b.cast(one, "float32") for one in values]
    return b.cast(b.op("Floor", b.div(*floats)), values[0].dtype)


def _mod(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    a, c = (b.cast(one, "float32") for one in values)
    return b.cast(b.sub(a, b.mul(c, b.op("Floor", b.div(a, c)))), values[0].dtype)


def _clip(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    low = b.elementwise("Max", values[0], _constant(b, parameters["x_min"], values[0]))
    return b.elementwise("Min", low, _constant(b, parameters["x_max"], values[0]))


def _constant(b: Builder, number: Any, like: Value) -> Value:
    return b.constant(np.asarray(number, like.dtype))


def _where(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    condition, first, second = values
    if first.dtype != second.dtype:
        wide = np.promote_types(first.dtype, second.dtype).name
        first, second = b.cast(first, wide), b.cast(second, wide)
    if first.dtype not in ("float32", "int32", INT):  # ONNX Runtime chooses between no others
        wide = "float32" if first.dtype.startswith("float") else INT
        first, second = b.cast(first, wide), b.cast(second, wide)
    return b.where(b.cast(condition, BOOL), first, second)


def _divide_no_nan(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    zero = b.compare("Equal", values[1], 0)
    return b.where(zero, b.number(0), b.div(values[0], b.where(zero, b.number(1), values[1])))


def _kept(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return values[0]


# --- along axes -----------------------------------------------------------------------------------------------------


def _axes_of(parameters: Any, x: Value, key: str = "axis") -> list[int]:
    axis = parameters.get(key)
    return list(range(x.ndim)) if axis is None else [axis] if isinstance(axis, int) else list(axis)


def _reduction(op: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        if parameters.get("initial") is not None:
            raise NotImplementedError("The argument `initial` of a reduction cannot be written as ONNX.")
        x = b.cast(values[0], "int32") if values[0].dtype == BOOL else values[0]
        return b.reduce(op, x, _axes_of(parameters, x), bool(parameters.get("keepdims")))

    return write


def _truth(op: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        numbers = b.cast(b.cast(values[0], BOOL), "int32")
        return b.cast(b.reduce(op, numbers, _axes_of(parameters, values[0]), bool(parameters.get("keepdims"))), BOOL)

    return write


def _variance(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    axes, keep = _axes_of(parameters, x), bool(parameters.get("keepdims"))
    centered = b.sub(x, b.reduce("Mean", x, axes, keepdims=True))
    return b.reduce("Mean", b.mul(centered, centered), axes, keep)


def _deviation(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return b.op("Sqrt", _variance(b, values, parameters, shape))


def _place(op: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        (x,) = values
        keep, axis = bool(parameters.get("keepdims")), parameters.get("axis")
        if axis is None:
            raise NotImplementedError(f"{op} over all axes cannot be written as ONNX; give it an axis.")
        return b.op(op, x, shape=shape, dtype=INT, axis=axis % x.ndim, keepdims=int(keep))

    return write


def _cumulative(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    if parameters.get("axis") is None:
        raise NotImplementedError("cumsum over all axes cannot be written as ONNX; give it an axis.")
    return b.op("CumSum", x, b.constant(np.int64(parameters["axis"] % x.ndim)))


def _softmax(op: str) -> Write:
    return lambda b, values, parameters, shape: over_axes(b, op, values[0], parameters.get("axis", -1))


# --- products -------------------------------------------------------------------------------------------------------


def _matmul(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return b.op("MatMul", *values, shape=shape)


def _einsum(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return einsum(b, parameters["subscripts"], values, shape)


# --- shapes ---------------------------------------------------------------------------------------------------------


def _reshape(b: Builder, values: Sequence[Any], parameters: Any, shape: Shape) -> Value:
    (x,) = values
    target = parameters.get("newshape")
    target = [target] if isinstance(target, int) else target
    if target is not None and all(isinstance(size, int) and size for size in target):
        return b.reshape(x, target, shape)
    return _to_shape(b, x, shape)


def _to_shape(b: Builder, x: Value, shape: Shape) -> Value:
    """`x` in a shape of which sizes that are not known are those at the same place, or one of them what remains."""
    unknown = [axis for axis, size in enumerate(shape) if size is None]
    same = [axis for axis in unknown if axis < x.ndim and x.shape[axis] is None and shape[:axis] == x.shape[:axis]]
    rest = [axis for axis in unknown if axis not in same]
    if len(rest) > 1:
        raise NotImplementedError(f"A reshape from {x.shape} to {shape} cannot be written as ONNX.")
    return b.reshape(x, [0 if at in same else -1 if at in rest else size for at, size in enumerate(shape)], shape)


def _expand_dims(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axis = parameters["axis"]
    return b.expand_dims(values[0], *([axis] if isinstance(axis, int) else axis))


def _squeeze(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    axis = parameters.get("axis")
    axes = [at for at, size in enumerate(x.shape) if size == 1] if axis is None else np.atleast_1d(axis).tolist()
    return b.squeeze(x, *axes)


def _transpose(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axes = parameters.get("axes")
    return b.transpose(values[0], range(values[0].ndim)[::-1] if axes is None else axes)


def _swapaxes(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axes = list(range(values[0].ndim))
    first, second = parameters["axis1"], parameters["axis2"]
    axes[first], axes[second] = axes[second], axes[first]
    return b.transpose(values[0], axes)


def _moveaxis(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    source, target = parameters["source"], parameters["destination"]
    places, goals = ([at % values[0].ndim for at in np.atleast_1d(each).tolist()] for each in (source, target))
    rest = [axis for axis in range(values[0].ndim) if axis not in places]
    for goal, place in sorted(zip(goals, places, strict=True)):
        rest.insert(goal, place)
    return b.transpose(values[0], rest)


def _flip(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return functools.reduce(b.backwards, _axes_of(parameters, values[0]), values[0])


def _concatenate(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    return b.concat(values[0], parameters.get("axis", 0))


def _stack(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    axis = parameters.get("axis", 0)
    return b.concat([b.expand_dims(one, axis) for one in values[0]], axis)


def _split(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> list[Value]:
    (x,) = values
    axis = parameters.get("axis", 0) % x.ndim
    sizes = [of[axis] for of in shape]
    if None in sizes:
        raise NotImplementedError("A split of an axis of unknown size cannot be written as ONNX.")
    return b.nodes_of("Split", [x, b.ints(*sizes)], shape, x.dtype, axis=axis)


def _repeat(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    axis, times = parameters.get("axis"), parameters["repeats"]
    if axis is None or not isinstance(times, int):
        raise NotImplementedError("A repeat without an axis, or by several numbers, cannot be written as ONNX.")
    axis %= x.ndim
    scales = np.ones(x.ndim, np.float32)
    scales[axis] = times
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return b.op("Resize", x, None, b.constant(scales), shape=shape, **how)


def _tile(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    times = np.atleast_1d(parameters["repeats"]).tolist()
    times = [1] * (x.ndim - len(times)) + times
    x = b.expand_dims(x, *range(len(times) - x.ndim)) if len(times) > x.ndim else x
    return b.op("Tile", x, b.ints(*times), shape=shape)


def _pad(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    x = values[0]
    constant = values[1] if len(values) > 1 and values[1] is not None else 0
    widths = np.broadcast_to(np.asarray(parameters["pad_width"]), (x.ndim, 2))
    mode = {"constant": "constant", "reflect": "reflect", "edge": "edge"}.get(parameters["mode"])
    if mode is None:
        raise NotImplementedError(f"A pad with mode={parameters['mode']!r} cannot be written as ONNX.")
    pads = b.ints(*widths[:, 0].tolist(), *widths[:, 1].tolist())
    constant = constant if isinstance(constant, Value) else b.constant(np.asarray(constant, x.dtype))
    return b.op("Pad", x, pads, constant if mode == "constant" else None, shape=shape, mode=mode)


def _get_item(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    x, key = values
    items = indices_of(key)
    items = list(items) if isinstance(items, tuple) else [items]
    used = sum(item is not None and item is not Ellipsis for item in items)
    for at, item in enumerate(items):
        if item is Ellipsis:
            items[at : at + 1] = [slice(None)] * (x.ndim - used)
            break
    axis, y = 0, x
    for item in items:
        if item is None:
            y, axis = b.expand_dims(y, axis), axis + 1
        elif isinstance(item, slice):
            if item != slice(None):
                step = 1 if item.step is None else item.step
                start = (0 if step > 0 else -1) if item.start is None else item.start
                y = b.slice(y, axis, start, item.stop, step)
            axis += 1
        else:
            y = b.at(y, axis, int(item))
    return y


def _slice(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    y = values[0]
    for axis, (start, size) in enumerate(zip(values[1], parameters["shape"], strict=True)):
        if start or size != y.shape[axis]:
            y = b.slice(y, axis, int(start), None if size < 0 else int(start) + int(size))
    return y


def _take(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    x, indices = values
    axis = parameters.get("axis")
    if axis is None:
        x, axis = b.reshape(x, (-1,), (None,)), 0
    return b.op("Gather", x, b.cast(indices, INT), shape=shape, axis=axis % x.ndim)


def _one_hot(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    ids = b.cast(values[0], INT)
    ranks = b.expand_dims(b.constant(np.arange(parameters["num_classes"])), *range(ids.ndim))
    made = b.cast(b.compare("Equal", b.expand_dims(ids, -1), ranks), "float32")
    return b.moved(made, -1, parameters.get("axis", -1))


def _filled(number: float) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        x = values[0]
        return b.expand(b.constant(np.asarray(number, x.dtype)), b.sizes(x), x.shape)

    return write


def _broadcast_to(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    sizes = [1 if size is None else size for size in shape]
    return b.expand(x, b.ints(*sizes), shape)


_WRITERS: dict[str, Write] = {
    **{name: _unary(op) for name, op in {
        "Absolute": "Abs", "Arccos": "Acos", "Arccosh": "Acosh", "Arcsin": "Asin", "Arcsinh": "Asinh",
        "Arctan": "Atan", "Arctanh": "Atanh", "Ceil": "Ceil", "Cos": "Cos", "Cosh": "Cosh", "Erf": "Erf", "Exp": "Exp",
        "Floor": "Floor", "Log": "Log", "Negative": "Neg", "Reciprocal": "Reciprocal",
        "Sign": "Sign", "Sin": "Sin", "Sinh": "Sinh", "Sqrt": "Sqrt", "Tan": "Tan", "Tanh": "Tanh",
    }.items()},
    **dict.fromkeys(("Array", "Cast", "Conjugate", "ConvertToTensor", "Copy", "Real", "StopGradient"), _kept),
    "Isnan": lambda b, values, parameters, shape: b.op("IsNaN", b.cast(values[0], "float32"), dtype=BOOL),
    "Square": lambda b, values, parameters, shape: b.mul(values[0], values[0]),
    "Rsqrt": lambda b, values, parameters, shape: b.op("Reciprocal", b.op("Sqrt", values[0])),
    "Log1p": lambda b, values, parameters, shape: b.op("Log", b.add(values[0], b.number(1))),
    "Expm1": lambda b, values, parameters, shape: b.sub(b.op("Exp", values[0]), b.number(1)),
    "LogicalNot": lambda b, values, parameters, shape: b.op("Not", b.cast(values[0], BOOL), dtype=BOOL),
    **{name: _activation(key) for name, key in {
        "Celu": "celu", "Elu": "elu", "HardShrink": "hard_shrink", "HardSigmoid": "hard_sigmoid",
        "HardSilu": "hard_silu", "HardTanh": "hard_tanh", "LeakyRelu": "leaky_relu", "LogSigmoid": "log_sigmoid",
        "Mish": "mish", "Relu": "relu", "Relu6": "relu6", "Selu": "selu", "Sigmoid": "sigmoid", "Silu": "silu",
        "SoftShrink": "soft_shrink", "Softplus": "softplus", "Softsign": "softsign", "SparsePlus": "sparse_plus",
        "SparseSigmoid": "sparse_sigmoid", "Squareplus": "squareplus", "TanhShrink": "tanh_shrink",
    }.items()},
    "Gelu": _gelu,
    "Glu": lambda b, values, parameters, shape: glu(b, values[0], parameters["axis"]),
    "Sparsemax": lambda b, values, parameters, shape: sparsemax(b, values[0], parameters["axis"]),
    "Softmax": _softmax("Softmax"),
    "LogSoftmax": _softmax("LogSoftmax"),
    **{name: _binary(op) for name, op in {
        "Add": "Add", "Subtract": "Sub", "Multiply": "Mul", "Divide": "Div", "TrueDivide": "Div", "Maximum": "Max",
        "Minimum": "Min", "Power": "Pow",
    }.items()},
    "FloorDivide": _floor_divide,
    "Mod": _mod,
    "DivideNoNan": _divide_no_nan,
    **{name: _comparison(name if name != "GreaterEqual" else "GreaterOrEqual") for name in (
        "Equal", "Greater", "GreaterEqual", "Less")},
    "LessEqual": _comparison("LessOrEqual"),
    "NotEqual": _comparison("Equal", negated=True),
    "LogicalAnd": _logic("And"),
    "LogicalOr": _logic("Or"),
    "LogicalXor": _logic("Xor"),
    "Clip": _clip,
    "Where": _where,
    **{name: _reduction(op) for name, op in {
        "Mean": "Mean", "Sum": "Sum", "Max": "Max", "Min": "Min", "Amax": "Max", "Amin": "Min", "Prod": "Prod",
        "Logsumexp": "LogSumExp",
    }.items()},
    "All": _truth("Min"),
    "Any": _truth("Max"),
    "Var": _variance,
    "Std": _deviation,
    "Argmax": _place("ArgMax"),
    "Argmin": _place("ArgMin"),
    "Cumsum": _cumulative,
    "Matmul": _matmul,
    "Einsum": _einsum,
    "Reshape": _reshape,
    "Ravel": lambda b, values, parameters, shape: b.reshape(values[0], (-1,), shape),
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Swapaxes": _swapaxes,
    "Moveaxis": _moveaxis,
    "Flip": _flip,
    "Concatenate": _concatenate,
    "Stack": _stack,
    "Split": _split,
    "Repeat": _repeat,
    "Tile": _tile,
    "Pad": _pad,
    "GetItem": _get_item,
    "Slice": _slice,
    "Take": _take,
    "OneHot": _one_hot,
    "ZerosLike": _filled(0),
    "OnesLike": _filled(1),
    "BroadcastTo": _broadcast_to,
}  # fmt: skip
