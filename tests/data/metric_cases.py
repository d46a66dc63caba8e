"""The metrics that are compared with real Keras: their arguments and the kind of data of `loss_cases`."""

from __future__ import annotations

import numpy as np

METRICS: list[tuple[str, dict, str]] = [
    ("MeanSquaredError", {}, "numbers"),
    ("RootMeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("CosineSimilarity", {}, "numbers"),
    ("CosineSimilarity", {"axis": 1}, "numbers"),
    ("LogCoshError", {}, "numbers"),
    ("R2Score", {}, "numbers"),
    ("R2Score", {"class_aggregation": None}, "numbers"),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, "numbers"),
    ("PearsonCorrelation", {}, "numbers"),
    ("ConcordanceCorrelation", {"axis": 1}, "numbers"),
    ("Hinge", {}, "signs"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "probabilities"),
    ("KLDivergence", {}, "probabilities"),
    ("Poisson", {}, "positive"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary logits"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "probabilities"),
    ("CategoricalCrossentropy", {"from_logits": True}, "logits"),
    ("SparseCategoricalCrossentropy", {}, "sparse probabilities"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 1}, "sparse logits"),
    ("Accuracy", {}, "numbers"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary"),
    ("CategoricalAccuracy", {}, "probabilities"),
    ("SparseCategoricalAccuracy", {}, "sparse probabilities"),
    ("TopKCategoricalAccuracy", {"k": 2}, "probabilities"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse probabilities"),
    ("TruePositives", {}, "binary"),
    ("FalsePositives", {"thresholds": [0.2, 0.7]}, "binary"),
    ("TrueNegatives", {"thresholds": [0.7, 0.2, 0.4]}, "binary"),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, "binary"),
    ("Precision", {}, "binary"),
    ("Precision", {"thresholds": [0.3, 0.6]}, "binary"),
    ("Precision", {"top_k": 2, "class_id": 1}, "binary"),
    ("Recall", {}, "binary"),
    ("Recall", {"class_id": 2}, "binary"),
    ("Recall", {"top_k": 2}, "binary"),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, "binary"),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 11}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.5, "class_id": 0}, "binary"),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 1}, "binary"),
    ("AUC", {}, "binary"),
    ("AUC", {"curve": "PR"}, "binary"),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 20}, "binary"),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, "binary"),
    ("AUC", {"summation_method": "majoring", "thresholds": [0.1, 0.35, 0.8]}, "binary"),
    ("AUC", {"from_logits": True}, "binary logits"),
    ("AUC", {"multi_label": True, "label_weights": [0.5, 1.0, 2.0, 0.1]}, "binary"),
    ("AUC", {"multi_label": True, "num_labels": 4, "curve": "PR"}, "binary"),
    ("F1Score", {}, "probabilities"),
    ("F1Score", {"average": "weighted", "threshold": 0.3}, "probabilities"),
    ("F1Score", {"average": "macro"}, "probabilities"),
    ("FBetaScore", {"beta": 2.0, "average": "micro"}, "probabilities"),
    ("BinaryIoU", {"target_class_ids": [0], "threshold": 0.4}, "binary"),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [1, 2]}, "probabilities"),
    ("OneHotMeanIoU", {"num_classes": 4, "ignore_class": 1}, "probabilities"),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 3], "sparse_y_pred": False}, "sparse probabilities"),
    ("MeanIoU", {"num_classes": 4, "sparse_y_pred": False}, "sparse probabilities"),
    ("Mean", {}, "numbers"),
    ("Sum", {}, "numbers"),
]

# Which take only arrays `(batch, classes)`, and no weight of a whole sample.
RANK_2 = ("R2Score", "F1Score", "FBetaScore")
UNWEIGHTED = ("BinaryIoU",)


def batches(class_name: str, arguments: dict, found: list) -> list[tuple]:
    """The arguments of one update after the other, the second one weighted, the third one of sequences.

    Args:
        found: What `loss_cases.pairs` has of the kind.
    """
    y_true, y_pred = found[0]
    weights = None if class_name in UNWEIGHTED else np.arange(len(y_true), dtype=np.float32) % 3 + 1
    updates = [(y_true, y_pred, None), (y_true[::-1], y_pred, weights)]
    if class_name not in RANK_2 and not arguments.get("multi_label"):
        updates.append((*found[1], None))
    return [update[1:] if class_name in ("Mean", "Sum") else update for update in updates]
