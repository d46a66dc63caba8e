"""The losses that are compared with real Keras: their arguments and what they are given."""

from __future__ import annotations

import numpy as np

BATCH, TIMESTEPS, CLASSES = 5, 3, 4


def numbers(seed: int, *shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Numbers that float32 holds exactly enough: the same in every version of NumPy."""
    count = int(np.prod(shape))
    mixed = (np.arange(count, dtype=np.int64) * 7919 + seed * 104729) % 1009
    return (low + (high - low) * mixed / 1008).astype(np.float32).reshape(shape)


def probabilities(seed: int, *shape: int) -> np.ndarray:
    p = numbers(seed, *shape, low=0.05, high=1.0)
    return p / p.sum(axis=-1, keepdims=True)


def classes(seed: int, *shape: int) -> np.ndarray:
    return (np.floor(numbers(seed, *shape, low=0, high=CLASSES - 0.01))).astype(np.int32)


def one_hot(indices: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[indices]


def pairs(kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Targets and outputs, of rank 2 and of sequences."""
    shapes = [(BATCH, CLASSES), (BATCH, TIMESTEPS, CLASSES)]
    if kind == "numbers":
        # A target that is the output, one that is 0, and what differs by more than 1.
        y_true = [numbers(1, *shape) for shape in shapes]
        y_pred = [numbers(2, *shape) for shape in shapes]
        for t, p in zip(y_true, y_pred, strict=True):
            t[0, ..., 0], t[1, ..., 1], p[1, ..., 1] = p[0, ..., 0], 0, 1.5
        narrow = (numbers(3, BATCH), numbers(4, BATCH, 1))
        return [*zip(y_true, y_pred, strict=True), narrow, (numbers(3, BATCH, 3), numbers(4, BATCH, 3, 1))]
    if kind == "positive":
        return [(numbers(5, *shape, low=0, high=3), numbers(6, *shape, low=0.1, high=3)) for shape in shapes]
    if kind == "signs":
        labels = [np.sign(numbers(7, *shape)) for shape in shapes]
        outputs = [numbers(8, *shape) for shape in shapes]
        return [*zip(labels, outputs, strict=True), ((labels[0] + 1) / 2, outputs[0])]
    if kind == "binary":
        labels = [(numbers(9, *shape) > 0).astype(np.float32) for shape in shapes]
        outputs = [numbers(10, *shape, low=0.0, high=1.0) for shape in shapes]
        return list(zip(labels, outputs, strict=True))
    if kind == "binary logits":
        labels = [(numbers(9, *shape) > 0).astype(np.float32) for shape in shapes]
        return [(t, numbers(10, *t.shape, low=-30, high=30)) for t in labels]
    if kind == "labels in time":
        labels = np.array([[1, 2, 0], [3, 3, 0], [2, 1, 2], [0, 0, 0], [1, 1, 1]], np.int32)
        return [(labels, numbers(16, BATCH, 6, CLASSES, low=-3, high=3)), (labels[:, :2], numbers(17, *shapes[1]))]
    indices = [classes(11, *shape[:-1]) for shape in shapes]
    if kind.startswith("sparse"):
        targets = [indices[0], indices[1], indices[1][..., np.newaxis]]
        outputs = [shapes[0], shapes[1], shapes[1]]
    else:
        targets = [one_hot(indices[0]), one_hot(indices[1])]
        outputs = shapes
    if kind.endswith("logits"):
        return [(t, numbers(12, *shape, low=-9, high=9)) for t, shape in zip(targets, outputs, strict=True)]
    return [(t, probabilities(13, *shape)) for t, shape in zip(targets, outputs, strict=True)]


# Class, its arguments, the kind of data.
LOSSES: list[tuple[str, dict, str]] = [
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("MeanSquaredLogarithmicError", {}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("CosineSimilarity", {"axis": 1}, "numbers"),
    ("Huber", {}, "numbers"),
    ("Huber", {"delta": 0.3}, "numbers"),
    ("LogCosh", {}, "numbers"),
    ("Poisson", {}, "positive"),
    ("KLDivergence", {}, "probabilities"),
    ("Hinge", {}, "signs"),
    ("SquaredHinge", {}, "signs"),
    ("CategoricalHinge", {}, "probabilities"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "axis": 1}, "binary logits"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}, "binary"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1, "gamma": 3.0}, "binary logits"),
    ("CategoricalCrossentropy", {}, "probabilities"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "probabilities"),
    ("CategoricalCrossentropy", {"from_logits": True}, "logits"),
    ("CategoricalFocalCrossentropy", {}, "probabilities"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.5, "gamma": 1.5}, "logits"),
    ("SparseCategoricalCrossentropy", {}, "sparse probabilities"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "sparse probabilities"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 0, "from_logits": True}, "sparse logits"),
    ("Dice", {"axis": [1]}, "binary"),
    ("Dice", {}, "binary"),
    ("Tversky", {"alpha": 0.3, "beta": 0.6, "axis": [1]}, "binary"),
    ("Tversky", {}, "binary"),
    ("CTC", {}, "labels in time"),
]

# Reduction, whether there are weights of samples, whether there is a mask.
WAYS = [
    ("sum_over_batch_size", False, False),
    ("sum_over_batch_size", True, True),
    ("sum", True, False),
    ("mean_with_sample_weight", True, True),
    ("mean", False, True),
]


def weights_and_mask(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Weights and a mask of values of this shape."""
    return numbers(14, *shape, low=0.2, high=2.0), numbers(15, *shape) > -1


def ways(part: int, rank: int) -> list[tuple[str, bool, bool, bool]]:
    """The ways of a pair of arrays and, at last, whether the gradient of this one is kept: fewer make a small file.

    Args:
        part: Which pair of its kind.
        rank: Of the values; a scalar has no mask.
    """
    return [(*way, number == min(part, 1)) for number, way in enumerate(WAYS) if rank or not way[2]]
