"""What the engine's recurrent ops need to know of the layer that they run: `RNN` and cells say it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlstm.layers.base.layer import Layer


class Recurrent(Layer):
    """A layer that reads time steps one after the other and carries states between them."""

    inner_names = "begins_from_zeros keep_states returned_states starting_states"
    recurrent = True
    reads_masks = True
    # Whether row i of a batch goes on where row i of the one before ended.
    stateful: bool = False
    # Whether a call returns `(output, *states)`.
    return_state: bool = False
    # Whether there is an output for every step, or for the last one alone.
    return_sequences: bool = False
    # Whether the steps are read from the last one to the first.
    go_backwards: bool = False

    # Whether a call without states begins from zeros, as the engine does by itself.
    begins_from_zeros: bool = True

    @property
    def ends_masks(self) -> bool:  # type: ignore[override]
        return not self.return_sequences

    def starting_states(self, batch: int, given: Any) -> list[list[np.ndarray] | None]:
        """Return the states that a call starts from as the engine takes them: a list per op, None for zeros.

        Args:
            batch: Rows of the call.
            given: The call's `initial_state`, or None.

        Raises:
            ValueError: When they do not fit.
        """
        raise NotImplementedError(f"{type(self).__name__} has no states.")

    def keep_states(self, states: list[list[np.ndarray]]) -> None:
        """Take the states that a call ended with for the next one to start from, if the layer is `stateful`."""
        raise NotImplementedError(f"{type(self).__name__} keeps no states.")

    def returned_states(self, states: list[list[np.ndarray]]) -> list[Any]:
        """Return the states that the engine gave, a list per op, as a call returns them."""
        raise NotImplementedError(f"{type(self).__name__} has no states.")
