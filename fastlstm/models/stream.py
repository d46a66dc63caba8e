"""`Stream` and `StreamPool`: a model that takes its input one time step at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fastlstm.engine import PoolIds, Stepper
from fastlstm.layers.base.arrays import as_float32, float32_copy
from fastlstm.models.frozen import States
from fastlstm.models.generation import ClosedLoop, Feedback, checked_steps
from fastlstm.models.step_plan import StepPlan
from fastlstm.models.stepping import ModelSteps, PartStepper
from fastlstm.printable import quoted


class Stream:
    """Sequences that a model reads step by step; `model.stream()` makes it.

    The output of every step is what `predict` gives for the sequence so far, however long: a model that was trained on
    windows of some steps keeps its states beyond a window, unless `reset` begins a new one. A stream keeps the weights
    that the model had when it was made; `stateful` layers' own states are neither read nor changed. One thread at a
    time may use it: another one gets a RuntimeError.

    A copy and a pickle hold all of it. `state` is the small part: what the sequences so far have left in the layers.

    Args:
        plan: How the model runs.
        batch: Number of sequences.

    Raises:
        ValueError: When `batch` is no positive integer.
    """

    def __init__(self, plan: StepPlan, batch: int) -> None:
        batch = _checked_count("batch", batch)
        self._plan = plan
        self._stepper = PartStepper(plan, batch) if plan.program is None else Stepper(plan.program, batch)
        # The input that goes on from the last `generate`, with the stepper's count of moves then.
        self._next: tuple[int, np.ndarray] | None = None
        # Straight to the engine: a frame of Python costs as much as a step of a small layer.
        self.step = self._stepper.step  # type: ignore[method-assign]
        self.run = self._stepper.run  # type: ignore[method-assign]

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self._stepper.batch

    def step(self, x: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return the output for one more step.

        Args:
            x: `(batch, features)`, or ids `(batch,)`; in a stream of one sequence also without the batch, as is the
                output then. C-contiguous float32 arrays are fastest.
            out: C-contiguous float32 array that gets the output, instead of a new one.

        Raises:
            ValueError: When something does not fit; the stream is then as before.
            RuntimeError: When another thread is using the stream.
        """
        raise NotImplementedError("Every stream has a `step` of its own.")

    def run(self, x: Any) -> np.ndarray:
        """Return the output of each of several more steps, `(batch, timesteps, units)`.

        Args:
            x: `(batch, timesteps, features)`, or ids `(batch, timesteps)`; in a stream of one sequence also without the
                batch, as are the outputs then.

        Raises:
            ValueError, RuntimeError: As `step`.
        """
        raise NotImplementedError("Every stream has a `run` of its own.")

    def generate(
        self,
        steps: int,
        x: Any = None,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        seed: int | None = None,
        feedback: Feedback | None = None,
    ) -> np.ndarray:
        """Return the next `steps` items of the sequences as the model continues them, each output its next input.

        The outputs are the next inputs as they are. A model that ends in softmax over the ids of its Embedding (or over
        its one-hot input) gives ids instead: the most likely ones, or drawn ones. For an Embedding, outputs without an
        activation, or of log_softmax, do as well.

        Args:
            steps: Positive integer.
            x: The input of the first step, as for `step`. None goes on from where the stream is: the first item is then
                the output of the last step (or an id chosen from it), unless `generate` has returned that already.
            temperature: 0 takes the most likely id; else ids are drawn in proportion to `p ** (1 / temperature)`.
            top_k: Positive integer, draw only from so many most likely ids; None from all.
            seed: Integer, makes what is drawn repeatable; a sequence's draws do not depend on the others in the batch.
            feedback: Function from the output to the next input, both with the batch, in place of all this.

        Returns:
            Outputs `(batch, steps, units)`, or ids `(batch, steps)` as int64; without the batch if `x` came without.

        Raises:
            ValueError: When the output does not fit the input, an argument is not valid or has no use, or there is
                neither an `x` nor a step to go on from.
            RuntimeError: As `step`.
        """
        steps = checked_steps(steps)
        loop = ClosedLoop(self._plan, self.batch, temperature, top_k, seed, feedback)
        items: list[np.ndarray] = []
        bare = False
        if x is None:
            x = self._next_input()
            if x is None:
                items.append(loop.chosen(self._last_output()))
                x = loop.next_input(items[0])
        else:
            x = float32_copy(x, "The inputs")
            bare = x.ndim == len(self._plan.step_shape)
            x = x[np.newaxis] if bare else x
        rest = steps - len(items)
        parts = [np.stack(items, axis=1)] if items else []
        if rest:
            generated, x = loop.run(self._stepper, x, rest)
            parts.append(generated)
        out = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        self._next = self._stepper.moves, x
        return out[0] if bare else out

    def _next_input(self) -> np.ndarray | None:
        """The input that goes on from the last `generate`, None if there was something since."""
        return self._next[1] if self._next is not None and self._next[0] == self._stepper.moves else None

    def _last_output(self) -> np.ndarray:
        output = self._stepper.output
        if output is None:
            raise ValueError(
                "`generate` needs `x`: the stream has made no step to go on from since it was made, reset or given a "
                "state."
            )
        return output

    def reset(self, rows: int | Sequence[int] | None = None) -> None:
        """Begin new sequences.

        Args:
            rows: Indexes of those in the batch that begin anew; None for all.

        Raises:
            ValueError: When there is no such row.
        """
        self._stepper.reset(rows)

    @property
    def state(self) -> States:
        """What the sequences so far have left: a list per layer of arrays, copies, with the batch as first axis.

        Of an LSTM `[h, c]`, of a GRU or SimpleRNN `[h]`, of a convolution the steps that its next output reads. Setting
        it takes what another stream of the same layers had.
        """
        return self._stepper.states

    @state.setter
    def state(self, state: Any) -> None:
        self._stepper.states = state

    @property
    def capsule(self) -> Any:
        """A PyCapsule of this stream for C, Cython, ctypes and Numba: steps without Python and without the GIL.

        It holds a `fastlstm_stream *` under the name `"fastlstm.stream"` and keeps the stream alive. The struct and its
        functions are in `fastlstm_stream.h`, in the folder `fastlstm.get_include()`; `fastlstm/stream.pxd` has them for
        Cython. Steps from either side go on from each other.

        Raises:
            ValueError: When a step needs Python, for a layer that runs in NumPy or an activation that is a function.
        """
        if self._plan.needs_python is not None:
            raise ValueError(f"This stream cannot be stepped from C: {self._plan.needs_python}.")
        return cast(Stepper, self._stepper).capsule

    def copy(self) -> Stream:
        """Return a stream that goes on from the same place by itself."""
        return _restored(*self.__reduce__()[1])

    def __copy__(self) -> Stream:
        return self.copy()

    def __reduce__(self) -> Any:
        return _restored, (self._plan, self.batch, self.state, self._stepper.output, self._next_input())

    def __repr__(self) -> str:
        return f"<Stream batch={self.batch}>"


