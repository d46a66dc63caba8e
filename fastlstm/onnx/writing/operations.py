"""Operations of `keras.ops` in a graph, each by the operator of its name or a few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.layers.activations import activation as activation_layer
from fastlstm.layers.symbolic.operation import Operation
from fastlstm.onnx.writing.activations import glu, over_axes, sparsemax, written
from fastlstm.onnx.writing.builder import BOOL, INT, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, refusal, writes
from fastlstm.onnx.writing.products import einsum
from fastlstm.onnx.writing.rearranging import REARRANGING, Write, axes_of


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


def _reduction(op: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        if parameters.get("initial") is not None:
            raise NotImplementedError("The argument `initial` of a reduction cannot be written as ONNX.")
        x = b.cast(values[0], "int32") if values[0].dtype == BOOL else values[0]
        return b.reduce(op, x, axes_of(parameters, x), bool(parameters.get("keepdims")))

    return write


def _truth(op: str) -> Write:
    def write(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
        numbers = b.cast(b.cast(values[0], BOOL), "int32")
        return b.cast(b.reduce(op, numbers, axes_of(parameters, values[0]), bool(parameters.get("keepdims"))), BOOL)

    return write


def _variance(b: Builder, values: Sequence[Any], parameters: Any, shape: Any) -> Value:
    (x,) = values
    axes, keep = axes_of(parameters, x), bool(parameters.get("keepdims"))
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
    **REARRANGING,
}  # fmt: skip
