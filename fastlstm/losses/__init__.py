"""Losses, as `keras.losses` defines them: each says its value and, for training, its gradient.

A loss is called as `loss(y_true, y_pred, sample_weight=None)`, a function as `f(y_true, y_pred)`. A function of your
own trains if it is made of operators and functions of `fastlstm.ops`, or has an attribute `gradient`, a function of the
same arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastlstm.identifiers import Registry, missing_names
from fastlstm.losses.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from fastlstm.losses.ctc import CTC, ctc
from fastlstm.losses.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from fastlstm.losses.hinge import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from fastlstm.losses.loss import Loss, LossFunctionWrapper
from fastlstm.losses.overlap import (
    CategoricalGeneralizedCrossEntropy,
    Dice,
    Tversky,
    categorical_generalized_cross_entropy,
    dice,
    tversky,
)
from fastlstm.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from fastlstm.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)

__all__ = [
    "BCE",
    "CTC",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "log_cosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]

_CLASSES = (
    *(Loss, LossFunctionWrapper, MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError),
    *(MeanSquaredLogarithmicError, CosineSimilarity, LogCosh, Huber, Poisson, KLDivergence),
    *(BinaryCrossentropy, BinaryFocalCrossentropy, CategoricalCrossentropy, CategoricalFocalCrossentropy),
    *(SparseCategoricalCrossentropy, CategoricalGeneralizedCrossEntropy, Hinge, SquaredHinge, CategoricalHinge),
    *(Dice, Tversky, CTC),
)
_FUNCTIONS = (
    *(mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error),
    *(cosine_similarity, log_cosh, huber, poisson, kl_divergence, binary_crossentropy, binary_focal_crossentropy),
    *(categorical_crossentropy, categorical_focal_crossentropy, sparse_categorical_crossentropy),
    *(categorical_generalized_cross_entropy, hinge, squared_hinge, categorical_hinge, dice, tversky),
    ctc,
)
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kl_divergence

_REGISTRY = Registry(
    "loss",
    {
        **{item.__name__: item for item in (*_CLASSES, *_FUNCTIONS)},
        **{"mse": mse, "MSE": mse, "mae": mae, "MAE": mae, "mape": mape, "MAPE": mape, "msle": msle, "MSLE": msle},
        **{"bce": bce, "BCE": bce, "kld": kld, "KLD": kld},
    },
)


def get(identifier: Any) -> Any:
    """Return the loss that the identifier names.

    Args:
        identifier: None (returned as it is), a name (a function, or the object of a class), a serialized dict, a class
            (called without arguments) or a callable (returned as it is).

    Raises:
        ValueError: When it is none of these, or names nothing known.
    """
    return _REGISTRY.get(identifier)


serialize: Callable[[Any], str | dict[str, Any] | None] = _REGISTRY.serialize
deserialize: Callable[..., Any] = _REGISTRY.deserialize

__getattr__: Callable[[str], Any] = missing_names(__name__, "Circle circle")
