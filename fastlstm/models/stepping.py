"""The parts of a model, together: some rows advance by one step."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastlstm.layers.base.arrays import as_float32
from fastlstm.models.frozen import Mask, States
from fastlstm.models.step_plan import StepPlan
from fastlstm.printable import quoted

if TYPE_CHECKING:
    from fastlstm.models.frozen import ChainSteps


class ModelSteps:
    """Runs a plan over some of `capacity` rows, which start from states of zeros.

    Args:
        plan: The plan.
        capacity: Number of rows.
    """

    def __init__(self, plan: StepPlan, capacity: int) -> None:
        self._step_shape = plan.step_shape
        self._output_shape = plan.output_shape
        self._runners = [part.start(capacity) for part in plan.parts]
        # A plan that is one program needs no Python in between.
        self._only = cast("ChainSteps", self._runners[0]).stepper if plan.program is not None else None
        nothing = np.zeros(0, np.int64)
        self._counts = [len(runner.states(nothing)) for runner in self._runners]

    def step(self, rows: np.ndarray, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the outputs of some rows.

        Args:
            rows: Their indexes, all different.
            x: Their inputs, float32 and C-contiguous.
            out: Array that gets the outputs, instead of a new one.

        Raises:
            ValueError: When a shape does not fit, or an id is none; no row has advanced then.
        """
        if self._only is not None:
            return self._only.step(rows, x, out)
        if x.shape != (len(rows), *self._step_shape):
            raise ValueError(f"x: expected shape {(len(rows), *self._step_shape)}, received {x.shape}")
        if out is None:
            out = np.empty((len(rows), *self._output_shape), np.float32)
        else:
            _check_out(out, (len(rows), *self._output_shape))
        mask: Mask = None
        for runner in self._runners:
            x, mask = runner.step(rows, x, mask)
        out[...] = x
        return out

    def grow(self, capacity: int) -> None:
        """Add rows, up to `capacity` of them."""
        for runner in self._runners:
            runner.grow(capacity)

    def states(self, rows: np.ndarray) -> States:
        """Return copies of some rows' states, a list of arrays per layer that has any."""
        return [states for runner in self._runners for states in runner.states(rows)]

    def set_states(self, rows: np.ndarray, states: Any) -> None:
        """Set the states of some rows; None: to zeros.

        Raises:
            ValueError: When they are not of the form that `states` returns; nothing is set then.
        """
        checked = None if states is None else checked_states(states, self.states(rows))
        start = 0
        for runner, count in zip(self._runners, self._counts, strict=True):
            runner.set_states(rows, None if checked is None else checked[start : start + count])
            start += count


def checked_states(states: Any, like: States) -> States:
    """Return states as float32 arrays.

    Args:
        states: A list of arrays per layer.
        like: States of the form that is expected.

    Raises:
        ValueError: When they are of another one.
    """
    most = max((len(of_layer) for of_layer in like), default=0) + 1
    lists = [list(islice(of_layer, most)) for of_layer in islice(states, len(like) + 1)]
    received = [[np.shape(array) for array in of_layer] for of_layer in lists]
    expected = [[array.shape for array in of_layer] for of_layer in like]
    if received != expected:
        raise ValueError(f"A state of these shapes is expected: {expected}. Received: {quoted(received)}")
    return [[as_float32(array) for array in of_layer] for of_layer in lists]


