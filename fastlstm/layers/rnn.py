"""What all recurrent layers share: arguments, masks, states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.engine import ops
from fastlstm.layers.arrays import as_mask, as_states
from fastlstm.layers.input_spec import InputSpec, Shape
from fastlstm.layers.layer import Layer
from fastlstm.layers.variable import Variable


def mirrored(name: str) -> property:
    """Return a property of a recurrent layer that is an attribute of its cell."""

    def read(layer: RNN) -> Any:
        return getattr(layer.cell, name)

    def write(layer: RNN, value: Any) -> None:
        setattr(layer.cell, name, value)

    return property(read, write, doc=f"The cell's `{name}`.")


class RNN(Layer):
    """A cell run over the time steps of sequences `(batch, timesteps, features)`.

    Args:
        cell: The cell, with `units`, `state_size` and `lower_over_time`.
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
    recurrent = True

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
        # Keras 2's way to say (timesteps, features).
        length = kwargs.pop("input_length", None)
        if "input_dim" in kwargs:
            kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
        self.cell = cell
        super().__init__(**kwargs)
        cell.trainable = self.trainable
        cell.dtype_policy = self.dtype_policy
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.input_spec = InputSpec(ndim=3)
        self._states: list[Variable] | None = None

    def named_children(self) -> tuple[tuple[str, Layer], ...]:
        return (("cell", self.cell),)

    def build(self, input_shape: Shape) -> None:
        batch, _, features = input_shape
        if self.stateful and batch is None:
            raise ValueError(
                "When using `stateful=True` in a RNN, the batch size must be static. "
                f"Found dynamic batch size: sequence.shape={input_shape}"
            )
        self.build_child(self.cell, (batch, features))
        if self.stateful:
            self._states = [
                Variable(np.zeros, (batch, units), "rnn_state", f"{self.path}/rnn_state", trainable=False)
                for units in self.cell.state_size
            ]
        self.input_spec = InputSpec(ndim=3, axes={-1: features})

    def call(self, sequences: np.ndarray, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Return the outputs, with `return_state` a tuple of them and the last states.

        Args:
            sequences: `(batch, timesteps, features)`.
            initial_state: The states at the start, each `(batch, units)`; None for the kept ones or zeros.
            mask: `(batch, timesteps)`, nonzero where a step counts; or None.
            training: Boolean.

        Raises:
            ValueError: When a shape does not fit.
            NotImplementedError: With `training`, when the layer has dropout.
        """
        if training:
            self.cell.refuse_dropout()
        return self.chain.run(sequences, as_mask(mask, sequences.shape), initial_state)

    def lower(self) -> list[ops.Op]:
        over_time = {
            name: bool(getattr(self, name)) for name in ("return_sequences", "go_backwards", "zero_output_for_mask")
        }
        return [self.cell.lower_over_time(**over_time)]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        batch, timesteps = input_shape[:2]
        units = self.cell.units
        output = (batch, timesteps, units) if self.return_sequences else (batch, units)
        return (output, *((batch, size) for size in self.cell.state_size)) if self.return_state else output

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask if self.return_sequences else None
        return [mask, *(None for _ in self.cell.state_size)] if self.return_state else mask

    # States

    @property
    def states(self) -> list[Variable] | None:
        """The kept states of a built stateful layer, else None."""
        return self._states

    def get_initial_state(self, batch_size: int) -> list[np.ndarray]:
        """Return states of zeros, each `(batch_size, units)`."""
        return self.cell.get_initial_state(batch_size)

    def reset_state(self) -> None:
        """Set the kept states to zeros; nothing for a layer that is not stateful."""
        for state in self._states or ():
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
        self.keep_states(as_states(states, self._states[0].shape[0], self.cell.state_size, self.name))

    def starting_states(self, batch: int, given: Any) -> list[np.ndarray] | None:
        """Return the states that a call starts from; None for zeros.

        Args:
            batch: Rows of the call.
            given: The call's `initial_state`, or None.
        """
        if given is not None:
            return as_states(given, batch, self.cell.state_size, self.name)
        if not self.stateful:
            return None
        expected = self._states[0].shape[0]
        if batch != expected:
            raise ValueError(
                "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size of "
                f"the initial state. \n- Expected batch size: {expected}\n- Received batch size: {batch}"
            )
        return [state.value for state in self._states]

    def keep_states(self, states: Sequence[np.ndarray]) -> None:
        """Take the states for the next call to start from."""
        for kept, state in zip(self._states, states, strict=True):
            kept.adopt(state.copy())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }
