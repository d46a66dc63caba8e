"""Operations on each value alone: arithmetic, comparisons, logic, functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.ops import dtypes, shapes
from fastlstm.ops.definition import CORE, MATH, alias, operation

# --- of one tensor --------------------------------------------------------------------------------------------------

_FLOATING = {
    "arccos": np.arccos,
    "arccosh": np.arccosh,
    "arcsin": np.arcsin,
    "arcsinh": np.arcsinh,
    "arctan": np.arctan,
    "arctanh": np.arctanh,
    "cbrt": np.cbrt,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg2rad": np.deg2rad,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "floor": np.floor,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "rad2deg": np.rad2deg,
    "sin": np.sin,
    "sinc": np.sinc,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
}
_KEPT: dict[str, Any] = {"absolute": np.absolute, "negative": np.negative, "reciprocal": np.reciprocal, "sign": np.sign}
_KEPT |= {"bitwise_invert": np.invert, "bitwise_not": np.invert, "conjugate": np.conjugate, "copy": np.array}
_KEPT |= {"real": np.real, "trunc": np.trunc}
_BOOLEAN = {"isfinite": np.isfinite, "isinf": np.isinf, "isnan": np.isnan, "isneginf": np.isneginf}
_BOOLEAN |= {"isposinf": np.isposinf, "isreal": np.isreal, "signbit": np.signbit}


def _unary(name: str, function: Any, rule: Any) -> None:
    def applied(x: np.ndarray) -> Any:
        return function(x)

    applied.__doc__ = f"Return NumPy's `{function.__name__}` of every value."
    operation(name, shape=shapes.same, dtype=rule)(applied)


for _table, _rule in ((_FLOATING, dtypes.floating), (_KEPT, dtypes.kept), (_BOOLEAN, dtypes.boolean)):
    for _name, _function in _table.items():
        _unary(_name, _function, _rule)
_unary("square", np.square, dtypes.not_boolean)
_unary("logical_not", np.logical_not, dtypes.logical)
alias("abs", "absolute")
alias("conj", "conjugate")


@operation("rsqrt", shape=shapes.same, dtype=dtypes.floating, module=MATH)
def _rsqrt(x: np.ndarray) -> Any:
    """Return `1 / sqrt(x)`."""
    return 1 / np.sqrt(x)


@operation("erf", shape=shapes.same, dtype=dtypes.floating, module=MATH)
def _erf(x: np.ndarray) -> Any:
    """Return the error function."""
    from scipy.special import erf

    return erf(x)


@operation("erfinv", shape=shapes.same, dtype=dtypes.floating, module=MATH)
def _erfinv(x: np.ndarray) -> Any:
    """Return the inverse of the error function."""
    from scipy.special import erfinv

    return erfinv(x)


@operation("round", shape=shapes.same, dtype=dtypes.kept)
def _round(x: np.ndarray, decimals: Any = 0) -> Any:
    """Return the values to so many decimals; halves to even."""
    return np.round(x, decimals)


@operation("nan_to_num", shape=shapes.same, dtype=dtypes.kept)
def _nan_to_num(x: np.ndarray, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Return the values with numbers in place of those that are none."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@operation("clip", shape=shapes.same, dtype=dtypes.not_boolean)
def _clip(x: np.ndarray, x_min: Any, x_max: Any) -> Any:
    """Return the values, at least `x_min` and at most `x_max`."""
    return np.clip(x, x_min, x_max)


@operation("stop_gradient", "variable", shape=shapes.same, dtype=dtypes.kept, module=CORE)
def _stop_gradient(variable: Any) -> Any:
    """Return the values."""
    return variable


# --- dtypes ---------------------------------------------------------------------------------------------------------


@operation("cast", shape=shapes.same, dtype=dtypes.requested, module=CORE)
def _cast(x: np.ndarray, dtype: Any) -> Any:
    """Return the values in another dtype; fractions are cut off towards 0."""
    return x


@operation("saturate_cast", shape=shapes.same, dtype=dtypes.requested, module=CORE)
def _saturate_cast(x: np.ndarray, dtype: Any) -> Any:
    """Return the values in another dtype, its limits where they are beyond them."""
    name = dtypes.standardize(dtype)
    if name == "bool" or name.startswith("float"):
        return x
    limits = np.iinfo(name)
    return np.clip(x, limits.min, limits.max)


@operation("convert_to_tensor", shape=shapes.same, dtype=dtypes.requested, module=CORE)
def _convert_to_tensor(x: np.ndarray, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """Return the values as a tensor; only dense ones are supported."""
    if sparse or ragged:
        raise ValueError("Only dense tensors are supported.")
    return x


@operation("array", shape=shapes.same, dtype=dtypes.requested)
def _array(x: np.ndarray, dtype: Any = None) -> Any:
    """Return the values as a tensor."""
    return x


# --- of two tensors -------------------------------------------------------------------------------------------------


def _floor_divide(x1: Any, x2: Any) -> Any:
    return np.floor_divide(x1, x2) if x1.dtype.kind in "iu" else np.floor(x1 / x2)


def _divide_no_nan(x1: Any, x2: Any) -> Any:
    return np.where(x2 == 0, x1.dtype.type(0), x1 / np.where(x2 == 0, x1.dtype.type(1), x2))


_BINARY: dict[Any, dict[str, Any]] = {
    dtypes.promoted: {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "floor_divide": _floor_divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
        "fmax": np.fmax,
        "fmin": np.fmin,
        "power": np.power,
    },
    dtypes.floating: {
        "divide": np.true_divide,
        "true_divide": np.true_divide,
        "divide_no_nan": _divide_no_nan,
        "arctan2": np.arctan2,
        "hypot": np.hypot,
        "logaddexp": np.logaddexp,
        "logaddexp2": np.logaddexp2,
    },
    dtypes.not_boolean: {"mod": np.mod, "fmod": np.fmod},
    dtypes.compared: {
        "equal": np.equal,
        "not_equal": np.not_equal,
        "greater": np.greater,
        "greater_equal": np.greater_equal,
        "less": np.less,
        "less_equal": np.less_equal,
    },
    dtypes.logical: {"logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor},
}
_BITWISE: dict[str, Any] = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}
_BITWISE |= {"bitwise_left_shift": np.left_shift, "bitwise_right_shift": np.right_shift}
_BITWISE |= {"left_shift": np.left_shift, "right_shift": np.right_shift}


def _binary(name: str, function: Any, rule: Any) -> None:
    def applied(x1: Any, x2: Any) -> Any:
        return function(x1, x2)

    applied.__doc__ = f"Return NumPy's `{function.__name__.lstrip('_')}` of the values of two tensors."
    operation(name, "x1 x2", shape=shapes.broadcast, dtype=rule)(applied)


def _bitwise(name: str, function: Any) -> None:
    def applied(x: np.ndarray, y: Any) -> Any:
        return function(x, y)

    applied.__doc__ = f"Return NumPy's `{function.__name__}` of the values of two tensors."
    operation(name, "x y", shape=shapes.broadcast, dtype=dtypes.promoted)(applied)


for _rule, _table in _BINARY.items():
    for _name, _function in _table.items():
        _binary(_name, _function, _rule)
for _name, _function in _BITWISE.items():
    _bitwise(_name, _function)


@operation("isclose", "x1 x2 rtol atol", raw="rtol atol", shape=lambda x1, x2, *_, **__: shapes.broadcast(x1, x2),
           dtype=dtypes.compared)  # fmt: skip
def _isclose(x1: Any, x2: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> Any:
    """Return where values are nearly the same."""
    return np.isclose(x1, x2, rtol, atol, equal_nan)


# --- choosing -------------------------------------------------------------------------------------------------------


def _chosen(*named: str, **parameters: Any) -> dtypes.Rule:
    if len(named) != 3:
        raise ValueError("`where` needs both `x1` and `x2`: the places of true values have no shape of their own.")
    return None, dtypes.result_type(*named[1:])


@operation("where", "condition x1 x2", shape=shapes.broadcast, dtype=_chosen)
def _where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Return `x1` where the condition is true, `x2` elsewhere."""
    return np.where(condition != 0, x1, x2)
