"""The metrics of a compiled model, for each output, with and without the weights of the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastlstm import metrics as metric_classes
from fastlstm.layers.base.structure import flatten, map_structure
from fastlstm.models.compile_loss import of_classes
from fastlstm.printable import quoted

Metrics = list[metric_classes.Metric]


class CompileMetrics:
    """What `compile` was given as `metrics` and `weighted_metrics`.

    Args:
        metrics, weighted_metrics: For one output a list; for several a list of lists, or a dict by the outputs' names;
            or None.
        output_names: Names of the outputs in the order of `flatten`, None where they have none.

    Raises:
        ValueError: When they are of another type.
    """

    name = "compile_metrics"

    def __init__(self, metrics: Any, weighted_metrics: Any, output_names: Sequence[str] | None) -> None:
        for argument, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given and not isinstance(given, (list, tuple, dict)):
                raise ValueError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict. "
                    f"Received instead: {argument}={quoted(given)} of type {type(given)}"
                )
        self._given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        self._output_names = output_names
        self._made: dict[str, list[Metrics]] | None = None

    @property
    def metrics(self) -> Metrics:
        """All metrics, once they are made."""
        return [metric for made in (self._made or {}).values() for of_output in made for metric in of_output]

    def build(self, targets: Sequence[Any], y_pred: Any) -> None:
        """Make the metrics for the first batch.

        Args:
            targets: One for each output, or None.
            y_pred: Outputs in their structure.

        Raises:
            ValueError: When a metric is not known, or they do not fit the outputs.
        """
        if self._made is None:
            self._made = {argument: self._build(argument, targets, y_pred) for argument in self._given}

    def _build(self, argument: str, targets: Sequence[Any], y_pred: Any) -> list[Metrics]:
        given, outputs = self._given[argument], flatten(y_pred)
        if not given:
            return [[] for _ in outputs]
        if len(outputs) == 1:
            of_outputs: list[Any] = [flatten(given)]
        elif isinstance(given, Mapping):
            names = sorted(y_pred) if isinstance(y_pred, dict) else list(self._output_names or [])
            if not set(given) <= set(names):
                raise self._misfit(argument, y_pred)
            of_outputs = [given.get(name) for name in names]
        elif len(given) == len(outputs):
            of_outputs = list(given)
        else:
            raise self._misfit(argument, y_pred)
        made = []
        for of_output, target, output in zip(of_outputs, targets, outputs, strict=True):
            identifiers = [] if of_output is None else flatten(of_output)
            try:
                made.append([get_metric(identifier, target, output) for identifier in identifiers])
            except ValueError as error:
                raise ValueError(f"{error}\nReceived: {argument}={quoted(given)}") from error
        return made

    def _misfit(self, argument: str, y_pred: Any) -> ValueError:
        return ValueError(
            f"Invalid `{argument}`. `{argument}` should contain metrics objects and either be a dict or a list "
            f"matching the output names of the functional model {self._output_names} or match the output structure of "
            f"the model: {map_structure(lambda _: 'X', y_pred)}.\nReceived: {argument}={quoted(self._given[argument])}"
        )

    def update_state(self, targets: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any]) -> None:
        """Take in a batch.

        Args:
            targets, outputs, weights: For each output its targets, itself with its mask, and the weights or None.
        """
        made = self._made or {}
        for of_output, target, output in zip(made["metrics"], targets, outputs, strict=True):
            for metric in of_output:
                metric.update_state(target, output)
        for of_output, target, output, weight in zip(made["weighted_metrics"], targets, outputs, weights, strict=True):
            for metric in of_output:
                metric.update_state(target, output, sample_weight=weight)

    def reset_state(self) -> None:
        """Forget all batches."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Any]:
        """Return the results by name: for several outputs with the output's before it; repeated names are numbered."""
        results: dict[str, Any] = {}
        counts: dict[str, int] = {}
        for argument, made in (self._made or {}).items():
            names = self._output_names if self._output_names and len(made) > 1 else [None] * len(made)
            for output_name, of_output in zip(names, made, strict=True):
                for metric in of_output:
                    name = f"{output_name}_{metric.name}" if output_name else metric.name
                    if name in counts and argument == "weighted_metrics":
                        name = f"weighted_{metric.name}"
                        name = f"{output_name}_{name}" if output_name else name
                    count = counts[name] = counts.get(name, 0) + 1
                    results[name if count == 1 else f"{name}_{count - 1}"] = metric.result()
        return results


def get_metric(identifier: Any, y_true: Any, y_pred: Any) -> metric_classes.Metric:
    """Return a metric; `"accuracy"` is the one for such targets and outputs.

    Args:
        identifier: A name, a function, an object or a serialized dict.
        y_true, y_pred: Arrays of a batch.

    Raises:
        ValueError: When it is none of these.
    """
    if identifier is None:
        raise ValueError("Expected metric, received `None`")
    if str(identifier).lower() in ("accuracy", "acc"):
        binary, sparse = of_classes(y_true, y_pred)
        cls = metric_classes.SparseCategoricalAccuracy if sparse else metric_classes.CategoricalAccuracy
        metric = (metric_classes.BinaryAccuracy if binary else cls)(name=str(identifier))
    else:
        metric = metric_classes.get(identifier)
    if isinstance(metric, metric_classes.Metric):
        name = metric.name
    else:
        name = getattr(metric, "__name__", type(metric).__name__)
        metric = metric_classes.MeanMetricWrapper(metric)
    metric.name = identifier if isinstance(identifier, str) else name
    return metric
