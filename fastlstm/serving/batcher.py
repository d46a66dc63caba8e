"""`Batcher`: predictions for many callers at once, each with the bits that it would have alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlstm.models import Model
from fastlstm.models.inputs import flatten
from fastlstm.models.plan import Plan
from fastlstm.models.ragged import joins_lengths, keeps_rows_apart, run_joined, split
from fastlstm.serving.joiner import Joiner, Observer, QueueFull, Request

__all__ = ["Batcher", "QueueFull"]

# An input as the model takes it, or one for each of several.
Arrays = tuple[np.ndarray, ...]


class Batcher:
    """Runs the model for many callers: those who come at about the same time are run as one batch.

    Sequences of different lengths are joined too, without padding, where the model is one chain of layers that read
    forwards; elsewhere those of one length. Who is alone does not wait. On the packed kernels an output has the same
    bits whatever it was joined with, and a request that fails leaves the others as they are.

    A model that keeps states, has a batch size, a `call` of its own, or layers or functions that may do anything with
    the rows of a batch, is run for one request at a time. Any thread and any event loop may use a batcher, also after a
    fork.

    Args:
        model: A built model.
        max_batch: Rows of a batch; a request of more runs alone.
        max_wait_us: Microseconds that a batch waits at most for others, when the one before had several requests.
        queue: Requests that may wait, before QueueFull.
        observer: Is told of every run, by `ran(requests, seconds)`.

    Raises:
        ValueError: When the model is not built, or an argument is not valid.
    """

    def __init__(
        self,
        model: Model,
        max_batch: int = 64,
        max_wait_us: float = 500,
        queue: int = 1024,
        observer: Observer | None = None,
    ) -> None:
        if not isinstance(model, Model) or not model.built:
            raise ValueError(f"Expected `model` to be a model that is built. Received: model={model!r}")
        for name, value, least in (("max_batch", max_batch, 1), ("max_wait_us", max_wait_us, 0), ("queue", queue, 1)):
            if not isinstance(value, (int, float)) or not value >= least:
                raise ValueError(f"`{name}` should be a number of at least {least}. Received: {name}={value}")
        self.model = model
        self.joins: bool = keeps_rows_apart(model)
        self._joiner = Joiner(self._run, max_batch, max_wait_us / 1e6, queue, observer)

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._joiner)

    async def predict(self, x: Any) -> Any:
        """Return what `model.predict_on_batch(x)` gives, as arrays of the caller's own.

        Args:
            x: As for `model.predict_on_batch`.

        Raises:
            ValueError: When the input does not fit.
            QueueFull: When too many requests are waiting.
        """
        return self._finished(await self._joiner.ask(self._request(x)))

    async def predict_flat(self, x: Any) -> Arrays:
        """Return what `predict` does as a tuple in the order of `model.outputs`, of arrays that may be views."""
        result = await self._joiner.ask(self._request(x))
        return result if self.joins else tuple(flatten(result))

    def predict_sync(self, x: Any) -> Any:
        """Return what `predict` does, on a thread, which waits for it; never on that of an event loop."""
        return self._finished(self._joiner.ask_sync(self._request(x)))

    def close(self) -> None:
        """Take no more requests; those that are waiting are run."""
        self._joiner.close()

    def _request(self, x: Any) -> Request:
        if not self.joins:
            return Request(x)
        prepared = self.model.prepared(x)
        arrays = prepared if isinstance(prepared, tuple) else (prepared,)
        if len({len(array) for array in arrays}) > 1:
            self.model.prepared(x, 1)  # says so
        return Request(arrays, len(arrays[0]))

    def _finished(self, result: Any) -> Any:
        if not self.joins:
            return result
        outputs = tuple(output.copy() for output in result)
        return self.model.structured(outputs if len(outputs) > 1 else outputs[0])

    def _run(self, requests: list[Request]) -> None:
        if not self.joins:
            _each_alone(requests, self.model.predict_on_batch)
            return
        plan = self.model.current_plan
        for group in _groups(plan, requests):
            _run_group(plan, group)


def _run_group(plan: Plan, group: list[Request]) -> None:
    try:
        for request, outputs in zip(group, _outputs(plan, [request.given for request in group]), strict=True):
            request.result = outputs
    except Exception:  # of one of them: the others are to have what they would have without it
        _each_alone(group, lambda given: _outputs(plan, [given])[0])


def _each_alone(requests: Sequence[Request], run: Any) -> None:
    for request in requests:
        try:
            request.result = run(request.given)
        except Exception as error:
            request.error = error


def _outputs(plan: Plan, inputs: Sequence[Arrays]) -> list[Arrays]:
    """The outputs of each of several inputs, all of them of one batch."""
    if len(inputs[0]) == 1:
        return run_joined(plan, [array for (array,) in inputs])
    joined = tuple(np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in zip(*inputs, strict=True))
    outputs = plan.run(joined)
    return split(outputs if isinstance(outputs, tuple) else (outputs,), [len(arrays[0]) for arrays in inputs])


def _groups(plan: Plan, requests: Sequence[Request]) -> list[list[Request]]:
    """The requests that run together, the longest sequences first."""
    by_length = len(requests[0].given) == 1 and joins_lengths(plan)
    groups: dict[Any, list[Request]] = {}
    for request in requests:
        shapes = tuple(array.shape[1:] for array in request.given)
        # Steps of no time are an error, which is not to be made others'.
        key = shapes[0][1:] if by_length and shapes[0][0] else shapes
        groups.setdefault((key, by_length), []).append(request)
    if by_length:
        for group in groups.values():
            group.sort(key=lambda request: -request.given[0].shape[1])
    return list(groups.values())
