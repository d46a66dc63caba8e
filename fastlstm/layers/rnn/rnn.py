"""`RNN`: a cell run over time; what all recurrent layers share of masks and states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.engine import ops
from fastlstm.engine.graph import Graph
from fastlstm.layers.base.arrays import as_mask
from fastlstm.layers.base.building import overrides
from fastlstm.layers.base.input_spec import InputSpec, Shape
from fastlstm.layers.base.joining import GraphValues, one_value, values_in
from fastlstm.layers.base.layer import Layer
from fastlstm.layers.base.recurrent import Recurrent
from fastlstm.layers.base.serialization import deserialize, register, serialize
from fastlstm.layers.base.structure import flatten, map_structure, packed
from fastlstm.layers.base.variable import Variable
from fastlstm.layers.rnn.cell import Cell, check_cell, is_native
from fastlstm.layers.rnn.dropout_steps import drawn_mask, one_call
from fastlstm.layers.rnn.stacked_cells import (
    StackedRNNCells,
    check_cell_gradient,
    initial_state,
    output_size,
    step,
    step_with_gradient,
)
from fastlstm.layers.rnn.states import as_states, of_sequences
from fastlstm.layers.rnn.step_loop import run_over_time, run_over_time_with_gradient
from fastlstm.layers.symbolic.calling import named_arguments
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.layers.base.gradient import Backward


@register
class RNN(Recurrent):
    """A cell run over the time steps of sequences `(batch, timesteps, features)`.

    Args:
        cell: A cell, or a list of cells that each read the output of the one before. A cell is one of this package,
            which the engine runs, or any object with `state_size` (an integer, or a list of them) and
            `call(inputs, states)` that returns `(output, new_states)`, which is called once per step.
        return_sequences: Boolean, whether to return every step's output instead of the last one's.
        return_state: Boolean, whether to return the last states too.
        go_backwards: Boolean, whether to read the sequences from their last step to their first; outputs come in the
            order of reading.
        stateful: Boolean, whether row i of a batch continues row i of the one before.
        unroll: Boolean, kept for configs; it does not change the results.
        zero_output_for_mask: Boolean, whether masked steps give 0 instead of the output before them.
        **kwargs: As for `Layer`; also Keras 2's `input_length`, with `input_dim`.

    Raises:
        ValueError: When an argument is not known or not valid.
    """

    supports_masking = True
    inner_names = "cell_class cell_config native_cells"

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        check_cell(cell)
        # Keras 2's way to say (timesteps, features).
        length = kwargs.pop("input_length", None)
        if "input_dim" in kwargs:
            kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.input_spec = InputSpec(ndim=3) if self.native_cells() else InputSpec(min_ndim=3)
        self._states: list[Any] | None = None

    def named_children(self) -> tuple[tuple[str, Layer], ...]:
        return (("cell", self.cell),) if isinstance(self.cell, Layer) else ()

    @property
    def state_size(self) -> list[Any]:
        """The cell's `state_size` as a list, of one integer or list per state or stacked cell."""
        size = self.cell.state_size
        return [size] if isinstance(size, int) else list(size)

    def native_cells(self) -> tuple[Cell, ...]:
        """Return the cells, in their order, if the engine can run them in a row; else none."""
        cell = self.cell
        if type(cell) is not StackedRNNCells:
            return (cell,) if is_native(cell) else ()
        # Read backwards, all cells of a stack see the mask backwards, which ops in a row do not.
        if self.go_backwards and len(cell.cells) > 1:
            return ()
        return tuple(cell.cells) if all(map(is_native, cell.cells)) else ()

    def build(self, input_shape: Shape) -> None:
        batch, _, *step_shape = input_shape
        if self.stateful and batch is None:
            raise ValueError(
                "When using `stateful=True` in a RNN, the batch size must be static. "
                f"Found dynamic batch size: sequence.shape={input_shape}"
            )
        if isinstance(self.cell, Layer):
            self.build_child(self.cell, (batch, *step_shape))
        if self.stateful:
            self._states = map_structure(self._kept, self.get_initial_state(cast(int, batch)))
        if self.native_cells():
            self.input_spec: InputSpec = InputSpec(ndim=3, axes={-1: step_shape[-1]})

    def _kept(self, state: Any) -> Variable:
        array = np.array(state, np.float32)
        variable = Variable(np.zeros, array.shape, "rnn_state", f"{self.path}/rnn_state", trainable=False)
        variable.adopt(array)
        return variable

    def call(self, sequences: np.ndarray, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Return the outputs, with `return_state` a tuple of them and the last states.

        Args:
            sequences: `(batch, timesteps, features)`.
            initial_state: The states at the start, each `(batch, units)`; None for the kept ones or zeros.
            mask: `(batch, timesteps)`, nonzero where a step counts; or None.
            training: Boolean.

        Raises:
            ValueError: When a shape does not fit.
        """
        mask = as_mask(mask, sequences.shape)
        if not self.lowers or (training and self._drops and not self._drops_inputs_alone):
            return self._call_step_by_step(sequences, initial_state, mask, training)
        if training and self._drops:
            sequences = sequences * self._input_mask(sequences)
        return self.chain.run(sequences, mask, initial_state)

    @property
    def _drops(self) -> bool:
        return any(cell.drops for cell in self.native_cells())

    @property
    def _drops_inputs_alone(self) -> bool:
        cells = self.native_cells()
        return len(cells) == 1 and cells[0].drops_inputs_alone

    def _input_mask(self, sequences: np.ndarray) -> np.ndarray:
        cell = self.native_cells()[0]
        return drawn_mask(cell, (len(sequences), sequences.shape[-1]), cell.dropout)[:, np.newaxis]

    @property
    def native_in_training(self) -> bool:
        return self.native and not self._drops

    def call_with_gradient(
        self, sequences: np.ndarray, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> tuple[Any, Backward]:
        mask = as_mask(mask, sequences.shape)
        if self.native and not (training and self._drops):
            return self.training_chain.run(sequences, mask, initial_state)
        if self.native and self._drops_inputs_alone:
            kept = self._input_mask(sequences)
            outputs, of_chain = self.training_chain.run(sequences * kept, mask, initial_state)

            def of_dropped(d: Any) -> Any:
                gradients = of_chain(d)
                return gradients._replace(inputs=gradients.inputs * kept)

            return outputs, of_dropped
        with one_call():
            outputs, last, of_loop = run_over_time_with_gradient(
                lambda inputs, states: step_with_gradient(self.cell, inputs, states, bool(training)),
                sequences,
                self._first_states(len(sequences), initial_state),
                mask,
                self.return_sequences,
                self.go_backwards,
                self.zero_output_for_mask,
            )
        if self.stateful:
            self.keep_states(last)

        def backward(d: Any) -> Any:
            d_outputs, *d_last = d if self.return_state else (d,)
            d_last = packed(last, flatten(d_last)) if d_last else map_structure(np.zeros_like, last)
            dx, d_states, of_weights = of_loop(d_outputs, d_last)
            return dx, of_weights, {"initial_state": d_states} if initial_state is not None else {}

        return (outputs, *last) if self.return_state else outputs, backward

    def check_gradient(self) -> None:
        super().check_gradient()
        if not self.native_in_training:
            check_cell_gradient(self.cell)

    def _call_step_by_step(
        self, sequences: np.ndarray, given: Any, mask: np.ndarray | None, training: bool | None
    ) -> Any:
        with one_call():
            output, states = run_over_time(
                lambda inputs, states: step(self.cell, inputs, states, bool(training)),
                sequences,
                self._first_states(len(sequences), given),
                mask,
                self.return_sequences,
                self.go_backwards,
                self.zero_output_for_mask,
            )
        if self.stateful:
            self.keep_states(states)
        return (output, *states) if self.return_state else output

    def _first_states(self, batch: int, given: Any) -> Any:
        """The states from which the cell starts: those given, those kept, or the cell's own."""
        states = self._kept_states(batch) or self.get_initial_state(batch)
        if given is None:
            return states
        return packed(states, as_states(given, [np.shape(state) for state in flatten(states)], self.name))

    @property
    def lowers(self) -> bool:
        return bool(self.native_cells())

    def lower(self) -> list[ops.Op]:
        cells = self.native_cells()
        backwards = bool(self.go_backwards)
        last = cells[-1].lower_over_time(
            return_sequences=bool(self.return_sequences),
            go_backwards=backwards,
            zero_output_for_mask=bool(self.zero_output_for_mask),
        )
        return [*(cell.lower_over_time(return_sequences=True) for cell in cells[:-1]), last]

    def lower_call(self, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> GraphValues | None:
        named = named_arguments(self, args[0], args[1:], kwargs)
        states = named.pop("initial_state", None)
        x, given = one_value(list(named.values()), {}, 3), [] if states is None else values_in(states, 2)
        if x is None or given is None or self.stateful or not self.native:
            return None
        cells, counts = self.native_cells(), [cell.state_count for cell in self.native_cells()]
        if len(given) not in (0, sum(counts)) or (not given and not self.begins_from_zeros):
            return None
        value, remaining, last = x.number, iter(given), list[Callable[[], int]]()
        for op, cell, count in zip(self.lower(), cells, counts, strict=True):
            graph.begin_from([state.number for state in islice(remaining, count)])
            last += [partial(graph.state, graph.recurrent, part, cell.units) for part in range(count)]
            value = graph.add(op, value, mask=x.mask)
        return [value, *last] if self.return_state else [value]

    def step_problem(self, shape: Sequence[int | None], in_time: bool) -> str | None:
        if self.go_backwards:
            return "it reads the sequence from its last step (go_backwards=True)."
        if not self.begins_from_zeros:
            return "it begins from states of its own (`get_initial_state`)."
        return None if self.native else "its cell is not one that the engine runs."

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        batch, timesteps = input_shape[:2]
        size = output_size(self.cell)
        output = (batch, timesteps, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output
        return (output, *map_structure(lambda size: (batch, size), self.state_size))

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask if self.return_sequences else None
        return [mask, *(None for _ in self.state_size)] if self.return_state else mask

    # States

    @property
    def states(self) -> list[Any] | None:
        """The kept states of a built stateful layer, else None."""
        return self._states

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Return the states that a call without `initial_state` starts from: zeros, unless the cell says otherwise."""
        states = initial_state(self.cell, batch_size)
        return list(states) if isinstance(states, (list, tuple)) else [states]

    def reset_state(self) -> None:
        """Set the kept states to zeros; nothing for a layer that is not stateful."""
        for state in flatten(self._states or []):
            state.adopt(np.zeros(state.shape, np.float32))

    def reset_states(self, states: Any = None) -> None:
        """Set the kept states.

        Args:
            states: Arrays, each `(batch, units)`; None for zeros.

        Raises:
            AttributeError: When the layer is not stateful, or not built, and states were given.
            ValueError: When a shape does not fit.

        Differs from Keras 3: `states`, which Keras 2 had.
        """
        if states is None:
            self.reset_state()
            return
        if self._states is None:
            raise AttributeError(f"Layer '{self.name}' must be stateful and built to take states.")
        self.keep_states(as_states(states, [state.shape for state in flatten(self._states)], self.name))

    def _kept_states(self, batch: int) -> list[Any] | None:
        """The states that a stateful layer kept, None of one that is not; raises if the batch has other rows."""
        if not self.stateful:
            return None
        expected = flatten(self._states)[0].shape[0]
        if batch != expected:
            raise ValueError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size "
                f"of the initial state. \n- Expected batch size: {expected}\n- Received batch size: {quoted(batch)}"
            )
        return map_structure(lambda state: state.value, self._states)

    @property
    def begins_from_zeros(self) -> bool:  # type: ignore[override]
        """Whether neither the layer nor a cell has a `get_initial_state` that someone else wrote."""
        own = ("get_initial_state",)
        cells = any(overrides(type(cell), own, over="returned_states") for cell in self.native_cells())
        return not cells and not overrides(type(self), own, over="returned_states")

    def starting_states(self, batch: int, given: Any) -> list[list[np.ndarray] | None]:
        """Return the states that a call starts from as the engine takes them: a list per cell, None for zeros.

        Args:
            batch: Rows of the call.
            given: The call's `initial_state`, or None.
        """
        cells, kept = self.native_cells(), self._kept_states(batch)
        if given is None and kept is None and not self.begins_from_zeros:
            given = self.get_initial_state(batch)
        if given is None:
            if kept is None:
                return [None] * len(cells)
            return kept if isinstance(self.cell, StackedRNNCells) else [kept]
        shapes = [(batch, cell.units) for cell in cells for _ in range(cell.state_count)]
        states = iter(as_states(given, shapes, self.name))
        return [[next(states) for _ in range(cell.state_count)] for cell in cells]

    def returned_states(self, states: list[list[np.ndarray]]) -> list[Any]:
        """Return the states that the engine gave as the call returns them: a stack's remain a list per cell."""
        return states if isinstance(self.cell, StackedRNNCells) else states[0]

    def keep_states(self, states: Sequence[Any]) -> None:
        """Take the states, in lists of any nesting, for the next call to start from."""
        for kept, state in zip(flatten(self._states), flatten(states), strict=True):
            kept.adopt(state.copy())

    # Configs

    def build_from_config(self, config: dict[str, Any]) -> None:
        super().build_from_config(of_sequences(config))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            **self.cell_config(),
        }

    def cell_config(self) -> dict[str, Any]:
        """Return the part of the config from which the cell is made again."""
        return {"cell": serialize(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RNN:
        config = dict(config)
        if "cell" in config:
            config["cell"] = deserialize({**config["cell"], "build_config": None})
        return cls(**config)
