"""How a model is run: one batch at a time, by its plan or, where a subclass has one, by its own `call`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastlstm.backend import Tensor
from fastlstm.engine import ArrayForm
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.added_losses import ADDING
from fastlstm.layers.base.arrays import as_tensors, as_values, carried_mask
from fastlstm.layers.base.building import overrides
from fastlstm.layers.base.input_spec import standardize_shape
from fastlstm.layers.base.joining import GraphValues, unmasked_values_in
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, map_shapes, map_structure
from fastlstm.layers.base.tracing import TRACING, UNDER_WAY
from fastlstm.layers.base.variable import CHANGES, Watch
from fastlstm.layers.symbolic.calling import call_parameters, call_with_masks
from fastlstm.layers.symbolic.keras_tensor import KerasTensor, is_symbolic
from fastlstm.layers.symbolic.node import record_call
from fastlstm.layers.symbolic.shape_inference import inferred_output_shape
from fastlstm.models import inputs as data
from fastlstm.models import ragged
from fastlstm.models.calls import Calls, Slot
from fastlstm.models.graph import Graph as CallGraph
from fastlstm.models.joining import lower_calls
from fastlstm.models.plan import Plan
from fastlstm.models.progress import Progress
from fastlstm.printable import quoted


class Predictor(Layer, builds_once=False):
    """The part of a model that runs it.

    A kind of model says what its inputs are, how its calls expand, and how its outputs are structured.
    """

    supports_masking = True
    traces = True
    inner_names = (
        "calls current_plan expand find_calls graph is_built_by leaves prepared prepared_for_epochs ready_to_trace "
        "record serialized stateful structured symbolic_input"
    )

    def __init__(self, trainable: bool = True, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._plan: Plan | None = None
        self._watch = Watch()

    # What a kind of model provides

    # Whether a call is a `call` of a subclass, or one of the layers inside; see `find_calls`.
    subclassed: ClassVar[bool]  # type: ignore[misc]
    expands: ClassVar[bool]  # type: ignore[misc]

    # The calls between symbolic inputs and outputs, where there are such.
    graph: CallGraph | None = None

    @property
    def makes_masks(self) -> bool:  # type: ignore[override]
        """Whether a layer inside makes masks that the outputs may carry."""
        return self.built and self.expands and any(tensor.masked for tensor in self.outputs)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs, once they are known."""
        raise AttributeError(f"{type(self).__name__} '{self.name}' has no defined inputs.")

    if TYPE_CHECKING:
        # Of the kinds of models that have them.
        @property
        def outputs(self) -> list[KerasTensor]: ...
        @property
        def layers(self) -> list[Layer]: ...
        def leaves(self) -> list[Layer]: ...

        stop_training: bool
        history: Any
        _initial_epoch: int | None

    def expand(self, calls: Calls, inputs: Sequence[Slot]) -> Sequence[Slot]:
        """Add the calls of the layers inside to a list of calls.

        Args:
            calls: The list.
            inputs: The slots of the inputs.

        Returns:
            The slots of the outputs.
        """
        raise NotImplementedError(f"{type(self).__name__} has no calls of layers: implement `call`.")

    def prepared(self, inputs: Any, rows: int | None = None) -> Any:
        """Return what a caller gave as the layers take it: an array, or a tuple of them for several inputs.

        Args:
            inputs: As for `predict`.
            rows: The most rows that will be run at once, if those of `inputs` are not.

        Raises:
            ValueError: When it does not fit.
        """
        return map_structure(as_values, inputs)

    def prepared_for_epochs(self, inputs: Any, rows: int | None = None) -> Any:
        """Return what `prepared` does; a model that this builds takes batches of any size, as in Keras."""
        return self.prepared(inputs, rows)

    def structured(self, outputs: Any) -> Any:
        """Return the outputs, an array or a tuple, in the structure in which the model gives them."""
        return outputs

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.find_calls()

    @classmethod
    def find_calls(cls) -> None:
        """Find out whether a call is one of the layers inside, or of a `call` that a subclass has of its own."""
        own = overrides(cls, ("call", "__call__"), over="expand")
        cls.subclassed = cls.expand is Predictor.expand
        cls.expands = not cls.subclassed and not own

    # Running

    def __call__(  # type: ignore[override]  # a model takes no other arguments
        self, inputs: Any, training: bool | None = None, mask: Any = None
    ) -> Any:
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
        if UNDER_WAY and TRACING.trace is not None:
            inputs = TRACING.trace.symbolic(inputs)
        plan = self._plan
        if plan is not None and not training and mask is None:
            outputs = plan.direct(inputs)
            if outputs is not None:
                return outputs.view(Tensor)
        # A plain array is neither symbolic nor a carrier of masks.
        if type(inputs) is not np.ndarray:
            if is_symbolic(inputs) or TRACING.trace is not None:
                given = {"training": training, "mask": mask}
                return self.record(inputs, {name: value for name, value in given.items() if value is not None})
            if mask is None:
                carried = [carried_mask(leaf) for leaf in flatten(inputs)]
                mask = carried if any(leaf is not None for leaf in carried) else None
        x = self._ready(inputs)
        if not self.expands:
            with ADDING.call_of(self):
                return as_tensors(*self._called(x, training, mask))
        outputs, masks = self._plan_for(training).run_adding(self, x, mask)
        return as_tensors(self.structured(outputs), masks)

    def record(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        """Record a call on KerasTensors and return what it gives."""
        return record_call(self, inputs, (), kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs for one batch of float32 inputs; a subclass may do something else."""
        if self.subclassed:
            raise NotImplementedError(f"Model {type(self).__name__} does not have a `call()` method implemented.")
        x = self.prepared(inputs)
        plan = self._plan_for(training)
        return self.structured(plan.run_adding(self, x, mask)[0] if ADDING.asked else plan.run(x, mask))

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        values = unmasked_values_in(args[0], 2, 3, 4, 5) if len(args) == 1 and not kwargs else None
        if values is None or not self.expands or not self.built:
            return None
        calls = self.calls()
        return lower_calls(calls, graph, values) if len(values) == len(calls.inputs) else None

    def _called(self, x: Any, training: bool | None = None, mask: Any = None) -> tuple[Any, list[Any]]:
        """The outputs and masks of a subclass' own `call`."""
        given = {"training": training, "mask": mask}
        parameters = call_parameters(type(self))
        kwargs = {name: value for name, value in given.items() if value is not None and name in parameters}
        self.ready_to_trace(x)
        carried = mask if mask is not None else map_structure(lambda leaf: None, x)
        outputs, masks = call_with_masks(self, x, (), kwargs, carried)
        self.is_built_by(x)
        return outputs, masks

    def is_built_by(self, x: Any) -> None:
        """Take note that a call of a first batch has built the layers inside."""
        if not self.built:
            self._build_shape, self.built = map_structure(np.shape, x), True

    def ready_to_trace(self, x: Any) -> None:
        """Let a subclass that has a `build` of its own make its weights for a first batch."""
        if not self.built and type(self).build is not Predictor.build:
            self.build(map_structure(np.shape, x))

    def build(self, input_shape: Any) -> None:
        """Build the layers inside by a call on zeros.

        Args:
            input_shape: Shape with the batch, None where unknown; or several in the structure of the inputs.

        Raises:
            RuntimeError: When the call fails.
        """
        shape = map_shapes(standardize_shape, input_shape)
        inferred_output_shape(self, map_shapes(lambda one: KerasTensor(one, name=""), shape))
        self._build_shape = shape
        self.built: bool = True

    def _run(self, x: Any) -> Any:
        """The outputs of one batch, structured."""
        if self.expands:
            return self.structured(self.current_plan.run(x))
        return map_structure(as_values, self._called(x, False)[0])

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, as arrays.

        Args:
            x: As for `predict`.

        Raises:
            ValueError: When the inputs do not fit.
        """
        plan = self._plan
        outputs = None if plan is None else plan.direct(x)
        return self._run(self._ready(x)) if outputs is None else outputs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        out: Any = None,
    ) -> Any:
        """Return the outputs for all rows, as new float32 arrays. Differs from Keras: has `out`.

        Args:
            x: Array of any numeric dtype, with the batch as its first axis; for several inputs a list or tuple of
                them, or a dict by the inputs' names; or a generator of tuples `(inputs,)`, or a dataset of
                `fastlstm.utils`. For a model of one input of sequences also a list of arrays `(timesteps, features)`,
                or of ids `(timesteps,)`, of any lengths.
            batch_size: Rows that are run at once, 32 by default; the outputs do not depend on it.
            verbose: 1 shows a progress bar, 2 prints one line, 0 nothing. `"auto"` shows a bar on a terminal, once
                the work has taken a second.
            steps: Number of batches, None for all.
            callbacks: A callback of `fastlstm.callbacks`, or a list of them, whose `on_predict_…` methods are called.
            out: Writable float32 array that gets the outputs, batch by batch, and is returned; several in the structure
                of the model's outputs. With `np.memmap` for this and for `x`, memory holds one batch.

        Returns:
            An array, or several in the structure of the model's outputs. For a list of sequences, outputs of different
            lengths are a list of arrays, others one array.

        Raises:
            ValueError: When an argument is not valid, or the inputs do not fit.
        """
        size, steps = data.checked_batch_size(batch_size), data.checked_steps(steps)
        if out is not None:
            for name, value in (("steps", steps), ("callbacks", callbacks)):
                if value:
                    raise ValueError(f"`{name}` is not supported with `out`. Received: {name}={quoted(value)}")
            return self._predict_into(x, out, size, verbose)
        if data.is_generator(x):
            batches: Iterator[Any] = (self.prepared(batch) for batch in data.generated(x))
            count = getattr(x, "num_batches", None) if steps is None else steps
            return data.joined(self._run_all(data.limited(batches, steps), verbose, count, callbacks))
        x = data.checked_data(x)
        if not isinstance(x, np.ndarray) and self._is_ragged(x):
            for name, value in (("steps", steps), ("callbacks", callbacks)):
                if value:
                    raise ValueError(
                        f"`{name}` is not supported for a list of sequences. Received: {name}={quoted(value)}"
                    )
            arrays = [self.prepared(np.asarray(sequence)[np.newaxis], 1) for sequence in x]
            return self.structured(ragged.predict(self.current_plan, arrays, size, verbose))
        x = self._ready(x, size)
        count = max(1, -(-data.rows(x) // size))
        count = count if steps is None else min(count, steps)
        batches = data.limited(data.slices(x, size), steps)
        return data.joined(self._run_all(batches, verbose, count, callbacks))

    def _predict_into(self, x: Any, out: Any, size: int, verbose: Any) -> Any:
        """Write the outputs of all rows; each batch is made ready by itself."""
        if data.is_generator(x) or (not isinstance(data.checked_data(x), np.ndarray) and self._is_ragged(x)):
            raise ValueError(f"`out` is for arrays of rows. Received: x of type {type(x).__name__}")
        leaves, total = flatten(out), data.rows(x)
        with Progress(verbose, max(1, -(-total // size))) as progress:
            for number, batch in enumerate(data.slices(x, size)):
                outputs = flatten(self._run(self._ready(batch, size)))
                if number == 0:
                    data.check_out(leaves, [(total, *output.shape[1:]) for output in outputs])
                start = number * size
                for leaf, output in zip(leaves, outputs, strict=True):
                    leaf[start : start + len(output)] = output
                progress.advance()
        return out

    def _is_ragged(self, x: Any) -> bool:
        if not self.expands:
            return False
        if not self.built:
            return ragged.is_ragged(x, None, False)
        inputs = self.inputs
        return len(inputs) == 1 and ragged.is_ragged(x, inputs[0].shape, self.current_plan.takes_ids)

    def _run_all(self, batches: Iterator[Any], verbose: Any, total: int | None, callbacks: Any) -> list[Any]:
        outputs: list[Any] = []
        with Progress(verbose, total) as progress:
            if callbacks:
                batches = self._called_back(batches, outputs, callbacks, total)
            for batch in batches:
                outputs.append(self._run(batch))
                progress.advance()
        if not outputs:
            raise ValueError("The generator gave no batch to predict from.")
        return outputs

    def _called_back(
        self, batches: Iterator[Any], outputs: list[Any], callbacks: Any, total: int | None
    ) -> Iterator[Any]:
        """The batches, with the callbacks called around each; what it gave is the last of `outputs` by then."""
        from fastlstm.callbacks import Callback, CallbackList

        for callback in flatten(callbacks):
            if not isinstance(callback, Callback):
                raise ValueError(f"`callbacks` should be callbacks. Received: {callback!r}")
        called = CallbackList(callbacks, model=self, verbose=0, epochs=1, steps=total)
        called.on_predict_begin()
        for number, batch in enumerate(batches):
            called.on_predict_batch_begin(number)
            yield batch
            called.on_predict_batch_end(number, {"outputs": outputs[-1]})
        called.on_predict_end()

    # The plan

    def plan(self) -> str:
        """Return how the model, which is built, is run at inference, in words: a line per op of the engine, with its
        sizes and kernels, then how threads share a large call; or per layer that runs in NumPy."""
        if not self.expands:
            return f"NumPy: {type(self).__name__} '{self.name}' has a `call` of its own"
        return "\n".join(self.current_plan.describe())

    @property
    def current_plan(self) -> Plan:
        """How the model, which is built, is run at inference; it follows all changes."""
        plan = self._plan
        return self._planned() if plan is None or not plan.is_current else plan

    def _plan_for(self, training: bool | None) -> Plan:
        plan = self.current_plan
        return Plan(self.calls(), self._watch, training) if training or (training is None and plan.trains) else plan

    def _ready(self, x: Any, rows: int | None = None) -> Any:
        """The inputs as the layers take them; see `prepared`."""
        plan = self._plan
        taken = None if plan is None else plan.taken(x)
        return self.prepared(x, rows) if taken is None else taken

    def _bare_output(self) -> bool:
        """Return whether the outputs are those of the layers inside, and one of them is given as it is."""
        return self.expands

    def _input_forms(self) -> Sequence[ArrayForm]:
        """Return what arrays have to be for the layers to take them as they are, one per input; none if none may."""
        return ()

    def _planned(self) -> Plan:
        with CHANGES.lock:
            self.watch(self._watch)
            plan = Plan(self.calls(), self._watch, False, self._plan, self._input_forms(), self._bare_output())
            self._plan = plan
            return plan

    def calls(self) -> Calls:
        """Return the calls of the layers, those of nested models in place of the models."""
        calls = Calls(self.name, [tensor.shape for tensor in self.inputs])
        calls.outputs = tuple(self.expand(calls, calls.inputs))
        return calls

    # Copies

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_plan": None, "_watch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch = Watch()
