"""What a model has for training: how it is to be trained is kept; training itself is not there yet."""

from __future__ import annotations

from typing import Any

from fastlstm.models.compilation import CompileArguments


class Trainer:
    """The part of a model that mirrors Keras' class of this name."""

    def __init__(self) -> None:
        self.compiled = False
        self.optimizer: Any = None
        self.loss: Any = None
        self._compile_arguments: CompileArguments | None = None
        self._compile_config: dict[str, Any] | None = None

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
        """Check and keep how the model is to be trained; predictions do not depend on it.

        Args:
            optimizer: Name, dict or object.
            loss: Name, dict, function or object; a list or dict of them by output.
            loss_weights, weighted_metrics, run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: Kept.
            metrics: List, tuple or dict of names, dicts, functions or objects.

        Raises:
            ValueError: When an optimizer, a loss or a metric is none of Keras'.
        """
        self._compile_arguments = CompileArguments(
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
        self.optimizer, self.loss, self.compiled = optimizer, loss, True

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return the arguments of `compile`, given or loaded, as plain data; None if there are none or one is code."""
        return self._compile_config if self._compile_arguments is None else self._compile_arguments.config()

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Keep the arguments of `compile` that came with a file, as they are."""
        self._compile_arguments, self._compile_config, self.compiled = None, config, True

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Not there yet: train with Keras, and load the saved model."""
        raise NotImplementedError("`fit` is not supported yet. Train with Keras and load the saved model.")

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Not there yet: compare with the outputs of `predict`."""
        raise NotImplementedError("`evaluate` is not supported yet. Compare with the outputs of `predict`.")