def _restored(
    plan: StepPlan, batch: int, state: States, output: np.ndarray | None, next_input: np.ndarray | None
) -> Stream:
    stream = Stream(plan, batch)
    stream.state = state
    stream._stepper.output = output
    if next_input is not None:
        stream._next = stream._stepper.moves, next_input
    return stream


class StreamPool:
    """Streams that come and go; `model.stream_pool()` makes it.

    The output of a stream is what a `Stream` of its own would give, with the same bits on the packed kernels, whichever
    other streams advance with it. The pool keeps the weights that the model had when it was made. Many threads may use
    it: they take turns.

    Args:
        plan: How the model runs.
        capacity: Streams that there is room for before the pool grows, which it does by doubling.

    Raises:
        ValueError: When `capacity` is no positive integer.
    """

    def __init__(self, plan: StepPlan, capacity: int) -> None:
        capacity = _checked_count("capacity", capacity)
        self._plan = plan
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
    def step_shape(self) -> tuple[int, ...]:
        """Shape of one stream's input of a step: `(features,)`, or `()` for ids."""
        return self._plan.step_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one stream's output of a step."""
        return self._plan.output_shape

    @property
    def state_shapes(self) -> list[list[tuple[int, ...]]]:
        """The shapes of what `state` returns."""
        with self._lock:
            nothing = self._steps.states(np.zeros(0, np.int64))
        return [[(1, *array.shape[1:]) for array in of_layer] for of_layer in nothing]

    @property
    def vocabulary(self) -> int:
        """The number of ids if the input is ids, else 0."""
        return self._plan.vocabulary

    @property
    def needs_python(self) -> str | None:
        """Why a step cannot do without Python, in words that name the layer; None if it can."""
        return self._plan.needs_python

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

    def reset(self, stream_id: int) -> None:
        """Let a stream begin a new sequence; as `set_state(stream_id, None)`.

        Raises:
            ValueError: When there is no such stream.
        """
        self.set_state(stream_id, None)

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

    def __reduce__(self) -> Any:
        with self._lock:
            ids = self._ids.open_ids()
            return _restored_pool, (self._plan, self._ids, ids, self._steps.states(self._ids.rows(ids)))


def _restored_pool(plan: StepPlan, ids: PoolIds, open_ids: Sequence[int], states: States) -> StreamPool:
    pool = StreamPool(plan, ids.capacity)
    pool._ids = ids
    if open_ids:
        pool._steps.set_states(ids.rows(open_ids), states)
    return pool


def _checked_count(name: str, count: Any) -> int:
    if not hasattr(count, "__index__") or not 1 <= count <= sys.maxsize:
        raise ValueError(
            f"`{name}` should be a positive integer, and one of this machine's. Received: {name}={quoted(count)}"
        )
    return int(count)
