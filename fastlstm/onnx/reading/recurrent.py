"""LSTM, GRU and RNN nodes as the layers of these names, one or two directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlstm import layers, ops
from fastlstm.onnx.reading.cells import PeepholeLSTMCell
from fastlstm.onnx.reading.graph import Node, Reader, constant, reads, tensor
from fastlstm.onnx.reading.values import Filled, Stack, Tensor, Unfit, Value, identity

_LAYERS: dict[str, Any] = {"LSTM": layers.LSTM, "GRU": layers.GRU, "RNN": layers.SimpleRNN}
# Keras' order of the gates from that of ONNX: i, f, c, o from i, o, f, c.
_ORDER = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}
_DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
# (default alpha, default beta), None where there is none.
_PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0),
    "elu": (1.0, None),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01, None),
    "scaledtanh": (1.0, 1.0),
    "thresholdedrelu": (1.0, None),
}
_PLAIN = ("relu", "tanh", "sigmoid", "softsign", "softplus")


@dataclass(frozen=True)
class Direction:
    """What one direction has of its own.

    Args:
        weights: Those of the layer, in its order.
        activations: Keras' identifiers, in the node's order.
        peepholes: Those of the gates i, o and f, or None.
        states: Those it begins with; None for zeros.
    """

    weights: list[np.ndarray]
    activations: list[Any]
    peepholes: np.ndarray | None
    states: list[Any] | None


@reads("LSTM", "GRU", "RNN")
def read_recurrent(r: Reader, node: Node, inputs: list[Value]) -> Sequence[Value]:
    """Make the layer, and say what its outputs are."""
    inputs = inputs + [None] * (8 - len(inputs))
    x, w, recurrent, bias, lengths, *states = inputs
    w, recurrent = constant(w, "W"), constant(recurrent, "R")
    bias = None if bias is None else constant(bias, "B")
    if w.ndim != 3 or recurrent.ndim != 3 or len(w) not in (1, 2) or len(w) != len(recurrent):
        raise Unfit(f"its weights have the shapes {w.shape} and {recurrent.shape}")
    layout = node.attribute("layout", 0)
    order = (0, 1, 2) if layout else (1, 0, 2)
    x = tensor(x).in_order(order)
    if x.batch_axis != order.index(0):
        raise Unfit("the axis that it has for the batch is another one elsewhere")
    ways = node.attribute("direction", "forward")
    if (ways == "bidirectional") != (len(w) == 2) or ways not in ("forward", "reverse", "bidirectional"):
        raise Unfit(f"its direction is {ways!r} and its weights are those of {len(w)}")
    activations = _activations(node, len(w))
    peepholes = None if inputs[7] is None else constant(inputs[7], "P")
    begins = [_states(state, layout, number) for number in range(len(w)) for state in states[: _count(node)]]
    count = _count(node)
    directions = [
        Direction(
            _weights(node, w[number], recurrent[number], None if bias is None else bias[number]),
            activations[number],
            None if peepholes is None else peepholes[number],
            _begin(begins[number * count : (number + 1) * count], r, recurrent.shape[-1]),
        )
        for number in range(len(w))
    ]
    return _Recurrence(r, node, x, directions, ways, _mask(x, lengths)).outputs(layout)


def _count(node: Node) -> int:
    """How many states there are."""
    return 2 if node.operator == "LSTM" else 1


def _activations(node: Node, ways: int) -> list[list[Any]]:
    """Keras' identifiers of the activations of each direction."""
    each = len(_DEFAULTS[node.operator])
    names = node.attribute("activations") or _DEFAULTS[node.operator] * ways
    if len(names) != each * ways:
        raise Unfit(f"it has {len(names)} activations where it needs {each * ways}")
    alphas, betas = (iter(node.attribute(name) or []) for name in ("activation_alpha", "activation_beta"))
    found: list[Any] = []
    for name in names:
        alpha, beta = _PARAMETERS.get(name.lower(), (None, None))
        alpha = None if alpha is None else next(alphas, alpha)
        beta = None if beta is None else next(betas, beta)
        found.append(_activation(name, alpha, beta))
    return [found[number * each : (number + 1) * each] for number in range(ways)]


