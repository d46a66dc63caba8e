"""The losses of a compiled model: one for each output, their weights, their sum and its gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlstm import losses, metrics
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.printable import quoted


class OutputLoss(NamedTuple):
    """The loss of one output.

    Args:
        number: Of the output, in the order of `flatten`.
        loss: The loss.
        weight: Its factor in the sum, None for 1.
        name: Of the output.
    """

    number: int
    loss: losses.Loss
    weight: float | None
    name: str


class CompileLoss:
    """What `compile` was given as `loss` and `loss_weights`.

    Args:
        loss: A loss for all outputs, or a list or dict of them; see `Trainer.compile`.
        loss_weights: Factors in the same form, or None.
        output_names: Names of the outputs in the order of `flatten`, None where they have none.

    Raises:
        ValueError: When the weights are of another type.
    """

    def __init__(self, loss: Any, loss_weights: Any, output_names: Sequence[str] | None) -> None:
        if loss_weights and not isinstance(loss_weights, (list, tuple, dict, float)):
            raise ValueError(
                "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, or dict "
                f"(multiple output case). "
                f"Received instead: loss_weights={quoted(loss_weights)} of type {type(loss_weights)}"
            )
        self._loss = loss
        self._loss_weights = loss_weights
        self.output_names = output_names
        self.losses: list[OutputLoss] | None = None
        # The mean of each loss, where there are several.
        self.metrics: list[metrics.Mean] = []

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Make the losses for the first batch.

        Args:
            y_true: Targets, in any form that is accepted.
            y_pred: Outputs in their structure.

        Raises:
            ValueError: When there are not as many losses as outputs, or weights as losses, or they have other names.
        """
        count = len(flatten(y_pred))
        given = self._by_output(self._loss, y_pred, count, "loss")
        weights = self._weights(given, y_pred, count)
        if self.losses is not None:
            return
        targets = self.targets(y_true, y_pred, [item is not None for item in given])
        names: Sequence[str | None] = self.output_names or [None] * count
        made = []
        for number, (item, weight, target, output) in enumerate(
            zip(given, weights, targets, flatten(y_pred), strict=True)
        ):
            if item is not None:
                loss = get_loss(item, target, output)
                made.append(OutputLoss(number, loss, weight, names[number] or loss.name))
        self.losses = made
        if len(made) > 1:
            self.metrics = [metrics.Mean(name=f"{item.name}_loss") for item in made]

    def _by_output(self, given: Any, y_pred: Any, count: int, argument: str) -> list[Any]:
        """What was given for each output, None where there is nothing."""
        if isinstance(given, Mapping) and "class_name" not in given:
            names = list(y_pred) if isinstance(y_pred, dict) else list(self.output_names or [])
            keys = sorted(names) if isinstance(y_pred, dict) else names
            unknown = set(given) - set(names)
            if unknown or (not isinstance(y_pred, dict) and set(given) != set(names)):
                raise ValueError(f"Expected keys {names} in {argument} dict, but found {argument}.keys()={list(given)}")
            return [given.get(key) for key in keys]
        if isinstance(given, (list, tuple)):
            leaves = flatten(given)
            if len(leaves) != count:
                raise ValueError(
                    f"`{argument}` must have an item for each of the {count} outputs of the model. "
                    f"Received: {argument}={quoted(given)}"
                )
            return leaves
        return [given] * count

    def _weights(self, given: Sequence[Any], y_pred: Any, count: int) -> list[float | None]:
        weights = self._loss_weights
        if weights is None:
            return [None] * count
        number = sum(item is not None for item in given)
        received = 1 if isinstance(weights, float) else len(flatten(weights))
        if received not in (number, count):
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {number} losses and {received} weights."
            )
        if isinstance(weights, (list, tuple)) and len(weights) == number < count:
            remaining = iter(weights)
            return [None if item is None else next(remaining) for item in given]
        return self._by_output(weights, y_pred, count, "loss_weights")

    def targets(self, y_true: Any, y_pred: Any, has_loss: Sequence[bool] | None = None) -> list[Any]:
        """Return a target for each output, None where there is none.

        Args:
            y_true: Targets: an array, or a list, tuple or dict of them.
            y_pred: Outputs in their structure.
            has_loss: For each output whether there is a loss; there may be targets for these alone.

        Raises:
            ValueError: When there are not as many as outputs, or they have other names.
        """
        count = len(flatten(y_pred))
        if isinstance(y_true, Mapping):
            names = sorted(y_pred) if isinstance(y_pred, dict) else list(self.output_names or [])
            if set(names) >= set(y_true) and (set(names) == set(y_true) or isinstance(y_pred, dict)):
                return [y_true.get(name) for name in names]
        leaves = [] if y_true is None else flatten(y_true)
        if len(leaves) == count:
            return leaves
        if has_loss is None and self.losses is not None:
            with_loss = {item.number for item in self.losses}
            has_loss = [number in with_loss for number in range(count)]
        if has_loss is not None and len(leaves) == sum(has_loss):
            remaining = iter(leaves)
            return [next(remaining) if asked else None for asked in has_loss]
        of_true, of_pred = (map_structure(lambda _: "*", y) for y in (y_true, y_pred))
        raise ValueError(f"y_true and y_pred have different structures.\ny_true: {of_true}\ny_pred: {of_pred}\n")

    def sample_weights(self, sample_weight: Any, count: int) -> list[Any]:
        """Return the weights of the samples for each output.

        Args:
            sample_weight: One array for all outputs, a list or dict of them, or None.
            count: Number of outputs.
        """
        if isinstance(sample_weight, Mapping):
            found = [sample_weight.get(name) for name in self.output_names or sorted(sample_weight)]
            if len(found) < count:
                raise ValueError(f"`sample_weight` has {len(found)} arrays for {count} outputs.")
            return found
        if isinstance(sample_weight, (list, tuple)):
            leaves = flatten(sample_weight)
            if not leaves:
                raise ValueError("`sample_weight` is an empty list: expected an array for each output, or one for all.")
            return leaves if len(leaves) == count else [leaves[0]] * count
        return [sample_weight] * count

    def total(self, values: Sequence[tuple[OutputLoss, np.float32]], rows: int) -> np.float32:
        """Return the sum of the weighted losses, and count them in their means.

        Args:
            values: Each loss with its value.
            rows: Of the batch.
        """
        if self.metrics:
            for metric, (_, value) in zip(self.metrics, values, strict=True):
                metric.update_state(value, sample_weight=rows)
        total = np.float32(0)
        for item, value in values:
            total += value if item.weight is None else value * np.float32(item.weight)
        return total


def get_loss(identifier: Any, y_true: Any, y_pred: Any) -> losses.Loss:
    """Return a loss; `"crossentropy"` is the one for such targets and outputs.

    Args:
        identifier: A name, a function, an object or a serialized dict.
        y_true, y_pred: Arrays of a batch.

    Raises:
        ValueError: When it is none of these.
    """
    if str(identifier).lower() in ("crossentropy", "ce"):
        binary, sparse = of_classes(y_true, y_pred)
        of_many = losses.sparse_categorical_crossentropy if sparse else losses.categorical_crossentropy
        loss = losses.binary_crossentropy if binary else of_many
    else:
        loss = losses.get(identifier)
    if isinstance(loss, losses.Loss):
        return loss
    name = identifier if isinstance(identifier, str) else getattr(loss, "__name__", type(loss).__name__)
    return losses.LossFunctionWrapper(loss, name=name)


def of_classes(y_true: Any, y_pred: Any) -> tuple[bool, bool]:
    """Return whether outputs are of one class against another, and whether targets are numbers of classes."""
    true, pred = y_true.shape, y_pred.shape
    return pred[-1] == 1, len(true) < len(pred) or (true[-1] == 1 < pred[-1])
