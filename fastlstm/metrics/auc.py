"""The area under a curve over all thresholds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm import activations
from fastlstm.arguments import array, check_numbers, explained
from fastlstm.config import epsilon
from fastlstm.metrics.confusion import are_even, update_confusion
from fastlstm.metrics.confusion_metrics import even_thresholds
from fastlstm.metrics.metric import Metric, divide_no_nan
from fastlstm.printable import quoted

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class AUC(Metric):
    """The area under the curve of two ratios, at thresholds between 0 and 1.

    Args:
        num_thresholds: Integer above 1, number of thresholds in steps of one size.
        curve: `"ROC"` (true positives' part over false positives'), `"PR"` (precision over recall) or `"PRGAIN"`
            (their gains; Flach and Kull, 2015).
        summation_method: `"interpolation"`, `"minoring"` or `"majoring"`: what is taken between two thresholds.
        name, dtype: As for `Metric`.
        thresholds: List of floats between 0 and 1 in place of `num_thresholds`, or None.
        multi_label: Boolean, whether to average over the outputs of a sample, each of which is a label by itself.
        num_labels: Integer, number of the labels, or None; only with `multi_label`.
        label_weights: Weights of the labels, or None.
        from_logits: Boolean, whether outputs are logits, of which the sigmoid is taken.

    Raises:
        ValueError: When an argument is not valid.
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        self._init_from_thresholds = thresholds is not None
        check_numbers(num_thresholds=num_thresholds, thresholds=thresholds)
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(
                f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={quoted(num_thresholds)}"
            )
        inner = even_thresholds(num_thresholds)[1:-1] if thresholds is None else sorted(thresholds)
        self.num_thresholds: int = len(inner) + 2
        self._even = thresholds is None or are_even([0.0, *inner, 1.0])
        # Beyond 0 and 1, so that every output is above the first one and none above the last one.
        self._thresholds = np.array([0.0 - epsilon(), *inner, 1.0 + epsilon()])
        self.curve: str = _one_of(curve, ("PR", "ROC", "PRGAIN"), "AUC curve")
        self.summation_method: str = _one_of(
            summation_method, ("interpolation", "majoring", "minoring"), "AUC summation method"
        )
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights: np.ndarray | None = (
            None if label_weights is None else array(label_weights, np.float32, "`label_weights`")
        )
        self.from_logits = from_logits
        self._built = False
        if multi_label and num_labels:
            self._build((None, num_labels))
        elif not multi_label:
            if num_labels:
                raise ValueError("`num_labels` is needed only when `multi_label` is True.")
            self._build(())

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, the ones beyond 0 and 1 included."""
        return list(self._thresholds)

    def _build(self, shape: Sequence[int | None]) -> None:
        if self.multi_label and len(shape) != 2:
            raise ValueError(
                f"`y_pred` must have rank 2 when `multi_label=True`. Found rank {len(shape)}. Full shape received for "
                f"`y_pred`: {shape}"
            )
        sizes: tuple[Any, ...] = (self.num_thresholds, *shape[1:]) if self.multi_label else (self.num_thresholds,)
        for count in _COUNTS:
            setattr(self, count, self.add_variable(sizes, "zeros", name=count))
        self._built = True

    @explained
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: Labels, 0 or not.
            y_pred: Outputs of the same shape.
            sample_weight: Array that broadcasts to the outputs, or None.
        """
        y_pred = np.asarray(y_pred, np.float32)
        if not self._built:
            self._build(y_pred.shape)
        if self.from_logits:
            y_pred = activations.sigmoid(y_pred)
        update_confusion(
            {variable.name: variable for variable in self._variables},
            y_true,
            y_pred,
            self._thresholds,
            even=self._even,
            sample_weight=sample_weight,
            multi_label=self.multi_label,
            label_weights=None if self.multi_label else self.label_weights,
        )

    @explained
    def result(self) -> np.float32:
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._over_labels(self._interpolated_pr())
        x, y = self._points()
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / np.float32(2)
        else:
            heights = (np.minimum if self.summation_method == "minoring" else np.maximum)(y[:-1], y[1:])
        return self._over_labels((x[:-1] - x[1:]) * heights)

    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        tp, fp, tn, fn = (variable.value for variable in self._variables)
        recall = divide_no_nan(tp, tp + fn)
        if self.curve == "ROC":
            return divide_no_nan(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, divide_no_nan(tp, tp + fp)
        odds = divide_no_nan(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0, 1 - odds * divide_no_nan(fn, tp))
        precision_gain = np.where(tp == 0, 1, 1 - odds * divide_no_nan(fp, tp))
        return np.maximum(recall_gain, 0).astype(np.float32), precision_gain.astype(np.float32)

    def _interpolated_pr(self) -> np.ndarray:
        """Return the areas between thresholds, with counts interpolated there (Davis and Goadrich, 2006)."""
        tp, fp, _, fn = (variable.value for variable in self._variables)
        p = tp + fp
        d_tp, d_p = tp[:-1] - tp[1:], p[:-1] - p[1:]
        slope = divide_no_nan(d_tp, np.maximum(d_p, 0))
        intercept = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, divide_no_nan(p[:-1], np.maximum(p[1:], 0)), np.float32(1))
        return divide_no_nan(slope * (d_tp + intercept * np.log(ratio)), np.maximum(tp[1:] + fn[1:], 0))

    def _over_labels(self, areas: np.ndarray) -> np.float32:
        if not self.multi_label:
            return np.sum(areas, dtype=np.float32)
        by_label = np.sum(areas, axis=0, dtype=np.float32)
        if self.label_weights is None:
            return np.mean(by_label)
        return divide_no_nan(np.sum(by_label * self.label_weights), np.sum(self.label_weights))

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self.from_logits,
        }
        if self._init_from_thresholds:
            config["thresholds"] = self._thresholds[1:-1].tolist()
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AUC:
        weights = config.get("label_weights")
        if isinstance(weights, dict):
            # As Keras writes a tensor.
            config = {**config, "label_weights": weights["config"]["value"]}
        return cls(**config)


def _one_of(value: Any, names: Sequence[str], noun: str) -> str:
    """Return the one of `names` that `value` is, but for its case, or of which it is Keras' enumeration."""
    for name in names:
        if quoted(getattr(value, "value", value)).lower() == name.lower():
            return name
    raise ValueError(f'Invalid {noun} value: "{quoted(value)}". Expected values are {json.dumps(names)}')
