"""Recurrent layers: ONNX's LSTM, GRU and RNN where these have the activations, a loop over the steps elsewhere.

The operators know sequences of several lengths, but no step that is left out in the middle. A masked layer is therefore
written as: the steps that count moved to the front of each sequence, in their order; the operator, told how many there
are; and the outputs moved back, where a step that does not count repeats the output before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from fastlstm.layers.activations.activation import lower_activation
from fastlstm.layers.base.structure import flatten
from fastlstm.layers.rnn.bidirectional import Bidirectional
from fastlstm.layers.rnn.cell import Cell
from fastlstm.layers.rnn.gru import GRUCell
from fastlstm.layers.rnn.lstm import LSTMCell
from fastlstm.layers.rnn.rnn import RNN
from fastlstm.layers.rnn.simple_rnn import SimpleRNNCell
from fastlstm.layers.rnn.stacked_cells import StackedRNNCells
from fastlstm.onnx.writing.activations import activated, inside_recurrent
from fastlstm.onnx.writing.builder import FLOAT, INT, Builder, Value
from fastlstm.onnx.writing.call import Call, Outputs, refusal, writes

# The operator of a cell, and the places of Keras' gates in the order of ONNX.
_OPERATORS = {LSTMCell: ("LSTM", (0, 3, 1, 2)), GRUCell: ("GRU", (0, 1, 2)), SimpleRNNCell: ("RNN", (0,))}


@writes(RNN)
def write_rnn(call: Call) -> Outputs:
    """Write a recurrent layer."""
    layer = call.layer
    mask = call.kwargs.get("mask")
    given = call.kwargs.get("initial_state", call.args[0] if call.args else None)
    output, states = _Recurrence(call, layer, given).run(call.inputs, mask)
    return [output, *states] if layer.return_state else output


@writes(Bidirectional)
def write_bidirectional(call: Call) -> Outputs:
    """Write both directions, and what becomes of their outputs."""
    layer, b = call.layer, call.b
    given = call.kwargs.get("initial_state", call.args[0] if call.args else None)
    halves = layer._halves(given)
    mask = call.kwargs.get("mask")
    (ours, our_states), (theirs, their_states) = (
        _Recurrence(call, one, states).run(call.inputs, mask, in_time_order=one.return_sequences)
        for one, states in zip((layer.forward_layer, layer.backward_layer), halves, strict=True)
    )
    if layer.return_sequences and layer.forward_layer.go_backwards:
        # Keras turns the second output round, whichever way it was read.
        ours, theirs = b.backwards(ours, 1), b.backwards(theirs, 1)
    merges: dict[str | None, Callable[[], list[Value]]] = {
        "concat": lambda: [b.concat([ours, theirs], -1)],
        "sum": lambda: [b.add(ours, theirs)],
        "mul": lambda: [b.mul(ours, theirs)],
        "ave": lambda: [b.div(b.add(ours, theirs), b.number(2))],
        None: lambda: [ours, theirs],
    }
    outputs = merges[layer.merge_mode]()
    outputs += [*our_states, *their_states] if layer.return_state else []
    return outputs if len(outputs) > 1 else outputs[0]


class _Recurrence:
    """One recurrent layer in one direction.

    Args:
        call: The call that it is part of.
        layer: The layer.
        given: The states that the call is given; None for none.
    """

    def __init__(self, call: Call, layer: RNN, given: Any) -> None:
        self.b, self.layer, self.given = call.b, layer, given
        cell = layer.cell
        self.cells: list[Any] = list(cell.cells) if type(cell) is StackedRNNCells else [cell]
        for one in self.cells:
            if type(one) not in _OPERATORS:
                raise refusal(layer, f"has a cell {type(one).__name__} that has no operator in ONNX")
        if not layer.begins_from_zeros:
            raise refusal(layer, "begins from states of its own (`get_initial_state`)")
        self.kept = call.states

    def run(self, x: Value, mask: Value | None, in_time_order: bool = False) -> tuple[Value, list[Value]]:
        """Return the output and the last states.

        Args:
            x: `(batch, timesteps, features)`.
            mask: `(batch, timesteps)`, or None.
            in_time_order: Whether outputs come in the order of time, where the layer reads backwards.
        """
        b, layer = self.b, self.layer
        states = self._starting_states(x)
        reverse = layer.go_backwards and mask is None and len(self.cells) == 1
        if layer.go_backwards and not reverse:
            x = b.backwards(x, 1)
            mask = None if mask is None else b.backwards(mask, 1)
        steps = _Steps(b, x, mask)
        y, last = steps.sequence, []
        for cell, before in zip(self.cells, states, strict=True):
            y, after = steps.over_time(layer, cell, y, before, reverse)
            last.append(after)
        output = self._output(steps, y, last[-1][0], reverse, in_time_order)
        self._keep(last)
        return output, [state for of_cell in last for state in of_cell]

    def _output(self, steps: _Steps, y: Value, h: Value, reverse: bool, in_time_order: bool) -> Value:
        """The output of the layer from those of the last cell over `(timesteps, batch)`, and its last one."""
        layer, b = self.layer, self.b
        if not layer.return_sequences:
            return steps.last_output(h, layer.zero_output_for_mask)
        y = steps.outputs(y, layer.zero_output_for_mask)
        # With the operator's own direction the outputs are in the order of time.
        return b.backwards(y, 1) if layer.go_backwards and reverse != in_time_order else y

    def _starting_states(self, x: Value) -> list[list[Value | None]]:
        """The states of every cell, None for zeros."""
        b, layer = self.b, self.layer
        shapes = [(x.shape[0], cell.units) for cell in self.cells for _ in range(cell.state_count)]
        if self.given is not None:
            values = [one if isinstance(one, Value) else b.constant(one, FLOAT) for one in flatten(self.given)]
            if len(values) != len(shapes):
                raise ValueError(
                    f"The initial state of layer '{layer.name}' should be {len(shapes)} arrays. Received: {len(values)}"
                )
            flat: list[Any] = [self._for_batch(x, one) if one.shape[0] == 1 else one for one in values]
        elif self.kept.keeps(layer):
            names = self._state_names()
            flat = [self._for_batch(x, self.kept.input(name, shape)) for name, shape in zip(names, shapes, strict=True)]
        else:
            flat = [None] * len(shapes)
        each = iter(flat)
        return [[next(each) for _ in range(cell.state_count)] for cell in self.cells]

    def _for_batch(self, x: Value, state: Value) -> Value:
        """A state of one row, or of all, for all."""
        shape = (x.shape[0], state.shape[1])
        return self.b.expand(state, self.b.concat([self.b.size(x, 0), self.b.ints(state.shape[1])], 0), shape)

    def _keep(self, last: Sequence[Sequence[Value]]) -> None:
        if self.given is None and self.kept.keeps(self.layer):
            flat = [state for of_cell in last for state in of_cell]
            for name, state in zip(self._state_names(), flat, strict=True):
                self.kept.output(name, state)

    def _state_names(self) -> list[str]:
        path = self.layer.path
        many = len(self.cells) > 1
        return [
            f"{path}/{number}/{state}" if many else f"{path}/{state}"
            for number, cell in enumerate(self.cells)
            for state in ("h", "c")[: cell.state_count]
        ]


class _Steps:
    """The steps of a sequence, `(timesteps, batch, features)` for the operators, those that count first.

    Args:
        b: The graph.
        x: `(batch, timesteps, features)`.
        mask: `(batch, timesteps)`, or None.
    """

    def __init__(self, b: Builder, x: Value, mask: Value | None) -> None:
        self.b, self.batch, self.mask = b, x.shape[0], mask
        self.batch_size = b.size(x, 0)
        self.length, self.timesteps = b.size(x, 1), x.shape[1]
        self.lengths: Value | None = None
        if mask is None:
            self.sequence = b.transpose(x, (1, 0, 2))
            return
        counts = b.cast(mask, INT)
        self.counted = b.op("CumSum", counts, b.constant(np.int64(1)))
        self.lengths = b.cast(b.reduce("Sum", counts, [1]), "int32")
        # Which step comes where: by its number, after the last one if it does not count.
        number = b.expand_dims(b.arange(self.length, self.timesteps), 0)
        key = b.where(mask, number, b.add(number, b.expand_dims(self.length, 0)))
        _, order = b.nodes_of(
            "TopK",
            [b.cast(key, "int32"), self.length],
            [key.shape, key.shape],
            ("int32", INT),
            axis=1,
            largest=0,
            sorted=1,
        )
        front = self._taken(x, order)
        self.sequence = b.transpose(front, (1, 0, 2))

    def _taken(self, x: Value, order: Value) -> Value:
        """`x` with other steps of each row, `(batch, timesteps)` of their numbers."""
        b = self.b
        features = x.shape[2]
        index = b.expand_dims(order, 2)
        sizes = b.concat([b.sizes(order), b.ints(features)], 0)
        shape = (*order.shape, features)
        return b.op("GatherElements", x, b.expand(index, sizes, shape), shape=shape, axis=1)

    def over_time(
        self, layer: RNN, cell: Cell, x: Value, states: Sequence[Value | None], reverse: bool
    ) -> tuple[Value, list[Value]]:
        """Return what a cell gives for every step, `(timesteps, batch, units)`, and its last states."""
        op, order = _OPERATORS[type(cell)]
        names = [name for name in ("recurrent_activation", "activation") if hasattr(cell, name)]
        lowered = [lower_activation(getattr(cell, name), cell.units) for name in names]
        known = [None if one.function else inside_recurrent(one) for one in lowered]
        if None in known:
            return _Loop(self, layer, cell).run(x, states, reverse)
        # f of the gates, g of the candidate, and of an LSTM h of the output.
        used = [*known, known[-1]] if op == "LSTM" else known
        alphas = [alpha for _, alpha, _ in used if alpha is not None]  # type: ignore[misc]
        betas = [beta for _, _, beta in used if beta is not None]  # type: ignore[misc]
        given = [None if state is None else self.b.expand_dims(state, 0) for state in states]
        shape = (self.timesteps, 1, self.batch, cell.units)
        outputs = self.b.nodes_of(
            op,
            [x, *_weights(self.b, cell, order), self.lengths, *given],
            [shape, *[(1, self.batch, cell.units)] * cell.state_count],
            FLOAT,
            hidden_size=cell.units,
            direction="reverse" if reverse else "forward",
            activations=[name for name, _, _ in used],  # type: ignore[misc]
            activation_alpha=alphas or None,
            activation_beta=betas or None,
            linear_before_reset=int(cast(GRUCell, cell).reset_after) if op == "GRU" else None,
        )
        y, *last = (self.b.squeeze(one, 1 if one.ndim == 4 else 0) for one in outputs)
        return y, [self._unless_empty(after, before) for after, before in zip(last, states, strict=True)]

    def _unless_empty(self, after: Value, before: Value | None) -> Value:
        """A last state, or the first one of a row of which no step counts."""
        if self.lengths is None:
            return after
        some = self.b.expand_dims(self.b.compare("Greater", self.lengths, 0), 1)
        return self.b.where(some, after, self.b.number(0) if before is None else before)

    def outputs(self, y: Value, zero_for_mask: bool) -> Value:
        """Return the outputs `(batch, timesteps, units)`, those of each step at its place."""
        b = self.b
        y = b.transpose(y, (1, 0, 2))
        if self.mask is None:
            return y
        # Before the first step that counts, the output is zeros.
        zeros = b.expand(
            b.number(0), b.concat([self.batch_size, b.ints(1, y.shape[2])], 0), (self.batch, 1, y.shape[2])
        )
        y = self._taken(b.concat([zeros, y], 1), self.counted)
        return b.where(b.expand_dims(self.mask, 2), y, b.number(0)) if zero_for_mask else y

    def last_output(self, h: Value, zero_for_mask: bool) -> Value:
        """Return the output at the last step, from the last state."""
        if self.mask is None:
            return h
        b = self.b
        there = b.at(self.mask, 1, -1) if zero_for_mask else b.compare("Greater", self.lengths, 0)
        return b.where(b.expand_dims(there, 1), h, b.number(0))


def _weights(b: Builder, cell: Any, order: Sequence[int]) -> list[Value | None]:
    """The weights as the operators take them: rows for columns, the gates in their order, both biases in one."""
    path = cell.path

    def rows(array: np.ndarray) -> np.ndarray:
        blocks = np.split(array, len(order), axis=-1)
        return np.concatenate([blocks[place] for place in order], axis=-1).T[np.newaxis]

    arrays = [(rows(cell.kernel.value), "W"), (rows(cell.recurrent_kernel.value), "R")]
    values: list[Value | None] = [b.constant(array, name=f"{path}/{name}") for array, name in arrays]
    if not cell.use_bias:
        return [*values, None]
    bias = cell.bias.value
    bias = np.stack([bias, np.zeros_like(bias)]) if bias.ndim == 1 else bias
    both = np.concatenate([rows(one)[0] for one in bias])[np.newaxis]
    return [*values, b.constant(both, name=f"{path}/B")]


# --- a step at a time -----------------------------------------------------------------------------------------------


class _Loop:
    """A cell whose activations ONNX's operators lack, as a `Scan` over the steps.

    Args:
        steps: The sequence.
        layer: Whose cell it is, for errors.
        cell: The cell.
    """

    def __init__(self, steps: _Steps, layer: RNN, cell: Any) -> None:
        self.steps, self.layer, self.cell = steps, layer, cell

    def run(self, x: Value, states: Sequence[Value | None], reverse: bool) -> tuple[Value, list[Value]]:
        """Return the outputs of all steps and the last states; the arguments are those of `_Steps.over_time`."""
        steps, cell = self.steps, self.cell
        b = steps.b
        shape = (steps.batch, cell.units)
        sizes = b.concat([steps.batch_size, b.ints(cell.units)], 0)
        before = [b.expand(b.number(0), sizes, shape) if state is None else state for state in states]
        kernel = b.weight(cell.kernel)
        z = b.matmul(x, kernel)
        if cell.use_bias:
            bias = cell.bias.value
            z = b.add(z, b.constant(bias if bias.ndim == 1 else bias[0]))
        scanned = [z]
        if steps.lengths is not None:
            number = b.expand_dims(b.arange(steps.length, steps.timesteps), 1)
            scanned.append(b.compare("Less", number, b.expand_dims(b.cast(steps.lengths, INT), 0)))
        body = Builder(b)
        inner = [Value(body.name("state"), state.shape, FLOAT) for state in before]
        slices = [Value(body.name("step"), one.shape[1:], one.dtype) for one in scanned]
        after = self._step(body, slices[0], inner)
        if len(slices) > 1:
            valid = body.expand_dims(slices[1], 1)
            after = [body.where(valid, new, old) for new, old in zip(after, inner, strict=True)]
        output = body.op("Identity", after[0])
        graph = _subgraph(body, [*inner, *slices], [*after, output])
        y_shape = (steps.timesteps, *shape)
        made = b.nodes_of(
            "Scan",
            [*before, *scanned],
            [*[shape] * len(before), y_shape],
            FLOAT,
            body=graph,
            num_scan_inputs=len(scanned),
            scan_input_directions=[int(reverse)] * len(scanned),
            scan_output_directions=[int(reverse)],
        )
        return made[-1], made[:-1]

    def _step(self, b: Builder, z: Value, states: list[Value]) -> list[Value]:
        """The states after a step, from what the inputs give."""
        cell, units = self.cell, self.cell.units

        def part(value: Value, number: int) -> Value:
            return b.slice(value, 1, number * units, (number + 1) * units)

        def active(value: Value, name: str = "activation") -> Value:
            return activated(b, getattr(cell, name), value, self.layer)

        h = states[0]
        recurrent = cell.recurrent_kernel.value
        if isinstance(cell, GRUCell):
            return [self._gru_step(b, z, h, part, active)]
        z = b.add(z, b.matmul(h, b.constant(recurrent)))
        if isinstance(cell, SimpleRNNCell):
            return [active(z)]
        i, f, candidate, o = (part(z, number) for number in range(4))
        c = b.add(
            b.mul(active(f, "recurrent_activation"), states[1]),
            b.mul(active(i, "recurrent_activation"), active(candidate)),
        )
        return [b.mul(active(o, "recurrent_activation"), active(c)), c]

    def _gru_step(self, b: Builder, x: Value, h: Value, part: Any, active: Any) -> Value:
        cell, units = self.cell, self.cell.units
        kernel = cell.recurrent_kernel.value
        if cell.reset_after:
            inner = b.matmul(h, b.constant(kernel))
            inner = b.add(inner, b.constant(cell.bias.value[1])) if cell.use_bias else inner
        else:
            inner = b.matmul(h, b.constant(kernel[:, : 2 * units]))
        z, r = (active(b.add(part(x, number), part(inner, number)), "recurrent_activation") for number in (0, 1))
        if cell.reset_after:
            candidate = b.mul(r, part(inner, 2))
        else:
            candidate = b.matmul(b.mul(r, h), b.constant(kernel[:, 2 * units :]))
        new = active(b.add(part(x, 2), candidate))
        return b.add(b.mul(z, h), b.mul(b.sub(b.number(1), z), new))


def _subgraph(body: Builder, inputs: Sequence[Value], outputs: Sequence[Value]) -> Any:
    from fastlstm.onnx.writing.model import described

    helper = body.root._onnx.helper
    return helper.make_graph(body.nodes, body.name("step"), described(body, inputs), described(body, outputs))
