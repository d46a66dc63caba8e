"""`Joiner`: what many callers ask for at about the same time becomes one run.

A caller that finds nobody running leads: it takes whatever is waiting and runs it (an asynchronous caller leaves that
to a thread of the joiner's). Whoever comes meanwhile waits for the end of that run, and is in the next one. So nobody
waits who is alone, and the more there are, the larger the runs.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Protocol

# A leader waits for as many requests as were in the run before, if that ended within so many times the longest wait.
_STILL_BUSY = 4


class QueueFull(RuntimeError):
    """As many requests are waiting as may."""


class Observer(Protocol):
    """Who wants to know of runs."""

    def ran(self, requests: Sequence[Request], seconds: float) -> None:
        """Hear of a run that has ended, on the thread that ran it, before the callers do; it raises nothing."""


class Request:
    """What one caller asks for, and what becomes of it.

    Args:
        given: The caller's input.
        rows: Of the input.
        key: Of two requests with one key, the second runs after the first, never beside it; None has no such.
        forced: Whether it may wait however many do.
    """

    __slots__ = ("_event", "_future", "arrived", "begun", "error", "forced", "given", "key", "loop", "result", "rows")

    def __init__(self, given: Any, rows: int = 1, key: Any = None, forced: bool = False) -> None:
        self.given: Any = given
        self.rows: int = rows
        self.key: Any = key
        self.forced: bool = forced
        self.result: Any = None
        self.error: BaseException | None = None
        self.arrived: float = 0.0
        self.begun: float = 0.0
        self.loop: asyncio.AbstractEventLoop | None = None
        self._future: asyncio.Future[Any] | None = None
        self._event: threading.Lock | None = None

    @property
    def abandoned(self) -> bool:
        """Whether the caller waits no more."""
        return self._future is not None and self._future.done()

    def awaited(self) -> asyncio.Future[Any]:
        """Return the future of an asynchronous caller's result."""
        self.loop = asyncio.get_running_loop()
        self._future = self.loop.create_future()
        return self._future

    def wait(self) -> None:
        """Wait until the request has been run, on this thread, or on another one."""
        if self._event is not None:
            self._event.acquire()

    def blocks(self) -> None:
        """Make ready for `wait`."""
        self._event = threading.Lock()
        self._event.acquire()

    def done(self) -> None:
        """Let the caller go on; an asynchronous one only on its loop's thread."""
        if self._event is not None:
            self._event.release()
        elif self._future is not None and not self._future.done():
            if self.error is not None:
                self._future.set_exception(self.error)
            else:
                self._future.set_result(self.result)


class Joiner:
    """Runs requests of many callers together.

    Args:
        run: Gets a list of requests, and sets `result` or `error` of each.
        max_rows: Rows of a run; a request of more runs alone.
        max_wait: Seconds that a run waits at most for requests that are to be expected: for as many as the run before
            had, if there were more than one.
        queue: Requests that may wait.
        observer: Is told of every run.
    """

    def __init__(
        self,
        run: Callable[[list[Request]], None],
        max_rows: int,
        max_wait: float,
        queue: int,
        observer: Observer | None = None,
    ) -> None:
        self._run, self._max_rows, self._max_wait, self._queue = run, max_rows, max_wait, queue
        self._observer = observer
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Be without callers; so does a process that was forked, where those of the other one will never come."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._pending: deque[Request] = deque()
        self._leading = False
        self._expected, self._ended = 1, 0.0
        # A leader that waits for others holds it; whoever is the last of them lets it go on.
        self._enough = threading.Lock()
        self._wanted = 0
        self._work: SimpleQueue[bool] | None = None

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._pending)

    async def ask(self, request: Request) -> Any:
        """Return a request's result.

        Raises:
            QueueFull: When too many are waiting.
            RuntimeError: After `close`.
        """
        future = request.awaited()
        if self._leads(request):
            self._hand_over()
        return await future

    def ask_sync(self, request: Request) -> Any:
        """Return a request's result, on any thread; as `ask`."""
        request.blocks()
        if self._leads(request):
            self._serve(self._taken())
            with self._lock:
                self._leading = bool(self._pending)
            if self._leading:
                self._hand_over()
        request.wait()
        if request.error is not None:
            raise request.error
        return request.result

    def close(self) -> None:
        """Take no more requests; those that are waiting are run."""
        with self._lock:
            self._closed = True
            if self._work is not None:
                self._work.put(False)

    def _leads(self, request: Request) -> bool:
        """Let a request wait, and return whether its caller has to see to it that somebody runs it."""
        request.arrived = perf_counter()
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            if self._closed:
                raise RuntimeError("This batcher is closed.")
            if len(self._pending) >= self._queue and not request.forced:
                raise QueueFull(f"{self._queue} requests are waiting already.")
            self._pending.append(request)
            if self._wanted and len(self._pending) >= self._wanted:
                self._wanted = 0
                self._enough.release()
            leads, self._leading = not self._leading, True
            return leads

    def _hand_over(self) -> None:
        """Let the joiner's own thread lead."""
        with self._lock:
            if self._work is None:
                self._work = SimpleQueue()
                threading.Thread(target=self._lead, args=(self._work,), name="fastlstm joiner", daemon=True).start()
            self._work.put(True)

    def _lead(self, work: SimpleQueue[bool]) -> None:
        while work.get():
            while batch := self._taken():
                self._serve(batch)

    def _taken(self) -> list[Request]:
        """The requests of the next run; none if none are waiting, and nobody leads from then on."""
        self._gather()
        taken: list[Request] = []
        kept: list[Request] = []
        keys, rows = set(), 0
        with self._lock:
            while self._pending and (not taken or rows < self._max_rows):
                request = self._pending.popleft()
                if request.abandoned:
                    continue
                if request.key is not None and request.key in keys:
                    kept.append(request)
                    continue
                if taken and rows + request.rows > self._max_rows:
                    kept.append(request)
                    break
                taken.append(request)
                rows += request.rows
                keys.add(request.key)
            self._pending.extendleft(reversed(kept))
            self._leading = bool(taken)
        return taken

    def _gather(self) -> None:
        """Wait for those who are to be expected."""
        if self._expected == 1 or perf_counter() - self._ended > _STILL_BUSY * self._max_wait:
            return
        with self._lock:
            if not 0 < len(self._pending) < self._expected or self._max_wait <= 0:
                return
            self._wanted = self._expected
            self._enough.acquire(blocking=False)
        self._enough.acquire(timeout=self._max_wait)
        with self._lock:
            self._wanted = 0

    def _serve(self, batch: list[Request]) -> None:
        if not batch:
            return
        begun = perf_counter()
        for request in batch:
            request.begun = begun
        try:
            self._run(batch)
        except BaseException as error:  # a fault of ours: no caller may be left waiting
            for request in batch:
                request.error = request.error or error
        ended = perf_counter()
        self._expected, self._ended = len(batch), ended
        if self._observer is not None:
            self._observer.ran(batch, ended - begun)
        _deliver(batch)


def _deliver(batch: list[Request]) -> None:
    """Let the callers go on; those of one event loop all at once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Request]] = {}
    for request in batch:
        if request.loop is None:
            request.done()
        else:
            by_loop.setdefault(request.loop, []).append(request)
    for loop, requests in by_loop.items():
        try:
            loop.call_soon_threadsafe(_all_done, requests)
        except RuntimeError:  # the loop is closed, and its callers with it
            continue


def _all_done(requests: Sequence[Request]) -> None:
    for request in requests:
        request.done()
