"""`Bidirectional`: a sequence read forwards by one layer and backwards by another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.arguments import explained
from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.arrays import as_mask
from fastlstm.layers.base.chain import run_beside
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.joining import GraphValues, one_value, values_in
from fastlstm.layers.base.layer import LATER_STEPS, Layer
from fastlstm.layers.base.serialization import deserialize, register, serialize
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.rnn.states import of_sequences
from fastlstm.layers.symbolic.calling import named_arguments
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward

_Merge = Callable[[np.ndarray, np.ndarray], np.ndarray]
# What becomes of the outputs of the two directions; None keeps both.
_MERGES: dict[str | None, _Merge | None] = {
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda forward, backward: (forward + backward) / np.float32(2),
    "concat": lambda forward, backward: np.concatenate((forward, backward), axis=-1),
    None: None,
}


_MERGE_OPS = {"concat": "concatenate", "sum": "add", "mul": "multiply", "ave": "average"}
_HALF = np.float32(0.5)
# From the gradients by the merged outputs, and the outputs, to the gradients by these.
_MERGE_GRADIENTS: dict[str | None, Callable[[Any, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "sum": lambda d, y, y_back: (d[0], d[0]),
    "mul": lambda d, y, y_back: (d[0] * y_back, d[0] * y),
    "ave": lambda d, y, y_back: (d[0] * _HALF, d[0] * _HALF),
    "concat": lambda d, y, y_back: (d[0][..., : y.shape[-1]], d[0][..., y.shape[-1] :]),
    None: lambda d, y, y_back: (d[0], d[1]),
}


@register
class Bidirectional(Layer):
    """A recurrent layer and its mirror image, which reads from the last step to the first.

    Both are new layers, made from the config of the given one; only a given `backward_layer` is used itself.

    Args:
        layer: A recurrent layer.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or None for both outputs.
        weights: Not used, as in Keras 3.
        backward_layer: The recurrent layer that reads backwards; None makes one from `layer`. It has the other
            `go_backwards`, and the same `stateful`, `return_sequences` and `return_state`.
        **kwargs: As for `Layer`.

    Raises:
        ValueError: When an argument is not valid.
    """

    supports_masking = True
    reads_masks = True
    inner_names = "merged"

    def __init__(
        self,
        layer: RNN,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: RNN | None = None,
        **kwargs: Any,
    ) -> None:
        _check_recurrent(layer, backward_layer)
        if merge_mode not in _MERGES:
            raise ValueError(
                f"Invalid merge mode. Received: {quoted(merge_mode)}. Merge mode should be one of "
                '{"sum", "mul", "ave", "concat", None}'
            )
        super().__init__(**kwargs)
        self.forward_layer: RNN = _copy(layer, "forward_", layer.go_backwards)
        self.backward_layer: RNN = _copy(layer, "backward_", True) if backward_layer is None else backward_layer
        _check_directions(self.forward_layer, self.backward_layer)
        for direction in (self.forward_layer, self.backward_layer):
            # A masked step has no output of its own, so that the two directions agree on it.
            direction.zero_output_for_mask = layer.return_sequences
            if hasattr(layer, "use_cudnn"):
                direction.use_cudnn = layer.use_cudnn
        self.merge_mode = merge_mode
        self.stateful: bool = layer.stateful
        self.return_sequences: bool = layer.return_sequences
        self.return_state: bool = layer.return_state
        self.input_spec = layer.input_spec

    def named_children(self) -> tuple[tuple[str, Layer], ...]:
        return (("forward_layer", self.forward_layer), ("backward_layer", self.backward_layer))

    def build(self, input_shape: Shape) -> None:
        self.build_child(self.forward_layer, input_shape)
        self.build_child(self.backward_layer, input_shape)
        self.input_spec: InputSpec | None = self.forward_layer.input_spec

    @property
    def ends_masks(self) -> bool:  # type: ignore[override]
        return not self.return_sequences

    @property
    def lowers(self) -> bool:
        if self.return_state or self.stateful or self.merge_mode is None:
            return False
        return all(one.native and one.begins_from_zeros for one in (self.forward_layer, self.backward_layer))

    def lower(self) -> list[ops.Op]:
        backward = self.backward_layer.lower()
        if self.return_sequences:
            backward = [*backward, ops.StepsOp(backwards=True)]
        merge = ops.MergeOp(_MERGE_OPS[cast(str, self.merge_mode)])
        return [ops.BranchesOp((tuple(self.forward_layer.lower()), tuple(backward)), merge)]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        named = named_arguments(self, args[0], args[1:], kwargs)
        states = named.pop("initial_state", None)
        x, given = one_value(list(named.values()), {}, 3), [] if states is None else values_in(states, 2)
        count = len(flatten(self.forward_layer.state_size))
        if x is None or given is None or self.stateful:
            return None
        forward, backward = (
            layer.lower_call(graph, (x,), {"initial_state": of_layer} if given else {}) if layer.joins else None
            for layer, of_layer in ((self.forward_layer, given[:count]), (self.backward_layer, given[count:]))
        )
        if forward is None or backward is None:
            return None
        (y, *forward_states), (y_back, *backward_states) = forward, backward
        if self.return_sequences:
            y_back = graph.add(ops.StepsOp(backwards=True), cast(int, y_back))
        merge = self.merge_mode
        outputs = (
            [y, y_back]
            if merge is None
            else [graph.add(ops.MergeOp(_MERGE_OPS[merge]), cast(int, y), cast(int, y_back))]
        )
        return [*outputs, *forward_states, *backward_states]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        return LATER_STEPS

    @property
    def inner_recurrent(self) -> int:  # type: ignore[override]
        return len(self.forward_layer.lower()) + len(self.backward_layer.lower())

    def call(
        self, sequences: np.ndarray, initial_state: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        """Return the merged outputs, or a tuple of both; with `return_state` a tuple that goes on with the states.

        Args:
            sequences: `(batch, timesteps, features)`.
            initial_state: The states at the start, those of the forward layer and then those of the backward layer.
            mask: `(batch, timesteps)`, nonzero where a step counts; or None.
            training: Boolean.

        Raises:
            ValueError: When a shape does not fit.
        """
        states = self._halves(initial_state)
        directions = self.forward_layer, self.backward_layer
        if all(direction.native_in_training if training else direction.native for direction in directions):
            first, second = (direction.chain.bound for direction in directions)
            made: Sequence[Any] = run_beside(first, second, sequences, as_mask(mask, sequences.shape), *states)
        else:
            pairs = zip(directions, states, strict=True)
            made = [one.call(sequences, state, mask, bool(training)) for one, state in pairs]
        for one, outputs in zip(directions, made, strict=True):
            one.add_penalties(outputs)
        return self.merged(*made)

    @property
    def penalized(self) -> bool:
        return self.forward_layer.penalized or self.backward_layer.penalized

    def call_with_gradient(
        self, sequences: np.ndarray, initial_state: Any = None, mask: Any = None, training: bool | None = None
    ) -> tuple[Any, Backward]:
        from fastlstm.layers.base.gradient import Gradients

        states = self._halves(initial_state)
        pairs = zip((self.forward_layer, self.backward_layer), states, strict=True)
        (forward, of_forward), (backward, of_backward) = (
            one.call_with_gradient(sequences, state, mask, bool(training)) for one, state in pairs
        )

        self.forward_layer.add_penalties(forward)
        self.backward_layer.add_penalties(backward)

        def back(d: Any) -> Any:
            d_forward, d_backward = self._merged_backward(d, forward, backward)
            d_forward = self.forward_layer.d_penalized(forward, d_forward)
            d_backward = self.backward_layer.d_penalized(backward, d_backward)
            ours, theirs = Gradients(*of_forward(d_forward)), Gradients(*of_backward(d_backward))
            keywords = {}
            if initial_state is not None:
                keywords["initial_state"] = [*ours.keywords["initial_state"], *theirs.keywords["initial_state"]]
            return Gradients(ours.inputs + theirs.inputs, [*ours.weights, *theirs.weights], keywords)

        return self.merged(forward, backward), back

    def check_gradient(self) -> None:
        super().check_gradient()
        self.forward_layer.check_gradient()
        self.backward_layer.check_gradient()

    def _merged_backward(self, d: Any, forward: Any, backward: Any) -> tuple[Any, Any]:
        """The gradients by what the two layers gave, from that by what `merged` made of it."""
        merged = 2 if self.merge_mode is None else 1
        several = merged == 2 or self.return_state
        d_outputs, d_states = (d[:merged], d[merged:]) if several else ((d,), ())
        y, y_back = (forward[0], backward[0]) if self.return_state else (forward, backward)
        y_back = y_back[:, ::-1] if self.return_sequences else y_back
        d_forward, d_backward = _MERGE_GRADIENTS[self.merge_mode](d_outputs, y, y_back)
        d_backward = np.ascontiguousarray(d_backward[:, ::-1] if self.return_sequences else d_backward)
        if not self.return_state:
            return d_forward, d_backward
        count = len(self.forward_layer.state_size)
        return (d_forward, *d_states[:count]), (d_backward, *d_states[count:])

    def merged(self, forward: Any, backward: Any) -> Any:
        """Return what a call gives.

        Args:
            forward, backward: What the two layers gave.
        """
        states: tuple[Any, ...] = ()
        if self.return_state:
            (forward, *forward_states), (backward, *backward_states) = forward, backward
            states = (*forward_states, *backward_states)
        if self.return_sequences:
            backward = backward[:, ::-1]
        merge = _MERGES[self.merge_mode]
        outputs = (forward, np.ascontiguousarray(backward)) if merge is None else (merge(forward, backward),)
        return (*outputs, *states) if self.return_state or merge is None else outputs[0]

    def _halves(self, states: Any) -> tuple[Any, Any]:
        if states is None:
            return None, None
        count = len(self.forward_layer.state_size)
        expected = count + len(self.backward_layer.state_size)
        if not isinstance(states, (list, tuple)) or len(states) != expected:
            received = f"{len(states)} entries" if isinstance(states, (list, tuple)) else type(states).__name__
            raise ValueError(
                f"The initial state of layer '{self.name}' should be a list of {expected} entries, first those of "
                f"'{self.forward_layer.name}', then those of '{self.backward_layer.name}'. Received: {received}"
            )
        return states[:count], states[count:]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        forward = self.forward_layer.compute_output_shape(input_shape)
        backward = self.backward_layer.compute_output_shape(input_shape)
        states: tuple[Any, ...] = ()
        if self.return_state:
            (forward, *forward_states), (backward, *backward_states) = forward, backward
            states = (*forward_states, *backward_states)
        if self.merge_mode is None:
            return (forward, backward, *states)
        if self.merge_mode == "concat":
            forward = (*forward[:-1], forward[-1] + backward[-1])
        return (forward, *states) if self.return_state else forward

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask if self.return_sequences else None
        outputs = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            count = len(self.forward_layer.state_size) + len(self.backward_layer.state_size)
            return [*outputs, *(None for _ in range(count))]
        return tuple(outputs) if self.merge_mode is None else mask

    # States

    @property
    def states(self) -> tuple[Any, ...] | None:
        """The kept states of both directions, if the layer is stateful and built; else None."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return (*forward, *backward) if forward and backward else None

    def reset_state(self) -> None:
        """Set the kept states to zeros.

        Raises:
            AttributeError: When the layer is not stateful.
        """
        self.reset_states()

    def reset_states(self, states: Any = None) -> None:
        """Set the kept states.

        Args:
            states: Those of the forward layer and then those of the backward layer; None for zeros.

        Raises:
            AttributeError: When the layer is not stateful.
            ValueError: When a shape does not fit.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        forward, backward = self._halves(states)
        self.forward_layer.reset_states(forward)
        self.backward_layer.reset_states(backward)

    # Configs

    def build_from_config(self, config: dict[str, Any]) -> None:
        super().build_from_config(of_sequences(config))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialize(self.forward_layer),
            "backward_layer": serialize(self.backward_layer),
        }

    @classmethod
    @explained
    def from_config(cls, config: dict[str, Any]) -> Bidirectional:
        config = dict(config)
        layer = deserialize(config.pop("layer"))
        backward = config.pop("backward_layer", None)
        if backward is not None:
            backward = deserialize({**backward, "build_config": None})
        elif isinstance(layer, RNN):
            # Keras 2 wrote one layer alone, and turned it round whichever way it read.
            backward = _copy(layer, "backward_", not layer.go_backwards)
        return cls(cast(RNN, layer), backward_layer=backward, **config)


def _copy(layer: RNN, prefix: str, go_backwards: bool) -> RNN:
    """A new layer with the arguments of `layer`, in one direction."""
    name = prefix + layer.name.removeprefix(prefix)
    return type(layer).from_config({**layer.get_config(), "name": name, "go_backwards": go_backwards})


def _check_recurrent(layer: Any, backward_layer: Any) -> None:
    if not isinstance(layer, Layer):
        raise ValueError(
            f"Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: {quoted(layer)}"
        )
    if backward_layer is not None and not isinstance(backward_layer, Layer):
        raise ValueError(
            f"`backward_layer` need to be a `keras.layers.Layer` instance. Received: {quoted(backward_layer)}"
        )
    for one in (layer, backward_layer):
        if one is not None and not isinstance(one, RNN):
            raise ValueError(f"`Bidirectional` needs recurrent layers. Received: {quoted(one)}")


def _check_directions(forward: RNN, backward: RNN) -> None:
    if forward.go_backwards == backward.go_backwards:
        raise ValueError(
            "Forward layer and backward layer should have different `go_backwards` value. Received: "
            f"forward_layer.go_backwards {forward.go_backwards}, "
            f"backward_layer.go_backwards={backward.go_backwards}"
        )
    for name in ("stateful", "return_sequences", "return_state"):
        if getattr(forward, name) != getattr(backward, name):
            raise ValueError(
                "Forward layer and backward layer are expected to have the same value for attribute "
                f'"{name}", got "{getattr(forward, name)}" for forward layer and "{getattr(backward, name)}" for '
                "backward layer"
            )
