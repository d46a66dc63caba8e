"""Training and evaluation over epochs and batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlstm.callbacks import CallbackList
from fastlstm.models.compiled import Compiled
from fastlstm.models.training_data import Epochs, is_arrays, split, standardized, unpacked, weights_of_classes
from fastlstm.printable import quoted


def fit(
    compiled: Compiled,
    x: Any,
    y: Any,
    batch_size: int | None,
    epochs: int,
    verbose: Any,
    callbacks: Any,
    validation_split: float,
    validation_data: Any,
    shuffle: Any,
    class_weight: Any,
    sample_weight: Any,
    initial_epoch: int,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    validation_batch_size: int | None,
    validation_freq: int | Sequence[int],
) -> Any:
    """See `Trainer.fit`."""
    model = compiled.model
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = split((x, y, sample_weight), validation_split)
    train = Epochs(x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight, model.prepared_for_epochs)
    validation: Epochs | None = None
    if not isinstance(callbacks, CallbackList):
        callbacks = CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=train.count,
            model=model,
        )
    model.stop_training = False
    callbacks.on_train_begin()
    logs: dict[str, Any] = {}
    initial_epoch, model._initial_epoch = model._initial_epoch or initial_epoch, None
    for epoch in range(initial_epoch, epochs):
        compiled.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        logs = {}
        for step, batch in train:
            callbacks.on_train_batch_begin(step)
            compiled.train_step(*batch)
            logs = compiled.results()
            callbacks.on_train_batch_end(step, logs)
            if model.stop_training:
                break
        logs = dict(logs)
        if validation_data is not None and _is_due(epoch, validation_freq):
            if validation is None:
                size = validation_batch_size or batch_size
                validation = Epochs(
                    *unpacked(validation_data), size, validation_steps, prepared=model.prepared_for_epochs
                )
            logs |= {f"val_{name}": value for name, value in _evaluated(compiled, validation, callbacks).items()}
        callbacks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if epochs > initial_epoch:
        compiled.optimizer.finalize_variable_values(compiled.variables)
    callbacks.on_train_end(logs)
    return model.history


def evaluate(
    compiled: Compiled,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: Any,
    sample_weight: Any,
    steps: int | None,
    callbacks: Any,
) -> dict[str, float]:
    """See `Trainer.evaluate`; the metrics by name."""
    model = compiled.model
    data = Epochs(x, y, sample_weight, batch_size, steps, prepared=model.prepared_for_epochs)
    if not isinstance(callbacks, CallbackList):
        callbacks = CallbackList(
            callbacks, add_progbar=verbose != 0, verbose=verbose, epochs=1, steps=data.count, model=model
        )
    return _evaluated(compiled, data, callbacks)


def _evaluated(compiled: Compiled, data: Epochs, callbacks: CallbackList) -> dict[str, float]:
    callbacks.on_test_begin()
    compiled.reset_metrics()
    logs: dict[str, float] = {}
    for step, batch in data:
        callbacks.on_test_batch_begin(step)
        compiled.test_step(*batch)
        logs = compiled.results()
        callbacks.on_test_batch_end(step, logs)
    callbacks.on_test_end(logs)
    return logs


def train_on_batch(compiled: Compiled, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> dict[str, float]:
    """See `Trainer.train_on_batch`; the metrics by name."""
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError(
                "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. Received: "
                f"sample_weight={quoted(sample_weight)}, class_weight={quoted(class_weight)}"
            )
        sample_weight = weights_of_classes(y, class_weight)
    compiled.reset_metrics()
    compiled.train_step(*_batch(compiled, x, y, sample_weight))
    return compiled.results()


def test_on_batch(compiled: Compiled, x: Any, y: Any, sample_weight: Any) -> dict[str, float]:
    """See `Trainer.test_on_batch`; the metrics by name."""
    compiled.reset_metrics()
    compiled.test_step(*_batch(compiled, x, y, sample_weight))
    return compiled.results()


def _batch(compiled: Compiled, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    if not is_arrays(x):
        raise ValueError(f"Unrecognized data type: x={quoted(x)} (of type {type(x)})")
    return compiled.model.prepared(x), standardized(y), standardized(sample_weight)


def _is_due(epoch: int, frequency: int | Sequence[int]) -> bool:
    """Whether validation comes after an epoch, which is counted from 0."""
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    if isinstance(frequency, list):
        return epoch + 1 in frequency
    raise ValueError(
        f"Expected `validation_freq` to be a list or int. Received: validation_freq={frequency} of the type "
        f"{type(frequency)}."
    )
