"""The base class of all models: prediction, weights, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any

import numpy as np

from fastlstm.engine import ArrayForm
from fastlstm.layers.base.arrays import as_tensors, carried_mask
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import serialize
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.base.variable import CHANGES, Watch
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_symbolic
from fastlstm.layers.symbolic.node import record_call
from fastlstm.models import generation, loading, ragged
from fastlstm.models import inputs as data
from fastlstm.models.calls import Calls, Slot
from fastlstm.models.plan import Plan, StepPlan
from fastlstm.models.progress import Progress
from fastlstm.models.stream import Stream, StreamPool
from fastlstm.models.summary import print_summary
from fastlstm.models.trainer import Trainer
from fastlstm.saving.source import Source


class Model(Trainer, Layer, builds_once=False):
    """Layers and the way of tensors through them: `Model(inputs, outputs)` is a graph of them, `Sequential` a row.

    Args:
        inputs: An `Input`, or a list, tuple or dict of them.
        outputs: What layers called on them gave: a KerasTensor, or a list, tuple or dict of them.
        name: String; None makes one.

    Raises:
        NotImplementedError: When it is subclassed with a `call` of its own.
        ValueError: When the outputs do not depend on the inputs alone.
    """

    keras_module = "keras"
    supports_masking = True
    expands = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Model:
        if cls is Model and (len(args) >= 2 or "outputs" in kwargs):
            from fastlstm.models.functional import Functional

            cls = Functional
        if cls.expand is Model.expand:
            raise NotImplementedError(
                f"{cls.__name__} is a subclassed model, or has no inputs and outputs, which is not supported: use "
                "`Model(inputs, outputs)` or `Sequential`."
            )
        return super().__new__(cls)

    def __init__(self, trainable: bool = True, name: str | None = None) -> None:
        Trainer.__init__(self)
        Layer.__init__(self, trainable=trainable, name=name)
        self._plan: Plan | None = None
        self._watch = Watch()

    # What a kind of model provides

    @property
    def layers(self) -> list[Layer]:
        """The layers, in their order."""
        raise NotImplementedError(f"{type(self).__name__} has no layers.")

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs, once they are known."""
        raise NotImplementedError(f"{type(self).__name__} has no inputs.")

    def expand(self, calls: Calls, inputs: Sequence[Slot]) -> Sequence[Slot]:
        """Add the calls of the layers inside to a list of calls.

        Args:
            calls: The list.
            inputs: The slots of the inputs.

        Returns:
            The slots of the outputs.
        """
        raise NotImplementedError(f"{type(self).__name__} has no layers.")

    def prepared(self, inputs: Any, rows: int | None = None) -> Any:
        """Return what a caller gave as the layers take it: an array, or a tuple of them for several inputs.

        Args:
            inputs: As for `predict`.
            rows: The most rows that will be run at once, if those of `inputs` are not.

        Raises:
            ValueError: When it does not fit.
        """
        raise NotImplementedError(f"{type(self).__name__} has no inputs.")

    def structured(self, outputs: Any) -> Any:
        """Return the outputs, an array or a tuple, in the structure in which the model gives them."""
        return outputs

    def leaves(self) -> list[Layer]:
        """Return the layers, those of nested models in place of the models."""
        return [leaf for layer in self.layers for leaf in (layer.leaves() if isinstance(layer, Model) else (layer,))]

    # Running

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs for one batch, as tensors; a model without a known input shape is built for it.

        Args:
            inputs: Array, with the batch as its first axis; for several inputs a list, tuple or dict of them.
                KerasTensors in place of arrays give KerasTensors.
            training: Boolean, whether dropout drops.
            mask: `(batch, timesteps)`, nonzero where a step counts; a list of such for several inputs; or None for
                the one that the inputs carry.

        Raises:
            ValueError: When the inputs do not fit.
        """
        # A plain array is neither symbolic nor a carrier of masks.
        if type(inputs) is not np.ndarray:
            if is_symbolic(inputs):
                given = {"training": training, "mask": mask}
                return self.record(inputs, {name: value for name, value in given.items() if value is not None})
            if mask is None:
                carried = [carried_mask(leaf) for leaf in flatten(inputs)]
                mask = carried if any(leaf is not None for leaf in carried) else None
        x = inputs if self._takes(inputs) else self.prepared(inputs)
        outputs, masks = self._plan_for(training).run_with_masks(x, mask)
        return as_tensors(self.structured(outputs), masks)

    def record(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        """Record a call on KerasTensors and return what it gives."""
        return record_call(self, inputs, (), kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs for one batch of float32 inputs."""
        x = self.prepared(inputs)
        return self.structured(self._plan_for(training).run(x, mask))

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, as arrays.

        Args:
            x: As for `predict`.

        Raises:
            ValueError: When the inputs do not fit.
        """
        x = x if self._takes(x) else self.prepared(x)
        return self.structured(self.current_plan.run(x))

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
            x: Array of any numeric dtype, with the batch as its first axis; for several inputs a list or tuple of
                them, or a dict by the inputs' names; or a generator of tuples `(inputs,)`, or a dataset of
                `fastlstm.utils`. For a model of one input of sequences also a list of two or more arrays `(timesteps,
                features)`, of any lengths.
            batch_size: Rows that are run at once, 32 by default; the outputs do not depend on it.
            verbose: 1 shows a progress bar, 2 prints one line, 0 nothing. `"auto"` shows a bar on a terminal, once
                the work has taken a second.
            steps: Number of batches, None for all.
            callbacks: Only None or empty.

        Returns:
            An array, or several in the structure of the model's outputs. For a list of sequences, outputs of different
            lengths are a list of arrays, others one array.

        Raises:
            ValueError: When an argument is not valid, or the inputs do not fit.
        """
        if callbacks:
            raise ValueError(f"`callbacks` is not supported in `predict`. Received: callbacks={callbacks}")
        size, steps = data.checked_batch_size(batch_size), data.checked_steps(steps)
        if data.is_generator(x):
            batches: Iterator[Any] = (self.prepared(batch) for batch in data.generated(x))
            count = getattr(x, "num_batches", None) if steps is None else steps
            return self.structured(data.joined(self._run_all(data.limited(batches, steps), verbose, count)))
        x = data.checked_data(x)
        if not isinstance(x, np.ndarray) and self._is_ragged(x):
            if steps is not None:
                raise ValueError(f"`steps` is not supported for a list of sequences. Received: steps={steps}")
            arrays = [self.prepared(np.asarray(sequence)[np.newaxis], 1) for sequence in x]
            return self.structured(ragged.predict(self.current_plan, arrays, size, verbose))
        x = x if self._takes(x) else self.prepared(x, size)
        count = max(1, -(-data.rows(x) // size))
        count = count if steps is None else min(count, steps)
        return self.structured(data.joined(self._run_all(data.limited(data.slices(x, size), steps), verbose, count)))

    def _is_ragged(self, x: Any) -> bool:
        if not self.built:
            return ragged.is_ragged(x, None, False)
        inputs = self.inputs
        return len(inputs) == 1 and ragged.is_ragged(x, inputs[0].shape, self.current_plan.takes_ids)

    def _run_all(self, batches: Iterator[Any], verbose: Any, total: int | None) -> list[Any]:
        outputs = []
        with Progress(verbose, total) as progress:
            for batch in batches:
                outputs.append(self.current_plan.run(batch))
                progress.advance()
        if not outputs:
            raise ValueError("The generator gave no batch to predict from.")
        return outputs

    def plan(self) -> str:
        """Return how the model, which is built, is run at inference, in words: a line per op of the engine, with its
        sizes and kernels, then how threads share a large call; or per layer that runs in NumPy."""
        return "\n".join(self.current_plan.describe())

    @property
    def current_plan(self) -> Plan:
        """How the model, which is built, is run at inference; it follows all changes."""
        plan = self._plan
        return self._planned() if plan is None or not plan.is_current else plan

    def _plan_for(self, training: bool | None) -> Plan:
        plan = self.current_plan
        return Plan(self.calls(), self._watch, training) if training or (training is None and plan.trains) else plan

    def _takes(self, x: Any) -> bool:
        """Return whether the layers take `x` as it is; most calls of a service need no more than this."""
        plan = self._plan
        return plan is not None and plan.form is not None and plan.form.fits(x)

    def _input_form(self) -> ArrayForm | None:
        """Return what an array has to be for the layers to take it as it is; None where none may be."""
        return None

    def _planned(self) -> Plan:
        with CHANGES.lock:
            self.watch(self._watch)
            plan = Plan(self.calls(), self._watch, before=self._plan, form=self._input_form())
            self._plan = plan
            return plan

    def calls(self) -> Calls:
        """Return the calls of the layers, those of nested models in place of the models."""
        calls = Calls(self.name, [tensor.shape for tensor in self.inputs])
        calls.outputs = tuple(self.expand(calls, calls.inputs))
        return calls

    # Time, step by step

    def stream(self, batch: int = 1) -> Stream:
        """Return a stream, which takes the input step by step and gives what `predict` gives for all of it so far.

        Args:
            batch: Number of sequences that it reads side by side.

        Raises:
            ValueError: When the model is not built or, with the layer's name, when its output at a step may depend on
                later ones.
        """
        return Stream(self._step_plan(), batch)

    def stream_pool(self, capacity: int = 64) -> StreamPool:
        """Return a pool of streams that come and go, any of which advance together.

        Args:
            capacity: Streams to make room for at first.

        Raises:
            ValueError: As `stream`.
        """
        return StreamPool(self._step_plan(), capacity)

    def _step_plan(self) -> StepPlan:
        if not self.built:
            raise ValueError(f"Model '{self.name}' has to be built before it can run step by step.")
        return self.current_plan.in_steps()

    def forecast(self, window: Any, steps: int) -> np.ndarray:
        """Return the next `steps` steps of a series, each one the model's output for the window before it.

        Args:
            window: `(batch, timesteps, features)` or `(timesteps, features)`. Each output becomes the last step of the
                next window, whose first one goes.
            steps: Positive integer.

        Returns:
            `(batch, steps, features)`, without the batch if the window came without. Of a model that gives every step
            it is the last one that counts.

        Raises:
            ValueError: When something does not fit, or the output is no step of the input.
        """
        steps = generation.checked_steps(steps)
        if len(self.inputs) != 1:
            raise ValueError(f"Only a model of one input can forecast. Model '{self.name}' has {len(self.inputs)}.")
        given = np.asarray(window)
        x = self.prepared(given[np.newaxis] if given.ndim == 2 else given)
        if x.ndim != 3:
            raise ValueError(f"`window` should have shape (batch, timesteps, features). Received: {given.shape}")
        forecasts = generation.forecast(self.current_plan, x, steps)
        return forecasts[0] if given.ndim == 2 else forecasts

    def reset_states(self) -> None:
        """Set the states of all stateful layers to zeros.

        Differs from Keras 3, which has this on layers only, as Keras 2 had it on models too.
        """
        for layer in self.leaves():
            if layer.stateful:
                layer.reset_state()

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

    def load_weights(self, filepath: Source, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Read the weights from a file of any Keras version, all of them or none.

        Args:
            filepath: A weights file, or a whole model's: a path, a file object that is open in binary mode, or bytes.
                Also the path of a TensorFlow checkpoint of Keras 2, without `.index`.
            skip_mismatch: Boolean, whether to leave alone, with a warning, what does not fit.
            **kwargs: `by_name`, boolean: pair layers by name instead of by order; only for legacy `.h5` files.

        Raises:
            ValueError: When the model is not built, or the file does not fit.
        """
        loading.load_weights(self, filepath, skip_mismatch, **kwargs)

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_plan": None, "_watch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch = Watch()


def _plain_number(value: Any) -> Any:
    """The Python number of a NumPy one, which JSON does not know."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written to a config.")
