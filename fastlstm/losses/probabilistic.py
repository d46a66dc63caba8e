"""The crossentropies and their like as classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fastlstm.losses.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from fastlstm.losses.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from fastlstm.losses.loss import FunctionLoss


class KLDivergence(FunctionLoss):
    """`kl_divergence` as a loss; the arguments are those of `Loss`."""

    function: ClassVar[Callable[..., Any]] = staticmethod(kl_divergence)


class BinaryCrossentropy(FunctionLoss):
    """`binary_crossentropy` as a loss.

    Args:
        from_logits, label_smoothing, axis: As for the function.
        reduction, name, dtype: As for `Loss`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(binary_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        self.set_options(options, reduction, name, dtype)


class CategoricalCrossentropy(FunctionLoss):
    """`categorical_crossentropy` as a loss.

    Args:
        from_logits, label_smoothing, axis: As for the function.
        reduction, name, dtype: As for `Loss`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        self.set_options(options, reduction, name, dtype)


class SparseCategoricalCrossentropy(FunctionLoss):
    """`sparse_categorical_crossentropy` as a loss.

    Args:
        from_logits, ignore_class, axis: As for the function.
        reduction, name, dtype: As for `Loss`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(sparse_categorical_crossentropy)

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        self.set_options(options, reduction, name, dtype)

    def get_config(self) -> dict[str, Any]:
        # As Keras writes it; the axis can only be the last one.
        return {name: value for name, value in super().get_config().items() if name != "axis"}


class BinaryFocalCrossentropy(FunctionLoss):
    """`binary_focal_crossentropy` as a loss.

    Args:
        apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis: As for the function.
        reduction, name, dtype: As for `Loss`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(binary_focal_crossentropy)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        options = {
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
            "apply_class_balancing": apply_class_balancing,
            "alpha": alpha,
            "gamma": gamma,
        }
        self.set_options(options, reduction, name, dtype)


class CategoricalFocalCrossentropy(FunctionLoss):
    """`categorical_focal_crossentropy` as a loss.

    Args:
        alpha, gamma, from_logits, label_smoothing, axis: As for the function.
        reduction, name, dtype: As for `Loss`.
    """

    function: ClassVar[Callable[..., Any]] = staticmethod(categorical_focal_crossentropy)

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        options = {
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
            "alpha": alpha,
            "gamma": gamma,
        }
        self.set_options(options, reduction, name, dtype)
