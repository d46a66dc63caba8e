"""Symbolic tensors: a shape and a name in place of values, and the call that gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from fastlstm import backend
from fastlstm.layers.base.input_spec import Shape, standardize_shape
from fastlstm.layers.base.structure import flatten

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer
    from fastlstm.layers.symbolic.node import Node
    from fastlstm.ops import Definition

Operator: TypeAlias = "Callable[..., KerasTensor]"


def _operator(function: str, reflected: bool = False) -> Operator:
    """Return the method that records a call of the operation `function`."""

    def method(self: KerasTensor, *others: Any) -> KerasTensor:
        # Most graphs have no operations.
        from fastlstm import ops

        return ops.FUNCTIONS[function](*(*others, self) if reflected else (self, *others))

    return method


class KerasTensor:
    """A tensor that has no values yet.

    Args:
        shape: Shape with the batch, None where unknown.
        dtype: String.
        name: String; None makes one.
        masked: Whether its values may carry a mask.
    """

    # NumPy's operators leave the work to the ones here.
    __array_ufunc__ = None

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: str = "float32",
        name: str | None = None,
        masked: bool = False,
    ) -> None:
        self.shape: Shape = standardize_shape(shape)
        self.dtype = dtype
        self.name: str = backend.auto_name("KerasTensor") if name is None else name
        self.masked = masked
        # Which output of which call this is; the call's Node sets both.
        self.node: Node
        self.index = 0

    @property
    def origin(self) -> Layer:
        """The layer that gives it."""
        node = getattr(self, "node", None)
        if node is None:
            raise ValueError(f"{self} is given by no layer: begin with `Input`.")
        return node.layer

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    __add__: Operator = _operator("add")
    __radd__: Operator = _operator("add", reflected=True)
    __sub__: Operator = _operator("subtract")
    __rsub__: Operator = _operator("subtract", reflected=True)
    __mul__: Operator = _operator("multiply")
    __rmul__: Operator = _operator("multiply", reflected=True)
    __matmul__: Operator = _operator("matmul")
    __rmatmul__: Operator = _operator("matmul", reflected=True)
    __truediv__: Operator = _operator("true_divide")
    __rtruediv__: Operator = _operator("true_divide", reflected=True)
    __floordiv__: Operator = _operator("floor_divide")
    __rfloordiv__: Operator = _operator("floor_divide", reflected=True)
    __mod__: Operator = _operator("mod")
    __rmod__: Operator = _operator("mod", reflected=True)
    __pow__: Operator = _operator("power")
    __rpow__: Operator = _operator("power", reflected=True)
    __neg__: Operator = _operator("negative")
    __abs__: Operator = _operator("absolute")
    __round__: Operator = _operator("round")
    __gt__: Operator = _operator("greater")
    __ge__: Operator = _operator("greater_equal")
    __lt__: Operator = _operator("less")
    __le__: Operator = _operator("less_equal")
    __and__: Operator = _operator("logical_and")
    __rand__: Operator = _operator("logical_and", reflected=True)
    __or__: Operator = _operator("logical_or")
    __ror__: Operator = _operator("logical_or", reflected=True)
    __xor__: Operator = _operator("logical_xor")
    __rxor__: Operator = _operator("logical_xor", reflected=True)
    __invert__: Operator = _operator("logical_not")
    # `==` compares identities, as in Keras; `!=` is an operation there.
    __ne__: Operator = _operator("not_equal")  # type: ignore[assignment]
    __hash__: Callable[[], int] = object.__hash__  # type: ignore[assignment]
    __getitem__: Operator = _operator("get_item")
    reshape: Operator = _operator("reshape")
    squeeze: Operator = _operator("squeeze")

    def record_operation(self, definition: Definition, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """Record a call of an operation on this and other tensors, and return the symbolic result."""
        from fastlstm.layers.symbolic.operation import record

        return record(definition, operands, parameters)

    def __bool__(self) -> NoReturn:
        raise TypeError("A symbolic KerasTensor cannot be used as a boolean.")

    def __iter__(self) -> NoReturn:
        raise NotImplementedError("Iterating over a symbolic KerasTensor is not supported.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise ValueError("A KerasTensor has a shape and a dtype, but no values: it cannot become a NumPy array.")


def is_keras_tensor(x: Any) -> bool:
    """Return whether `x` is a symbolic tensor."""
    return isinstance(x, KerasTensor)


def is_symbolic(*nested: Any) -> bool:
    """Return whether there is a KerasTensor anywhere in the arguments."""
    return isinstance(nested[0], KerasTensor) or any(isinstance(leaf, KerasTensor) for leaf in flatten(nested))
