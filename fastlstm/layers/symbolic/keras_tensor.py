"""Symbolic tensors: a shape and a name in place of values, and the call that gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from fastlstm import backend
from fastlstm.layers.base.input_spec import Shape, standardize_shape
from fastlstm.layers.base.structure import flatten

if TYPE_CHECKING:
    from fastlstm.layers.base.layer import Layer
    from fastlstm.layers.symbolic.node import Node


def _operator(class_name: str, reflected: bool = False) -> Callable[..., KerasTensor]:
    """Return the method that records a call of the operation `class_name`."""

    def method(self: KerasTensor, *others: Any) -> KerasTensor:
        # The operations are layers, and layers are called on these tensors.
        from fastlstm.layers.symbolic import operation

        arguments = (*others, self) if reflected else (self, *others)
        return getattr(operation, class_name)()(*arguments)

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
        self.name = backend.auto_name("KerasTensor") if name is None else name
        self.masked = masked
        # Which output of which call this is; the call's Node sets both.
        self.node: Node
        self.index = 0

    @property
    def origin(self) -> Layer:
        """The layer that gives it."""
        return self.node.layer

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    __add__, __radd__ = _operator("Add"), _operator("Add", reflected=True)
    __sub__, __rsub__ = _operator("Subtract"), _operator("Subtract", reflected=True)
    __mul__, __rmul__ = _operator("Multiply"), _operator("Multiply", reflected=True)
    __truediv__, __rtruediv__ = _operator("TrueDivide"), _operator("TrueDivide", reflected=True)
    __floordiv__, __rfloordiv__ = _operator("FloorDivide"), _operator("FloorDivide", reflected=True)
    __mod__, __rmod__ = _operator("Mod"), _operator("Mod", reflected=True)
    __pow__, __rpow__ = _operator("Power"), _operator("Power", reflected=True)
    __neg__, __abs__ = _operator("Negative"), _operator("Absolute")
    __gt__, __ge__ = _operator("Greater"), _operator("GreaterEqual")
    __lt__, __le__ = _operator("Less"), _operator("LessEqual")
    __and__, __or__, __invert__ = _operator("LogicalAnd"), _operator("LogicalOr"), _operator("LogicalNot")
    # `==` compares identities, as in Keras; `!=` is an operation there.
    __ne__ = _operator("NotEqual")
    __hash__ = object.__hash__
    __getitem__ = _operator("GetItem")

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
    return any(isinstance(leaf, KerasTensor) for leaf in flatten(nested))
