"""A graph's nodes one after the other, each read by the function of its operator, and the model that they make."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlstm.layers.core.input_layer import Input
from fastlstm.models.functional import Functional
from fastlstm.models.model import Model
from fastlstm.onnx.library import onnx_library
from fastlstm.onnx.reading.batch import batch_axes
from fastlstm.onnx.reading.limits import MAX_AXES, check_made, require_axes, take_weights
from fastlstm.onnx.reading.values import Filled, Size, Sizes, Stack, Tensor, Unfit, Value
from fastlstm.printable import shown
from fastlstm.saving.budget import Budget
from fastlstm.saving.errors import SavedModelError

# reader, node, inputs → outputs
Read = Callable[["Reader", "Node", list[Value]], Sequence[Value]]
READERS: dict[str, Read] = {}
OLDEST = 7


def reads(*operators: str) -> Callable[[Read], Read]:
    """Return a decorator that makes a function the reader of operators."""

    def register(read: Read) -> Read:
        READERS.update(dict.fromkeys(operators, read))
        return read

    return register


class Node:
    """A node.

    Args:
        proto: As it is in the file.
        number: Its place among the nodes.
    """

    def __init__(self, proto: Any, number: int) -> None:
        helper = onnx_library().helper
        self.operator: str = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
        self.name: str = proto.name or f"number {number}"
        self.inputs: list[Any] = list(proto.input)
        self.outputs: list[Any] = list(proto.output)
        self._attributes = {one.name: one for one in proto.attribute}
        self._value = helper.get_attribute_value

    def __str__(self) -> str:
        return f"Node {shown(self.name)} ({self.operator})"

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, strings as such, lists as lists."""
        if name not in self._attributes:
            return default
        value = self._value(self._attributes[name])
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, (list, tuple)) or hasattr(value, "extend"):
            return [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in value]
        return value

    def output(self, number: int) -> str:
        """Return the name of an output, empty if there is none."""
        return self.outputs[number] if number < len(self.outputs) else ""


