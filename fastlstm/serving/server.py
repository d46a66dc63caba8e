"""The process, or several of them, in which the application runs until a signal ends it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from time import perf_counter, sleep
from typing import Any, cast

import uvicorn

from fastlstm.engine import get_num_threads, set_num_threads
from fastlstm.printable import escaped
from fastlstm.serving.settings import Settings

logger: logging.Logger = logging.getLogger("fastlstm.serving")

_QUIET = 0.3  # seconds without a request after which a server that drains is done
_HANDSHAKE = 0.2  # seconds that a connection which has begun has to be made
_SETUP_FAILED = 2
_SO_ATTACH_FILTER = 26  # of Linux's asm/socket.h; `socket` has no name for it
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_REFUSAL = (
    "This server runs {workers} workers, and the requests of a sequence would reach different ones: use the WebSocket "
    "/v2/models/NAME/stream, which stays with its worker, or a server with --workers 1."
)


def run(
    models: Mapping[str, str],
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    threads: int | None = None,
    drain: float = 10,
    log_level: str = "info",
    tls: Mapping[str, str] | None = None,
) -> int:
    """Serve models until SIGTERM or SIGINT, then drain, and return the exit code.

    SIGHUP reads all models' files again. A second SIGTERM ends at once.

    Args:
        models: Paths by name.
        settings: The limits.
        host, port: Where to listen; port 0 takes a free one.
        workers: Processes.
        threads: For a large call, in each worker; None shares the CPUs.
        drain: Seconds that a server which is to end still answers, at most, while clients have streams or requests.
        log_level: Of `logging`.
        tls: Arguments of uvicorn's that begin with `ssl_`.

    Raises:
        ValueError, OSError: When a model cannot be served, or the port is not free.
    """
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLevelName(log_level.upper())))
    listener = _bound(host, port)
    url = f"http{'s' * bool(tls)}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    ready = f"serving {', '.join(models)} at {url}"

    def serve(parent: int | None) -> int:
        share = threads or max(1, get_num_threads() // workers)
        set_num_threads(share)
        from fastlstm.serving.app import make_app

        app = make_app(models, **vars(settings))
        service = app.state.service
        gc.collect()
        gc.freeze()
        of_tls: dict[str, Any] = dict(tls or {})
        config = uvicorn.Config(
            app,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.timeout) + 1,
            ws_max_size=settings.max_body,
            **of_tls,
        )
        Server(config, service, listener, drain, ready, parent).run([listener])
        return 0

    if workers == 1:
        return serve(None)
    settings = replace(settings, without_ids=_REFUSAL.format(workers=workers))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        return supervised(workers, serve, listener)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, and does not listen yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # All workers share this flag, in whatever order they begin and end: it never changes.
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise OSError(f"{host}:{port}: {getattr(error, 'strerror', None) or error}") from None
    return listener


def _begin_no_connections(listener: socket.socket) -> None:
    """Let a socket complete the connections that have begun, and begin no others.

    A client knows that it is connected before its listener does: if that one closes in between, or after its last
    `accept`, the connection is reset with its request. A filter (socket(7), SO_ATTACH_FILTER) drops the segments that
    begin one, SYN without ACK; clients repeat them, and are refused once nobody listens. Other systems than Linux
    have no such filter.
    """
    if sys.platform == "linux":
        instructions = (
            (0x30, 0, 0, 13),  # load the byte of a TCP header that has the flags
            (0x54, 0, 0, 0x12),  # keep SYN and ACK
            (0x15, 0, 1, 0x02),  # SYN alone: the next instruction, else the one after it
            (0x06, 0, 0, 0),  # keep no bytes
            (0x06, 0, 0, 0xFFFFFFFF),  # keep all
        )
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
        with suppress(OSError):
            filter_ = struct.pack("HP", len(instructions), ctypes.addressof(program))
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)


class Server(uvicorn.Server):
    """uvicorn's, which drains before it ends, and ends with exit code 0.

    Args:
        config: uvicorn's.
        service: What the application serves.
        listener: The socket that it will listen on.
        drain: Seconds, at most.
        ready: What to print once it listens.
        parent: A pipe that closes when the parent process dies, or None.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        service: Any,
        listener: socket.socket,
        drain: float,
        ready: str,
        parent: int | None = None,
    ) -> None:
        super().__init__(config)
        self._service, self._drain, self._ready, self._parent = service, drain, ready, parent
        # The loop closes the other one; connections that wait in the kernel then are accepted by this one.
        self._listener: socket.socket | None = listener.dup()
        self._drains_since = self._closed_at = 0.0
        self._reloading: asyncio.Task[Any] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        if self._parent is not None:
            loop.add_reader(self._parent, self._orphaned)
        print(self._ready, flush=True)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Drain; the second time, end at once."""
        if self._service.draining:
            self.should_exit = self.force_exit = True
        else:
            self._service.draining = True
            self._drains_since = perf_counter()

    async def on_tick(self, counter: int) -> bool:
        service = self._service
        if service.draining and not self.should_exit:
            busy = service.in_flight or perf_counter() - max(service.last_request, self._drains_since) < _QUIET
            has_streams = any(model.streams and model.streams.named for model in service.models.values())
            late = perf_counter() - self._drains_since >= self._drain
            if self._listener is not None and (late or not (busy or has_streams)):
                await self._stop_listening()
            # Who has connected has _QUIET seconds for a request, and _QUIET more.
            elif self._listener is None:
                self.should_exit: bool = not busy or perf_counter() - self._closed_at >= 2 * _QUIET
        return await super().on_tick(counter)

    async def _stop_listening(self) -> None:
        """Refuse connections, after accepting those that have begun."""
        listener, self._listener = cast(socket.socket, self._listener), None
        _begin_no_connections(listener)
        await asyncio.sleep(_HANDSHAKE)
        for server in self.servers:
            server.close()
        accepted = []
        with suppress(BlockingIOError):
            while True:
                accepted.append(listener.accept()[0])
        listener.close()
        self._service.last_request = self._closed_at = perf_counter()
        config, loop = self.config, asyncio.get_running_loop()
        protocol: Any = config.http_protocol_class
        for connection in accepted:
            await loop.connect_accepted_socket(
                lambda: protocol(config=config, server_state=self.server_state, app_state=self.lifespan.state),
                connection,
                ssl=config.ssl,
            )

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._reloaded())

    async def _reloaded(self) -> None:
        problems = await self._service.reload()
        for problem in problems:
            logger.error("%s", problem)
        if not problems:
            logger.info("all models were loaded again")

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(cast(int, self._parent))
        self.handle_exit(signal.SIGTERM, None)


def supervised(count: int, serve: Callable[[int], int], listener: socket.socket) -> int:
    """Run `serve` in so many processes, begin anew those that die, and return the exit code.

    Args:
        count: Of processes.
        serve: Gets a pipe that closes when this process dies.
        listener: The socket of all of them.
    """
    workers: set[int] = set()
    stopping = False
    pipe = os.pipe()

    def start() -> None:
        # A signal in between would be handled in the new process as if it were this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(pipe[1])
            os._exit(_exit_code(serve, pipe[0]))
        workers.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def forward(number: int, frame: Any) -> None:
        nonlocal stopping
        if number != signal.SIGHUP:
            stopping = True
            listener.close()  # or clients would still connect, to nobody
        for pid in list(workers):
            os.kill(pid, number)

    for number in _SIGNALS:
        signal.signal(number, forward)
    for _ in range(count):
        if not stopping:
            start()
    code, begun = 0, perf_counter()
    while workers:
        pid, status = os.wait()
        workers.discard(pid)
        _forget_gauges(pid)
        if os.waitstatus_to_exitcode(status) == _SETUP_FAILED:
            code = _SETUP_FAILED
            forward(signal.SIGTERM, None)
        elif not stopping:
            logger.error("worker %d ended with %d; another one begins", pid, os.waitstatus_to_exitcode(status))
            if perf_counter() - begun < 1:
                sleep(0.5)
            begun = perf_counter()
            start()
    return code


def _exit_code(serve: Callable[[int], int], parent: int) -> int:
    try:
        return serve(parent)
    except (ValueError, OSError, ImportError, NotImplementedError, MemoryError) as error:
        message = escaped(" ".join(str(error).split()))
        sys.stderr.write(f"fastlstm: error: {message}\n")  # in one piece: workers share it
        sys.stderr.flush()
        return _SETUP_FAILED
    except BaseException:
        logger.exception("a worker failed")
        return 1
    finally:
        sys.stdout.flush()


def _forget_gauges(pid: int) -> None:
    """Drop what a dead worker counted as open."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]
