"""Intersection over union of classes: of the places that are or are predicted to be one, the part that is both."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.arguments import check_numbers, explained, whole
from fastlstm.config import epsilon
from fastlstm.metrics.metric import Metric
from fastlstm.printable import shown

if TYPE_CHECKING:
    from fastlstm.backend import Variable

_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "float32")


class IoU(Metric):
    """The mean over some classes of intersection over union.

    Args:
        num_classes: Integer.
        target_class_ids: Numbers of the classes.
        name: As for `Metric`.
        dtype: An integer dtype or `"float32"`, that of the weights; None for int64.
        ignore_class: Number of a class whose places do not count, or None.
        sparse_y_true, sparse_y_pred: Booleans, whether targets and outputs are numbers of classes, rather than a
            number for each class.
        axis: Integer, the axis of the classes.

    Raises:
        ValueError: When a class is out of range.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__("int64" if dtype in (None, "int") else dtype, name)
        # First what asks for memory: the classes alone may be too many to go through.
        self.total_cm: Variable = self.add_variable(
            (num_classes, num_classes), "zeros", self.dtype, name="total_confusion_matrix"
        )
        if len(target_class_ids) > num_classes:
            raise ValueError(f"There are {num_classes} classes. Received: target_class_ids={shown(target_class_ids)}")
        targets = [whole(target, "target_class_ids", -num_classes) for target in target_class_ids]
        if max(targets) >= num_classes:
            raise ValueError(f"Target class id {max(targets)} is out of range, which is [{0}, {num_classes}).")
        self.num_classes = num_classes
        self.target_class_ids: list[int] = targets
        check_numbers(ignore_class=ignore_class)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis

    def _checked_dtype(self, dtype: str) -> str:
        if dtype not in _DTYPES:
            raise NotImplementedError(f"Metric '{self.name}' counts in one of {_DTYPES}. Received: dtype={dtype}")
        return dtype

    @explained
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch.

        Args:
            y_true: Numbers of classes, or a number for each class.
            y_pred: Numbers of classes, or a number for each class.
            sample_weight: Array that broadcasts to the places, or None.
        """
        true, predicted = (
            np.asarray(classes if sparse else np.argmax(np.asarray(classes), axis=self.axis), self.dtype).ravel()
            for classes, sparse in ((y_true, self.sparse_y_true), (y_pred, self.sparse_y_pred))
        )
        floats = "float" in str(getattr(sample_weight, "dtype", ""))
        if floats and "int" in self.dtype:
            warnings.warn(
                "You are passing weight as `float`, but dtype is `int`. This may result in an incorrect weight due to "
                "type casting Consider using integer weights.",
                stacklevel=2,
            )
        weight = np.asarray(1 if sample_weight is None else sample_weight, self.dtype)
        weight = np.broadcast_to(weight.ravel() if weight.ndim > 1 else weight, true.shape)
        inside = (true >= 0) & (true < self.num_classes) & (predicted >= 0) & (predicted < self.num_classes)
        if self.ignore_class is not None:
            inside &= true != self.ignore_class
        places = true[inside].astype(np.int64) * self.num_classes + predicted[inside].astype(np.int64)
        counts = np.bincount(places, weight[inside].astype(np.float64), self.num_classes**2)
        self.total_cm.value[...] += counts.reshape(self.total_cm.shape).astype(self.dtype)

    @explained
    def result(self) -> np.float32:
        matrix = self.total_cm.value
        both = np.diag(matrix)[self.target_class_ids].astype(np.float32)
        either = (matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix))[self.target_class_ids].astype(np.float32)
        small = np.float32(epsilon())
        valid = either > 1e-9
        ratios = np.where(valid, both / (either + small), np.float32(0))
        return np.sum(ratios) / (np.float32(np.count_nonzero(valid)) + small)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    def _config_without(self, *names: str) -> dict[str, Any]:
        return {key: value for key, value in IoU.get_config(self).items() if key not in names}


class BinaryIoU(IoU):
    """`IoU` of outputs above and not above a threshold.

    Args:
        target_class_ids: Numbers of the classes, of 0 and 1.
        threshold: Float; outputs of at least this count as 1.
        name, dtype: As for `IoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        check_numbers(threshold=threshold)
        self.threshold = threshold

    @explained
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, np.asarray(y_pred, np.float32) >= self.threshold, sample_weight)

    def get_config(self) -> dict[str, Any]:
        kept = self._config_without("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return {**kept, "threshold": self.threshold}


class MeanIoU(IoU):
    """`IoU` of all classes.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: As for `IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._config_without("target_class_ids")


class OneHotIoU(IoU):
    """`IoU` of targets with a number for each class.

    Args:
        num_classes, target_class_ids, name, dtype, ignore_class, sparse_y_pred, axis: As for `IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._config_without("sparse_y_true")


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of targets with a number for each class.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_pred, axis: As for `IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        return self._config_without("target_class_ids", "sparse_y_true")