class Reader:
    """What is known of a graph while its nodes are read.

    Args:
        graph: The graph of a file.
        opset: The version of its operators.
        budget: What the load may take.
        outer: The reader of the graph around this one, if it is the body of a node; it has the values and the batch.
    """

    def __init__(self, graph: Any, opset: int, budget: Budget, outer: Reader | None = None) -> None:
        self.opset = opset
        self.budget = budget
        self.batch: Size = Size("the batch") if outer is None else outer.batch
        # Of a graph around this one, what is no tensor of it: a step has tensors of its own.
        self.values: dict[str, Value] = {
            name: value
            for name, value in ({"": None} if outer is None else outer.values).items()
            if not isinstance(value, (Tensor, Stack))
        }
        self._graph = graph
        self._sizes: dict[str, Size] = {}
        budget.take("layers", len(graph.node) + len(graph.input), "The graph")
        budget.take("names", len(graph.initializer) + len(graph.input) + len(graph.output), "The graph")
        self.nodes: list[Node] = [Node(proto, number) for number, proto in enumerate(graph.node)]
        self.uses: Counter[Any] = Counter(name for node in self.nodes for name in node.inputs)
        self.uses.update(one.name for one in graph.output)
        self.consumers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                self.consumers.setdefault(name, []).append(node)
        # What layers gave as one, by its parts as `identity` tells them.
        self.halves: dict[Any, Tensor] = {}
        # A tensor that has a size along an axis, by sizes; the first input.
        self.sources: dict[Size, tuple[Any, int]] = {}
        self.first_input: Any = None
        # Outputs that a node before them has read ahead, by name.
        self.ahead: dict[str, Value] = {}

    def model(self) -> Model:
        """Return the graph as a model."""
        self._require_readers()
        constants = {one.name: self.array(one) for one in self._graph.initializer}
        self.values |= constants
        axes = batch_axes(self._graph, self.nodes)
        tensors = [self._input(one, axes.get(one.name, 0)) for one in self._graph.input if one.name not in constants]
        for node in self.nodes:
            self._read(node)
        outputs = [self._output(one.name) for one in self._graph.output]
        name = re.sub(r"[^\w.-]+", "_", self._graph.name or "") or None
        return Functional(
            tensors if len(tensors) > 1 else tensors[0], outputs if len(outputs) > 1 else outputs[0], name=name
        )

    def give(self, name: str, value: Tensor) -> None:
        """Give an input of a body."""
        self.values[name] = value
        self.first_input = value.tensor

    def results(self) -> list[Any]:
        """Return the outputs of a body, after its nodes."""
        self._require_readers()
        self.values |= {one.name: self.array(one) for one in self._graph.initializer}
        for node in self.nodes:
            self._read(node)
        return [self._output(one.name) for one in self._graph.output]

    def _require_readers(self) -> None:
        """Refuse a graph for its first node that nothing reads, rather than for what leads to it."""
        for node in self.nodes:
            if node.operator not in READERS:
                raise SavedModelError(
                    f"Node {shown(node.name)} ({node.operator}) has an operator that is not supported."
                )

    def array(self, proto: Any) -> np.ndarray:
        """Return a constant; numbers of other widths than 32 bits as those the engine computes with."""
        if proto.data_location == onnx_library().TensorProto.EXTERNAL:
            raise SavedModelError(
                f"The constant {shown(proto.name)} is in a file of its own, which is not read: write the model with "
                "its data inside (in PyTorch `external_data=False`)."
            )
        try:
            require_axes(len(proto.dims))
            count = int(np.prod([max(int(size), 0) for size in proto.dims], dtype=object)) if proto.dims else 1
            self.budget.take_bytes(8 * count, f"The constant {shown(proto.name)}")
            array = onnx_library().numpy_helper.to_array(proto)
        except SavedModelError:
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, Unfit) as error:
            raise SavedModelError(f"The constant {shown(proto.name)} cannot be read: {error}") from error
        return array.astype(np.float32) if array.dtype.kind == "f" else array

    def filled(self, shape: Sequence[int], number: Any) -> np.ndarray:
        """Return a new constant, if a load may take so much."""
        require_axes(len(shape))
        count = int(np.prod([int(size) for size in shape], dtype=object)) if len(shape) else 1
        if any(size < 0 for size in shape):
            raise Unfit(f"its shape {list(shape)} is none")
        self.budget.take_bytes(8 * count, "A constant")
        return np.full(tuple(int(size) for size in shape), number)

    def _input(self, info: Any, batch_axis: int) -> Any:
        kind = info.type.tensor_type
        if not info.type.HasField("tensor_type"):
            raise SavedModelError(f"The input {shown(info.name)} is no tensor.")
        if len(kind.shape.dim) > MAX_AXES:
            raise SavedModelError(f"The input {shown(info.name)} has {len(kind.shape.dim)} axes.")
        self.budget.check("characters in a name", len(info.name), f"The input {shown(info.name)}")
        sizes: list[Any] = []
        for axis, dim in enumerate(kind.shape.dim):
            known = dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
            if axis == batch_axis:
                self.batch.known = self.batch.known or known
                sizes.append(self.batch)
            else:
                sizes.append(known if known is not None else self._size(dim.dim_param or f"{info.name}[{axis}]"))
        if batch_axis >= len(sizes):
            raise SavedModelError(f"The input {shown(info.name)} has no axis for the batch.")
        order = [0 if axis == batch_axis else axis + (axis < batch_axis) for axis in range(len(sizes))]
        ours = [sizes[order.index(axis)] for axis in range(len(sizes))]
        dtype = onnx_library().helper.tensor_dtype_to_np_dtype(kind.elem_type)
        name = {"f": "float32", "i": "int32", "u": "int32", "b": "bool"}.get(dtype.kind)
        if name is None:
            raise SavedModelError(f"The input {shown(info.name)} has the dtype {dtype}, which is not supported.")
        shape = [None if isinstance(size, Size) else size for size in ours[1:]]
        tensor = Input(shape, dtype=name, name=re.sub(r"[^\w.:-]+", "_", info.name) or None)
        self.values[info.name] = Tensor(tensor, order, ours)
        self.note_sizes(tensor, ours)
        if self.first_input is None:
            self.first_input = tensor
        return tensor

    def note_sizes(self, tensor: Any, sizes: Sequence[Any]) -> None:
        """Keep in mind which sizes can be counted along which axes of a tensor, in our order."""
        for axis, size in enumerate(sizes):
            if axis and isinstance(size, Size):
                self.sources.setdefault(size, (tensor, axis))

    def _size(self, name: str) -> Size:
        """The size of one name, the same one everywhere."""
        return self._sizes.setdefault(name, Size(name))

    def _read(self, node: Node) -> None:
        if all(name in self.ahead for name in node.outputs if name):
            self.values |= {name: self.ahead[name] for name in node.outputs if name}
            return
        missing = [name for name in node.inputs if name not in self.values]
        if missing:
            raise SavedModelError(f"{node} takes {shown(missing[0])}, which nothing before it gives.")
        inputs = [self.values[name] for name in node.inputs]
        try:
            take_weights(self.budget, inputs)
            outputs = READERS[node.operator](self, node, inputs)
            for made in outputs:
                check_made(self.budget, made, inputs)
        except SavedModelError:
            raise
        except Unfit as problem:
            raise SavedModelError(f"{node} cannot be read: {problem}.") from None
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError) as problem:
            raise SavedModelError(f"{node} cannot be read: {problem}") from problem
        self.values |= {name: value for name, value in zip(node.outputs, outputs, strict=False) if name}

    def _output(self, name: str) -> Any:
        value = self.values.get(name)
        if isinstance(value, Stack):
            value = value.as_tensor()
        if not isinstance(value, Tensor):
            raise SavedModelError(f"The output {shown(name)} does not depend on the inputs.")
        try:
            return value.natural().tensor
        except Unfit as problem:
            raise SavedModelError(f"The output {shown(name)} cannot be read: {problem}.") from None

    # For the readers of nodes

    def only_consumer(self, name: str) -> Node | None:
        """Return the one node that takes a value, None if there are others or the graph gives it."""
        if self.uses[name] != 1:
            return None
        found = self.consumers.get(name)
        return found[0] if found else None

    def axes(self, node: Node, inputs: list[Value], number: int, rank: int) -> list[int] | None:
        """Return the axes of a node, an attribute once and an input since; None if it has none."""
        given = node.attribute("axes")
        if given is None and len(inputs) > number and inputs[number] is not None:
            given = constant(inputs[number], "axes").ravel().tolist()
        require_axes(len(given or ()))
        return None if given is None else [place(axis, rank) for axis in given]


