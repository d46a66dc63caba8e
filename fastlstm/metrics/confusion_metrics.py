"""Counts of true and false positives and negatives, and what is made of them at some thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.memory import require_array
from fastlstm.metrics.confusion import NEGATIVE_INFINITY, are_even, parsed_thresholds, update_confusion
from fastlstm.metrics.metric import Metric, divide_no_nan
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.backend import Variable


class _Count(Metric):
    """One of the four counts.

    Args:
        thresholds: Float or list of floats from 0 to 1, None for 0.5.
        name, dtype: As for `Metric`.

    Raises:
        ValueError: When a threshold is out of range.
    """

    counted: ClassVar[str]

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.thresholds: list[float] = parsed_thresholds(thresholds, 0.5)
        self._even = are_even(self.thresholds)
        self.accumulator: Variable = self.add_variable((len(self.thresholds),), "zeros", name="accumulator")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        update_confusion(
            {self.counted: self.accumulator},
            y_true,
            y_pred,
            self.thresholds,
            even=self._even,
            sample_weight=sample_weight,
        )

    def result(self) -> Any:
        return _one_or_all(self.accumulator.value.copy())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class FalsePositives(_Count):
    """The number of outputs above the threshold whose label is 0; the arguments are those of all four counts:

    Args:
        thresholds: Float or list of floats from 0 to 1, None for 0.5.
        name, dtype: As for `Metric`.
    """

    counted = "false_positives"


class FalseNegatives(_Count):
    """The number of outputs not above the threshold whose label is not 0; arguments as for `FalsePositives`."""

    counted = "false_negatives"


class TrueNegatives(_Count):
    """The number of outputs not above the threshold whose label is 0; arguments as for `FalsePositives`."""

    counted = "true_negatives"


class TruePositives(_Count):
    """The number of outputs above the threshold whose label is not 0; arguments as for `FalsePositives`."""

    counted = "true_positives"


class _Ratio(Metric):
    """True positives by themselves and another count."""

    other: ClassVar[str]
    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        self.thresholds: list[float] = parsed_thresholds(thresholds, 0.5 if top_k is None else NEGATIVE_INFINITY)
        self._even = are_even(self.thresholds)
        shape = (len(self.thresholds),)
        self.true_positives: Variable = self.add_variable(shape, "zeros", name="true_positives")
        setattr(self, self.other, self.add_variable(shape, "zeros", name=self.other))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: Labels, 0 or not.
            y_pred: Outputs of the same shape.
            sample_weight: Array that broadcasts to the outputs, or None.
        """
        update_confusion(
            {variable.name: variable for variable in self._variables},
            y_true,
            y_pred,
            self.thresholds,
            even=self._even,
            top_k=self.top_k,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def result(self) -> Any:
        right, wrong = (variable.value for variable in self._variables)
        return _one_or_all(divide_no_nan(right, right + wrong))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Ratio):
    """The part of the outputs above the threshold whose label is not 0.

    Args:
        thresholds: Float or list of floats from 0 to 1; None for 0.5, or for none with `top_k`.
        top_k: Integer, how many outputs of a sample may be positive; None for all.
        class_id: Integer, which output of a sample counts alone; None for all.
        name, dtype: As for `Metric`.

    Raises:
        ValueError: When a threshold is out of range.
    """

    other = "false_positives"


class Recall(_Ratio):
    """The part of the outputs whose label is not 0 that are above the threshold.

    Args:
        thresholds: Float or list of floats from 0 to 1; None for 0.5, or for none with `top_k`.
        top_k: Integer, how many outputs of a sample may be positive; None for all.
        class_id: Integer, which output of a sample counts alone; None for all.
        name, dtype: As for `Metric`.

    Raises:
        ValueError: When a threshold is out of range.
    """

    other = "false_negatives"


