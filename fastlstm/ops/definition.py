"""What an operation is: its name and arguments in Keras, a function of NumPy arrays, and rules of shapes and dtypes.

`@operation(…)` makes one from a function, and puts in its place what Keras has under the name: a function that takes
arrays and gives tensors, and that given symbolic tensors lets them record the call.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastlstm.arguments import UNFIT, explained, no_memory, unfit
from fastlstm.backend import Tensor
from fastlstm.memory import require_array
from fastlstm.ops import dtypes

Shape = tuple[int | None, ...]

NUMPY, CORE, NN, LINALG, MATH = (f"keras.src.ops.{part}" for part in ("numpy", "core", "nn", "linalg", "math"))

# What a description in a file may make of one row: 2 GiB of float32.
MAX_ELEMENTS = 2**29
# What may give far more than it is given, by its parameters alone.
_GROWING = frozenset({"BroadcastTo", "Repeat", "Tile", "Pad", "OneHot", "MultiHot", "Outer", "Kron"})

# The operations by the names of their classes in Keras, and by the names of the functions.
BY_CLASS: dict[str, Definition] = {}
FUNCTIONS: dict[str, Callable[..., Any]] = {}


class Definition:
    """One operation.

    Args:
        function: Keras' function for arrays in place of tensors; returns an array, or a list or tuple of them.
        class_name, module: Keras' class, under which it is in files.
        tensors: The names of the arguments that are tensors, in the order in which Keras' class is called with them.
        lists: Those of them that are lists of tensors.
        raw: Those of them that are no tensors, such as the key of a slice.
        shape: `shape(*shapes, **others)`: that of the result.
        dtype: `dtype(*dtypes, **others)`: `(what the tensors are cast to or None, that of the result)`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        class_name: str,
        module: str,
        tensors: Sequence[str],
        lists: Sequence[str],
        raw: Sequence[str],
        shape: Callable[..., Any],
        dtype: Callable[..., dtypes.Rule],
    ) -> None:
        self.function = function
        self.class_name = class_name
        self.module = module
        self.signature: inspect.Signature = inspect.signature(function)
        self.tensors: tuple[str, ...] = tuple(tensors)
        self._lists = frozenset(lists)
        self._raw = frozenset(raw)
        self._shape = shape
        self._dtype = dtype
        named = self.signature.parameters.items()
        self._defaults = {name: one.default for name, one in named if one.default is not inspect.Parameter.empty}
        self._several = any(one.kind is inspect.Parameter.VAR_POSITIONAL for _, one in named)

    def split(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of the function as `(tensors, others by name)`.

        Raises:
            TypeError: When they are not those of the function.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        operands: list[Any] = []
        for name in self.tensors:
            value = given.pop(name)
            operands += value if self._several else [value]
        while operands and operands[-1] is None:
            operands.pop()
        return tuple(operands), given

    def operands(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Return the tensors of a call of Keras' class, which takes them by position or by name.

        Raises:
            TypeError: When there are too few, too many or others.
        """
        if self._several:
            if kwargs:
                raise TypeError(f"{self.class_name} takes no argument called {next(iter(kwargs))!r}.")
            return list(args)
        if len(args) > len(self.tensors) or not set(kwargs) <= set(self.tensors[len(args) :]):
            raise TypeError(f"{self.class_name} takes {list(self.tensors)}. Received: {len(args)} and {list(kwargs)}")
        given = dict(zip(self.tensors, args, strict=False)) | dict(kwargs)
        for name in self.tensors:
            if name not in given and name not in self._defaults:
                raise TypeError(f"{self.class_name} lacks its argument `{name}`.")
        return [given.get(name, self._defaults.get(name)) for name in self.tensors]

    def parameters(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of Keras' class by name, with the defaults for those that are not given.

        Raises:
            TypeError: When one is missing or unknown.
        """
        names = [name for name in self.signature.parameters if name not in self.tensors]
        given = dict(zip(names, args, strict=False)) | dict(kwargs)
        unknown = [name for name in given if name not in names]
        missing = [name for name in names if name not in given and name not in self._defaults]
        if unknown or missing or len(args) > len(names):
            raise TypeError(f"{self.class_name} takes {names}. Received: {list(given)}")
        return {name: given.get(name, self._defaults.get(name)) for name in names}

    def output_shape(self, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """Return the shape of the result, or a list or tuple of shapes, for tensors, arrays and numbers.

        Raises:
            ValueError: When the shapes do not fit, or the result would be too large to be meant.
        """
        shape = self._shape(*self._map(_shape_of, operands), **parameters)
        for each in shape if isinstance(shape, list) or any(isinstance(item, tuple) for item in shape) else [shape]:
            if math.prod(1 if size is None else size for size in each) > MAX_ELEMENTS:
                raise ValueError(f"{self.class_name} would make a tensor of shape {each}, which is too large.")
        return shape

    def output_dtype(self, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """Return the dtype of the result, or a list or tuple of them."""
        return self.casts(operands, parameters)[1]

    def casts(self, operands: Sequence[Any], parameters: Mapping[str, Any]) -> dtypes.Rule:
        """Return what the tensors are cast to, or None, and the dtype of the result, or several."""
        return self._dtype(*self._dtypes(operands), **parameters)

    def run(self, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        """Return the result for arrays and numbers.

        Raises:
            ValueError: When they do not fit.
        """
        try:
            return self._run(operands, parameters)
        except NotImplementedError:  # a RuntimeError to Python
            raise
        except UNFIT as error:
            raise unfit(self.class_name, error) from error
        except MemoryError as error:
            raise error if str(error) else no_memory(self.class_name) from error

    def _run(self, operands: Sequence[Any], parameters: Mapping[str, Any]) -> Any:
        if self.class_name in _GROWING:
            shape = self._shape(*self._map(_shape_of, operands), **parameters)
            require_array(shape, f"The result of {self.class_name}")
        cast, result = self.casts(operands, parameters)

        def array(value: Any) -> np.ndarray:
            made = dtypes.as_array(value)
            return made if cast is None else made.astype(cast, copy=False)

        with np.errstate(all="ignore"):
            arrays = self._map(array, operands)
            if self._several:
                made = self.function(*parameters.values(), *arrays)
            else:
                made = self.function(**dict(zip(self.tensors, arrays, strict=False)), **parameters)
            if isinstance(made, (list, tuple)):
                each = result if isinstance(result, tuple) else [result] * len(made)
                return type(made)([np.asarray(*pair) for pair in zip(made, each, strict=True)])
            return np.asarray(made, None if result == "string" else result)

    def _map(self, function: Callable[[Any], Any], operands: Sequence[Any]) -> list[Any]:
        """The operands with `function(tensor)` in place of every tensor."""
        names = self.tensors * len(operands) if self._several else self.tensors
        mapped = []
        for name, value in zip(names, operands, strict=False):
            if value is None or name in self._raw:
                mapped.append(value)
            elif name in self._lists:
                mapped.append([function(item) for item in _checked_list(value, name, self.class_name)])
            else:
                mapped.append(function(value))
        return mapped

    def _dtypes(self, operands: Sequence[Any]) -> list[str]:
        found: list[str] = []
        self._map(lambda value: found.append(dtypes.of(value)), operands)
        return found


def operation(
    name: str | None,
    tensors: str = "x",
    *,
    shape: Callable[..., Any],
    dtype: Callable[..., dtypes.Rule],
    class_name: str | None = None,
    module: str = NUMPY,
    lists: str = "",
    raw: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that makes an operation of a function of arrays.

    Args:
        name: Keras' name of the function; None if there is none beside the class.
        tensors, lists, raw: Names, with spaces between them; see `Definition`.
        shape, dtype, module: See `Definition`.
        class_name: Keras' name of the class; None for that of the function in another case.
    """

    def define(function: Callable[..., Any]) -> Callable[..., Any]:
        cls = class_name or "".join(word.capitalize() for word in str(name).split("_"))
        definition = Definition(function, cls, module, tensors.split(), lists.split(), raw.split(), shape, dtype)
        BY_CLASS[cls] = definition

        @explained
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            operands, others = definition.split(args, kwargs)
            symbolic = next(_symbolic(operands), None)
            if symbolic is not None:
                return symbolic.record_operation(definition, operands, others)
            made = definition.run(operands, others)
            if isinstance(made, np.ndarray):
                return made.view(Tensor)
            return type(made)([array.view(Tensor) for array in made])

        if name is not None:
            called.__name__ = called.__qualname__ = name
            FUNCTIONS[name] = called
        return called

    return define


def alias(name: str, original: str) -> None:
    """Give an operation a further name."""
    FUNCTIONS[name] = FUNCTIONS[original]


def _symbolic(operands: Sequence[Any]) -> Iterator[Any]:
    """The tensors without values among the operands: they know how to record a call."""
    for value in operands:
        if isinstance(value, (list, tuple)):
            yield from _symbolic(value)
        elif hasattr(value, "record_operation"):
            yield value


def _shape_of(value: Any) -> Shape:
    return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)


def _checked_list(value: Any, name: str, class_name: str) -> Sequence[Any]:
    if hasattr(value, "shape"):
        value = list(value)
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"{class_name} takes a list of tensors as `{name}`. Received: {value!r:.200}")
    return value
