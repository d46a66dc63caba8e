"""Layers with gradients: what a call of one gives back, and native layers in a row as the engine trains them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.training import TrainingProgram
from fastlstm.layers.base.arrays import as_float32
from fastlstm.layers.base.chain import LayerRow
from fastlstm.layers.base.differentiable import Backward as Backward
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.structure import flatten, packed
from fastlstm.layers.base.variable import CHANGES, Variable, Watch
from fastlstm.records import replaced


class Gradients(NamedTuple):
    """What the second result of `Layer.call_with_gradient` returns.

    Args:
        inputs: By the inputs, in their structure; None in place of what has none, as ids.
        weights: By the layer's `trainable_weights`, in their order; None for one that played no part.
        keywords: By further tensors that the layer was called with, by the arguments' names.
        others: By weights of other layers that the call uses, by their ids.
    """

    inputs: Any
    weights: Sequence[np.ndarray | None] = ()
    keywords: dict[str, Any] = {}  # noqa: RUF012 nobody adds to it
    others: dict[int, np.ndarray] = {}  # noqa: RUF012 likewise


_WEIGHTS = ("kernel", "recurrent_kernel", "bias", "table")


class TrainingChain(LayerRow):
    """Native layers in a row as one TrainingProgram, which follows their weights and attributes.

    Args:
        layers: Built layers, each of which takes what the one before gives.
        input_gradient: Whether the gradient by the input is asked for.
        logits: Whether to give what the last activation is applied to, in place of the output.

    Raises:
        NotImplementedError: With the layer's name, when its gradient is not known.
    """

    def __init__(self, layers: Sequence[Layer], input_gradient: bool = True, logits: bool = False) -> None:
        super().__init__(layers)
        self._input_gradient = input_gradient
        self._logits = logits
        self._watch = Watch()
        with CHANGES.lock:
            for layer in self.layers:
                layer.watch(self._watch)
        self._program: TrainingProgram | None = None
        self._ops: list[ops.Op] = []
        self._refresh()

    def _refresh(self) -> None:
        """Take the layers as they are now."""
        with CHANGES.lock:
            self._count = self._watch.count
            for layer in self.layers:
                if layer.quantized_to is not None:
                    raise ValueError(
                        f"Layer '{layer.name}' (of type {type(layer).__name__}) is quantized to {layer.quantized_to}, "
                        "and there is no gradient through integers."
                    )
            of_layers = [layer.lower() for layer in self.layers]
            # Those that training changes, and of each the op and the op's attribute, None where no op has it.
            weights, self._places = _trained_weights(self.layers, of_layers)
            self.weights: list[Variable] = weights
        self._of_first = len(of_layers[0])
        before, self._ops = self._ops, list(chain(*of_layers))
        if self._logits:
            self._ops[-1] = replaced(self._ops[-1], activation=ops.LINEAR)
        trained = {place[0] for place in self._places if place is not None}
        trainable = [number in trained for number in range(len(self._ops))]
        if self._program is not None and self._trainable == trainable and _differ_in_weights(self._ops, before):  # type: ignore[has-type]
            self._program.set_weights(self._ops)
            return
        self._trainable = trainable
        self._program = self._made_program() if self._ops else None

    @property
    def is_current(self) -> bool:
        """Whether nothing has changed since the layers were taken; the lock of `CHANGES` is held."""
        return self._count == self._watch.count

    def take_weights(self) -> None:
        """Take the values of the weights that training changes, where nothing else changed since `is_current`.

        It does what the next run would do by itself, without asking every layer what it is now; the lock of `CHANGES`
        is held.
        """
        if self._program is None or None in self._places:
            return
        values: dict[int, dict[str, np.ndarray]] = {}
        for place, weight in zip(cast("list[tuple[int, str]]", self._places), self.weights, strict=True):
            values.setdefault(place[0], {})[place[1]] = weight.value
        for number, arrays in values.items():
            self._ops[number] = replaced(self._ops[number], **arrays)
        self._program.set_weights(self._ops)
        self._count = self._watch.count

    @property
    def last_activation(self) -> ops.Activation | None:
        """The last op's activation, if that comes after a product or alone."""
        last = self._ops[-1] if self._ops else None
        return last.activation if isinstance(last, (ops.DenseOp, ops.ActivationOp)) else None

    def _made_program(self) -> TrainingProgram:
        try:
            return TrainingProgram(self._ops, self._trainable)
        except NotImplementedError as error:
            names = ", ".join(f"'{layer.name}' (of type {type(layer).__name__})" for layer in self.layers)
            raise NotImplementedError(f"Training cannot go through layer {names}: {error}.") from None

    def run(
        self, x: np.ndarray, mask: np.ndarray | None = None, initial_state: Any = None
    ) -> tuple[Any, Callable[[Any], Gradients]]:
        """Run the layers as `BoundChain.run` does.

        Returns:
            `(outputs, backward)`, of which the second may be called once.
        """
        if self._count != self._watch.count:
            self._refresh()
        if self._program is None:
            return x.copy(), lambda d_output: Gradients(d_output)
        if self._takes_ids and self.recurrent:
            mask = self.layers[0].compute_mask(x, None)
        initial = self.starting_states(len(x), initial_state) if self.recurrent else []
        call = self._program.run(x, mask if self.recurrent else None, list(chain(*initial)))
        outputs, counts = call.output, []
        if self.carries_states:
            states = call.states
            outputs = self.finished(call.output, states, initial)
            counts = [] if self._returning is None else list(map(len, states[-len(initial[-1]) :]))
        places = self._places

        def backward(d_outputs: Any) -> Gradients:
            d_output, *d_returned = d_outputs if self._returning is not None else (d_outputs,)
            leaves = map(as_float32, flatten(d_returned))
            d_last = [[next(leaves) for _ in range(count)] for count in counts]
            before_last = [None] * (sum(map(len, initial)) - len(d_last))
            dx, d_initial, found = call.backward(as_float32(d_output), [*before_last, *d_last], self._input_gradient)
            weights = [None if place is None else found[place[0]][place[1]] for place in places]
            if initial_state is None:
                return Gradients(dx, weights)
            return Gradients(
                dx, weights, {"initial_state": packed(initial_state, flatten(d_initial[: self._of_first]))}
            )

        return outputs, backward


def _trained_weights(
    layers: Sequence[Layer], of_layers: Sequence[Sequence[ops.Op]]
) -> tuple[list[Variable], list[tuple[int, str] | None]]:
    weights: list[Variable] = []
    places: list[tuple[int, str] | None] = []
    start = 0
    for layer, lowered in zip(layers, of_layers, strict=True):
        named = ((number, name) for number, _ in enumerate(lowered) for name in _WEIGHTS)
        found = {id(getattr(lowered[number], name, None)): (start + number, name) for number, name in named}
        for weight in layer.trainable_weights:
            weights.append(weight)
            places.append(found.get(id(weight.value)))
        start += len(lowered)
    return weights, places


def _differ_in_weights(lowered: Sequence[ops.Op], before: Sequence[ops.Op]) -> bool:
    """Whether these are the same ops with other values of the weights, at most."""
    return len(lowered) == len(before) and all(_form(a) == _form(b) for a, b in zip(lowered, before, strict=True))


def _form(op: ops.Op) -> tuple[Any, ...]:
    """All of an op but the values of its weights."""
    return type(op), *(value.shape if isinstance(value, np.ndarray) else value for value in vars(op).values())
