"""Streams of a served model: under ids of the clients' own, or for as long as a connection lasts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import numpy as np

from fastlstm.models import Model, StreamPool
from fastlstm.serving import checkpoint
from fastlstm.serving.joiner import Joiner, Observer, Request
from fastlstm.serving.protocol import ServiceError

_REMEMBERED = 10_000  # ids of evicted streams
_LONGEST_ID = 200  # characters


class OpenStream:
    """A stream that a client has opened: its place in a pool, which it gets when it is first run."""

    def __init__(self) -> None:
        self.pool: StreamPool | None = None
        self.pool_id: int | None = None
        self.waiting = 0
        self.used: float = monotonic()

    @property
    def is_open(self) -> bool:
        """Whether it has a place in a pool."""
        return self.pool_id is not None


@dataclass(eq=False)
class _Ask:
    """What is to be done with a stream.

    Args:
        stream: The stream.
        begin: Whether a new sequence begins first.
        state: A checkpoint from which it goes on first, or None.
        x: `(steps, ...)`, float32, or None.
        exports: Whether the state is the result, rather than outputs.
        end: Whether the stream ends then.
        before: The state to go back to where a step may go wrong; None for none.
    """

    stream: OpenStream
    begin: bool = False
    state: bytes | None = None
    x: np.ndarray | None = None
    exports: bool = False
    end: bool = False
    before: checkpoint.States | None = None


class Streams:
    """The streams of one model. Its methods are for one event loop; the work is done on the joiner's thread.

    Args:
        model: The model; after `replace`, streams that are open go on with the weights that they began with.
        max_streams: That may be open at once.
        idle: Seconds without a step after which a stream is evicted.
        max_batch, max_wait, queue, observer: As for `Joiner`.
        changed: Is called with the number of open streams, and of those that were evicted.

    Raises:
        ValueError: When the model cannot run step by step.
    """

    def __init__(
        self,
        model: Model,
        max_streams: int,
        idle: float,
        max_batch: int,
        max_wait: float,
        queue: int,
        observer: Observer | None = None,
        changed: Callable[[int, int], None] = lambda count, evicted: None,
    ) -> None:
        self._max_streams, self._idle, self._changed = max_streams, idle, changed
        self._named: dict[str, OpenStream] = {}
        self._unnamed: set[OpenStream] = set()
        self._evicted: OrderedDict[str, None] = OrderedDict()
        self._evicting: asyncio.Task[Any] | None = None
        self._joiner = Joiner(self._run, max_batch, max_wait, queue, observer)
        self.replace(model)

    def __len__(self) -> int:
        """The number of open streams."""
        return len(self._named) + len(self._unnamed)

    @property
    def step_shape(self) -> tuple[int, ...]:
        """Shape of a step."""
        return self._pool.step_shape

    @property
    def named(self) -> int:
        """The number of open streams that have ids."""
        return len(self._named)

    def replace(self, model: Model) -> None:
        """Let streams that begin from now on be those of another model.

        Raises:
            ValueError: When it cannot run step by step.
        """
        self._pool = model.stream_pool()
        # Where a step may go wrong in Python, each stream runs by itself, so that it is wrong alone.
        self._alone = self._pool.needs_python is not None

    # What clients ask for

    async def step(self, name: str, x: np.ndarray, begin: bool, end: bool) -> np.ndarray:
        """Return a stream's outputs for one step or several, `(steps, units)`.

        Args:
            name: The client's id.
            x: `(steps, features)`, or ids `(steps,)`.
            begin: Whether a new sequence begins.
            end: Whether the sequence ends.

        Raises:
            ServiceError: When there is no such stream, there are too many, or the input does not fit; the stream is
                then as before.
        """
        stream = self._new(name) if begin else self._known(name)
        try:
            return await self._ask(_Ask(stream, begin, x=self._checked(stream, x, begin), end=end))
        finally:
            self._tidy(name, stream)

    async def state(self, name: str) -> bytes:
        """Return a stream's checkpoint.

        Raises:
            ServiceError: When there is no such stream.
        """
        return await self._ask(_Ask(self._known(name), exports=True))

    async def set_state(self, name: str, state: bytes) -> None:
        """Let a stream, which may be a new one, go on from a checkpoint.

        Raises:
            ServiceError: When it does not fit, or there are too many streams.
        """
        stream = self._new(name)
        try:
            await self._ask(_Ask(stream, state=state))
        finally:
            self._tidy(name, stream)

    def connect(self) -> OpenStream:
        """Return a stream without an id, for `advance` and `disconnect`.

        Raises:
            ServiceError: When there are too many.
        """
        self._require_room()
        stream = OpenStream()
        self._unnamed.add(stream)
        self._changed(len(self), 0)
        return stream

    async def advance(self, stream: OpenStream, x: np.ndarray) -> np.ndarray:
        """Return the outputs of a stream without an id; as `step`."""
        begin = not stream.is_open
        return await self._ask(_Ask(stream, begin, x=self._checked(stream, x, begin)))

    async def disconnect(self, stream: OpenStream) -> None:
        """End a stream without an id."""
        self._unnamed.discard(stream)
        self._changed(len(self), 0)
        await self._ask(_Ask(stream, end=True))

    async def evict(self, idle: float) -> None:
        """End the streams with ids that nobody has used for so many seconds."""
        late = monotonic() - idle
        for name, stream in list(self._named.items()):
            if not stream.waiting and stream.used <= late:
                await self._ask(_Ask(stream, end=True))
                if self._named.get(name) is stream and not stream.waiting and not stream.is_open:
                    del self._named[name]
                    self._evicted[name] = None
                    if len(self._evicted) > _REMEMBERED:
                        self._evicted.popitem(last=False)
                    self._changed(len(self), 1)

    def _checked(self, stream: OpenStream, x: np.ndarray, begin: bool) -> np.ndarray:
        pool = self._pool if begin or stream.pool is None else stream.pool
        shape, vocabulary = pool.step_shape, pool.vocabulary
        if x.ndim != 1 + len(shape) or x.shape[1:] != shape or not len(x):
            expected = ", ".join(map(str, ("timesteps", *shape)))
            raise ServiceError(
                400,
                "input",
                f"expected shape ({expected}), with or without a batch of 1 before it, "
                f"of at least one step. Received: {x.shape}",
            )
        if vocabulary and not ((x >= -vocabulary) & (x < vocabulary)).all():
            raise ServiceError(400, "input", f"ids must be from {-vocabulary} to {vocabulary - 1}.")
        return np.ascontiguousarray(x, np.float32)

    async def _ask(self, ask: _Ask) -> Any:
        stream = ask.stream
        stream.waiting += 1
        stream.used = monotonic()
        try:
            # What only ends a stream is never refused, or its place would be lost.
            return await self._joiner.ask(Request(ask, key=stream, forced=ask.end and ask.x is None))
        finally:
            stream.waiting -= 1
            stream.used = monotonic()

    # Ids

    def _known(self, name: str) -> OpenStream:
        if name in self._named:
            return self._named[name]
        if name in self._evicted:
            raise ServiceError(
                410,
                "no stream",
                f"stream '{name}' was evicted after {self._idle:g} seconds without a step: begin a "
                "new sequence with sequence_start, or PUT a state.",
            )
        raise _not_started(name)

    def _new(self, name: str) -> OpenStream:
        stream = self._named.get(name)
        if len(name) > _LONGEST_ID:
            raise ServiceError(400, "malformed", f"The id of a stream should have at most {_LONGEST_ID} characters.")
        if stream is None:
            self._require_room()
            stream = self._named[name] = OpenStream()
            self._evicted.pop(name, None)
            self._changed(len(self), 0)
            if self._evicting is None or self._evicting.done():
                self._evicting = asyncio.get_running_loop().create_task(self._evict_idle())
        return stream

    def _tidy(self, name: str, stream: OpenStream) -> None:
        """Forget a stream that has ended, or that never came to be."""
        if not stream.is_open and not stream.waiting and self._named.get(name) is stream:
            del self._named[name]
            self._changed(len(self), 0)

    def _require_room(self) -> None:
        if len(self) >= self._max_streams:
            raise ServiceError(503, "too many streams", f"{self._max_streams} streams are open already.", 1)

    async def _evict_idle(self) -> None:
        while self._named:
            await asyncio.sleep(min(self._idle / 4, 5))
            await self.evict(self._idle)

    # On the joiner's thread

    def _run(self, requests: list[Request]) -> None:
        steps: dict[StreamPool, list[Request]] = {}
        for request in requests:
            try:
                ask = request.given
                self._begin(ask)
                if ask.x is None:
                    self._finish(request)
                elif self._alone:
                    self._step_alone(request)
                else:
                    steps.setdefault(ask.stream.pool, []).append(request)
            except Exception as error:
                request.error = error
        for pool, joined in steps.items():
            _step_together(pool, joined)
            for request in joined:
                self._finish(request)

    def _begin(self, ask: _Ask) -> None:
        """Give a stream its place, and its first state."""
        stream = ask.stream
        if not stream.is_open and not (ask.begin or ask.state is not None or ask.end):
            raise _not_started("of this request")
        state = None
        if ask.state is not None:
            pool = stream.pool or self._pool
            state = checkpoint.from_bytes(ask.state, pool.state_shapes)
        if stream.is_open and ask.begin and stream.pool is not self._pool:
            self._close(stream)
        if self._alone and stream.is_open:
            ask.before = cast("StreamPool", stream.pool).state(cast(int, stream.pool_id))
        if ask.begin or state is not None:
            if stream.is_open:
                cast("StreamPool", stream.pool).set_state(cast(int, stream.pool_id), state)
            else:
                stream.pool = stream.pool if state is not None and stream.pool else self._pool
                stream.pool_id = stream.pool.open(state)

    def _step_alone(self, request: Request) -> None:
        stream, x, before = request.given.stream, request.given.x, request.given.before
        try:
            request.result = np.concatenate([stream.pool.step([stream.pool_id], row[np.newaxis]) for row in x])
        except Exception:
            if before is None:
                self._close(stream)
            else:
                stream.pool.set_state(stream.pool_id, before)
            raise
        self._finish(request)

    def _finish(self, request: Request) -> None:
        ask = request.given
        if ask.exports:
            request.result = checkpoint.to_bytes(ask.stream.pool.state(ask.stream.pool_id))
        if ask.end and ask.stream.is_open:
            self._close(ask.stream)

    def _close(self, stream: OpenStream) -> None:
        cast("StreamPool", stream.pool).close(cast(int, stream.pool_id))
        stream.pool = stream.pool_id = None


def _step_together(pool: StreamPool, requests: list[Request]) -> None:
    """Advance several streams, each by its steps: every step of all of them reads the weights once."""
    requests.sort(key=lambda request: -len(request.given.x))
    ids = [request.given.stream.pool_id for request in requests]
    lengths = [len(request.given.x) for request in requests]
    outputs = [np.empty((length, *pool.output_shape), np.float32) for length in lengths]
    active = len(requests)
    for t in range(lengths[0]):
        while lengths[active - 1] <= t:
            active -= 1
        y = pool.step(ids[:active], np.stack([request.given.x[t] for request in requests[:active]]))
        for output, row in zip(outputs, y, strict=False):
            output[t] = row
    for request, output in zip(requests, outputs, strict=True):
        request.result = output


def _not_started(name: str) -> ServiceError:
    return ServiceError(
        400, "no stream", f"stream '{name}' has not been started, or has ended: its first request has sequence_start."
    )
