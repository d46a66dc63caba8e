"""How a model of one path runs step by step: the parts of its plan, each frozen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fastlstm.engine import Program, ops
from fastlstm.layers.base.building import overrides
from fastlstm.layers.base.layer import LATER_STEPS, Layer
from fastlstm.layers.core.embedding import Embedding
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.models.calls import Calls
from fastlstm.models.frozen import FrozenChain, FrozenLayer, FrozenPart
from fastlstm.models.parts import ChainPart, Part

Sizes = tuple[int, ...]


class StepPlan:
    """How a model runs step by step, with the weights that it had at one moment.

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
        parts: list[FrozenPart],
        step_shape: Sizes,
        output_shape: Sizes,
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
        if len(self.parts) != 1 or not isinstance(self.parts[0], FrozenChain):
            return None
        part = self.parts[0]
        return part.program if part.recurrent and len(self.output_shape) == 1 else None


def stepped(calls: Calls, parts: Sequence[Part]) -> StepPlan:
    """Return the parts of a path, each frozen."""
    shape = calls.input_shapes[0]
    takes_ids = parts[0].layers[0].takes_ids if parts else False
    if len(shape) < (2 if takes_ids else 3):
        raise ValueError(f"Model '{calls.name}' has no axis of time: its input has the shape {shape}.")
    step_shape, in_time, masked, kind, needs_python = shape[2:], True, False, "values", None
    frozen: list[FrozenPart] = []
    for part in parts:
        was_in_time = in_time
        for layer in part.layers:
            _check_causal(layer, shape, in_time)
            shape = _output_shape(layer, shape)
            in_time = in_time and not (isinstance(layer, RNN) and not layer.return_sequences)
        made = list(part.frozen(masked, not frozen, was_in_time))
        needs_python = needs_python or _needs_python(part, made)
        kind = _output_kind(part.bound.ops, kind) if isinstance(part, ChainPart) else part.layers[0].output_kind
        for layer in part.layers:
            masked = (masked and layer.supports_masking) or layer.makes_masks
        frozen += made
    if needs_python is None and not any(part.recurrent for part in frozen):
        needs_python = "none of its layers is recurrent"
    elif needs_python is None and len(frozen) > 1:
        needs_python = "its layers do not run as one program"
    output_shape = shape[2:] if in_time else shape[1:]
    vocabulary = cast("Embedding", parts[0].layers[0]).input_dim if takes_ids else 0
    return StepPlan(frozen, cast("Sizes", step_shape), cast("Sizes", output_shape), vocabulary, kind, needs_python)


def _check_causal(layer: Layer, shape: Sequence[int | None], in_time: bool) -> None:
    """Raise ValueError, naming the layer, if it cannot run step by step; see `Layer.step_problem`."""
    # A subclass may do anything in its `call`.
    unknown = not layer.native and overrides(type(layer), ("call", "__call__"), over="step_problem")
    problem = LATER_STEPS if unknown else layer.step_problem(shape, in_time)
    in_engine = layer.native and all(map(ops.works_in_steps, layer.lower()))
    if problem is None and in_engine and not in_time and len(shape) > 2:
        problem = f"what it gets at a step is a sequence of its own, of shape {tuple(shape[1:])}."
    if problem is not None:
        raise ValueError(f"Layer '{layer.name}' (of type {type(layer).__name__}) cannot run step by step: {problem}")


def _output_shape(layer: Layer, shape: Any) -> Any:
    shape = layer.compute_output_shape(shape)
    # With return_state, the shape of the output comes first.
    return shape[0] if isinstance(shape[0], (tuple, list)) else tuple(shape)


def _needs_python(part: Part, frozen: Sequence[FrozenPart]) -> str | None:
    """Why a step of a part cannot do without Python, None if it can."""
    in_numpy = [one.layer for one in frozen if isinstance(one, FrozenLayer)]
    with_functions = [layer for layer in part.layers if isinstance(part, ChainPart) and _calls_python(layer)]
    for layers, reason in ((in_numpy, "runs in NumPy"), (with_functions, "has a Python function as activation")):
        if layers:
            return f"layer '{layers[0].name}' (of type {type(layers[0]).__name__}) {reason}"
    return None


def _calls_python(layer: Layer) -> bool:
    values = [value for op in layer.lower() for value in vars(op).values()]
    return any(isinstance(value, ops.Activation) and value.function is not None for value in values)


def _output_kind(lowered: Sequence[ops.Op], before: str) -> str:
    if not lowered:
        return before
    op = lowered[-1]
    if not isinstance(op, (ops.DenseOp, ops.ActivationOp)):
        return "values"
    return {"softmax": "probabilities", "linear": "logits", "log_softmax": "logits"}.get(op.activation.name, "values")
