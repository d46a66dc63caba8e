"""A model as a row of parts that each run one time step: the engine's, and what runs in NumPy between them."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import PoolStepper, Program, ops
from fastlstm.layers.activations.activation_layers import Softmax
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.chain import layer_versions
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.variable import CHANGES
from fastlstm.layers.core.masking import Masking
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.symbolic.calling import call_with_masks
from fastlstm.models.calls import Call
from fastlstm.models.causality import check_causal, window_span

if TYPE_CHECKING:
    from fastlstm.models.model import Model

Mask = np.ndarray | None
States = list[list[np.ndarray]]


class EnginePart:
    """Layers in a row that the engine runs.

    Args:
        lowered: The layers as ops.
        masked: Whether the steps may be masked.
        program: Made of the ops; None makes one.
    """

    def __init__(self, lowered: list[ops.Op], masked: bool, program: Program | None = None) -> None:
        self.ops = lowered
        self.masked = masked
        self.program = Program(lowered) if program is None else program
        self.recurrent = any(isinstance(op, ops.RecurrentOp) for op in lowered)

    def start(self, capacity: int) -> EngineSteps | Stateless:
        """Return what runs it, for as many rows."""
        if not self.recurrent:
            return Stateless(lambda x, mask: (self.program.run(x)[0], mask))
        return EngineSteps(PoolStepper(self.program, capacity, self.masked))

    def __reduce__(self) -> Any:
        return EnginePart, (self.ops, self.masked)


class LayerPart:
    """A layer that runs in NumPy.

    Args:
        layer: The layer, which nobody changes.
        in_time: Whether it takes a step as a sequence of one.
    """

    def __init__(self, layer: Layer, in_time: bool) -> None:
        self.layer = layer
        self.in_time = in_time

    def start(self, capacity: int) -> WindowSteps | Stateless:
        """Return what runs it, for as many rows."""
        span = window_span(self.layer)
        return Stateless(self._run) if span == 1 or not self.in_time else WindowSteps(self.layer, span, capacity)

    def _run(self, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        if not self.layer.supports_masking:
            mask = None
        if not self.in_time:
            return as_float32(self.layer.call(x)), None
        carried = None if mask is None else mask[:, np.newaxis]
        y, masks = call_with_masks(self.layer, x[:, np.newaxis], (), {}, carried)
        return as_float32(y[:, 0]), None if masks[0] is None else np.ascontiguousarray(masks[0][:, 0], bool)


class Stateless:
    """Runs a part that remembers nothing.

    Args:
        function: Takes a step and its mask, and returns its output and that one's mask.
    """

    def __init__(self, function: Any) -> None:
        self._function = function

    def step(self, rows: np.ndarray, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        return self._function(x, mask)

    def grow(self, capacity: int) -> None:
        """Do nothing."""

    def states(self, rows: np.ndarray) -> States:
        return []

    def set_states(self, rows: np.ndarray, states: States | None) -> None:
        """Do nothing."""


class EngineSteps:
    """Runs an `EnginePart` with recurrent ops.

    Args:
        stepper: Of its program.
    """

    def __init__(self, stepper: PoolStepper) -> None:
        self.stepper = stepper
        self.grow, self.states, self.set_states = stepper.grow, stepper.states, stepper.set_states

    def step(self, rows: np.ndarray, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        return self.stepper.step(rows, x, None, mask), mask


class WindowSteps:
    """Runs a causal convolution: the steps before the present one that it reads are its state.

    Args:
        layer: The convolution, without padding: the window has the zeros that stand for the steps before the first.
        span: Steps that one output reads.
        capacity: Number of rows.
    """

    def __init__(self, layer: Layer, span: int, capacity: int) -> None:
        self._layer = layer
        self._past = np.zeros((capacity, span - 1, layer.input_spec.axes[-1]), np.float32)

    def step(self, rows: np.ndarray, x: np.ndarray, mask: Mask) -> tuple[np.ndarray, Mask]:
        window = np.concatenate([self._past[rows], x[:, np.newaxis]], axis=1)
        y = self._layer.call(window)[:, 0]
        self._past[rows] = window[:, 1:]
        return as_float32(y), None

    def grow(self, capacity: int) -> None:
        more = np.zeros((capacity - len(self._past), *self._past.shape[1:]), np.float32)
        self._past = np.concatenate([self._past, more])

    def states(self, rows: np.ndarray) -> States:
        return [[self._past[rows]]]

    def set_states(self, rows: np.ndarray, states: States | None) -> None:
        self._past[rows] = 0.0 if states is None else states[0][0]


Part = EnginePart | LayerPart


class StepPlan:
    """How a model runs step by step, with the weights that it has now.

    Args:
        parts: The parts, each of which takes what the one before gives.
        step_shape: Shape of one step's input, without the batch; `()` for ids.
        output_shape: Shape of one step's output, without the batch.
        vocabulary: Number of ids if the input is ids, else 0.
        output_kind: `"probabilities"`, `"logits"` or `"values"`: what the last layer makes.
        needs_python: Why a step cannot do without Python, in words that name the layer; None if it can.
    """

    def __init__(
        self,
        parts: list[Part],
        step_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        vocabulary: int,
        output_kind: str,
        needs_python: str | None,
    ) -> None:
        self.parts = parts
        self.step_shape = step_shape
        self.output_shape = output_shape
        self.vocabulary = vocabulary
        self.output_kind = output_kind
        self.needs_python = needs_python

    @property
    def program(self) -> Program | None:
        """The one program that is the whole plan, if it is one."""
        if len(self.parts) != 1 or not isinstance(self.parts[0], EnginePart):
            return None
        part = self.parts[0]
        return part.program if part.recurrent and len(self.output_shape) == 1 else None


_PLANS: weakref.WeakKeyDictionary[Model, tuple[Any, StepPlan]] = weakref.WeakKeyDictionary()


def step_plan(model: Model) -> StepPlan:
    """Return how a model runs step by step; the same plan as before while the model has not changed.

    Raises:
        ValueError: When the model cannot, naming the layer and the reason.
    """
    if not model.built:
        raise ValueError(f"Model '{model.name}' has to be built before it can run step by step.")
    with CHANGES.lock:
        calls = _path(model)
        key = tuple(call.layer for call in calls), tuple(layer_versions([call.layer for call in calls]))
        made = _PLANS.get(model)
        if made is None or made[0] != key:
            made = _PLANS[model] = key, _planned(model, calls)
        return made[1]


def _path(model: Model) -> list[Call]:
    """The calls of a model, if each takes what the one before gives and nothing else."""
    calls = model.calls()
    if len(calls.inputs) != 1 or len(calls.outputs) != 1:
        raise ValueError(
            f"Only a model of one input and one output runs step by step. Model '{model.name}' has "
            f"{len(calls.inputs)} and {len(calls.outputs)}."
        )
    slot = calls.inputs[0]
    for call in calls.calls:
        if call.args != (slot,) or any(call.kwargs.values()):
            raise ValueError(
                f"Layer '{call.layer.name}' (of type {type(call.layer).__name__}) cannot run step by step: it does not "
                "take the output of the layer before it alone, and only models of one path can."
            )
        slot = call.outputs[0]
    if slot != calls.outputs[0]:
        raise ValueError(f"The output of model '{model.name}' is not that of its last layer.")
    return calls.calls


def _planned(model: Model, calls: Sequence[Call]) -> StepPlan:
    shape = tuple(model.inputs[0].shape)
    layers = [call.layer for call in calls]
    takes_ids = bool(layers) and layers[0].takes_ids
    if len(shape) < (2 if takes_ids else 3):
        raise ValueError(f"Model '{model.name}' has no axis of time: its input has the shape {shape}.")
    step_shape = shape[2:]
    builder = _Builder()
    for layer in layers:
        check_causal(layer, shape, builder.in_time)
        shape = _output_shape(layer, shape)
        builder.add(layer)
    output_shape = shape[2:] if builder.in_time else shape[1:]
    vocabulary = layers[0].input_dim if takes_ids else 0
    parts = builder.finished(model)
    return StepPlan(parts, step_shape, output_shape, vocabulary, builder.output_kind, builder.needs_python())


def _output_shape(layer: Layer, shape: Any) -> Any:
    shape = layer.compute_output_shape(shape)
    # With return_state, the shape of the output comes first.
    return shape[0] if isinstance(shape[0], (tuple, list)) else tuple(shape)


class _Builder:
    """Collects layers into parts."""

    def __init__(self) -> None:
        self.in_time = True
        self.output_kind = "values"
        self._needs_python: str | None = None
        self._masked = False
        self._parts: list[Part] = []
        self._row: list[ops.Op] = []
        self._row_is_masked = False

    def add(self, layer: Layer) -> None:
        """Add the next layer, which is causal."""
        lowered = self._lowered(layer)
        self._needs_python = self._needs_python or _needs_python(layer, lowered)
        if self._masked and not layer.supports_masking:
            self._end_row()
            self._masked = False
        if lowered is None:
            self._end_row()
            self._parts.append(LayerPart(_frozen(layer, self.in_time), self.in_time))
            self._masked = self._masked or isinstance(layer, Masking) or getattr(layer, "mask_zero", False)
            self.output_kind = "probabilities" if isinstance(layer, Softmax) else "values"
        else:
            if not self._row:
                self._row_is_masked = self._masked
            self._row += lowered
            if lowered:
                self.output_kind = _output_kind(lowered[-1])
        if isinstance(layer, RNN) and not layer.return_sequences:
            self.in_time = False

    def finished(self, model: Model) -> list[Part]:
        """Return the parts, the program of a model that is one chain being shared with `predict`."""
        chain = model.current_plan.chain
        self._end_row(chain.program if chain is not None and not self._parts else None)
        return self._parts

    def needs_python(self) -> str | None:
        """Return why a step cannot do without Python, None if it can."""
        if self._needs_python is None and not any(part.recurrent for part in self._parts):
            return "none of its layers is recurrent"
        return self._needs_python

    def _lowered(self, layer: Layer) -> list[ops.Op] | None:
        if layer.takes_ids and (layer.mask_zero or self._parts or self._row):
            return None
        return layer.lower()

    def _end_row(self, program: Program | None = None) -> None:
        if self._row:
            self._parts.append(EnginePart(self._row, self._row_is_masked, program))
            self._row = []


def _frozen(layer: Layer, in_time: bool) -> Layer:
    """A copy that later changes of the layer do not reach, without padding if it reads several steps."""
    copied = copy.deepcopy(layer)
    if in_time and window_span(layer) > 1:
        copied.padding = "valid"
    return copied


def _needs_python(layer: Layer, lowered: list[ops.Op] | None) -> str | None:
    values = [value for op in lowered or () for value in vars(op).values()]
    if lowered is None:
        reason = "runs in NumPy"
    elif any(isinstance(value, ops.Activation) and value.function is not None for value in values):
        reason = "has a Python function as activation"
    else:
        return None
    return f"layer '{layer.name}' (of type {type(layer).__name__}) {reason}"


def _output_kind(op: ops.Op) -> str:
    if not isinstance(op, (ops.DenseOp, ops.ActivationOp)):
        return "values"
    return {"softmax": "probabilities", "linear": "logits", "log_softmax": "logits"}.get(op.activation.name, "values")
