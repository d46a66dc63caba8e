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
    from fastlstm.ops import Definition


def _operator(function: str, reflected: bool = False) -> Callable[..., KerasTensor]:
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

    __add__, __radd__ = _operator("add"), _operator("add", reflected=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", reflected=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", reflected=True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", reflected=True)
    __truediv__, __rtruediv__ = _operator("true_divide"), _operator("true_divide", reflected=True)
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", reflected=True)
    __mod__, __rmod__ = _operator("mod"), _operator("mod", reflected=True)
    __pow__, __rpow__ = _operator("power"), _operator("power", reflected=True)
    __neg__, __abs__, __round__ = _operator("negative"), _operator("absolute"), _operator("round")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __and__, __rand__ = _operator("logical_and"), _operator("logical_and", reflected=True)
    __or__, __ror__ = _operator("logical_or"), _operator("logical_or", reflected=True)
    __xor__, __rxor__ = _operator("logical_xor"), _operator("logical_xor", reflected=True)
    __invert__ = _operator("logical_not")
    # `==` compares identities, as in Keras; `!=` is an operation there.
    __ne__ = _operator("not_equal")
    __hash__ = object.__hash__
    __getitem__ = _operator("get_item")
    reshape, squeeze = _operator("reshape"), _operator("squeeze")

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