def place(axis: int, rank: int) -> int:
    """Return an axis counted from the front.

    Raises:
        Unfit: When there is no such axis.
    """
    if not -rank <= axis < rank:
        raise Unfit(f"there is no axis {axis} among {rank}")
    return int(axis) % rank


def constant(value: Value, what: str) -> np.ndarray:
    """Return a value that the file has to know.

    Raises:
        Unfit: When it does not.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Sizes) and not any(isinstance(item, Size) for item in value.items.ravel()):
        return value.items.astype(np.int64)
    raise Unfit(f"its {what} should be a constant")


def tensor(value: Value) -> Tensor:
    """Return a value as a tensor.

    Raises:
        Unfit: When it is none.
    """
    if isinstance(value, Stack):
        return value.as_tensor()
    if not isinstance(value, Tensor):
        what = "zeros of a shape" if isinstance(value, Filled) else "constants"
        raise Unfit(f"it takes {what} where a tensor that depends on the inputs is expected")
    return value


def same(a: Any, b: Any) -> bool:
    """Return whether two sizes are one; a batch may also be written as the number that it had."""
    if isinstance(a, Size) and isinstance(b, Size):
        return a is b
    if isinstance(a, Size) or isinstance(b, Size):
        size, number = (a, b) if isinstance(a, Size) else (b, a)
        return size.known is not None and size.known == number
    return a == b
