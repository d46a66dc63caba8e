"""The base class of all models: prediction, weights, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any

import numpy as np

from fastlstm.layers.arrays import as_mask, as_tensors
from fastlstm.layers.keras_tensor import KerasTensor
from fastlstm.layers.layer import Layer
from fastlstm.layers.serialization import serialize
from fastlstm.layers.variable import CHANGES
from fastlstm.models import inputs as data
from fastlstm.models import loading
from fastlstm.models.compilation import CompileArguments
from fastlstm.models.execution import Plan, run_in_training
from fastlstm.models.progress import Progress
from fastlstm.models.summary import print_summary


class Model(Layer, builds_once=False):
    """What all models have; `Sequential` is the one kind there is yet.

    Raises:
        NotImplementedError: When it is called itself or subclassed, as only functional and subclassed models are.
    """

    keras_module = "keras"
    supports_masking = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Model:
        if cls.leaves is Model.leaves:
            raise NotImplementedError("Functional and subclassed models are not supported yet. Use `Sequential`.")
        return super().__new__(cls)

    def __init__(self, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self.compiled = False
        self.optimizer: Any = None
        self.loss: Any = None
        self._compile_arguments: CompileArguments | None = None
        self._compile_config: dict[str, Any] | None = None
        self._plan: Plan | None = None

    # What a kind of model provides

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input's."""
        raise NotImplementedError(f"{type(self).__name__} has no layers.")

    def leaves(self) -> list[Layer]:
        """Return the layers in the order of running, those of nested models in place of the models."""
        raise NotImplementedError(f"{type(self).__name__} has no layers.")

    @property
    def symbolic_input(self) -> KerasTensor | None:
        """The model's input; None while its shape is not known."""
        raise NotImplementedError(f"{type(self).__name__} has no input.")

    # Running

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs for one batch, as tensors; a model without a known input shape is built for it.

        Args:
            inputs: Array, with the batch as its first axis.
            training: Boolean, whether dropout drops.
            mask: `(batch, timesteps)`, nonzero where a step counts; or None.

        Raises:
            ValueError: When the inputs do not fit.
        """
        return as_tensors(self._run(self._prepared(inputs), training, mask))

    def call(self, inputs: np.ndarray, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs for one batch of float32 inputs."""
        return self._run(self._fitted(inputs), training, mask)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, as arrays.

        Args:
            x: As for `predict`.

        Raises:
            ValueError: When the inputs do not fit.
        """
        return self._run(self._prepared(x))

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the outputs for all rows, as new float32 arrays.

        Args:
            x: Array of any numeric dtype, with the batch as its first axis; a list or tuple of it, or a dict of it by
                the input's name; or a generator of tuples `(inputs,)`.
            batch_size: Rows that are run at once, 32 by default; the outputs do not depend on it.
            verbose: 1 shows a progress bar, 2 prints one line, 0 nothing. `"auto"` shows a bar on a terminal, once
                the work has taken a second.
            steps: Number of batches, None for all.
            callbacks: Only None or empty.

        Returns:
            An array; a tuple of arrays if the model has several outputs.

        Raises:
            ValueError: When an argument is not valid, or the inputs do not fit.
        """
        if callbacks:
            raise ValueError(f"`callbacks` is not supported in `predict`. Received: callbacks={callbacks}")
        size, steps = data.checked_batch_size(batch_size), data.checked_steps(steps)
        if data.is_generator(x):
            batches: Iterator[np.ndarray] = (self._prepared(batch) for batch in data.generated(x))
            total = steps
        else:
            array = self._prepared(data.checked_data(x), size)
            batches = data.slices(array, size)
            total = max(1, -(-len(array) // size))
            total = total if steps is None else min(total, steps)
        outputs = []
        with Progress(verbose, total) as progress:
            for batch in data.limited(batches, steps):
                outputs.append(self._run(batch))
                progress.advance()
        if not outputs:
            raise ValueError("The generator gave no batch to predict from.")
        return data.joined(outputs)

    def _prepared(self, inputs: Any, rows: int | None = None) -> np.ndarray:
        """Return the inputs as the layers take them, building the model if need be.

        Args:
            inputs: As a caller gave them.
            rows: The most rows that will be run at once, if those of `inputs` are not.
        """
        tensor = self.symbolic_input
        x = data.model_input(inputs, tensor, self.name)
        if x.ndim == 0:
            raise ValueError("The inputs need a batch axis. Received a single number.")
        if not self.built:
            concrete = (len(x) if rows is None else min(len(x), rows), *x.shape[1:])
            self.build(concrete if tensor is None else tensor.shape)
        return self._fitted(x)

    def _fitted(self, x: np.ndarray) -> np.ndarray:
        """Return float32 inputs of the rank that the model expects, if its layers accept their shape."""
        tensor = self.symbolic_input
        shape = tensor.shape
        if x.ndim == len(shape) and x.shape[-1] == shape[-1]:
            return x
        x = data.fit_rank(x, tensor)
        shape = x.shape
        for layer in self.leaves():
            layer.check_input_shape(shape)
            shape = layer.compute_output_shape(shape)
        return np.ascontiguousarray(x)

    def _run(self, x: np.ndarray, training: bool | None = None, mask: Any = None) -> Any:
        if mask is not None:
            mask = as_mask(mask, x.shape)
        if training:
            return run_in_training(self.leaves(), x, mask)
        plan = self._plan
        if plan is None or plan.changes != CHANGES.latest:
            plan = self._planned()
        return plan.run(x, mask)

    def _planned(self) -> Plan:
        """Return the plan; after a change, the same one unless layers came, went or left the engine."""
        with CHANGES.lock:
            leaves = self.leaves()
            plan = self._plan
            if plan is None or not plan.holds_for(leaves):
                plan = Plan(leaves)
            plan.changes = CHANGES.latest
            self._plan = plan
            return plan

    def reset_states(self) -> None:
        """Set the states of all stateful layers to zeros.

        Differs from Keras 3, which has this on layers only, as Keras 2 had it on models too.
        """
        for layer in self.leaves():
            if layer.recurrent:
                layer.reset_state()

    # Training

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

    # Looking

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return one layer.

        Args:
            name: Its name, or
            index: its place in `layers`.

        Raises:
            ValueError: When there is no such layer, or not exactly one argument.
        """
        if name is not None and index is not None:
            raise ValueError(f"Provide only a layer name or a layer index. Received: index={index}, name={name}.")
        layers = self.layers
        if index is not None:
            if len(layers) <= index:
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}. Existing layers are: {[layer.name for layer in layers]}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print a table of the layers.

        Args:
            line_length: Characters of a line; by default up to 88, as the terminal has them.
            positions: Where each column ends, as parts of the line.
            print_fn: Called once with the whole text, in place of `print`.
            expand_nested: Boolean, whether to list the layers of nested models.
            show_trainable: Boolean, whether to say which layers are trainable.
            layer_range: Names (regular expressions) of the first and the last layer to list.

        Raises:
            ValueError: When the range names no layers, or the line is too short.
        """
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def to_json(self, **kwargs: Any) -> str:
        """Return the model without its weights as JSON, as `config.json` in a `.keras` file.

        Args:
            **kwargs: As for `json.dumps`.
        """
        return json.dumps(self.serialized(), **kwargs)

    def serialized(self) -> dict[str, Any]:
        """Return Keras 3's dict of the model, with the arguments of `compile` if they are plain data."""
        config = serialize(self)
        compile_config = self.get_compile_config()
        if compile_config:
            config["compile_config"] = compile_config
        return json.loads(json.dumps(config, default=_plain_number))

    # Files

    def save(
        self, filepath: str | PathLike[str], overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """Write the model to a file; see `save_model`."""
        loading.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(
        self, filepath: str | PathLike[str], overwrite: bool = True, max_shard_size: float | None = None
    ) -> None:
        """Write the weights alone to a file.

        Args:
            filepath: Ends in `.weights.h5`; with `max_shard_size`, in `.weights.json`.
            overwrite: Boolean; if False and there is such a file, ask on a terminal, and raise elsewhere.
            max_shard_size: Size of one file in GB, None for one file.

        Raises:
            ValueError: When the model is not built, or the name ends otherwise.
            FileExistsError: When the file is there and is not to be replaced.
        """
        loading.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath: str | PathLike[str], skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Read the weights from a file of any Keras version, all of them or none.

        Args:
            filepath: A weights file, or a whole model's.
            skip_mismatch: Boolean, whether to leave alone, with a warning, what does not fit.
            **kwargs: `by_name`, boolean: pair layers by name instead of by order; only for legacy `.h5` files.

        Raises:
            ValueError: When the model is not built, or the file does not fit.
        """
        loading.load_weights(self, filepath, skip_mismatch, **kwargs)

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_plan": None}


def _plain_number(value: Any) -> Any:
    """The Python number of a NumPy one, which JSON does not know."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written to a config.")
