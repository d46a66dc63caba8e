"""`Stream`: a model that takes its input one time step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlstm.engine import Stepper
from fastlstm.models.generation import ClosedLoop, Feedback, checked_steps
from fastlstm.models.part_stepper import PartStepper
from fastlstm.models.stream_parts import States, StepPlan, step_plan

if TYPE_CHECKING:
    from fastlstm.models.model import Model


class Stream:
    """Sequences that a model reads step by step; `model.stream()` makes it.

    The output of every step is what `predict` gives for the sequence so far. A stream keeps the weights that the
    model had when it was made; `stateful` layers' own states are neither read nor changed. One thread at a time may
    use it: another one gets a RuntimeError.

    A copy and a pickle hold all of it. `state` is the small part: what the sequences so far have left in the layers.

    Args:
        plan: How the model runs.
        batch: Number of sequences.
    """

    def __init__(self, plan: StepPlan, batch: int) -> None:
        self._plan = plan
        self._stepper = PartStepper(plan, batch) if plan.program is None else Stepper(plan.program, batch)
        # The input that goes on from the last `generate`, with the stepper's count of moves then.
        self._next: tuple[int, np.ndarray] | None = None
        # Straight to the engine: a frame of Python costs as much as a step of a small layer.
        self.step = self._stepper.step
        self.run = self._stepper.run

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
            x = np.array(x, np.float32)
            bare = x.ndim == len(self._plan.step_shape)
            x = x[np.newaxis] if bare else x
        rest = steps - len(items)
        out = np.stack(items, axis=1) if items else None
        if rest:
            generated, x = loop.run(self._stepper, x, rest)
            out = generated if out is None else np.concatenate([out, generated], axis=1)
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
        return self._stepper.capsule

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


def open_stream(model: Model, batch: int) -> Stream:
    """Return a new stream of a model; see `Model.stream`."""
    if not hasattr(batch, "__index__") or batch < 1:
        raise ValueError(f"`batch` should be a positive integer. Received: batch={batch}")
    return Stream(step_plan(model), int(batch))
