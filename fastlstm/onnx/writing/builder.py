"""ONNX graphs as they grow: nodes, constants, and values with the shapes and dtypes that layers know of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import numpy as np

from fastlstm.onnx.library import onnx_library
from fastlstm.ops import shapes

OPSET = 18
IR_VERSION = 8
FLOAT, INT, BOOL = "float32", "int64", "bool"

Shape = tuple[int | None, ...]


class Value:
    """A tensor of a graph.

    Args:
        name: Its name there.
        shape: Its sizes, None where they are known when the graph runs.
        dtype: NumPy's name of its dtype.
    """

    def __init__(self, name: str, shape: Sequence[int | None], dtype: str = FLOAT) -> None:
        self.name = name
        self.shape: Shape = tuple(shape)
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<{self.name} {self.dtype} {self.shape}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise ValueError(f"{self!r} has no values before the graph runs.")


class Builder:
    """A graph, or the body of a loop inside another one.

    Args:
        outer: The builder around this one, which has the names and the constants; None for a whole graph.
    """

    def __init__(self, outer: Builder | None = None) -> None:
        self._onnx = onnx_library()
        self.nodes: list[Any] = []
        self.root: Builder = self if outer is None else outer.root
        self.scope: str = "" if outer is None else outer.scope
        if outer is None:
            self.initializers: list[Any] = []
            self.used: dict[str, int] = {}
            self.constants: dict[tuple[Any, ...], Value] = {}

    # Names and constants

    def name(self, wanted: str) -> str:
        """Return a name that is not in use yet, like the one that is wanted."""
        wanted = re.sub(r"[^\w./-]+", "_", wanted) or "value"
        used = self.root.used
        number = used.get(wanted, 0)
        used[wanted] = number + 1
        return wanted if not number else self.name(f"{wanted}_{number}")

    def constant(self, array: Any, dtype: str | None = None, name: str = "constant") -> Value:
        """Return a constant; one that is there already is taken again."""
        array = np.ascontiguousarray(np.asarray(array, dtype)).reshape(np.shape(array))
        key = (array.dtype.str, array.shape, array.tobytes())
        root = self.root
        if key not in root.constants:
            made = Value(root.name(name), array.shape, array.dtype.name)
            root.initializers.append(self._onnx.numpy_helper.from_array(array, made.name))
            root.constants[key] = made
        return root.constants[key]

    def default(self, name: str, array: np.ndarray) -> Value:
        """Return a constant of its own, which an input of the same name may replace."""
        made = Value(self.root.name(name), array.shape, array.dtype.name)
        self.root.initializers.append(self._onnx.numpy_helper.from_array(array, made.name))
        return made

    def weight(self, variable: Any) -> Value:
        """Return a weight of a layer as a constant."""
        return self.constant(variable.value, name=variable.path)

    def ints(self, *numbers: int | None) -> Value:
        """Return a vector of whole numbers."""
        return self.constant(np.array(numbers, np.int64), name="ints")

    def number(self, x: float) -> Value:
        """Return a float32 scalar."""
        return self.constant(np.float32(x), name="number")

    # Nodes

    def nodes_of(
        self, op: str, inputs: Sequence[Value | None], shapes_: Sequence[Any], dtypes: Any, **attributes: Any
    ) -> Any:
        """Add a node and return its outputs.

        Args:
            op: The operator.
            inputs: None for one that is left out.
            shapes_: Of the outputs; None for one that nobody takes.
            dtypes: Of the outputs: one for all, or one each.
            **attributes: None for one that is left out.
        """
        each = [dtypes] * len(shapes_) if isinstance(dtypes, str) else dtypes
        name = self.name(f"{self.scope}{op}")
        outputs = [
            None if shape is None else Value(f"{name}:{number}" if number else name, shape, dtype)
            for number, (shape, dtype) in enumerate(zip(shapes_, each, strict=True))
        ]
        names = ["" if value is None else value.name for value in inputs]
        given = {key: value for key, value in attributes.items() if value is not None}
        made = ["" if value is None else value.name for value in outputs]
        while made and not made[-1]:
            made.pop()
        self.nodes.append(self._onnx.helper.make_node(op, names, made, name=name, **given))
        return outputs

    def op(self, op: str, *inputs: Value | None, shape: Any = None, dtype: str | None = None, **attributes: Any) -> Any:
        """Add a node of one output, by default of the shape and dtype of its first input."""
        first = inputs[0]
        assert first is not None
        shape, dtype = first.shape if shape is None else shape, dtype or first.dtype
        return self.nodes_of(op, inputs, [shape], dtype, **attributes)[0]

    def elementwise(self, op: str, *inputs: Any, dtype: str | None = None) -> Value:
        """Add a node whose inputs are brought to one shape; numbers become constants of the others' dtype."""
        like = next(one.dtype for one in reversed(inputs) if isinstance(one, Value))
        values = [one if isinstance(one, Value) else self.constant(np.asarray(one, like)) for one in inputs]
        shape = shapes.broadcast(*(value.shape for value in values))
        return self.op(op, *values, shape=shape, dtype=dtype or values[-1].dtype)

    def add(self, *values: Any) -> Value:
        return self._folded("Add", values)

    def mul(self, *values: Any) -> Value:
        return self._folded("Mul", values)

    def _folded(self, op: str, values: Sequence[Any]) -> Value:
        first, *others = values
        for other in others:
            first = self.elementwise(op, first, other)
        return first

    def sub(self, a: Any, b: Any) -> Value:
        return self.elementwise("Sub", a, b)

    def div(self, a: Any, b: Any) -> Value:
        return self.elementwise("Div", a, b)

    def where(self, condition: Value, a: Any, b: Any) -> Value:
        """Return `a` where the condition holds, `b` elsewhere."""
        dtype = a.dtype if isinstance(a, Value) else b.dtype
        a, b = (one if isinstance(one, Value) else self.constant(np.asarray(one, dtype)) for one in (a, b))
        shape = shapes.broadcast(condition.shape, a.shape, b.shape)
        return self.op("Where", condition, a, b, shape=shape, dtype=dtype)

    def compare(self, op: str, a: Any, b: Any) -> Value:
        like = (a if isinstance(a, Value) else b).dtype
        a, b = (one if isinstance(one, Value) else self.constant(np.asarray(one, like)) for one in (a, b))
        return self.op(op, a, b, shape=shapes.broadcast(a.shape, b.shape), dtype=BOOL)

    def both(self, op: str, values: Sequence[Value]) -> Value:
        """Return booleans joined by `And` or `Or`."""
        first, *others = values
        for other in others:
            first = self.op(op, first, other, shape=shapes.broadcast(first.shape, other.shape), dtype=BOOL)
        return first

    def cast(self, x: Value, dtype: str) -> Value:
        """Return the values in another dtype."""
        if x.dtype == dtype:
            return x
        to = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", x, dtype=dtype, to=to)

    def clip(self, x: Value, low: float, high: float) -> Value:
        low_, high_ = (self.constant(np.asarray(limit, x.dtype)) for limit in (low, high))
        return self.op("Clip", x, low_, high_)

    # Shapes

    def sizes(self, x: Value, first: int = 0, last: int | None = None) -> Value:
        """Return some sizes of a value as a vector, when the graph runs."""
        last = x.ndim if last is None else last
        if None not in x.shape[first:last]:
            return self.ints(*x.shape[first:last])
        return self.op("Shape", x, shape=(last - first,), dtype=INT, start=first, end=last)

    def size(self, x: Value, axis: int) -> Value:
        """Return one size as a vector of one."""
        axis %= x.ndim
        return self.sizes(x, axis, axis + 1)

    def scalar(self, vector: Value) -> Value:
        """Return the one number of a vector."""
        return self.op("Squeeze", vector, self.ints(0), shape=())

    def shape_vector(self, x: Value, shape: Sequence[int | None], axes: Sequence[int | None]) -> Value:
        """Return a shape as a vector: sizes that are known, and those of axes of a value."""
        parts = [
            self.ints(size) if size is not None else self.size(x, cast(int, axis))
            for size, axis in zip(shape, axes, strict=True)
        ]
        return self.concat(parts, 0) if len(parts) > 1 else parts[0]

    def reshape(self, x: Value, target: Sequence[int | None], shape: Sequence[int | None]) -> Value:
        """Return `x` in another shape.

        Args:
            x: The value.
            target: As the node takes it: 0 copies the size at the same place, -1 is what remains.
            shape: The shape that it has then.
        """
        return self.op("Reshape", x, self.ints(*target), shape=tuple(shape))

    def reshaped(self, x: Value, vector: Value, shape: Sequence[int | None]) -> Value:
        """Return `x` in a shape that is known when the graph runs."""
        return self.op("Reshape", x, vector, shape=tuple(shape), allowzero=None)

    def transpose(self, x: Value, axes: Sequence[int]) -> Value:
        axes = [axis % x.ndim for axis in axes]
        if axes == list(range(x.ndim)):
            return x
        return self.op("Transpose", x, shape=tuple(x.shape[axis] for axis in axes), perm=axes)

    def moved(self, x: Value, source: int, target: int) -> Value:
        """Return `x` with one axis elsewhere."""
        axes = [axis for axis in range(x.ndim) if axis != source % x.ndim]
        axes.insert(target % x.ndim, source % x.ndim)
        return self.transpose(x, axes)

    def expand_dims(self, x: Value, *axes: int) -> Value:
        """Return `x` with axes of size 1 at places of the result."""
        rank = x.ndim + len(axes)
        places = sorted(axis % rank for axis in axes)
        shape = list(x.shape)
        for place in places:
            shape.insert(place, 1)
        return self.op("Unsqueeze", x, self.ints(*places), shape=tuple(shape))

    def squeeze(self, x: Value, *axes: int) -> Value:
        places = sorted(axis % x.ndim for axis in axes)
        shape = tuple(size for axis, size in enumerate(x.shape) if axis not in places)
        return self.op("Squeeze", x, self.ints(*places), shape=shape)

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        if len(values) == 1:
            return values[0]
        first = values[0]
        axis %= first.ndim
        each = [value.shape[axis] for value in values]
        shape = list(first.shape)
        shape[axis] = None if None in each else sum(each)  # type: ignore[arg-type]
        return self.op("Concat", *values, shape=tuple(shape), axis=axis)

    def slice(self, x: Value, axis: int, start: int, stop: int | None, step: int = 1) -> Value:
        """Return `x[…, start:stop:step]` along an axis."""
        axis %= x.ndim
        length = x.shape[axis]
        end = stop if stop is not None else (np.iinfo(np.int64).max if step > 0 else np.iinfo(np.int64).min)
        size = None if length is None else len(range(length)[slice(start, stop, step)])
        shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
        return self.op("Slice", x, self.ints(start), self.ints(int(end)), self.ints(axis), self.ints(step), shape=shape)

    def backwards(self, x: Value, axis: int) -> Value:
        return self.slice(x, axis, -1, None, -1)

    def at(self, x: Value, axis: int, place: int) -> Value:
        """Return what is at one place of an axis, without the axis."""
        axis %= x.ndim
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        return self.op("Gather", x, self.constant(np.int64(place)), shape=shape, axis=axis)

    def expand(self, x: Value, vector: Value, shape: Sequence[int | None]) -> Value:
        return self.op("Expand", x, vector, shape=tuple(shape))

    def arange(self, length: Value, size: int | None = None) -> Value:
        """Return 0, 1, … for a vector of one length."""
        zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
        return self.op("Range", zero, self.scalar(length), one, shape=(size,), dtype=INT)

    # Sums

    def reduce(self, op: str, x: Value, axes: Sequence[int], keepdims: bool = False) -> Value:
        """Return `op` (`Sum`, `Mean`, `Max`, …) over axes."""
        places = sorted(axis % x.ndim for axis in axes)
        if keepdims:
            shape = tuple(1 if axis in places else size for axis, size in enumerate(x.shape))
        else:
            shape = tuple(size for axis, size in enumerate(x.shape) if axis not in places)
        return self.op(f"Reduce{op}", x, self.ints(*places), shape=shape, keepdims=int(keepdims))

    def matmul(self, a: Value, b: Value) -> Value:
        stacked = shapes.broadcast(a.shape[:-2], b.shape[:-2])
        return self.op("MatMul", a, b, shape=(*stacked, a.shape[-2], b.shape[-1]))
