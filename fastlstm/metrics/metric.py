"""The base class of all metrics: named state that batches change and that says a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlstm import initializers
from fastlstm.arguments import array, check_name
from fastlstm.backend import Variable, auto_name, standardize_dtype
from fastlstm.memory import require_array
from fastlstm.printable import quoted


class Metric:
    """Base class of all metrics. A subclass makes its state with `add_variable` in `__init__`, and defines
    `update_state(y_true, y_pred, sample_weight=None)` and `result()`.

    Args:
        dtype: Only None or `"float32"`.
        name: String; None makes one.

    Raises:
        NotImplementedError: When the dtype is another one.
    """

    # Whether a larger result is better ("up") or a smaller one ("down"); None where it does not say.
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name: str = name or auto_name(type(self).__name__)
        check_name(self.name)
        self._dtype = self._checked_dtype(standardize_dtype(getattr(dtype, "name", dtype)))
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The dtype of the result."""
        return self._dtype

    def _checked_dtype(self, dtype: str) -> str:
        if dtype != "float32":
            raise NotImplementedError(f"Metric '{self.name}' computes in float32. Received: dtype={quoted(dtype)}")
        return dtype

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Return a new part of the state.

        Args:
            shape: Its shape.
            initializer: Initializer of the value, by name or as an object; `reset_state` sets zeros.
            dtype: Its dtype, None for float32.
            aggregation: Kept by no one: there is one process.
            name: String.
        """
        self._check_super_called()
        require_array(shape, f"Metric '{self.name}'")
        variable = Variable(initializers.get(initializer), tuple(shape), dtype, trainable=False, name=name)
        variable.path = f"{self.name.replace('/', '>')}/{variable.name}"
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Return a new part of the state; see `add_variable`."""
        return self.add_variable(shape, "zeros" if initializer is None else initializer, dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The state: what `add_variable` made, then what is in other attributes, metrics inside this one included."""
        self._check_super_called()
        others = [value for name, value in vars(self).items() if name != "_variables"]
        return list({id(variable): variable for variable in (*self._variables, *_variables_in(others))}.values())

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define `update_state`.")

    def result(self) -> Any:
        """Return the metric of all batches since the last reset: a scalar, an array, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} does not define `result`.")

    def reset_state(self) -> None:
        """Forget all batches."""
        for variable in self.variables:
            variable.value[...] = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take in a batch and return the result."""
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        return cls(**config)

    def _check_super_called(self) -> None:
        if not hasattr(self, "_variables"):
            raise RuntimeError("You forgot to call `super().__init__()` in the `__init__()` method. Go add it!")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _variables_in(value: Any) -> Iterator[Variable]:
    if isinstance(value, Variable):
        yield value
    elif isinstance(value, Metric):
        yield from value.variables
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _variables_in(item)


def divide_no_nan(x: Any, y: Any) -> Any:
    """Return `x / y`, and 0 where `y` is 0."""
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return np.divide(x, y, out=np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32), where=y != 0)[()]


def as_float32(x: Any) -> np.ndarray:
    """Return `x` as a plain float32 array."""
    return array(x, np.float32)
