"""Layers that bring each row, or each group of its values, to a common scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import check_axes
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.same_shape import SameShape, axes_problem, is_last_axis
from fastlstm.layers.base.serialization import register
from fastlstm.layers.base.weight_arguments import add_weight, set_weight_arguments, weight_config
from fastlstm.memory import require_array
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable


class ScaledAndShifted(SameShape):
    """What the layers with weights `gamma` and `beta` have in common."""

    # An integer until `build`, or several.
    axis: Any

    def keep_arguments(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta: tuple[Any, Any, Any],
        gamma: tuple[Any, Any, Any],
    ) -> None:
        """Keep the arguments; those of a weight are its initializer, regularizer and constraint."""
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        set_weight_arguments(self, "beta", *beta)
        set_weight_arguments(self, "gamma", *gamma)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def add_gamma_and_beta(self, shape: Sequence[int | None]) -> None:
        if self.scale:
            self.gamma = add_weight(self, "gamma", shape)
        if self.center:
            self.beta = add_weight(self, "beta", shape)

    def scaled_and_shifted(self, y: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Return `y * gamma + beta`; `shape` is that of the two weights against `y`."""
        if self.gamma is not None:
            y = y * self.gamma.value.reshape(shape)
        if self.beta is not None:
            y = y + self.beta.value.reshape(shape)
        return y

    def of_gamma_and_beta(self, d: np.ndarray, y: np.ndarray, shape: Sequence[int]) -> list[np.ndarray | None]:
        """Return the gradients of the two, in the order of the weights.

        Args:
            d: By what `scaled_and_shifted` returned.
            y, shape: As it was given them.
        """
        others = tuple(axis for axis, size in enumerate(shape) if size == 1)
        found = {}
        if self.gamma is not None:
            found["gamma"] = (d * y).sum(axis=others).reshape(self.gamma.shape)
        if self.beta is not None:
            found["beta"] = d.sum(axis=others).reshape(self.beta.shape)
        return self.in_order(**found)

    def scaled(self, d: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Return the gradient by what `scaled_and_shifted` was given."""
        return d * self.gamma.value.reshape(shape) if self.gamma is not None else d

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        check_axes(self.axis, input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **weight_config(self, "beta", "gamma"),
        }


@register
class LayerNormalization(ScaledAndShifted):
    """`gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`, mean and variance over axes of each row.

    Args:
        axis: Integer, or several.
        epsilon: Float.
        center, scale: Booleans, whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: Initializers of the weights, each of the axes' sizes.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: Kept for configs and training.
        **kwargs: As for `Layer`; also `rms_scaling`, only False.

    Raises:
        TypeError: When `axis` is neither an integer nor several.
        ValueError: When an argument is not valid or cannot be honoured.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        if rms_scaling:
            raise ValueError(f"LayerNormalization '{self.name}': the argument `rms_scaling` is not supported.")
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"Expected an int or a list/tuple of ints for the argument 'axis', but received: {axis!r}")
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.keep_arguments(
            *(epsilon, center, scale),
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
        )

    def build(self, input_shape: Shape) -> None:
        check_axes(self.axis, input_shape)
        self.axis: Any = [self.axis] if isinstance(self.axis, int) else sorted(self.axis)
        self.add_gamma_and_beta([input_shape[axis] for axis in self.axis])

    @property
    def lowers(self) -> bool:
        return self.built and is_last_axis(self.axis, self._build_shape)

    def lower(self) -> list[ops.Op]:
        size = self._build_shape[-1:]
        require_array(size, f"LayerNormalization '{self.name}'")
        scale = self.gamma.value if self.gamma is not None else np.ones(size, np.float32)
        shift = self.beta.value if self.beta is not None else np.zeros(size, np.float32)
        return [ops.LayerNormOp(scale, shift, self.epsilon)]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return axes_problem(self.axis, shape) if in_time else None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return self.call_with_gradient(inputs)[0]

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        axes = tuple(self.axis)
        shape = _sizes_at(axes, inputs.shape)
        y, deviation = _standardized(inputs, axes, self.epsilon)

        def backward(d: np.ndarray) -> Any:
            dx = _standardized_backward(self.scaled(d, shape), y, deviation, axes)
            return dx, self.of_gamma_and_beta(d, y, shape)

        return self.scaled_and_shifted(y, shape), backward

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rms_scaling": False}


