"""Sums and means over everything that was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.losses.differentiable import squeeze_or_expand_to_same_rank
from fastlstm.losses.reduction import apply_mask
from fastlstm.metrics.metric import Metric, as_float32, divide_no_nan

if TYPE_CHECKING:
    from fastlstm.backend import Variable


def reduce_to_samplewise_values(
    values: Any, sample_weight: Any, reduce_fn: Callable[..., np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return one weighted value for each sample, and the weights.

    Args:
        values: Array whose first axis is the batch, or a scalar.
        sample_weight: Array that broadcasts to the values, or None.
        reduce_fn: `reduce_fn(x, axis=)`, by which the values of a sample become one.
    """
    mask = getattr(values, "_keras_mask", None)
    values = as_float32(values)
    weight = None
    if sample_weight is not None:
        weight = apply_mask(sample_weight, mask, "sum")
        values, weight = squeeze_or_expand_to_same_rank(values, cast(np.ndarray, weight))
        rank = weight.ndim
        if values.ndim > rank:
            values = reduce_fn(values, axis=tuple(range(rank, values.ndim)))
        weight = np.broadcast_to(weight, values.shape)
        values = values * weight
        if rank > 1:
            weight = reduce_fn(weight, axis=tuple(range(1, rank)))
    if values.ndim > 1:
        values = reduce_fn(values, axis=tuple(range(1, values.ndim)))
    return values, weight


class Sum(Metric):
    """The weighted sum of all values.

    Args:
        name, dtype: As for `Metric`.
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total: Variable = self.add_variable((), "zeros", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values.

        Args:
            values: Array or number.
            sample_weight: Array that broadcasts to the values, or None.
        """
        values, _ = reduce_to_samplewise_values(values, sample_weight, np.sum)
        self.total.value[...] += np.sum(values)

    def result(self) -> np.float32:
        return cast(np.float32, self.total.value[()])


class Mean(Metric):
    """The weighted mean of all values.

    Args:
        name, dtype: As for `Metric`.
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total: Variable = self.add_variable((), "zeros", name="total")
        self.count: Variable = self.add_variable((), "zeros", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add values.

        Args:
            values: Array or number.
            sample_weight: Array that broadcasts to the values, or None.
        """
        values, weight = reduce_to_samplewise_values(values, sample_weight, np.mean)
        self.total.value[...] += np.sum(values)
        samples = len(values) if values.ndim else 1
        self.count.value[...] += np.float32(samples if weight is None else np.sum(weight))

    def result(self) -> np.float32:
        return divide_no_nan(self.total.value, self.count.value)


class MeanMetricWrapper(Mean):
    """The weighted mean of a function of targets and outputs.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)` returns a value for each sample.
        name, dtype: As for `Metric`.
        **kwargs: Further arguments of the function.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name, dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        if hasattr(fn, "values_and_pullback"):
            self._direction = "down"

    def update_state(  # type: ignore[override]  # of targets and outputs, as in Keras
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take in a batch.

        Args:
            y_true: Array.
            y_pred: Array; what a mask excludes that it carries does not count.
            sample_weight: Array that broadcasts to the function's values, or None.
        """
        mask = getattr(y_pred, "_keras_mask", None)
        values = self._fn(np.asarray(y_true), np.asarray(y_pred), **self._fn_kwargs)
        super().update_state(values, apply_mask(sample_weight, mask, "sum"))

    def get_config(self) -> dict[str, Any]:
        from fastlstm import metrics

        return {**super().get_config(), "fn": metrics.FUNCTIONS.serialize(self._fn), **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MeanMetricWrapper:
        from fastlstm import metrics

        return cls(**{**config, "fn": metrics.FUNCTIONS.get(config["fn"])} if "fn" in config else config)


class NamedMean(MeanMetricWrapper):
    """Base class of the means of a function of this package; the subclass names it.

    Args:
        name, dtype: As for `Metric`; the name is the function's by default.
    """

    function: Callable[..., Any]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.set_options({}, name, dtype)

    def set_options(self, options: dict[str, Any], name: str | None, dtype: Any) -> None:
        """Keep the function's further arguments, as attributes and in the config too."""
        function = type(self).function
        MeanMetricWrapper.__init__(self, function, name or function.__name__, dtype, **options)
        for option, value in options.items():
            setattr(self, option, value)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, **self._fn_kwargs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> NamedMean:
        return cls(**config)