def _activation(name: str, alpha: Any, beta: Any) -> Any:
    lower = name.lower()
    if lower in _PLAIN:
        return lower
    if lower == "affine" and (alpha, beta) == (1.0, 0.0):
        return "linear"
    if lower == "elu" and alpha == 1.0:
        return "elu"
    if lower == "elu":
        return layers.ELU(float(alpha))
    if lower == "leakyrelu":
        return layers.LeakyReLU(float(alpha))
    if lower == "hardsigmoid":
        for known, values in (
            *(("hard_sigmoid_keras2", (0.2, 0.5)), ("hard_sigmoid", (1 / 6, 0.5)), ("sparse_sigmoid", (0.5, 0.5))),
        ):
            if np.allclose((alpha, beta), values, rtol=1e-6):
                return known
    if lower == "scaledtanh" and (alpha, beta) == (1.0, 1.0):
        return "tanh"
    raise Unfit(f"its activation {name} with alpha={alpha} and beta={beta} is not supported")


def _weights(node: Node, w: np.ndarray, recurrent: np.ndarray, bias: np.ndarray | None) -> list[np.ndarray]:
    """The weights of a layer from those of a direction."""
    order = _ORDER[node.operator]

    def columns(rows: np.ndarray) -> np.ndarray:
        blocks = np.split(np.asarray(rows, np.float32), len(order))
        return np.ascontiguousarray(np.concatenate([blocks[gate] for gate in order]).T)

    made = [columns(w), columns(recurrent)]
    if bias is not None:
        of_inputs, of_states = (columns(half) for half in np.split(bias, 2))
        apart = node.operator == "GRU" and node.attribute("linear_before_reset", 0)
        made.append(np.stack([of_inputs, of_states]) if apart else of_inputs + of_states)
    return made


def _mask(x: Tensor, lengths: Value) -> Any:
    """Which steps count, of sequences of several lengths; None if all do."""
    if lengths is None:
        return None
    if isinstance(lengths, np.ndarray):
        if isinstance(x.sizes[1], int) and (lengths == x.sizes[1]).all():
            return None
        raise Unfit("its `sequence_lens` are constants, which hold for one batch alone")
    if isinstance(lengths, Filled) and isinstance(x.sizes[1], int) and int(lengths.number) == x.sizes[1]:
        return None
    if not isinstance(lengths, Tensor):
        raise Unfit("its `sequence_lens` are of another kind than a tensor")
    number = ops.cumsum(ops.ones_like(x.tensor[:, :, 0]), axis=1)
    given = ops.cast(lengths.tensor, "float32")
    return ops.less_equal(number, ops.expand_dims(given, 1))


def _states(value: Value, layout: int, number: int) -> Any:
    """A state `(batch, units)` that a direction begins with; None for zeros."""
    axis = 1 if layout else 0
    if value is None or (isinstance(value, Filled) and value.number == 0):
        return None
    if isinstance(value, np.ndarray):
        row = np.take(value, number, axis)
        if not row.any():
            return None
        if (row != row[:1]).any():
            raise Unfit("the states that it begins with are constants that differ from row to row of one batch")
        return np.ascontiguousarray(row[:1], np.float32)
    if isinstance(value, Stack) and value.axis == axis:
        return value.items[number].in_order((0, 1)).tensor
    value = tensor(value)
    if value.batch_axis == axis or value.rank != 3:
        raise Unfit("the states that it begins with have another axis for the batch")
    natural = value.natural()
    return natural.tensor[:, number]


def _begin(states: list[Any], r: Reader, units: int) -> list[Any] | None:
    """The states of a direction, None if all are zeros."""
    if all(state is None for state in states):
        return None
    return [np.zeros((1, units), np.float32) if state is None else state for state in states]