@register
class GroupNormalization(ScaledAndShifted):
    """As `LayerNormalization`, over each of several groups of an axis together with all other axes of a row.

    Args:
        groups: Positive integer, number of groups; -1 for as many as the axis has positions.
        axis: Integer, but not 0.
        epsilon, center, scale: As for `LayerNormalization`.
        beta_initializer, gamma_initializer: Initializers of the weights, each of the axis' size.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: Kept for configs and training.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid, or the axis cannot be cut into the groups.
    """

    groups: int

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(
                "Received an invalid value for argument `groups`, expected a positive integer (or `-1` for instance "
                f"normalization). Received: groups={quoted(groups)}"
            )
        super().__init__(**kwargs)
        self.groups = groups
        self.axis = axis
        self.keep_arguments(
            *(epsilon, center, scale),
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
        )

    def build(self, input_shape: Shape) -> None:
        check_axes(self.axis, input_shape)
        size = input_shape[self.axis]
        if size is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer received an input "
                f"with shape {input_shape}."
            )
        if self.groups == -1:
            self.groups = size
        if size < self.groups:
            raise ValueError(f"Number of groups ({self.groups}) cannot be more than the number of channels ({size}).")
        if size % self.groups:
            raise ValueError(f"Number of groups ({self.groups}) must be a multiple of the number of channels ({size}).")
        self.input_spec: InputSpec = InputSpec(ndim=len(input_shape), axes={self.axis: size})
        self.add_gamma_and_beta((size,))

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return "it takes the time steps together." if in_time else None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return self.call_with_gradient(inputs)[0]

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        axis = self.axis % inputs.ndim
        shape = inputs.shape
        in_groups = (*shape[:axis], self.groups, shape[axis] // self.groups, *shape[axis + 1 :])
        axes = tuple(one for one in range(1, len(in_groups)) if one != axis)
        grouped, deviation = _standardized(inputs.reshape(in_groups), axes, self.epsilon)
        y, sizes = grouped.reshape(shape), _sizes_at((axis,), shape)

        def backward(d: np.ndarray) -> Any:
            d_grouped = self.scaled(d, sizes).reshape(in_groups)
            dx = _standardized_backward(d_grouped, grouped, deviation, axes)
            return dx.reshape(shape), self.of_gamma_and_beta(d, y, sizes)

        return self.scaled_and_shifted(y, sizes), backward

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups}


@register
class RMSNormalization(Layer):
    """`scale * inputs / sqrt(mean(inputs**2) + epsilon)`, the mean over axes of each row.

    Args:
        axis: Integer, or several.
        epsilon: Float.
        **kwargs: As for `Layer`.
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis: Any = axis
        self.epsilon = epsilon
        self.scale: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        check_axes(self.axis, input_shape)
        self.axis = [self.axis] if isinstance(self.axis, int) else sorted(self.axis)
        self.scale = self.add_weight([input_shape[axis] for axis in self.axis], "ones", name="scale")

    @property
    def lowers(self) -> bool:
        return self.built and is_last_axis(self.axis, self._build_shape)

    def lower(self) -> list[ops.Op]:
        return [ops.LayerNormOp(self.scale.value, np.zeros(self.scale.shape, np.float32), self.epsilon, True)]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return axes_problem(self.axis, shape) if in_time else None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return self.call_with_gradient(inputs)[0]

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        axes = tuple(self.axis)
        scale = self.scale.value.reshape(_sizes_at(axes, inputs.shape))
        root = np.sqrt(np.square(inputs).mean(axis=axes, keepdims=True) + np.float32(self.epsilon))
        y = inputs / root

        def backward(d: np.ndarray) -> Any:
            others = tuple(axis for axis, size in enumerate(scale.shape) if size == 1)
            d_scale = (d * y).sum(axis=others).reshape(self.scale.shape)
            d = d * scale
            return (d - y * (d * y).mean(axis=axes, keepdims=True)) / root, self.in_order(scale=d_scale)

        return y * scale, backward

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        check_axes(self.axis, input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@register
class UnitNormalization(SameShape):
    """`inputs / sqrt(sum(inputs**2))`, the sum over axes of each row.

    Args:
        axis: Integer, or several.
        **kwargs: As for `Layer`.

    Raises:
        TypeError: When `axis` is neither.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(
                f"Invalid value for `axis` argument: expected an int or a list/tuple of ints. "
                f"Received: axis={quoted(axis)}"
            )
        self.axis: int | list[int] = axis if isinstance(axis, int) else list(axis)

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return axes_problem(self.axis, shape) if in_time else None

    def call(self, inputs: np.ndarray) -> np.ndarray:
        return unit_length(inputs, self.axis if isinstance(self.axis, int) else tuple(self.axis), 1e-12)

    def call_with_gradient(self, inputs: np.ndarray) -> tuple[np.ndarray, Backward]:
        y, backward = unit_length_with_gradient(
            inputs, self.axis if isinstance(self.axis, int) else tuple(self.axis), 1e-12
        )
        return y, lambda d: (backward(d), ())

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        check_axes(self.axis, input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def unit_length(x: np.ndarray, axis: int | tuple[int, ...], epsilon: float) -> np.ndarray:
    """Return `x` divided by its Euclidean length over `axis`, which counts as at least `epsilon`."""
    length = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    return x / np.maximum(length, np.float32(epsilon))


def unit_length_with_gradient(
    x: np.ndarray, axis: int | tuple[int, ...], epsilon: float
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return what `unit_length` does, and the function from gradients by it to those by `x`."""
    length = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    divisor = np.maximum(length, np.float32(epsilon))
    y = x / divisor

    def backward(d: np.ndarray) -> np.ndarray:
        along = np.where(length >= np.float32(epsilon), (d * y).sum(axis=axis, keepdims=True), np.float32(0))
        return (d - y * along) / divisor

    return y, backward


def _standardized(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return `x` with mean 0 and variance 1 over axes, and the deviation that it was divided by."""
    centered = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt(np.square(centered).mean(axis=axes, keepdims=True) + np.float32(epsilon))
    return centered / deviation, deviation


def _standardized_backward(d: np.ndarray, y: np.ndarray, deviation: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return the gradient by `x`, from that by `y`, which `_standardized` made of it."""
    means = d.mean(axis=axes, keepdims=True) + y * (d * y).mean(axis=axes, keepdims=True)
    return (d - means) / deviation


def _sizes_at(axes: Sequence[int], shape: Sequence[int]) -> list[int]:
    """Return a shape of ones, except at the axes."""
    kept = {axis % len(shape) for axis in axes}
    return [size if axis in kept else 1 for axis, size in enumerate(shape)]
