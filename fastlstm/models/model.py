"""The base class of all models: prediction, weights, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.arguments import array
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.serialization import serialize
from fastlstm.memory import give_back
from fastlstm.models import generation, loading, quantization
from fastlstm.models.predictor import Predictor
from fastlstm.models.step_plan import StepPlan
from fastlstm.models.stream import Stream, StreamPool
from fastlstm.models.summary import html_summary, print_summary
from fastlstm.models.trainer import Trainer
from fastlstm.older_modules import Gone
from fastlstm.printable import quoted
from fastlstm.saving.source import Source

if TYPE_CHECKING:
    from fastlstm.layers.rnn.rnn import RNN


class Model(Trainer, Predictor, builds_once=False):
    """Layers and the way of tensors through them: `Model(inputs, outputs)` is a graph of them, `Sequential` a row.

    A subclass may implement `call(inputs)` with layers that are its attributes, or pass inputs and outputs on.

    Args:
        inputs: An `Input`, or a list, tuple or dict of them.
        outputs: What layers called on them gave: a KerasTensor, or a list, tuple or dict of them.
        name: String; None makes one.

    Raises:
        ValueError: When the outputs do not depend on the inputs alone.
    """

    keras_module = "keras"

    # Methods of Keras 1 and 2.
    fit_generator: Gone = Gone("`fit` takes generators")
    evaluate_generator: Gone = Gone("`evaluate` takes generators")
    predict_generator: Gone = Gone("`predict` takes generators")
    predict_classes: Gone = Gone(
        "take `np.argmax(model.predict(x), axis=-1)`, or `model.predict(x) > 0.5` of one output"
    )
    predict_proba: Gone = Gone("take `predict`")
    to_yaml: Gone = Gone("take `to_json`")

    def __new__(cls, *args: Any, **kwargs: Any) -> Model:
        if cls is Model and _has_graph(args, kwargs):
            cls = _functional()
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _has_graph(args, kwargs):
            functional = _functional()
            if not issubclass(type(self), functional):
                # As Keras does it: the class becomes one of graphs.
                _put_in_place(type(self), Model, functional)
            functional.__init__(self, *args, **kwargs)
            return
        Trainer.__init__(self)
        Predictor.__init__(self, *args, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in their order."""
        return cast("list[Layer]", self.children)

    def leaves(self) -> list[Layer]:
        """Return the layers, those of nested models in place of the models."""
        return [leaf for layer in self.layers for leaf in (layer.leaves() if isinstance(layer, Model) else (layer,))]

    def make_predict_function(self, force: bool = False) -> Callable[[Iterator[Any]], Any]:
        """Return a function from an iterator of batches to the outputs of its next one, all made ready to run.

        Args:
            force: Boolean, as in Keras: there is nothing to be made anew.
        """
        if self.built and self.expands:
            _ = self.current_plan
        return lambda iterator: self.predict_on_batch(next(iterator))

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
        if not self.expands:
            raise ValueError(f"Model '{self.name}' has a `call` of its own, which cannot run step by step.")
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
        given = array(window, what="`window`")
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
                cast("RNN", layer).reset_state()

    def quantize(self, mode: str | None = None, config: None = None, filters: Any = None) -> None:
        """Quantize the weights of the products of LSTM, GRU, SimpleRNN and Dense, in place.

        They become integers with a scale a column, and rows of inputs and states become integers when they are read
        (`docs/quantization.md`); everything else stays float32. Every way of running the model uses them from then on,
        with the same bits on all CPUs. The float32 weights are dropped: `get_weights` gives what the integers stand
        for. A quantized model cannot be trained or given other weights; `save_packed` writes it.

        Args:
            mode: `"int16"`: up to twice as fast as float32, with errors of some 1e-4. `"int8"`: three times, and 1e-3.
            config: Only None.
            filters: Which layers: a regular expression that their names have, a list of such, or a function of a layer;
                None for all.

        Raises:
            ValueError: When the mode is another one, the model is not built, a layer is quantized already, or a weight
                is infinite or NaN. Nothing has changed then.

        Differs from Keras: has `"int16"`, other modes are refused, and layers without products stay as they are
        without a warning.
        """
        quantization.quantize(self, mode, config, filters)
        if self.expands:
            _ = self.current_plan  # the one before it holds packed float32 weights
        give_back()

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
            raise ValueError(
                f"Provide only a layer name or a layer index. Received: index={quoted(index)}, name={quoted(name)}."
            )
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {quoted(name)}. Existing layers are: {[layer.name for layer in layers]}.")

    def _repr_html_(self) -> str:
        """The summary, in a notebook."""
        return html_summary(self)

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


def _has_graph(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether these are the arguments of a model of a graph."""
    return len(args) >= 2 or (len(args) == 1 and "outputs" in kwargs) or {"inputs", "outputs"} <= set(kwargs)


def _functional() -> type[Model]:
    from fastlstm.models.functional import Functional

    return Functional


def _put_in_place(cls: type, old: type, new: type) -> None:
    """Make `new` the base of a class, and of its bases, wherever `old` is."""
    if old in cls.__bases__:
        cls.__bases__ = tuple(new if base is old else base for base in cls.__bases__)
    for base in cls.__bases__:
        if issubclass(base, old) and base not in (old, new):
            _put_in_place(base, old, new)
    cast("type[Predictor]", cls).find_calls()


def _plain_number(value: Any) -> Any:
    """The Python number of a NumPy one, which JSON does not know."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written to a config.")
