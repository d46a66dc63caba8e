"""Activations that are layers of their own: `ReLU`, `LeakyReLU`, `PReLU`, `ELU` and `Softmax`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm import activations
from fastlstm.arguments import check_numbers
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.argument_validation import check_axes
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.joining import GraphValues, constant_of, one_value, softmax_over
from fastlstm.layers.base.same_shape import SameShape, axes_problem, values_problem
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.printable import quoted, shown

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable


@register
class ReLU(SameShape):
    """`x` above the threshold, at most `max_value`; `negative_slope * (x - threshold)` elsewhere.

    Args:
        max_value: Float, not negative, or None for no limit.
        negative_slope: Float, not negative.
        threshold: Float, not negative.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0:
            raise ValueError(
                f"max_value of a ReLU layer cannot be a negative value. Received: max_value={quoted(max_value)}"
            )
        for name, value in (("negative_slope", negative_slope), ("threshold", threshold)):
            if value is None or value < 0:
                raise ValueError(
                    f"{name} of a ReLU layer cannot be None or a negative value. Received: {name}={quoted(value)}"
                )
        for name, value in (
            ("max_value", max_value or 0),
            ("negative_slope", negative_slope),
            ("threshold", threshold),
        ):
            check_numbers(**{name: value})
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def lower(self) -> list[ops.Op]:
        limit = math.inf if self.max_value is None else self.max_value
        parameters = (float(self.negative_slope), float(limit), float(self.threshold))
        return [ops.ActivationOp(ops.Activation("relu", parameters))]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


