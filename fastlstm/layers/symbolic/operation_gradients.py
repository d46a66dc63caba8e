"""The gradients of operations: from the gradient by the result to those by the tensors that it was made of.

Here are those of functions of each value alone; the others are in `alignment_gradients.py`, `moving_gradients.py`,
`product_gradients.py` and `reduction_gradients.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.engine.activation import Activation
from fastlstm.engine.ops import ActivationOp
from fastlstm.engine.training import TrainingProgram
from fastlstm.layers.symbolic import alignment_gradients, moving_gradients, product_gradients, reduction_gradients
from fastlstm.layers.symbolic.product_gradients import summed_to

Parameters = Mapping[str, Any]
# d, y, operands, parameters → a gradient for each operand, None for one that has none; d and y are several where the
# operation gives several
Rule = Callable[[Any, Any, Sequence[Any], Parameters], Sequence[Any]]


def _of_one(slope: Callable[[np.ndarray, np.ndarray], Any]) -> Rule:
    """The rule of a function of each value alone, by its slope, a function of (x, y)."""
    return lambda d, y, operands, parameters: [d * slope(operands[0], y)]


def _of_two(slopes: Callable[[Any, Any, np.ndarray], tuple[Any, Any]]) -> Rule:
    """The rule of a function of two values, by its slopes, a function of (a, b, y)."""

    def rule(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
        slopes_of = slopes(operands[0], operands[1], y)
        return [summed_to(d * slope, operand) for slope, operand in zip(slopes_of, operands, strict=True)]

    return rule


def _float(x: Any) -> np.ndarray:
    """A number or an array as one of floats."""
    array = np.asarray(x)
    return array if array.dtype.kind == "f" and hasattr(x, "dtype") else array.astype(np.float32)


def _power_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    a, b = _float(a), _float(b)
    return b * np.power(a, b - 1), np.where(a > 0, y * np.log(np.where(a > 0, a, 1)), 0)


def _quotient_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    b = _float(b)
    return 1 / b, -y / b


def _safe_quotient_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    b = _float(b)
    inverse = np.where(b == 0, 0, 1 / np.where(b == 0, 1, b)).astype(b.dtype)
    return inverse, -y * inverse


def _angle_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    a, b = _float(a), _float(b)
    square = np.square(a) + np.square(b)
    return b / square, -a / square


def _length_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    safe = np.where(y > 0, y, 1)
    return _float(a) / safe, _float(b) / safe


def _remainder_slopes(a: Any, b: Any, y: np.ndarray) -> tuple[Any, Any]:
    return 1, -np.floor(_float(a) / _float(b))


def _passed(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    """The rule of what leaves the values as they are, in another dtype perhaps."""
    dtype = np.asarray(operands[0]).dtype
    return [d.astype(dtype, copy=False) if dtype.kind == "f" else None]


def _none(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    """The rule of what is flat everywhere."""
    return [None] * len(operands)


def _clip(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    (x,) = operands
    return [d * ((x >= parameters["x_min"]) & (x <= parameters["x_max"]))]


def _where(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    condition, a, b = operands
    chosen = np.asarray(condition) != 0
    return [None, summed_to(np.where(chosen, d, 0), a), summed_to(np.where(chosen, 0, d), b)]


def _nan_to_num(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [np.where(np.isfinite(operands[0]), d, 0)]


def _activation(name: str, *parameters: Any) -> Rule:
    """The rule of an activation of the engine, by its name there, and those of its parameters, or their values."""

    def rule(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], given: Parameters) -> Sequence[Any]:
        x = np.asarray(operands[0])
        values = tuple(float(given[one] if isinstance(one, str) else one) for one in parameters)
        # A scalar is a row of one for the engine.
        rows = np.ascontiguousarray(np.atleast_1d(x), np.float32)
        call = TrainingProgram([ActivationOp(Activation(name, values))]).run(rows)
        dx = call.backward(np.ascontiguousarray(d.reshape(rows.shape), np.float32))[0]
        return [np.reshape(cast(Any, dx), x.shape)]

    return rule


def _gelu(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return _activation("gelu_tanh" if parameters["approximate"] else "gelu")(d, y, operands, parameters)


def _relu_with_limits(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], given: Parameters) -> Sequence[Any]:
    most = math.inf if given["max_value"] is None else given["max_value"]
    return _activation("relu", given["negative_slope"], most, given["threshold"])(d, y, operands, given)


def _glu(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    a, b = np.split(operands[0], 2, parameters["axis"])
    gate = 1 / (1 + np.exp(-b))
    return [np.concatenate([d * gate, d * a * gate * (1 - gate)], parameters["axis"])]


def _threshold(d: np.ndarray, y: np.ndarray, operands: Sequence[Any], parameters: Parameters) -> Sequence[Any]:
    return [d * (operands[0] > parameters["threshold"])]


_FLAT: tuple[str, ...] = (
    "Ceil",
    "EmptyLike",
    "Floor",
    "FloorDivide",
    "FullLike",
    "MultiHot",
    "OneHot",
    "OnesLike",
    "Round",
    "Sign",
)
_FLAT += ("StopGradient", "Trunc", "ZerosLike")

# By the name of Keras' class.
RULES: dict[str, Rule] = {
    **alignment_gradients.RULES,
    **moving_gradients.RULES,
    **reduction_gradients.RULES,
    "Absolute": _of_one(lambda x, y: np.sign(x)),
    "Add": _of_two(lambda a, b, y: (1, 1)),
    "Arccos": _of_one(lambda x, y: -1 / np.sqrt(1 - np.square(x))),
    "Arccosh": _of_one(lambda x, y: 1 / np.sqrt(np.square(x) - 1)),
    "Arcsin": _of_one(lambda x, y: 1 / np.sqrt(1 - np.square(x))),
    "Arcsinh": _of_one(lambda x, y: 1 / np.sqrt(np.square(x) + 1)),
    "Arctan": _of_one(lambda x, y: 1 / (1 + np.square(x))),
    "Arctan2": _of_two(_angle_slopes),
    "Arctanh": _of_one(lambda x, y: 1 / (1 - np.square(x))),
    "Array": _passed,
    "Cast": _passed,
    "Cbrt": _of_one(lambda x, y: 1 / (3 * np.square(y))),
    "Celu": _activation("celu", "alpha"),
    "Clip": _clip,
    "ConvertToTensor": _passed,
    "Copy": _passed,
    "Cos": _of_one(lambda x, y: -np.sin(x)),
    "Cosh": _of_one(lambda x, y: np.sinh(x)),
    "Divide": _of_two(_quotient_slopes),
    "DivideNoNan": _of_two(_safe_quotient_slopes),
    "Dot": product_gradients.dot,
    "Einsum": product_gradients.einsum,
    "Elu": _activation("elu", "alpha"),
    "Erf": _of_one(lambda x, y: 2 / math.sqrt(math.pi) * np.exp(-np.square(x))),
    "Exp": _of_one(lambda x, y: y),
    "Exp2": _of_one(lambda x, y: y * math.log(2)),
    "Expm1": _of_one(lambda x, y: y + 1),
    "Gelu": _gelu,
    "Glu": _glu,
    "HardShrink": _activation("hard_shrink", "threshold"),
    "HardSigmoid": _activation("hard_sigmoid"),
    "HardSilu": _activation("hard_silu"),
    "HardTanh": _activation("hard_tanh"),
    "Hypot": _of_two(_length_slopes),
    "Inner": product_gradients.inner,
    "LeakyRelu": _activation("relu", "negative_slope", math.inf, 0.0),
    "Log": _of_one(lambda x, y: 1 / x),
    "Log10": _of_one(lambda x, y: 1 / (x * math.log(10))),
    "Log1p": _of_one(lambda x, y: 1 / (1 + x)),
    "Log2": _of_one(lambda x, y: 1 / (x * math.log(2))),
    "LogSigmoid": _activation("log_sigmoid"),
    "Logaddexp": _of_two(lambda a, b, y: (np.exp(a - y), np.exp(b - y))),
    "Matmul": product_gradients.matmul,
    "Maximum": _of_two(lambda a, b, y: (np.greater_equal(a, b), np.less(a, b))),
    "Minimum": _of_two(lambda a, b, y: (np.less_equal(a, b), np.greater(a, b))),
    "Mish": _activation("mish"),
    "Mod": _of_two(_remainder_slopes),
    "Multiply": _of_two(lambda a, b, y: (b, a)),
    "NanToNum": _nan_to_num,
    "Negative": _of_one(lambda x, y: -1),
    "Outer": product_gradients.outer,
    "Power": _of_two(_power_slopes),
    "ReLU": _relu_with_limits,
    "Reciprocal": _of_one(lambda x, y: -np.square(y)),
    "Relu": _of_one(lambda x, y: np.asarray(x) > 0),
    "Relu6": _activation("relu", 0.0, 6.0, 0.0),
    "Rsqrt": _of_one(lambda x, y: -0.5 * y * np.square(y)),
    "Selu": _activation("selu"),
    "Sigmoid": _of_one(lambda x, y: y * (1 - y)),
    "Silu": _activation("silu"),
    "Sin": _of_one(lambda x, y: np.cos(x)),
    "Sinh": _of_one(lambda x, y: np.cosh(x)),
    "SoftShrink": _activation("soft_shrink", "threshold"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "SparsePlus": _activation("sparse_plus"),
    "SparseSigmoid": _activation("sparse_sigmoid"),
    "Sqrt": _of_one(lambda x, y: 0.5 / y),
    "Square": _of_one(lambda x, y: 2 * x),
    "Squareplus": _activation("squareplus", "b"),
    "Subtract": _of_two(lambda a, b, y: (1, -1)),
    "Tan": _of_one(lambda x, y: 1 + np.square(y)),
    "Tanh": _of_one(lambda x, y: 1 - np.square(y)),
    "TanhShrink": _activation("tanh_shrink"),
    "Tensordot": product_gradients.tensordot,
    "Threshold": _threshold,
    "TrueDivide": _of_two(_quotient_slopes),
    "Where": _where,
    **dict.fromkeys(_FLAT, _none),
}