class _Recurrence:
    """The layer of a node.

    Args:
        r: The reader.
        node: The node.
        x: Its sequences, as a layer reads them.
        directions: One or two.
        ways: The node's `direction`.
        mask: Which steps count, or None.
    """

    def __init__(self, r: Reader, node: Node, x: Tensor, directions: list[Direction], ways: str, mask: Any) -> None:
        self.r, self.node, self.x, self.directions, self.ways, self.mask = r, node, x, directions, ways, mask
        self.units = directions[0].weights[1].shape[0]
        used = [r.uses[node.output(number)] > 0 and bool(node.output(number)) for number in range(3)]
        self.sequences = used[0]
        self.states = used[2] or (used[0] and used[1])

    def outputs(self, layout: int) -> Sequence[Value]:
        """Return what the names of the node's outputs stand for."""
        sizes = self.x.sizes
        y, states = self._called()
        units, count = self.units, _count(self.node)
        y_order, h_order = ((0, 1, 2), (0, 1)) if layout else ((1, 0, 2), (0, 1))
        y_axis, h_axis = (2, 1) if layout else (1, 0)
        both = len(self.directions) == 2
        whole, order = ((sizes[0], sizes[1]), y_order) if self.sequences else ((sizes[0],), h_order)
        if both:
            joined = Tensor(y, order, (*whole, 2 * units))
            halves = [y[..., :units], y[..., units:]]
        else:
            joined, halves = None, [y]
        axis = y_axis if self.sequences else h_axis
        outputs = Stack([Tensor(half, order, (*whole, units)) for half in halves], axis, joined)
        if joined is not None:
            self.r.halves[identity(outputs.items)] = joined
        kept = [
            Stack([Tensor(one, h_order, (sizes[0], units)) for one in states[number::count]], h_axis)
            for number in range(count if states else 0)
        ]
        if not self.sequences:
            return [None, outputs, *kept[1:]]
        return [outputs, *kept]

    def _called(self) -> tuple[Any, list[Any]]:
        """The outputs, those of two directions side by side, and the last states of each."""
        made = [self._layer(one, number) for number, one in enumerate(self.directions)]
        given = [state for one in self.directions for state in one.states or []]
        if given and any(one.states is None for one in self.directions):
            zeros = [np.zeros((1, self.units), np.float32)] * _count(self.node)
            given = [state for one in self.directions for state in one.states or zeros]
        if len(made) == 2:
            layer: Any = layers.Bidirectional(made[0], merge_mode="concat", backward_layer=made[1])
        else:
            layer = made[0]
        arguments: dict[str, Any] = {"initial_state": given} if given else {}
        if self.mask is not None:
            arguments["mask"] = self.mask
        called = layer(self.x.tensor, **arguments)
        layer.set_weights([weight for one in self.directions for weight in self._of_layer(one)])
        y, *states = called if isinstance(called, (list, tuple)) else [called]
        if self.ways == "reverse" and self.sequences:
            y = ops.flip(y, axis=1)
        return y, states

    def _layer(self, one: Direction, number: int) -> Any:
        over_time = {
            "return_sequences": self.sequences,
            "return_state": self.states,
            "go_backwards": self.ways == "reverse" or number == 1,
            "zero_output_for_mask": self.sequences,
        }
        if self._is_special(one):
            names = [name for name in one.activations if isinstance(name, str)]
            if len(names) < 3:
                raise Unfit("its peepholes or limits and an activation with a parameter of its own are not supported")
            clip = self.node.attribute("clip")
            cell = PeepholeLSTMCell(self.units, names, clip, bool(self.node.attribute("input_forget", 0)))
            return layers.RNN(cell, **over_time)
        if self.node.attribute("clip") is not None:
            raise Unfit("its attribute `clip` is not supported")
        given: dict[str, Any] = {"activation": one.activations[-1], "use_bias": len(one.weights) == 3}
        if self.node.operator != "RNN":
            given["recurrent_activation"] = one.activations[0]
        if self.node.operator == "GRU":
            given["reset_after"] = bool(self.node.attribute("linear_before_reset", 0))
        return _LAYERS[self.node.operator](self.units, **given, **over_time)

    def _is_special(self, one: Direction) -> bool:
        """Whether it is an LSTM for which Keras has no arguments."""
        if self.node.operator != "LSTM":
            return False
        asked = self.node.attribute("clip") is not None or self.node.attribute("input_forget", 0)
        g, h = one.activations[1:]
        return bool(asked) or one.peepholes is not None or ((isinstance(g, str) or isinstance(h, str)) and g != h)

    def _of_layer(self, one: Direction) -> list[np.ndarray]:
        if not self._is_special(one):
            return one.weights
        bias = one.weights[2] if len(one.weights) == 3 else np.zeros(4 * self.units, np.float32)
        peepholes = np.zeros(3 * self.units, np.float32) if one.peepholes is None else one.peepholes
        return [*one.weights[:2], bias, np.asarray(peepholes, np.float32)]
