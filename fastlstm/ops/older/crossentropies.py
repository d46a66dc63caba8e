"""The crossentropies of an older `keras.backend`, which take targets and outputs of one row or of many."""

from __future__ import annotations

from typing import Any

from fastlstm import ops
from fastlstm.config import epsilon
from fastlstm.ops.older.arithmetic import clip
from fastlstm.ops.older.registry import defined


def _probabilities(x: Any) -> Any:
    return clip(x, epsilon(), 1.0 - epsilon())


@defined
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Return the crossentropy of every value by itself."""
    if from_logits:
        return ops.relu(output) - output * target + ops.log(1.0 + ops.exp(-ops.abs(output)))
    output = _probabilities(output)
    return -(target * ops.log(output + epsilon()) + (1 - target) * ops.log(1 - output + epsilon()))


@defined
def binary_focal_crossentropy(
    target: Any,
    output: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
) -> Any:
    """Return the crossentropy of every value, weighted by how far the value is off."""
    chance = ops.sigmoid(output) if from_logits else output
    right = target * chance + (1 - target) * (1 - chance)
    made = ops.power(1.0 - right, gamma) * binary_crossentropy(target, output, from_logits)
    return (target * alpha + (1 - target) * (1 - alpha)) * made if apply_class_balancing else made


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        shifted = output - ops.max(output, axis, keepdims=True)
        return shifted - ops.log(ops.sum(ops.exp(shifted), axis, keepdims=True))
    return ops.log(_probabilities(output / ops.sum(output, axis, keepdims=True)))


@defined
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Return the crossentropy along an axis of classes."""
    return -ops.sum(target * _log_probabilities(output, from_logits, axis), axis)


@defined
def categorical_focal_crossentropy(
    target: Any, output: Any, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool = False, axis: int = -1
) -> Any:
    """Return the crossentropy along an axis of classes, weighted by how far the values are off."""
    output = ops.softmax(output, axis) if from_logits else output
    output = _probabilities(output / ops.sum(output, axis, keepdims=True))
    return ops.sum(ops.power(1.0 - output, gamma) * alpha * -target * ops.log(output), axis)


@defined
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, ignore_class: int | None = None
) -> Any:
    """Return the crossentropy of classes by number; 0 for those that are ignored."""
    output = output if from_logits else ops.log(_probabilities(output))
    output = ops.moveaxis(output, axis, -1)
    # As there, what are taken for logits are the logarithms: they are made to sum to 1 either way.
    target = ops.reshape(ops.cast(target, "int32"), tuple(output.shape[:-1]))
    one_hot = ops.one_hot(target, output.shape[-1])
    made = -ops.sum(one_hot * _log_probabilities(output, True, -1), -1)
    return made if ignore_class is None else ops.where(ops.equal(target, ignore_class), 0.0, made)