class _AtConstraint(Metric):
    """The best of one ratio where another one is at least a value.

    Args:
        value: Float from 0 to 1.
        num_thresholds: Integer, number of thresholds from 0 to 1 that are tried.
        class_id: Integer, which output of a sample counts alone; None for all.
        name, dtype: As for `Metric`.

    Raises:
        ValueError: When an argument is out of range.
    """

    # What the value is called, and the ratio that it constrains; the ratio that is sought.
    constrained: ClassVar[str]
    sought: ClassVar[str]
    _direction = "up"

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if value < 0 or value > 1:
            raise ValueError(
                f"Argument `{self.constrained}` must be in the range [0, 1]. Received: {self.constrained}={value}"
            )
        super().__init__(dtype, name)
        if num_thresholds <= 0:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 0. Received: num_thresholds={quoted(num_thresholds)}"
            )
        setattr(self, self.constrained, value)
        self.value = value
        self.num_thresholds = num_thresholds
        self.class_id = class_id
        self.thresholds: list[float] = even_thresholds(num_thresholds) if num_thresholds > 1 else [0.5]
        for count in ("true_positives", "false_positives", "true_negatives", "false_negatives"):
            setattr(self, count, self.add_variable((num_thresholds,), "zeros", name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch; see `Precision.update_state`."""
        update_confusion(
            {variable.name: variable for variable in self._variables},
            y_true,
            y_pred,
            self.thresholds,
            even=self.num_thresholds > 1,
            class_id=self.class_id,
            sample_weight=sample_weight,
        )

    def result(self) -> np.float32:
        tp, fp, tn, fn = (variable.value for variable in self._variables)
        ratios = {
            "precision": divide_no_nan(tp, tp + fp),
            "recall": divide_no_nan(tp, tp + fn),
            "sensitivity": divide_no_nan(tp, tp + fn),
            "specificity": divide_no_nan(tn, tn + fp),
        }
        feasible = ratios[self.constrained] >= np.float32(self.value)
        return np.max(np.where(feasible, ratios[self.sought], np.float32(0)))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self.constrained: self.value,
        }


def even_thresholds(count: int) -> list[float]:
    """Return numbers from 0 to 1 in steps of one size.

    Raises:
        MemoryError: There are more than fit into memory.
    """
    require_array((16 * count,), "A metric's thresholds")  # a number of Python's and a few arrays
    return [0.0, *((i + 1) * 1.0 / (count - 1) for i in range(count - 2)), 1.0]


def _one_or_all(values: np.ndarray) -> Any:
    return values[0] if len(values) == 1 else values


class SensitivityAtSpecificity(_AtConstraint):
    """The best sensitivity where the specificity is at least a value.

    Args:
        specificity: Float from 0 to 1.
        num_thresholds: Integer, number of thresholds from 0 to 1 that are tried.
        class_id: Integer, which output of a sample counts alone; None for all.
        name, dtype: As for `Metric`.
    """

    constrained: ClassVar[str] = "specificity"
    sought: ClassVar[str] = "sensitivity"

    def __init__(self, specificity: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(specificity, *args, **kwargs)


class SpecificityAtSensitivity(_AtConstraint):
    """The best specificity where the sensitivity is at least a value.

    Args:
        sensitivity: Float from 0 to 1.
        num_thresholds, class_id, name, dtype: As for `SensitivityAtSpecificity`.
    """

    constrained: ClassVar[str] = "sensitivity"
    sought: ClassVar[str] = "specificity"

    def __init__(self, sensitivity: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(sensitivity, *args, **kwargs)


class PrecisionAtRecall(_AtConstraint):
    """The best precision where the recall is at least a value.

    Args:
        recall: Float from 0 to 1.
        num_thresholds, class_id, name, dtype: As for `SensitivityAtSpecificity`.
    """

    constrained: ClassVar[str] = "recall"
    sought: ClassVar[str] = "precision"

    def __init__(self, recall: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(recall, *args, **kwargs)


class RecallAtPrecision(_AtConstraint):
    """The best recall where the precision is at least a value.

    Args:
        precision: Float from 0 to 1.
        num_thresholds, class_id, name, dtype: As for `SensitivityAtSpecificity`.
    """

    constrained: ClassVar[str] = "precision"
    sought: ClassVar[str] = "recall"

    def __init__(self, precision: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(precision, *args, **kwargs)