class PartStepper:
    """Runs a plan of several parts step by step, as the engine's `Stepper` runs a program.

    Args:
        plan: The plan.
        batch: Number of rows.
    """

    def __init__(self, plan: StepPlan, batch: int) -> None:
        self.batch = batch
        self.moves: int = 0
        self._step_shape = plan.step_shape
        self._output_shape = plan.output_shape
        self._steps = ModelSteps(plan, batch)
        self._rows = np.arange(batch)
        self._output: np.ndarray | None = None
        self._lock = _Turn()

    def step(self, x: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return every row's output for one step.

        Args:
            x: `(batch, features)`, or ids `(batch,)`; for one row also without the axis of rows.
            out: Gets the output, instead of a new array.

        Raises:
            ValueError: When a shape does not fit.
            RuntimeError: When another thread is using the same stream.
        """
        x, bare = self._fitted(x, 1)
        if out is None:
            out = np.empty((self.batch, *self._output_shape)[bare:], np.float32)
        _check_out(out, (self.batch, *self._output_shape)[bare:])
        with self._lock:
            self._advance(x, out[np.newaxis] if bare else out)
            self._output = out.reshape(self.batch, *self._output_shape).copy()
        return out

    def run(self, x: Any) -> np.ndarray:
        """Return every row's output for each of several steps.

        Args:
            x: `(batch, timesteps, features)`, or ids `(batch, timesteps)`.

        Raises:
            ValueError, RuntimeError: As `step`.
        """
        x, bare = self._fitted(x, 2)
        out = np.empty((*x.shape[:2], *self._output_shape), np.float32)
        with self._lock:
            for t in range(x.shape[1]):
                self._advance(np.ascontiguousarray(x[:, t]), out[:, t])
            if x.shape[1]:
                self._output = out[:, -1].copy()
        return out[0] if bare else out

    def _advance(self, x: np.ndarray, out: np.ndarray) -> None:
        self.moves += 1
        self._steps.step(self._rows, x, out)

    def _fitted(self, x: Any, axes: int) -> tuple[np.ndarray, bool]:
        """Return x with the axis of rows, and whether it came without.

        Args:
            axes: Axes before those of a step: rows, and time if there is any.
        """
        array = as_float32(x)
        ndim = axes + len(self._step_shape)
        bare = self.batch == 1 and array.ndim == ndim - 1
        if bare:
            array = array[np.newaxis]
        if array.ndim != ndim or len(array) != self.batch or array.shape[axes:] != self._step_shape:
            expected = (self.batch, *("timesteps",) * (axes - 1), *self._step_shape)
            raise ValueError(f"x: expected shape ({', '.join(map(str, expected))}), received {np.shape(x)}")
        return array, bare

    @property
    def states(self) -> States:
        """Copies of the states, a list of arrays per layer that has any."""
        with self._lock:
            return self._steps.states(self._rows)

    @states.setter
    def states(self, states: Any) -> None:
        with self._lock:
            self._steps.set_states(self._rows, list(states))
            self.moves += 1
            self._output = None

    def reset(self, rows: int | Sequence[int] | None = None) -> None:
        """Set the states to zeros, all of them or those of some rows.

        Raises:
            ValueError: When there is no such row.
        """
        chosen = self._rows if rows is None else np.atleast_1d(rows)
        if chosen.dtype.kind not in "iu" or not all(0 <= row < self.batch for row in chosen):
            raise ValueError(f"rows: expected integers from 0 to {self.batch - 1}, received {rows!r}")
        with self._lock:
            self._steps.set_states(chosen, None)
            self.moves += 1
            self._output = None

    @property
    def output(self) -> np.ndarray | None:
        """A copy of the last step's output; None if the states do not come from a step."""
        output = self._output
        return None if output is None else output.copy()

    @output.setter
    def output(self, output: np.ndarray | None) -> None:
        self._output = output


def _check_out(out: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(out, np.ndarray) or out.dtype != np.float32 or out.shape != shape or not out.flags.writeable:
        raise ValueError(
            f"out: expected a writable float32 array of shape {shape}, received {type(out).__name__} of dtype "
            f"{getattr(out, 'dtype', None)} and shape {np.shape(out)}"
        )


class _Turn:
    """A lock that does not wait: whoever comes second has made a mistake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("This stream is in use on another thread; give each thread streams of its own.")

    def __exit__(self, *exception: object) -> None:
        self._lock.release()
