"""The base class of all losses: weights, masks and the reduction to one number."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np

from fastlstm.arguments import array, check_name
from fastlstm.backend import auto_name
from fastlstm.losses.differentiable import (
    RECORDING,
    Pullback,
    at_one_rank,
    of_one_dtype,
    squeeze_or_expand_to_same_rank,
    summed_to,
)
from fastlstm.losses.reduction import reduce_weighted_values, standardize_reduction, weights_and_loss
from fastlstm.printable import quoted


class Loss:
    """Base class of all losses. A subclass defines `call(y_true, y_pred)`, which returns a value for each sample.

    If that is not made of operators and functions of `fastlstm.ops`, it needs, to be trained with, also
    `gradient(y_true, y_pred)`, the gradient of the sum of these values with respect to `y_pred`.

    Args:
        name: String; None makes one.
        reduction: `"sum_over_batch_size"` or `"mean"` (the sum of the values by their number), `"sum"`,
            `"mean_with_sample_weight"` (by the sum of the weights), or `"none"` or None for the values as they are.
        dtype: Only None or `"float32"`.

    Raises:
        ValueError: When the reduction is none of these.
        NotImplementedError: When the dtype is another one.
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name: str = name or auto_name(type(self).__name__)
        check_name(self.name)
        self.reduction: str | None = standardize_reduction(reduction)
        if dtype not in (None, "float32") and getattr(dtype, "name", None) != "float32":
            raise NotImplementedError(f"Loss '{self.name}' computes in float32. Received: dtype={quoted(dtype)}")

    dtype = "float32"
    # Makes of a function of two arrays one that returns its values and the way back: set by the floor of models, which
    # can trace it.
    tracer: ClassVar[Callable[..., Any] | None] = None
    _traced: Any = None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss as a float32 scalar, or the values where there is no reduction.

        Args:
            y_true: Array.
            y_pred: Array; a mask that it carries excludes what is masked.
            sample_weight: Array that broadcasts to the values, or None.
        """
        if RECORDING.takes(y_true, y_pred):
            return RECORDING.call(partial(self._result_and_pullback, sample_weight), y_true, y_pred)
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = _float32_pair(y_true, y_pred)
        values = self.call(y_true, y_pred)
        own_mask = getattr(values, "_keras_mask", None)
        if mask is not None and own_mask is not None:
            mask = mask & own_mask
        mask = own_mask if mask is None else mask
        return reduce_weighted_values(values, sample_weight, mask, self.reduction)

    def _result_and_pullback(
        self, sample_weight: Any, y_true: np.ndarray, y_pred: np.ndarray
    ) -> tuple[np.ndarray, Pullback]:
        """What a call returns, and its pullback."""
        if self.reduction in (None, "none"):
            if sample_weight is not None:
                raise NotImplementedError(f"Loss '{self.name}' has no reduction: multiply its values by the weights.")
            return self.values_and_pullback(y_true, y_pred)
        value, gradient = self.value_and_gradient(y_true, y_pred, sample_weight)
        return np.asarray(value), lambda d_value: gradient * d_value

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        """Return the values, one for each sample.

        Args:
            y_true: float32 array.
            y_pred: float32 array.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `call`.")

    def value_and_gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None
    ) -> tuple[np.float32, np.ndarray]:
        """Return the loss, and its gradient with respect to `y_pred`, as training needs them.

        Args:
            y_true: Array.
            y_pred: Array.
            sample_weight: Array that broadcasts to the values, or None.
            mask: Array that broadcasts to the values, nonzero where they count, or None.

        Returns:
            A float32 scalar (without a reduction, the sum of the values) and a new float32 array of the shape of
            `y_pred`.

        Raises:
            NotImplementedError: When the loss does not say its gradient.
        """
        y_true, y_pred = _float32_pair(y_true, y_pred)
        values, pullback = self.values_and_pullback(y_true, y_pred)
        own_mask = getattr(values, "_keras_mask", None)
        if mask is not None and own_mask is not None:
            mask = (np.asarray(mask) != 0) & own_mask
        mask = own_mask if mask is None else mask
        values = np.asarray(values)
        weights, loss = weights_and_loss(values, sample_weight, mask, self.reduction)
        d_values = np.broadcast_to(summed_to(weights, values.shape), values.shape).copy()
        return np.sum(loss, dtype=np.float32), pullback(d_values)

    def values_and_pullback(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Pullback]:
        """Return what `call` returns, and the function from a gradient with respect to it to one with respect to
        `y_pred`.

        Raises:
            NotImplementedError: When the loss has no `gradient`, and its `call` cannot be traced.
        """
        if self.is_traced:
            return self.traced(self.call, y_true, y_pred)
        gradient = self.gradient_function()
        values = np.asarray(self.call(y_true, y_pred), np.float32)
        return values, lambda d_values: _scaled(gradient(y_true, y_pred), d_values, y_pred.shape)

    @property
    def is_traced(self) -> bool:
        """Whether the gradient is found by tracing: the loss says none."""
        return Loss.tracer is not None and getattr(self, "gradient", None) is None

    def traced(
        self, function: Callable[..., Any], y_true: np.ndarray, y_pred: np.ndarray
    ) -> tuple[np.ndarray, Pullback]:
        """Return what `values_and_pullback` does, of a function that is made of operations.

        Args:
            function: `function(y_true, y_pred)` returns the values; each time the same one.
            y_true, y_pred: float32 arrays.

        Raises:
            NotImplementedError: When it is made of something else.
        """
        if self._traced is None:
            self._traced = cast(Any, Loss.tracer)(function)
        try:
            return self._traced(y_true, y_pred)
        except NotImplementedError as error:
            raise NotImplementedError(
                f"{self._missing()} Or make it of functions of `fastlstm.ops`. {error}"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_traced": None}

    def gradient_function(self) -> Callable[[np.ndarray, np.ndarray], Any]:
        """Return `gradient`, or tell that there is none.

        Raises:
            NotImplementedError: When there is none.
        """
        gradient = getattr(self, "gradient", None)
        if gradient is None:
            raise NotImplementedError(self._missing())
        return gradient

    def _missing(self) -> str:
        return (
            f"The loss '{self.name}' does not say its gradient, so it cannot be trained with. Give "
            f"{type(self).__name__} a method `gradient(self, y_true, y_pred)` that returns the gradient of the sum "
            "of the values of `call` with respect to `y_pred`."
        )

    @property
    def takes_logits(self) -> bool:
        """Whether the loss makes use of what an activation was made from; see `on_logits`."""
        return False

    def on_logits(self, activation: str) -> Loss | None:
        """Return the same loss for what an activation was made from, None if it makes no use of that.

        Keras computes a crossentropy of the outputs of a softmax or sigmoid from its inputs, which loses nothing where
        an output is near 0 or 1.

        Args:
            activation: Name of the activation that made `y_pred`, over its last axis.
        """
        return None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A function of two arrays as a loss.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)` returns a value for each sample. If it is not made of operators and functions
            of `fastlstm.ops` it needs, to be trained with, an attribute `gradient`: a function of the same arguments
            that returns the gradient of the sum of these values.
        reduction, name, dtype: As for `Loss`.
        **kwargs: Further arguments of the function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return self.fn(*squeeze_or_expand_to_same_rank(y_true, y_pred), **self._fn_kwargs)

    def values_and_pullback(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Pullback]:
        return at_one_rank(self._values_and_pullback)(y_true, y_pred)

    def _values_and_pullback(self, y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, Pullback]:
        built_in = getattr(self.fn, "values_and_pullback", None)
        if built_in is not None:
            return built_in(y_true, y_pred, **self._fn_kwargs)
        if self.is_traced:
            return self.traced(partial(self.fn, **self._fn_kwargs), y_true, y_pred)
        gradient = self.gradient_function()
        values = np.asarray(self.fn(y_true, y_pred, **self._fn_kwargs), np.float32)
        return values, lambda d_values: _scaled(gradient(y_true, y_pred), d_values, y_pred.shape)

    @property
    def is_traced(self) -> bool:
        return super().is_traced and getattr(self.fn, "gradient", None) is None

    def gradient_function(self) -> Callable[[np.ndarray, np.ndarray], Any]:
        gradient = getattr(self.fn, "gradient", None)
        if gradient is None:
            raise NotImplementedError(self._missing())
        return lambda y_true, y_pred: gradient(y_true, y_pred, **self._fn_kwargs)

    def _missing(self) -> str:
        name = getattr(self.fn, "__name__", repr(self.fn))
        return (
            f"The loss function '{name}' does not say its gradient, so it cannot be trained with. Set "
            f"`{name}.gradient` to a function of the same arguments that returns the gradient of the sum of the "
            "values with respect to `y_pred`, an array of its shape."
        )

    @property
    def takes_logits(self) -> bool:
        return hasattr(self.fn, "logits_of") and not self._fn_kwargs.get("from_logits")

    def on_logits(self, activation: str) -> Loss | None:
        if getattr(self.fn, "logits_of", None) != activation or self._fn_kwargs.get("axis", -1) != -1:
            return None
        if self._fn_kwargs.get("from_logits"):
            warnings.warn(
                f'"`{self.fn.__name__}` received `from_logits=True`, but the `output` argument was produced by a '
                f"{activation.capitalize()} activation and thus does not represent logits. Was this intended?",
                stacklevel=2,
            )
        return LossFunctionWrapper(self.fn, self.reduction, self.name, **{**self._fn_kwargs, "from_logits": True})

    def get_config(self) -> dict[str, Any]:
        from fastlstm import losses

        return {**super().get_config(), "fn": losses.serialize(self.fn), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LossFunctionWrapper:
        from fastlstm import losses

        return cls(**{**config, "fn": losses.deserialize(config["fn"])} if "fn" in config else config)

    def __repr__(self) -> str:
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


class FunctionLoss(LossFunctionWrapper):
    """Base class of the losses that are a function of this package; a subclass names it.

    Args:
        reduction, name, dtype: As for `Loss`; the name is the function's by default.
    """

    function: ClassVar[Callable[..., Any]]

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None
    ) -> None:
        self.set_options({}, reduction, name, dtype)

    def set_options(self, options: dict[str, Any], reduction: str | None, name: str | None, dtype: Any) -> None:
        """Keep the function's further arguments, as attributes and in the config too."""
        function = type(self).function
        LossFunctionWrapper.__init__(self, function, reduction, name or function.__name__, dtype, **options)
        for option, value in options.items():
            setattr(self, option, value)

    def get_config(self) -> dict[str, Any]:
        return {**Loss.get_config(self), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FunctionLoss:
        return cls(**config)


def _float32_pair(y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    return of_one_dtype(y_true, array(y_pred, np.float32, "`y_pred`"))


def _scaled(gradient: Any, d_values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the gradient of a user's loss, times that of what follows, sample by sample."""
    gradient = np.asarray(gradient, np.float32)
    if gradient.shape != shape:
        raise ValueError(f"A loss' gradient has the shape of `y_pred`, {shape}. Received one of shape {gradient.shape}")
    return gradient * d_values.reshape(d_values.shape + (1,) * (gradient.ndim - d_values.ndim))
