"""F-scores and the coefficient of determination."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.arguments import explained
from fastlstm.config import epsilon
from fastlstm.losses.differentiable import squeeze_or_expand_to_same_rank
from fastlstm.metrics.metric import Metric
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.backend import Variable


def _check_rank_2(what: str, y_true: np.ndarray, y_pred: np.ndarray) -> None:
    if y_pred.ndim != 2 or y_true.ndim != 2:
        raise ValueError(
            f"{what} expects 2D inputs with shape (batch_size, output_dim). Received input shapes: "
            f"y_pred.shape={y_pred.shape} and y_true.shape={y_true.shape}."
        )


class FBetaScore(Metric):
    """`(1 + beta**2) * precision * recall / (beta**2 * precision + recall)` of classes or labels.

    Args:
        average: None for one score of each class, `"micro"` for that of all together, `"macro"` for their mean,
            `"weighted"` for their mean by how often each class is true.
        beta: Positive float.
        threshold: Float between 0 and 1, above which an output counts as 1; None counts the largest of a sample.
        name, dtype: As for `Metric`.

    Raises:
        ValueError: When an argument is not valid.
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: {None, 'micro', 'macro', 'weighted'}. "
                f"Received: average={quoted(average)}"
            )
        if not isinstance(beta, float):
            raise ValueError(
                "Invalid `beta` argument value. It should be a Python float. "
                f"Received: beta={quoted(beta)} of type '{type(beta)}'"
            )
        if beta <= 0.0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: beta={quoted(beta)}")
        if threshold is not None and not isinstance(threshold, float):
            raise ValueError(
                "Invalid `threshold` argument value. It should be a Python float. "
                f"Received: threshold={quoted(threshold)} of type '{type(threshold)}'"
            )
        if threshold is not None and (threshold > 1.0 or threshold <= 0.0):
            raise ValueError(
                "Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                f"Received: threshold={quoted(threshold)}"
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self._built = False

    @explained
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: `(batch, classes)`, 0 or 1.
            y_pred: `(batch, classes)`.
            sample_weight: `(batch,)`, or None.

        Raises:
            ValueError: When the arrays have another rank.
        """
        y_true, y_pred = np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32)
        if not self._built:
            _check_rank_2("FBetaScore", y_true, y_pred)
            shape = () if self.average == "micro" else (y_pred.shape[-1],)
            for count in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
                setattr(self, count, self.add_variable(shape, "zeros", name=count))
            self._built = True
        if self.threshold is None:
            largest = np.max(y_pred, axis=-1, keepdims=True)
            predicted = np.float32((y_pred >= largest) & (np.abs(y_pred) > 1e-9))
        else:
            predicted = np.float32(y_pred > self.threshold)
        weight = np.float32(1) if sample_weight is None else np.asarray(sample_weight, np.float32)[:, np.newaxis]
        axis = None if self.average == "micro" else 0
        counted = (predicted * y_true, predicted * (1 - y_true), (1 - predicted) * y_true, y_true)
        for variable, terms in zip(self._variables, counted, strict=True):
            variable.value[...] += np.sum(terms * weight, axis=axis)

    @explained
    def result(self) -> Any:
        tp, fp, fn, true = (variable.value for variable in self._variables)
        small, square = np.float32(epsilon()), np.float32(self.beta**2)
        precision, recall = tp / (tp + fp + small), tp / (tp + fn + small)
        scores = precision * recall / (square * precision + recall + small) * (1 + square)
        if self.average == "weighted":
            return np.sum(scores * (true / (np.sum(true) + small)))
        return scores if self.average is None else np.mean(scores)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "average": self.average, "beta": self.beta, "threshold": self.threshold}


class F1Score(FBetaScore):
    """The F-score with `beta=1`: the harmonic mean of precision and recall.

    Args:
        average, threshold, name, dtype: As for `FBetaScore`.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "beta"}


class R2Score(Metric):
    """The coefficient of determination: 1 less the part of the targets' variance that outputs leave unexplained.

    Args:
        class_aggregation: `"uniform_average"` of the outputs of a sample, `"variance_weighted_average"`, or None for
            one score of each.
        num_regressors: Integer, number of independent regressors, for the adjusted score; 0 for the standard one.
        name, dtype: As for `Metric`.

    Raises:
        ValueError: When an argument is not valid.
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        aggregations = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in aggregations:
            raise ValueError(
                f"Invalid value for argument `class_aggregation`. Expected one of {aggregations}. "
                f"Received: class_aggregation={quoted(class_aggregation)}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={quoted(num_regressors)}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples: Variable = self.add_variable((), "zeros", name="num_samples")
        self._built = False

    @explained
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: `(batch, outputs)`.
            y_pred: `(batch, outputs)`.
            sample_weight: Array that broadcasts to the targets, or one number for each sample, or None.

        Raises:
            ValueError: When the arrays have another rank.
        """
        y_true, y_pred = squeeze_or_expand_to_same_rank(np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32))
        if not self._built:
            _check_rank_2("R2Score", y_true, y_pred)
            shape = (y_pred.shape[-1],)
            self.squared_sum: Variable = self.add_variable(shape, "zeros", name="squared_sum")
            self.sum: Variable = self.add_variable(shape, "zeros", name="sum")
            self.total_mse: Variable = self.add_variable(shape, "zeros", name="residual")
            self.count: Variable = self.add_variable(shape, "zeros", name="count")
            self._built = True
        weight = np.asarray(1 if sample_weight is None else sample_weight, np.float32)
        weight = np.broadcast_to(weight[:, np.newaxis] if weight.ndim == 1 else weight, y_true.shape)
        weighted = y_true * weight
        self.sum.value[...] += np.sum(weighted, axis=0)
        self.squared_sum.value[...] += np.sum(y_true * weighted, axis=0)
        self.total_mse.value[...] += np.sum(np.square(y_true - y_pred) * weight, axis=0)
        self.count.value[...] += np.sum(weight, axis=0)
        self.num_samples.value[...] += y_true.size

    @explained
    def result(self) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self.squared_sum.value - self.sum.value * (self.sum.value / self.count.value)
            scores = 1 - self.total_mse.value / total
        scores = np.where(np.isinf(scores), np.float32(0), scores)
        if self.class_aggregation == "uniform_average":
            score: Any = np.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            score = np.sum(total * scores) / np.sum(total)
        else:
            score = scores
        return self._adjusted(score) if self.num_regressors else score

    def _adjusted(self, score: Any) -> Any:
        samples, regressors = np.float32(self.num_samples.value), np.float32(self.num_regressors)
        if regressors >= samples - 1:
            more = regressors > samples - 1
            what = "More independent predictors than datapoints in adjusted R2 score."
            warnings.warn(
                f"{what if more else 'Division by zero in Adjusted R2 score.'} Falling back to standard R2 score.",
                stacklevel=3,
            )
            return score
        one = np.float32(1)
        return one - (one - score) * (samples - one) / (samples - regressors - one)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