@register
class LeakyReLU(SameShape):
    """`x` where it is positive, `negative_slope * x` elsewhere.

    Args:
        negative_slope: Float, not negative.
        **kwargs: As for `Layer`; also `alpha`, the old name of `negative_slope`.

    Raises:
        ValueError: When the slope is not valid.
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warnings.warn("Argument `alpha` is deprecated. Use `negative_slope` instead.", stacklevel=2)
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. Expected a float. "
                f"Received: negative_slope={quoted(negative_slope)}"
            )
        check_numbers(negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def lower(self) -> list[ops.Op]:
        return [ops.ActivationOp(ops.Activation("relu", (float(self.negative_slope), math.inf, 0.0)))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@register
class ELU(SameShape):
    """`x` where it is positive, `alpha * (exp(x) - 1)` elsewhere.

    Args:
        alpha: Float.
        **kwargs: As for `Layer`.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_numbers(alpha=alpha)
        if np.ndim(alpha):
            raise ValueError(f"`alpha` should be one number. Received: alpha={shown(alpha)}")
        self.alpha = alpha

    def lower(self) -> list[ops.Op]:
        return [ops.ActivationOp(ops.Activation("elu", (float(self.alpha),)))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@register
class PReLU(SameShape):
    """`x` where it is positive, `alpha * x` elsewhere, with a weight alpha for each position of a row.

    Args:
        alpha_initializer: Initializer of alpha, whose shape is the inputs' without the batch.
        alpha_regularizer, alpha_constraint: Kept for configs and training.
        shared_axes: Axes, from 1, along which alpha is the same; None for no such axis.
        **kwargs: As for `Layer`.
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        set_weight_arguments(self, "alpha", alpha_initializer, alpha_regularizer, alpha_constraint)
        if shared_axes is not None:
            shared_axes = [shared_axes] if isinstance(shared_axes, int) else list(shared_axes)
        self.shared_axes = shared_axes
        self.alpha: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        shared = self.shared_axes or ()
        shape = list(input_shape[1:])
        for axis in shared:
            shape[axis - 1] = 1
        self.alpha = add_weight(self, "alpha", shape)
        axes = {axis: input_shape[axis] for axis in range(1, len(input_shape)) if shared and axis not in shared}
        self.input_spec: InputSpec = InputSpec(ndim=len(input_shape), axes=axes)

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x = one_value(args, kwargs, 2, 3)
        if x is None:
            return None
        positive, negative = (
            graph.add(ops.MergeOp(kind, np.zeros((1, 1), np.float32)), x.number) for kind in ("maximum", "minimum")
        )
        alpha = constant_of(self.alpha.value[np.newaxis], x.rank)
        return [graph.add(ops.MergeOp("add"), positive, graph.add(ops.MergeOp("multiply", alpha), negative))]

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return np.maximum(inputs, 0) + self.alpha.value * np.minimum(inputs, 0)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        alpha = self.alpha.value

        def backward(d: np.ndarray) -> Any:
            d_alpha = (d * np.minimum(inputs, 0)).sum(axis=0)
            shared = tuple(axis for axis, size in enumerate(alpha.shape) if size == 1)
            d_alpha = d_alpha.sum(axis=shared, keepdims=True)
            return np.where(inputs > 0, d, alpha * d), self.in_order(alpha=d_alpha)

        return self.call(inputs), backward

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return values_problem(shape, self.alpha.value) if in_time else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **weight_config(self, "alpha"), "shared_axes": self.shared_axes}


@register
class Softmax(SameShape):
    """`exp(x) / sum(exp(x))`, the sum over `axis`.

    Args:
        axis: Integer, or several.
        **kwargs: As for `Layer`.
    """

    output_kind = "probabilities"

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not all(isinstance(one, int) for one in (axis if isinstance(axis, (list, tuple)) else (axis,))):
            raise ValueError(f"`axis` should be an integer or several. Received: axis={shown(axis)}")
        self.axis = axis

    def check_input_shape(self, shape: Any) -> None:
        super().check_input_shape(shape)
        check_axes(self.axis, shape)

    def call(self, inputs: np.ndarray, mask: Any = None) -> np.ndarray:
        """Return the softmax, 0 where masked.

        Args:
            inputs: Array.
            mask: Booleans that broadcast to the inputs, or None.

        Raises:
            ValueError: When the mask does not fit.
        """
        if mask is None:
            return activations.softmax(inputs, self.axis)
        mask = np.asarray(mask)
        _check_broadcastable(mask.shape, inputs.shape)
        valid = mask if mask.dtype == bool else mask > 0.5
        y = activations.softmax(np.where(valid, inputs, np.float32(-1e9)), self.axis)
        return np.where(valid, y, np.float32(0))

    def call_with_gradient(self, inputs: np.ndarray, mask: Any = None) -> tuple[np.ndarray, Backward]:
        y = self.call(inputs, mask)
        axis = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        return y, lambda d: (y * (d - (d * y).sum(axis=axis, keepdims=True)), ())

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        x, axes = one_value(args, kwargs, 2, 3), self.axis
        axis = axes if isinstance(axes, int) else axes[0] if len(axes) == 1 else None
        number = None if x is None or x.mask is not None or axis is None else softmax_over(graph, x, axis)
        return None if number is None else [number]

    @property
    def lowers(self) -> bool:
        # Masks belong to steps: inputs (batch, features) have none, and what has one is for `call`.
        return self.axis == -1 and self._build_shape is not None and len(self._build_shape) == 2

    def lower(self) -> list[ops.Op]:
        return [ops.ActivationOp(ops.Activation("softmax"))]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return axes_problem(self.axis, shape) if in_time else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def _check_broadcastable(mask_shape: tuple[int, ...], shape: tuple[int, ...]) -> None:
    received = f"Received: inputs.shape={quoted(shape)}, mask.shape={mask_shape}"
    if len(mask_shape) > len(shape):
        raise ValueError(f"The `mask` must be broadcastable to `inputs` and must not have more dimensions. {received}")
    if any(ours not in (1, theirs) for ours, theirs in zip(mask_shape[::-1], shape[::-1], strict=False)):
        raise ValueError(
            "The `mask` must be broadcastable to `inputs`. Each mask dimension must be 1 or match the corresponding "
            f"input dimension. {received}"
        )
