"""The part of a model that trains it: `compile`, `fit` and `evaluate`; what they need is loaded on first use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from fastlstm.layers.base.layer import Layer
from fastlstm.models.compilation import CompileArguments, FileArguments
from fastlstm.object_registration import custom_object_scope

if TYPE_CHECKING:
    from fastlstm.models.compiled import Compiled


class Trainer:
    """The part of a model that mirrors Keras' class of this name."""

    inner_names = (
        "compile_as_in_file compiled_state evaluate_generator fit_generator optimizer_state predict_classes "
        "predict_generator predict_proba to_yaml"
    )
    # The callbacks of every epoch set them.
    uncounted: ClassVar[frozenset[str]] = frozenset({"history", "stop_training"})

    stop_training: bool

    compiled: bool

    def __init__(self) -> None:
        self.compiled = False
        self.loss: Any = None
        self._compile_arguments: CompileArguments | None = None
        self._file_arguments: FileArguments | None = None
        self._compiled: Compiled | None = None
        # Set by `BackupAndRestore`: the epoch with which training goes on.
        self._initial_epoch: int | None = None
        # Set by `History`, of the last `fit`.
        self.history: Any

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how the model is to be trained and evaluated; predictions do not depend on it.

        Args:
            optimizer: Name, dict or object.
            loss: Name, dict, function or object; for several outputs a list, or a dict by the outputs' names, with None
                for an output that has none.
            loss_weights: Factors of the losses in their sum: a float, a list or a dict; None for 1.
            metrics: List of names, dicts, functions or objects; for several outputs a list of lists, or a dict.
            weighted_metrics: Likewise, for metrics that use the weights of the samples.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: Kept for configs: there is nothing to
                compile here.

        Raises:
            ValueError: When an optimizer, a loss or a metric is none of Keras'.
        """
        from fastlstm.models.compiled import Compiled

        given = CompileArguments(
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self._compiled = Compiled(cast(Any, self), given.arguments)
        # Files get the optimizer as it is then.
        given.arguments["optimizer"] = self._compiled.optimizer
        self._compile_arguments, self._file_arguments = given, None
        self.loss, self.compiled, self.stop_training = loss, True, False

    @property
    def compiled_state(self) -> Compiled:
        """What training has of `compile`; of a loaded model it is made when it is first asked for.

        Raises:
            ValueError: When the model is not compiled, or an argument that came with its file is not valid.
        """
        if not self.compiled:
            raise ValueError("You must call `compile()` before using the model.")
        if self._compiled is None:
            from fastlstm.models.compiled import deserialized

            of_file = cast("FileArguments", self._file_arguments)
            with custom_object_scope(of_file.custom_objects):
                self.compile(**deserialized(of_file.config))
            if of_file.optimizer_state is not None:
                cast("Compiled", self._compiled).restore_optimizer(of_file.optimizer_state)
        return cast("Compiled", self._compiled)

    @property
    def optimizer(self) -> Any:
        """The optimizer; None before `compile`."""
        return self.compiled_state.optimizer if self.compiled else None

    @property
    def metrics(self) -> list[Any]:
        """The mean loss, then the compiled metrics as one, then the means of several losses."""
        return self.compiled_state.metrics if self.compiled else []

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Begin all metrics anew."""
        if self.compiled:
            self.compiled_state.reset_metrics()

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the metrics of the batches since they last began, by name."""
        return self.compiled_state.results()

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return the arguments of `compile` as plain data, None if there are none or they have no names."""
        if self._file_arguments is not None:
            return self._file_arguments.config
        return None if self._compile_arguments is None else self._compile_arguments.config()

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the model with what `get_compile_config` returned.

        Args:
            config: Dict of arguments of `compile`, as plain data.

        Raises:
            ValueError: When one names nothing known.
        """
        from fastlstm.models.compiled import deserialized

        self.compile(**deserialized(config))

    def compile_as_in_file(self, arguments: FileArguments) -> None:
        """Keep the arguments of `compile` that came with a file until they are needed."""
        self._compile_arguments, self._compiled, self._file_arguments = None, None, arguments
        self.loss = arguments.config.get("loss")
        self.compiled = True
        self.stop_training = False

    def optimizer_state(self) -> tuple[str, list[str], list[np.ndarray]] | None:
        """Return the optimizer's name, and the paths and arrays of its state; None if there is no optimizer."""
        optimizer = self.optimizer
        if optimizer is None:
            return None
        variables = optimizer.variables
        return optimizer.name, [variable.path for variable in variables], [variable.value for variable in variables]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> Any:
        """Train the model.

        Args:
            x: Inputs: an array, a list or tuple of arrays, or a dict of them by the inputs' names; or a generator of
                tuples `(x, y)` or `(x, y, sample_weight)`, or a dataset of `fastlstm.utils`.
            y: Targets: an array, or a list or dict of them by output. Not with a generator or dataset.
            batch_size: Rows of a batch, 32 by default. Not with a generator or dataset.
            epochs: Number of the last epoch, counted from `initial_epoch`.
            verbose: 0 shows nothing, 1 and `"auto"` a progress bar, 2 a line for each epoch.
            callbacks: List of callbacks, or a `CallbackList`.
            validation_split: Part of the rows, the last ones, that are not trained on but evaluated after each epoch.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate after each epoch, or a dataset.
            shuffle: Boolean, whether each epoch takes the rows in an order of its own; `"batch"` shuffles within
                batches.
            class_weight: Dict of the weights of samples by their class, for one output.
            sample_weight: Weights of the samples `(rows,)`, or of their steps `(rows, timesteps)`; for several outputs
                also a list or dict of them.
            initial_epoch: Number of the first epoch.
            steps_per_epoch: Batches of an epoch, None for all that there are.
            validation_steps: Batches of an evaluation, None for all.
            validation_batch_size: Rows of a batch in evaluation, those of `batch_size` by default.
            validation_freq: An integer n evaluates after every n-th epoch, a list after the epochs in it, from 1 on.

        Returns:
            The `History`, whose `history` has lists of the metrics by name.

        Raises:
            ValueError: When the model is not compiled, or an argument is not valid.
            NotImplementedError: When training cannot go through a layer, naming it.
        """
        compiled = self.compiled_state
        from fastlstm.models import fitting

        return fitting.fit(
            compiled,
            x,
            y,
            batch_size,
            epochs,
            verbose,
            callbacks,
            validation_split,
            validation_data,
            shuffle,
            class_weight,
            sample_weight,
            initial_epoch,
            steps_per_epoch,
            validation_steps,
            validation_batch_size,
            validation_freq,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the loss and the metrics.

        Args:
            x, y, batch_size, verbose, sample_weight, callbacks: As for `fit`.
            steps: Number of batches, None for all.
            return_dict: Boolean, whether to return a dict by name.

        Returns:
            The loss; a list of it and the metrics, if there are any; or a dict.

        Raises:
            ValueError: When the model is not compiled, or an argument is not valid.
        """
        compiled = self.compiled_state
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        from fastlstm.models import fitting

        logs = fitting.evaluate(compiled, x, y, batch_size, verbose, sample_weight, steps, callbacks)
        return _by_name(logs) if return_dict else self._in_order(logs)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Train on one batch and return its loss and metrics, those before the step; see `fit` and `evaluate`."""
        compiled = self.compiled_state
        from fastlstm.models import fitting

        logs = fitting.train_on_batch(compiled, x, y, sample_weight, class_weight)
        return _by_name(logs) if return_dict else self._in_order(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return the loss and the metrics of one batch; see `evaluate`."""
        compiled = self.compiled_state
        from fastlstm.models import fitting

        logs = fitting.test_on_batch(compiled, x, y, sample_weight)
        return _by_name(logs) if return_dict else self._in_order(logs)

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """The metrics in the order of `metrics`, those of the compiled ones after the mean loss; one alone as it is."""
        names = [name for metric in self.metrics for name in _names(metric)]
        results = [logs[name] for name in names if name in logs]
        results += [logs[name] for name in sorted(logs) if name not in names]
        return results[0] if len(results) == 1 else results


def _traced_calls(layer: Layer) -> Any:
    from fastlstm.models.training_plan import TracedCalls

    return TracedCalls(layer)


Layer.tracer = staticmethod(_traced_calls)


def _by_name(logs: dict[str, Any]) -> dict[str, Any]:
    """The metrics in the order of their names, as Keras returns dicts."""
    return dict(sorted(logs.items()))


def _names(metric: Any) -> list[str]:
    inner = getattr(metric, "metrics", None)
    return [metric.name] if inner is None else [one.name for one in inner]
