"""`StreamPool`: many streams of one model, any of which advance together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import PoolIds
from fastlstm.layers.base.arrays import as_float32
from fastlstm.models.part_stepper import ModelSteps
from fastlstm.models.stream_parts import States, StepPlan, step_plan

if TYPE_CHECKING:
    from fastlstm.models.model import Model


class StreamPool:
    """Streams that come and go; `model.stream_pool()` makes it.

    The output of a stream is what a `Stream` of its own would give, with the same bits on the packed kernels, whichever
    other streams advance with it. The pool keeps the weights that the model had when it was made. Many threads may use
    it: they take turns.

    Args:
        plan: How the model runs.
        capacity: Streams that there is room for before the pool grows, which it does by doubling.
    """

    def __init__(self, plan: StepPlan, capacity: int) -> None:
        self._ids = PoolIds(capacity)
        self._steps = ModelSteps(plan, capacity)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """The number of open streams."""
        with self._lock:
            return len(self._ids)

    def __repr__(self) -> str:
        return f"<StreamPool open={len(self)}, capacity={self.capacity}>"

    @property
    def capacity(self) -> int:
        """Streams that there is room for now."""
        with self._lock:
            return self._ids.capacity

    @property
    def ids(self) -> list[int]:
        """The ids of the open streams."""
        with self._lock:
            return self._ids.open_ids()

    def open(self, state: States | None = None) -> int:
        """Return the id of a new stream; no two streams of a pool ever have the same.

        Args:
            state: Where it goes on from, as `state` returns it; None for a new sequence.

        Raises:
            ValueError: When the state does not fit.
        """
        with self._lock:
            if len(self._ids) == self._ids.capacity:
                self._steps.grow(2 * self._ids.capacity)
                self._ids.grow(2 * self._ids.capacity)
            new = self._ids.open()
            rows = self._ids.rows([new])
            try:
                self._steps.set_states(rows, state)
            except Exception:
                self._ids.close(rows[0])
                raise
            return new

    def close(self, stream_id: int) -> None:
        """End a stream.

        Raises:
            ValueError: When there is no such stream.
        """
        with self._lock:
            self._ids.close(self._ids.rows([stream_id])[0])

    def step(self, ids: Sequence[int] | np.ndarray, x: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return the outputs of some streams, `(len(ids), units)`, for one more step of each.

        Args:
            ids: Ids of open streams, all different, in any order.
            x: `(len(ids), features)`, or ids of an Embedding `(len(ids),)`.
            out: C-contiguous float32 array that gets the outputs, instead of a new one.

        Raises:
            ValueError: When there is no such stream, an id is there twice, or a shape does not fit. No stream has
                advanced then.
        """
        x = as_float32(x)
        with self._lock:
            return self._steps.step(self._ids.rows(ids), x, out)

    def state(self, stream_id: int) -> States:
        """Return what a stream's sequence so far has left, as `Stream.state` of a batch of 1.

        Raises:
            ValueError: When there is no such stream.
        """
        with self._lock:
            return self._steps.states(self._ids.rows([stream_id]))

    def set_state(self, stream_id: int, state: States | None) -> None:
        """Let a stream go on from elsewhere.

        Args:
            stream_id: Its id.
            state: As `state` returns it; None for a new sequence.

        Raises:
            ValueError: When there is no such stream, or the state does not fit.
        """
        with self._lock:
            self._steps.set_states(self._ids.rows([stream_id]), state)


def open_pool(model: Model, capacity: int) -> StreamPool:
    """Return a new pool of streams of a model; see `Model.stream_pool`."""
    if not hasattr(capacity, "__index__") or capacity < 1:
        raise ValueError(f"`capacity` should be a positive integer. Received: capacity={capacity}")
    return StreamPool(step_plan(model), int(capacity))
