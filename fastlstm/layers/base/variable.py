"""Variables: named arrays that are filled on first use and say when they change."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fastlstm.layers.base.arrays import float32_copy
from fastlstm.layers.base.tracing import TRACING, UNDER_WAY
from fastlstm.memory import require_array

if TYPE_CHECKING:
    from fastlstm.engine import IntegerMatrix

Fill = Callable[[tuple[int, ...]], Any]


class Watch:
    """Counts the changes of some layers and of their weights.

    Whoever derives something from weights (a Program, say) keeps the count that it saw: while `count` stands still,
    nothing has changed, so that one comparison per call is enough. Changes of anything else are not counted.
    """

    __slots__ = ("__weakref__", "count")

    def __init__(self) -> None:
        self.count: int = 0


class Watched:
    """What can change, and has that counted by those who watch it."""

    _watches: tuple[weakref.ref[Watch], ...] = ()

    def watch(self, watch: Watch) -> None:
        """Let `watch` count the changes from now on, for as long as it lives; the lock of `CHANGES` is held."""
        alive = [known for known in self._watches if known() is not None]
        if not any(known() is watch for known in alive):
            alive.append(weakref.ref(watch))
        self._watches = tuple(alive)


class _Changes:
    """The changes of weights and layers.

    The lock is held by whoever changes weights and by whoever collects them, so that nobody collects a mixture. It is
    taken only when something changes. Whoever reads weights without it, as a call of a layer in NumPy does, has read
    those of one moment if the count of its `Watch` stands afterwards where it stood before: new weights count before
    the first of them is in place, and again after the last.
    """

    def __init__(self) -> None:
        self.renew_lock()

    def renew_lock(self) -> None:
        """Start with a lock that nobody holds."""
        self.lock: threading.RLock = threading.RLock()

    def follow_forks(self) -> None:
        """Let forks wait for changes under way: the child has no thread that would bring them to their end."""
        os.register_at_fork(
            before=lambda: self.lock.acquire(),
            after_in_parent=lambda: self.lock.release(),
            after_in_child=self.renew_lock,
        )

    def count(self, *changed: Watched) -> None:
        """Have one change counted, after it was made.

        Args:
            *changed: What changed.
        """
        with self.lock:
            for item in changed:
                for known in item._watches:
                    watch = known()
                    if watch is not None:
                        watch.count += 1

    @contextmanager
    def making(self, *changed: Watched) -> Iterator[None]:
        """Hold the lock while weights change, and count that before and after.

        Args:
            *changed: As for `count`.
        """
        with self.lock:
            self.count(*changed)
            try:
                yield
            finally:
                self.count(*changed)


CHANGES = _Changes()
if hasattr(os, "register_at_fork"):
    CHANGES.follow_forks()


class Variable(Watched, NDArrayOperatorsMixin):
    """An array of weights.

    The array is made by its initializer when it is first read, so that a model that is about to be loaded from a file
    never draws the values that the file replaces.

    Args:
        fill: `fill(shape)` returns the first value.
        shape: All dimensions known.
        name: Without `/`, e.g. `kernel`.
        path: Name with those of the layers around it, e.g. `lstm/lstm_cell/kernel`.
        trainable: Whether training changes it.
        regularizer: Callable on the value, or None.
        constraint: Callable on the value, or None.

    Raises:
        ValueError: When a dimension is not known.
    """

    dtype = "float32"
    # In place of the array, once the layer is quantized.
    integers: IntegerMatrix | None = None

    def __init__(
        self,
        fill: Fill,
        shape: Sequence[int | None],
        name: str = "variable",
        path: str | None = None,
        trainable: bool = True,
        regularizer: Callable[[np.ndarray], Any] | None = None,
        constraint: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self.name = name
        self.path: str = path or name
        self.shape: tuple[int, ...] = tuple(size for size in shape if size is not None)
        if len(self.shape) < len(shape):
            raise ValueError(
                "Shapes used to initialize variables must be fully-defined (no `None` dimensions). "
                f"Received: shape={tuple(shape)} for variable path='{self.path}'"
            )
        self.trainable = trainable
        self.regularizer = regularizer
        self.constraint = constraint
        self._fill: Fill | None = fill
        self._value: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray:
        """The array itself, read-only; `assign` changes it. Of a quantized one it is made anew, each time.

        While a call is traced, it is the tensor that stands for it.
        """
        if UNDER_WAY and TRACING.trace is not None:
            return TRACING.trace.tensor_of(self)
        value = self._value
        return self._initialized() if value is None else value

    @property
    def operand(self) -> np.ndarray | IntegerMatrix:
        """What the engine multiplies by: the array, or its integers."""
        return self.value if self.integers is None else self.integers

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return 4 * self.size if self.integers is None else self.integers.nbytes

    @property
    def record_operation(self) -> Callable[..., Any]:
        """While a call is traced, how an operation on the variable is recorded; there is no such attribute else."""
        if TRACING.trace is None:
            raise AttributeError("A variable records operations while a call is traced, and only then.")
        return TRACING.trace.tensor_of(self).record_operation

    def numpy(self) -> np.ndarray:
        """Return a copy of the array."""
        return np.array(self)

    def assign(self, value: Any) -> np.ndarray:
        """Replace the array by a float32 copy of `value`.

        Args:
            value: Array of the variable's shape.

        Returns:
            The new array, read-only.

        Raises:
            ValueError: When the shape is another one.
        """
        array = float32_copy(value, "The values")
        if array.shape != self.shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in `variable.assign(value)` must "
                f"match. variable.shape={self.shape}, Received: value.shape={array.shape}. Target variable: {self!r}"
            )
        self.check_assignable()
        with CHANGES.making(self):
            self.adopt(array)
        return array

    def check_assignable(self) -> None:
        """Raise ValueError if the variable is quantized, which leaves it as it is."""
        if self.integers is not None:
            raise ValueError(
                f"Variable '{self.path}' is quantized to {self.integers.mode}, so that it cannot be changed. Change "
                "the float32 model and quantize that."
            )

    def adopt_integers(self, integers: IntegerMatrix) -> None:
        """Take over integers in place of the array, as `adopt` does."""
        self.integers, self._value, self._fill = integers, None, None

    def share(self, other: Variable) -> None:
        """Take over what another variable of this shape has, as `adopt` does."""
        if other.integers is not None:
            self.adopt_integers(other.integers)
        else:
            self.integers = None
            self.adopt(other.value)

    def adopt(self, array: np.ndarray) -> None:
        """Take over a float32 array of the right shape, uncopied, without counting it as a change of weights."""
        array.flags.writeable = False
        self._value = array
        self._fill = None

    def assign_add(self, value: Any) -> np.ndarray:
        """Add to the array; as `assign`."""
        return self.assign(self.value + value)

    def assign_sub(self, value: Any) -> np.ndarray:
        """Subtract from the array; as `assign`."""
        return self.assign(self.value - value)

    def _initialized(self) -> np.ndarray:
        with CHANGES.lock:
            if self.integers is not None:
                array = self.integers.dequantized()
                array.flags.writeable = False
                return array
            if self._fill is not None:
                require_array(self.shape, f"Variable '{self.path}'")
                array = np.array(self._fill(self.shape), dtype=np.float32, order="C")
                if array.shape != self.shape:
                    raise ValueError(
                        f"The initializer of variable '{self.path}' must return shape {self.shape}. "
                        f"It returned {array.shape}."
                    )
                self.adopt(array)
            return cast("np.ndarray", self._value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **kwargs: Any) -> Any:
        if any(isinstance(array, Variable) for array in out):
            raise TypeError(f"{self!r} is changed by `assign`, `assign_add` and `assign_sub` alone.")
        if TRACING.trace is not None:
            return _recorded(ufunc, method, inputs)
        arrays = [array.value if isinstance(array, Variable) else array for array in inputs]
        return getattr(ufunc, method)(*arrays, **({"out": out} if out else {}), **kwargs)

    # Variables are told apart by identity, as keys of dicts and sets; `==` compares values, as of arrays.
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a variable without axes")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if TRACING.trace is not None:
            raise TypeError(f"{self!r} cannot become a NumPy array where a call is traced.")
        if dtype is not None and np.dtype(dtype) != np.float32:
            if copy is False:
                raise ValueError(f"A float32 variable cannot be given out as {np.dtype(dtype)} without a copy.")
            return self.value.astype(dtype)
        return self.value if copy is False else self.value.copy()

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"

    def __getstate__(self) -> dict[str, Any]:
        value = None if self.integers is not None else self.value
        return {**self.__dict__, "_value": value, "_fill": None, "_watches": ()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.integers is None:
            self._value = np.array(self._value)
            self._value.flags.writeable = False


def _recorded(ufunc: np.ufunc, method: str, inputs: Sequence[Any]) -> Any:
    """The operation that is NumPy's function, recorded."""
    from fastlstm import ops

    function = ops.FUNCTIONS.get(ufunc.__name__) if method == "__call__" else None
    if function is None:
        raise TypeError(f"NumPy's `{ufunc.__name__}` of a variable cannot be traced.")
    return function(*inputs)
