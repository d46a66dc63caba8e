"""What Keras keeps in its backend: the counters behind automatic names, dtypes by name, tensors and variables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fastlstm.arguments import array, check_name
from fastlstm.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from fastlstm.identifiers import missing_names, snake_case
from fastlstm.printable import quoted

__all__ = [
    "Tensor",
    "Variable",
    "auto_name",
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]

_PYTHON_DTYPES = {bool: "bool", int: "int64", "int": "int64", float: "float32", str: "string"}
_DTYPES = frozenset(
    [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
    + ["bool", "bfloat16", "float16", "float32", "float64", "complex64", "complex128", "string"]
)

_counters: dict[str, Iterator[int]] = {}


class Tensor(np.ndarray):
    """What layers and models return when they are called: a NumPy array that also answers to `numpy()`."""

    # No `__dict__`: what writes objects by their attributes (FastAPI, say) is to refuse it as it refuses any array.
    __slots__ = ("_keras_mask",)
    _keras_mask: np.ndarray | None

    def numpy(self) -> np.ndarray:
        """Return the values as a plain `np.ndarray`."""
        return self.view(np.ndarray)


class Variable(NDArrayOperatorsMixin):
    """An array with a name that keeps its place in memory: the state of an optimizer or of a metric.

    Args:
        initializer: The first value; or a callable `(shape, dtype=)` that returns it.
        shape: Tuple, for a callable.
        dtype: Dtype, None for that of the value, or float32 for a callable.
        trainable: Boolean, kept.
        name: String without `/`; None makes one.

    Raises:
        ValueError: When the name is not valid, or a callable comes without a shape.
    """

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        name = name or auto_name("Variable")
        if not isinstance(name, str) or "/" in name:
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={quoted(name)}"
            )
        if callable(initializer):
            if shape is None:
                raise ValueError(
                    "When creating a Variable from an initializer, the `shape` argument should be specified. "
                    f"Received: initializer={quoted(initializer)} and shape={quoted(shape)}"
                )
            dtype = standardize_dtype(dtype)
            initializer = initializer(shape, dtype=dtype)
        elif dtype is None and not hasattr(initializer, "dtype"):
            # Python's floats are float32 here, as in Keras.
            dtype = np.float32 if array(initializer, what="The value of a variable").dtype == np.float64 else None
        self.name: str = name
        self.path: str = name
        self.trainable: bool = bool(trainable)
        self.value: np.ndarray = np.array(array(initializer, dtype, "The value of a variable"))
        self.regularizer: Callable[[np.ndarray], Any] | None = None
        self.constraint: Callable[[np.ndarray], Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.value.dtype.name

    def numpy(self) -> np.ndarray:
        """Return a copy of the value."""
        return self.value.copy()

    def assign(self, value: Any) -> np.ndarray:
        """Overwrite the value.

        Args:
            value: Array of the variable's shape.

        Returns:
            The new value: the variable's own array.

        Raises:
            ValueError: When the shape is another one.
        """
        value = array(value)
        if value.shape != self.shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in `variable.assign(value)` must "
                f"match. variable.shape={self.shape}, Received: value.shape={value.shape}. Target variable: {self}"
            )
        self.value[...] = value
        return self.value

    def assign_add(self, value: Any) -> np.ndarray:
        """Add to the value."""
        return self.assign(self.value + value)

    def assign_sub(self, value: Any) -> np.ndarray:
        """Subtract from the value."""
        return self.assign(self.value - value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and (dtype is None or np.dtype(dtype) == self.value.dtype):
            return self.value
        if copy is False:
            raise ValueError(f"A variable of dtype {self.dtype} cannot be given out as {np.dtype(dtype)} uncopied.")
        return np.array(self.value, dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        values = [item.value if isinstance(item, Variable) else item for item in inputs]
        return getattr(ufunc, method)(*values, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __int__(self) -> int:
        return int(self._scalar())

    def __float__(self) -> float:
        return float(self._scalar())

    def __bool__(self) -> bool:
        raise TypeError("A Keras Variable cannot be used as a boolean.")

    # The mixin compares values, so that variables are told apart by `is`.
    __hash__ = object.__hash__

    def _scalar(self) -> np.ndarray:
        if self.ndim > 0:
            raise TypeError(f"Only scalar arrays can be converted to Python scalars. Got: shape={self.shape}")
        return self.value

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.value}>"


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a dtype; None is `floatx()`.

    Raises:
        ValueError: When it is none that Keras knows.
    """
    if dtype is None:
        return floatx()
    name = _PYTHON_DTYPES.get(dtype, dtype) if isinstance(dtype, (type, str)) else dtype
    name = getattr(name, "name", None) or getattr(name, "__name__", None) or name
    if name not in _DTYPES:
        raise ValueError(f"Invalid dtype: {quoted(dtype)}")
    return name


def is_float_dtype(dtype: Any) -> bool:
    """Return whether a dtype is a floating one."""
    return standardize_dtype(dtype).startswith(("float", "bfloat"))


def is_int_dtype(dtype: Any) -> bool:
    """Return whether a dtype is one of integers."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


def auto_name(class_name: str) -> str:
    """Return the next automatic name of a class: `lstm`, then `lstm_1`, `lstm_2` …

    Args:
        class_name: As Python has it, e.g. `LSTM`.
    """
    prefix = snake_case(class_name)
    number = next(_counters.setdefault(prefix, itertools.count()))
    return f"{prefix}_{number}" if number else prefix


def get_uid(prefix: str = "") -> int:
    """Return how often this was called with `prefix` since the session was cleared, from 1."""
    check_name(prefix)
    return next(_counters.setdefault(f"uid of {prefix}", itertools.count(1)))


def clear_session(free_memory: bool = True) -> None:
    """Start the automatic names again from the beginning.

    Args:
        free_memory: As in Keras; nothing but names is kept here, so there is no memory to free either way.
    """
    _counters.clear()


_missing = missing_names(__name__, "result_type")


def __getattr__(name: str) -> Any:
    if name.startswith("__") or name == "result_type":
        return _missing(name)
    # Those of Keras 1 and 2, which few programs use.
    from fastlstm.ops import older

    return older.function(name)
