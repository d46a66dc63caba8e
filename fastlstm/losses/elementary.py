"""Functions of one array that give the same bits on every instruction set: by the engine in float32, and slower in
float64, in which the tests differentiate."""

from __future__ import annotations

import math

import numpy as np

from fastlstm import activations

_LOG_2 = math.log(2.0)
# log(m) = 2 artanh(s), s = (m - 1) / (m + 1): s (1 + s²/3 + s⁴/5 + …), |s| < 0.172 for m within sqrt(1/2) and sqrt(2).
_ARTANH = [1.0 / (2 * k + 1) for k in range(11)]


def log(x: np.ndarray) -> np.ndarray:
    """The natural logarithm, correctly rounded but for one float32 in many millions.

    NumPy's own differs in the last bit between instruction sets; this is made of exactly rounded float64 operations.
    """
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    small = mantissa < math.sqrt(0.5)
    mantissa = np.where(small, 2 * mantissa, mantissa)
    with np.errstate(invalid="ignore", divide="ignore"):
        s = (mantissa - 1) / (mantissa + 1)
        square = s * s
        series = np.full_like(s, _ARTANH[-1])
        for coefficient in _ARTANH[-2::-1]:
            series *= square
            series += coefficient
        result = (exponent - small) * _LOG_2 + 2 * s * series
        # Zero, infinities, NaN and negative numbers have no mantissa to speak of.
        special = ~((x > 0) & (x < np.inf))
        if special.any():
            result = np.where(special, np.where(x == np.inf, np.inf, np.where(x == 0, -np.inf, np.nan)), result)
    return result.astype(np.asarray(x).dtype)


def exp(x: np.ndarray) -> np.ndarray:
    return activations.exponential(x) if x.dtype == np.float32 else np.exp(x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return activations.sigmoid(x) if x.dtype == np.float32 else 1 / (1 + np.exp(-x))


def tanh(x: np.ndarray) -> np.ndarray:
    return activations.tanh(x) if x.dtype == np.float32 else np.tanh(x)


def softplus(x: np.ndarray) -> np.ndarray:
    return activations.softplus(x) if x.dtype == np.float32 else np.logaddexp(x, 0)


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    if x.dtype == np.float32:
        return activations.softmax(x, axis)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def power(x: np.ndarray, exponent: float) -> np.ndarray:
    """`x**exponent` of numbers that are not negative."""
    if exponent == 0:
        return np.ones_like(x)
    if exponent == 1:
        return x
    if exponent == 2:
        return x * x
    with np.errstate(divide="ignore"):
        return exp(x.dtype.type(exponent) * log(x))
