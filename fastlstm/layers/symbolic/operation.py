"""Functions of symbolic tensors as nodes of a graph: Keras 3's operations, by its names.

Arithmetic, comparisons and slicing; what Keras 3 makes masks from is in `mask_operation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from fastlstm.layers.base.arrays import as_tensors
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_symbolic
from fastlstm.layers.symbolic.node import Node

MODULE = "keras.src.ops.numpy"

_classes: dict[str, type[Operation]] = {}


class Operation(Layer):
    """A function of tensors and constants, called with all of them as positional arguments.

    Like Keras' operations, these are no layers of a model and carry no masks.

    Args:
        name: String; None makes one from the class.

    Raises:
        ValueError: When an argument is not valid.
    """

    keras_module = MODULE
    supports_masking = True

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        self.built = True

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not abstract:
            _classes[cls.__name__] = cls

    def __call__(self, *args: Any) -> Any:
        if not is_symbolic(args):
            return as_tensors(self.call(*args))
        output = KerasTensor(self.compute_output_shape(*args), self.output_dtype(*args))
        Node(self, args, {}, output)
        return output

    def output_dtype(self, *args: Any) -> str:
        """Return the dtype of the output."""
        return "float32"

    def call(self, *args: Any) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} has no `call`.")

    def compute_output_shape(self, *args: Any) -> Shape:
        """Return the shape of the output.

        Args:
            *args: What the operation is called with: KerasTensors and constants.

        Raises:
            ValueError: When the shapes do not fit together.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `compute_output_shape`.")

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


def find(class_name: str) -> type[Operation] | None:
    """Return the operation of this name, None if there is none."""
    return _classes.get(class_name)


class _Elementwise(Operation, abstract=True):
    """A function of each value alone, on shapes that NumPy broadcasts."""

    function: ClassVar[Callable[..., np.ndarray]]

    def call(self, *args: Any) -> np.ndarray:
        with np.errstate(all="ignore"):
            result = self.function(*(_operand(arg) for arg in args))
        return result if result.dtype == bool else np.asarray(result, np.float32)

    def compute_output_shape(self, *args: Any) -> Shape:
        expected = type(self).function.nin
        if len(args) != expected:
            raise ValueError(f"{type(self).__name__} '{self.name}' takes {expected} arguments. Received: {args}")
        return broadcast([arg.shape if isinstance(arg, KerasTensor) else np.shape(_operand(arg)) for arg in args])


class _Comparison(_Elementwise, abstract=True):
    def output_dtype(self, *args: Any) -> str:
        return "bool"


class Add(_Elementwise):
    function = np.add


class Subtract(_Elementwise):
    function = np.subtract


class Multiply(_Elementwise):
    function = np.multiply


class Divide(_Elementwise):
    function = np.divide


class TrueDivide(_Elementwise):
    function = np.true_divide


class FloorDivide(_Elementwise):
    function = np.floor_divide


class Mod(_Elementwise):
    function = np.mod


class Power(_Elementwise):
    function = np.power


class Maximum(_Elementwise):
    function = np.maximum


class Minimum(_Elementwise):
    function = np.minimum


class Negative(_Elementwise):
    function = np.negative


class Absolute(_Elementwise):
    function = np.absolute


class Equal(_Comparison):
    function = np.equal


class NotEqual(_Comparison):
    function = np.not_equal


class Greater(_Comparison):
    function = np.greater


class GreaterEqual(_Comparison):
    function = np.greater_equal


class Less(_Comparison):
    function = np.less


class LessEqual(_Comparison):
    function = np.less_equal


class LogicalAnd(_Comparison):
    function = np.logical_and


class LogicalOr(_Comparison):
    function = np.logical_or


class LogicalNot(_Comparison):
    function = np.logical_not


class Rearrangement(Operation, abstract=True):
    """The values of its input, in another shape."""

    def output_dtype(self, *args: Any) -> str:
        tensors = flatten(args)
        return tensors[0].dtype if isinstance(tensors[0], KerasTensor) else "float32"


class GetItem(Rearrangement):
    """`x[key]` with integers, slices, None and an ellipsis in the key."""

    def call(self, x: np.ndarray, key: Any) -> np.ndarray:
        return np.asarray(x)[_key(key)]

    def compute_output_shape(self, x: KerasTensor, key: Any) -> Shape:
        remaining = list(x.shape)
        shape: list[int | None] = []
        items = _key(key)
        used = sum(item is not None and item is not Ellipsis for item in items)
        if used > len(remaining):
            raise ValueError(f"Too many indices for a tensor of shape {x.shape}: {items}")
        for item in items:
            if item is None:
                shape.append(1)
            elif item is Ellipsis:
                kept = len(remaining) - used
                shape += remaining[:kept]
                del remaining[:kept]
            else:
                used -= 1
                shape += _indexed(remaining.pop(0), item, x.shape)
        return (*shape, *remaining)


def _indexed(size: int | None, item: Any, shape: Shape) -> list[int | None]:
    """The dimensions that an index or a slice leaves of one."""
    if isinstance(item, slice):
        if size is None:
            return [None]
        return [len(range(*item.indices(size)))]
    if size is not None and not -size <= item < size:
        raise ValueError(f"Index {item} is out of range for a tensor of shape {shape}.")
    return []


def _key(key: Any) -> tuple[Any, ...]:
    """The key as a tuple.

    Raises:
        ValueError: When there is something else in it than integers, slices, None and one ellipsis.
    """
    items = tuple(key) if isinstance(key, (list, tuple)) else (key,)
    for item in items:
        parts = (item.start, item.stop, item.step) if isinstance(item, slice) else (item,)
        if not all(part is None or part is Ellipsis or type(part) is int for part in parts):
            raise ValueError(f"Only integers, slices, None and `...` can index a KerasTensor. Received: {key}")
    if items.count(Ellipsis) > 1:
        raise ValueError(f"An index can only have one `...`. Received: {key}")
    return items


def _operand(value: Any) -> Any:
    """A Python number as it is, so that it does not widen the result; anything else as an array."""
    if isinstance(value, (bool, int, float)):
        return value
    array = np.asarray(value)
    return array if array.dtype == bool else np.asarray(array, np.float32)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that NumPy broadcasts shapes to, None where a size is not known.

    Raises:
        ValueError: When they do not fit.
    """
    ndim = max(map(len, shapes))
    aligned = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sizes in zip(*aligned, strict=True):
        known = {size for size in sizes if size not in (None, 1)}
        if len(known) > 1:
            raise ValueError(f"Cannot broadcast shapes together: {', '.join(map(str, shapes))}")
        result.append(known.pop() if known else None if None in sizes else 1)
    return tuple(result)
