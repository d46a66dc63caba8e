"""Operations as nodes of a graph: `fastlstm.ops` says what each one is, and `Operation` puts it where layers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.engine.graph import Graph
from fastlstm.layers.base.arrays import as_tensors
from fastlstm.layers.base.input_spec import Shape
from fastlstm.layers.base.joining import GraphValues
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import map_shapes
from fastlstm.layers.base.tracing import TRACING
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_symbolic
from fastlstm.layers.symbolic.node import Node
from fastlstm.layers.symbolic.operation_graphs import lowered_operation

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.ops import Definition

_classes: dict[str, type[Operation]] = {}


class Operation(Layer):
    """A function of tensors and constants.

    Like Keras' operations, these are no layers of a model and carry no masks. There is a subclass for every operation
    that is in use, with the name of Keras' class.

    Args:
        *args, **kwargs: The arguments of Keras' class; `name` is a string, None makes one from the class.

    Raises:
        ValueError: When an argument is not valid.
    """

    definition: ClassVar[Definition]
    supports_masking = True

    def __init__(self, *args: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name)
        self.parameters: dict[str, Any] = self.definition.parameters(args, kwargs)
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not is_symbolic(args, kwargs):
            return as_tensors(self.call(*args, **kwargs))
        operands = self.definition.operands(args, kwargs)
        dtype = self.definition.output_dtype(operands, self.parameters)
        each = iter(dtype) if isinstance(dtype, tuple) else None

        def output_of(shape: Shape) -> KerasTensor:
            return KerasTensor(shape, dtype if each is None else next(each))

        output = map_shapes(output_of, self.definition.output_shape(operands, self.parameters))
        Node(self, args, kwargs, output)
        return output

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result for arrays and numbers, as an array or several."""
        return self.definition.run(self.definition.operands(args, kwargs), self.parameters)

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        operands = self.definition.operands(args, kwargs)
        number = lowered_operation(type(self).__name__, graph, operands, self.parameters)
        return None if number is None else [number]

    @property
    def has_gradient(self) -> bool:
        from fastlstm.layers.symbolic.operation_gradients import RULES

        return type(self).__name__ in RULES

    def check_gradient(self) -> None:
        if not self.has_gradient:
            raise NotImplementedError(
                f"Training cannot go through the operation `{type(self).__name__}`, for which no gradient is known. "
                "Write it with others, or stop the gradient before it (`fastlstm.ops.stop_gradient`)."
            )

    def call_with_gradient(self, *args: Any, **kwargs: Any) -> tuple[np.ndarray, Backward]:
        """Return the result, and the way from the gradient by it to a list of those by the operation's tensors."""
        from fastlstm.layers.symbolic.operation_gradients import RULES

        operands = self.definition.operands(args, kwargs)
        y, rule = self.call(*args, **kwargs), RULES[type(self).__name__]

        def backward(d: np.ndarray) -> Any:
            with np.errstate(all="ignore"):
                return rule(d, y, operands, self.parameters), ()

        return y, backward

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Return the shape of the result, or several.

        Args:
            *args, **kwargs: What the operation is called with: KerasTensors and constants.

        Raises:
            ValueError: When the shapes do not fit together.
        """
        return self.definition.output_shape(self.definition.operands(args, kwargs), self.parameters)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.parameters}

    def __reduce__(self) -> Any:
        # The classes are made when they are needed.
        return _restored, (type(self).__name__, self.get_config())


def find(class_name: Any) -> type[Operation] | None:
    """Return the operation with this name of Keras' class, None if there is none."""
    # Most graphs have no operations.
    from fastlstm import ops

    definition = ops.find(class_name)
    if definition is None:
        return None
    if class_name not in _classes:
        made = {"definition": definition, "keras_module": definition.module, "__doc__": definition.function.__doc__}
        _classes[class_name] = type(class_name, (Operation,), made)
    return _classes[class_name]


def record(definition: Definition, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
    """Record a call of an operation on KerasTensors, and return the symbolic result."""
    operation: Any = find(definition.class_name)
    trace = TRACING.trace
    if trace is None:
        return operation(**parameters)(*operands)
    # Names are for graphs that are kept.
    return operation(**parameters, name=definition.class_name)(*trace.symbolic(operands))


def _restored(class_name: str, config: dict[str, Any]) -> Operation:
    operation: Any = find(class_name)
    return operation(**config)
