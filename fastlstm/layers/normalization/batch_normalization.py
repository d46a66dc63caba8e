"""`BatchNormalization`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm import initializers
from fastlstm.engine import ops
from fastlstm.layers.base.argument_validation import check_axes
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.same_shape import axes_problem, is_last_axis
from fastlstm.layers.base.serialization import register
from fastlstm.layers.normalization.normalization import ScaledAndShifted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward
    from fastlstm.layers.base.variable import Variable


@register
class BatchNormalization(ScaledAndShifted):
    """`gamma * (inputs - mean) / sqrt(variance + epsilon) + beta` for each position of an axis.

    Mean and variance are the moving ones; in training, if the layer is trainable, those of the call, over the steps
    that are not masked, towards which the moving ones then go.

    Args:
        axis: Integer.
        momentum: Float, what the moving values keep of themselves in a step of training.
        epsilon: Float.
        center, scale: Booleans, whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: Initializers of the
            weights, each of the axis' size.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: Kept for configs and training.
        renorm: Only False.
        renorm_clipping, renorm_momentum: Kept for configs; they belong to `renorm`.
        synchronized: Boolean, kept for configs: there is one device.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid or cannot be honoured.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if renorm:
            raise ValueError(f"BatchNormalization '{self.name}': the argument `renorm` is not supported.")
        try:
            self.axis: int = int(axis)
            self.momentum: float = float(momentum)
            epsilon = float(epsilon)
        except OverflowError as error:
            numbers = "`axis`, `momentum` or `epsilon`"
            raise ValueError(f"BatchNormalization '{self.name}': {numbers} is no such number: {error}") from error
        self.keep_arguments(
            *(epsilon, center, scale),
            (beta_initializer, beta_regularizer, beta_constraint),
            (gamma_initializer, gamma_regularizer, gamma_constraint),
        )
        self.moving_mean_initializer: Any = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer: Any = initializers.get(moving_variance_initializer)
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized
        self.moving_mean: Variable = None  # type: ignore[assignment]  # until `build`
        self.moving_variance: Variable = None  # type: ignore[assignment]  # until `build`

    def build(self, input_shape: Shape) -> None:
        check_axes(self.axis, input_shape)
        size = input_shape[self.axis]
        self.add_gamma_and_beta((size,))
        self.moving_mean = self.add_weight((size,), self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            (size,), self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        self.input_spec: InputSpec = InputSpec(ndim=len(input_shape), axes={self.axis: size})

    @property
    def lowers(self) -> bool:
        return self.built and is_last_axis([self.axis], self._build_shape)

    def lower(self) -> list[ops.Op]:
        variance = self.moving_variance.value.astype(np.float64)
        scale = 1 / np.sqrt(variance + self.epsilon)
        if self.gamma is not None:
            scale = scale * self.gamma.value
        shift = self.beta.value if self.beta is not None else np.zeros_like(variance)
        return [ops.AffineOp(self.moving_mean.value, scale.astype(np.float32), shift.astype(np.float32))]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return axes_problem(self.axis, shape) if in_time else None

    def call(self, inputs: np.ndarray, training: bool = False, mask: Any = None) -> np.ndarray:
        """Return the normalized inputs.

        Args:
            inputs: Array.
            training: Boolean.
            mask: Booleans, with one axis less than the inputs, or None.

        Raises:
            ValueError: When the mask has another number of axes.
        """
        if mask is not None and np.ndim(mask) != inputs.ndim - 1:
            raise ValueError(
                "The mask provided should be one dimension less than the inputs. "
                f"Received: mask.shape={np.shape(mask)}, inputs.shape={inputs.shape}"
            )
        return self.call_with_gradient(inputs, training, mask)[0]

    def call_with_gradient(
        self, inputs: np.ndarray, training: bool = False, mask: Any = None
    ) -> tuple[np.ndarray, Backward]:
        mean, variance = self.moving_mean.value, self.moving_variance.value
        axes = tuple(axis for axis in range(inputs.ndim) if axis != self.axis % inputs.ndim)
        own = training and self.trainable
        if own:
            mean, variance, count = self._moments(inputs, mask, axes)
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving.value * self.momentum + new * (1 - self.momentum))
        inverse = 1 / np.sqrt(variance + np.float32(self.epsilon))
        factor = inverse * self.gamma.value if self.gamma is not None else inverse
        offset = self.beta.value - mean * factor if self.beta is not None else -mean * factor
        shape = [1] * inputs.ndim
        shape[self.axis] = -1

        def backward(d: np.ndarray) -> Any:
            y = (inputs - mean.reshape(shape)) * inverse.reshape(shape)
            sums = {"beta": d.sum(axis=axes), "gamma": (d * y).sum(axis=axes)}
            dx = d
            if own:
                # What mean and variance hand on to the values that they are of.
                shared = (sums["beta"].reshape(shape) + y * sums["gamma"].reshape(shape)) / count
                valid = True if mask is None else np.asarray(mask, bool)[..., np.newaxis]
                dx = d - np.where(valid, shared, np.float32(0))
            asked = [name for name, there in (("gamma", self.scale), ("beta", self.center)) if there]
            return dx * factor.reshape(shape), self.in_order(**{name: sums[name] for name in asked})

        return inputs * factor.reshape(shape) + offset.reshape(shape), backward

    def _moments(self, inputs: np.ndarray, mask: Any, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, Any]:
        """Return mean and biased variance over axes, and the number of values that they are of."""
        if mask is None:
            count = np.float32(inputs.size / inputs.shape[self.axis])
            return inputs.mean(axis=axes), inputs.var(axis=axes), count
        valid = np.broadcast_to(np.asarray(mask, bool)[..., np.newaxis], inputs.shape)
        # As in Keras, 1e-7 keeps the mean of nothing finite.
        count = valid.sum(axis=axes, keepdims=True, dtype=np.float32) + np.float32(1e-7)
        mean = inputs.sum(axis=axes, keepdims=True, where=valid) / count
        variance = np.square(inputs - mean).sum(axis=axes, keepdims=True, where=valid) / count
        return mean.reshape(-1), variance.reshape(-1), count

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
            "renorm": False,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }
