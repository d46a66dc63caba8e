"""The application: the Open Inference Protocol over a `Service`, for any ASGI server or mounted in another one."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from fastlstm._version import __version__
from fastlstm.serving import protocol
from fastlstm.serving.connection import serve_connection
from fastlstm.serving.joiner import QueueFull
from fastlstm.serving.metrics import CONTENT_TYPE, Metrics
from fastlstm.serving.protocol import ServiceError
from fastlstm.serving.repository import VERSION, Served
from fastlstm.serving.settings import Settings

logger: logging.Logger = logging.getLogger("fastlstm.serving")

JSON = "application/json"
BYTES = "application/octet-stream"
EXTENSIONS = ["binary_tensor_data", "sequence", "model_repository"]


class Reply:
    """What an endpoint answers.

    Args:
        body: Pieces of bytes.
        status: Of HTTP.
        media_type: Of the body.
        headers: Others.
    """

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        body: list[bytes],
        status: int = 200,
        media_type: str = JSON,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.body: list[bytes] = body
        self.status: int = status
        self.media_type: str = media_type
        self.headers: tuple[tuple[bytes, bytes], ...] = headers


def as_json(value: Any, status: int = 200) -> Reply:
    """Return the reply that holds a value."""
    return Reply([orjson.dumps(value)], status)


class Service:
    """What an application serves.

    Args:
        models: Models, or paths of their files, by name.
        settings: The limits.

    Raises:
        ValueError, OSError: When a model cannot be served.
    """

    def __init__(self, models: Mapping[str, Any], settings: Settings) -> None:
        if not models:
            raise ValueError("There is no model to serve.")
        self.settings: Settings = settings
        self.metrics: Metrics = Metrics()
        self.models: dict[str, Served] = {
            name: Served(name, source, settings, self.metrics.of_model(name)) for name, source in models.items()
        }
        self.draining = False
        self.in_flight = 0
        self.last_request: float = perf_counter()

    def model(self, path: Mapping[str, str]) -> Served:
        """Return the model that a path names.

        Raises:
            ServiceError: When there is none.
        """
        model = self.models.get(path["name"])
        if model is None:
            raise ServiceError(404, "no model", f"There is no model '{path['name']}'.")
        if path.get("version", VERSION) != VERSION:
            raise ServiceError(404, "no model", f"Model '{model.name}' has version {VERSION} alone.")
        return model

    def require_token(self, authorization: bytes) -> None:
        """Raise ServiceError unless the header has the token, if there is one."""
        token = self.settings.token
        if token is not None and not hmac.compare_digest(authorization, b"Bearer " + token.encode()):
            raise ServiceError(401, "unauthorized", "The header `Authorization: Bearer TOKEN` is missing, or wrong.")

    async def reload(self) -> list[str]:
        """Read the files of all models again, and return what went wrong; those models stay as they are."""
        problems = []
        for model in self.models.values():
            try:
                await model.reload()
            except Exception as error:
                problems.append(f"Model '{model.name}' was not loaded again: {error}")
        return problems

    # Endpoints

    async def infer(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        model = self.model(path)
        length = headers.get(protocol.HEADER_LENGTH)
        inference = protocol.parsed(body, None if length is None else length.decode("latin-1"))
        stream = inference.parameters.get("sequence_id")
        if stream not in (None, 0, ""):
            if type(stream) not in (int, str) or len(str(stream)) > 200:
                raise protocol.malformed("`sequence_id` should be an integer or a string of at most 200 characters.")
            begin, end = (bool(inference.parameters.get(f"sequence_{name}")) for name in ("start", "end"))
            if begin and self.draining:
                raise ServiceError(503, "draining", "This server is stopping: it begins no sequences.", 1)
            outputs = await model.step(inference.inputs, str(stream), begin, end)
        else:
            outputs = await model.predict(inference.inputs)
        if inference.outputs is not None:
            by_name = dict(outputs)
            unknown = [name for name in inference.outputs if name not in by_name]
            if unknown:
                known = ", ".join(by_name)
                raise ServiceError(400, "malformed", f"Model '{model.name}' has no output '{unknown[0]}', but {known}.")
            outputs = [(name, by_name[name]) for name in inference.outputs]
        pieces, length_of_json = protocol.response(model.name, VERSION, inference, outputs)
        if length_of_json is None:
            return Reply(pieces)
        return Reply(pieces, media_type=BYTES, headers=((protocol.HEADER_LENGTH, str(length_of_json).encode()),))

    async def server(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        extensions = EXTENSIONS if self.settings.repository else EXTENSIONS[:-1]
        return as_json({"name": "fastlstm", "version": __version__, "extensions": extensions})

    async def live(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        return as_json({"live": True})

    async def ready(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        return as_json({"ready": not self.draining}, 503 if self.draining else 200)

    async def metadata(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        return as_json(self.model(path).metadata)

    async def model_ready(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        name = self.model(path).name
        return as_json({"name": name, "ready": not self.draining}, 503 if self.draining else 200)

    async def state(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        return Reply([await self.model(path).require_streams().state(path["stream"])], media_type=BYTES)

    async def set_state(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        if self.draining:
            raise ServiceError(503, "draining", "This server is stopping: it takes no sequences.", 1)
        await self.model(path).require_streams().set_state(path["stream"], body)
        return as_json({})

    async def index(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        self._require_repository()
        return as_json([{"name": name, "version": VERSION, "state": "READY", "reason": ""} for name in self.models])

    async def load(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        self._require_repository()
        model = self.model(path)
        try:
            await model.reload()
        except (ValueError, OSError, NotImplementedError, MemoryError) as error:
            raise ServiceError(400, "load", f"Model '{model.name}' was not loaded again: {error}") from None
        return as_json({})

    async def prometheus(self, body: bytes, path: Mapping[str, str], headers: Mapping[bytes, bytes]) -> Reply:
        return Reply([self.metrics.text()], media_type=CONTENT_TYPE)

    def _require_repository(self) -> None:
        if not self.settings.repository:
            raise ServiceError(404, "no such path", "Loading models by request is off (--repository).")


Answer = Callable[[bytes, Mapping[str, str], Mapping[bytes, bytes]], Awaitable[Reply]]


class Endpoint:
    """A method of the service as an ASGI application: with the token, the limits, and error objects.

    Args:
        service: The service.
        answer: The method.
        reads: Whether the request has a body.
        open: Whether it needs no token.
    """

    def __init__(self, service: Service, answer: Answer, reads: bool = False, open: bool = False) -> None:
        self._service, self._answer, self._reads, self._open = service, answer, reads, open
        self._counts = answer == service.infer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        service = self._service
        begin = perf_counter()
        service.in_flight += 1
        service.last_request = begin
        try:
            reply = await self._replied(scope, receive)
            await send_reply(send, reply, service.draining)
        finally:
            service.in_flight -= 1
        if self._counts:
            served = service.models.get(scope["path_params"]["name"])
            if served is not None:
                served.metrics.answered(reply.status)
        if logger.isEnabledFor(logging.DEBUG):
            passed = 1e3 * (perf_counter() - begin)
            logger.debug("%s %r %d %.3f ms", scope["method"], scope["path"], reply.status, passed)

    async def _replied(self, scope: Any, receive: Any) -> Reply:
        service = self._service
        task, timeout = asyncio.current_task(), service.settings.timeout
        deadline = Deadline(task, timeout)
        try:
            headers = dict(scope["headers"])
            if not self._open:
                service.require_token(headers.get(b"authorization", b""))
            body = await read_body(receive, headers, service.settings.max_body) if self._reads else b""
            return await self._answer(body, scope["path_params"], headers)
        except asyncio.CancelledError:
            if not deadline.passed:
                raise
            error = ServiceError(504, "timeout", f"The request took longer than {timeout:g} seconds.")
        except ServiceError as found:
            error = found
        except Exception as found:
            error = _service_error(found, service)
        finally:
            deadline.end()
        return error_reply(service, error)


class Deadline:
    """Cancels a task after some seconds, unless it ends before.

    Args:
        task: The task.
        seconds: How many.
    """

    passed: bool

    def __init__(self, task: asyncio.Task[Any] | None, seconds: float) -> None:
        self.passed, self._task = False, task
        self._handle = asyncio.get_running_loop().call_later(seconds, self._pass)

    def _pass(self) -> None:
        self.passed = True
        if self._task is not None:
            self._task.cancel()

    def end(self) -> None:
        """Let the task go on."""
        self._handle.cancel()


def _service_error(error: Exception, service: Service) -> ServiceError:
    if isinstance(error, QueueFull):
        return ServiceError(503, "queue full", str(error), 1)
    if isinstance(error, (ValueError, TypeError, NotImplementedError)):
        return ServiceError(400, "input", str(error))
    if isinstance(error, MemoryError):
        return ServiceError(413, "memory", str(error) or "There is no memory for this.")
    logger.error("a request failed", exc_info=error)
    return ServiceError(500, "internal", "Something went wrong inside the server.")


def error_reply(service: Service, error: ServiceError) -> Reply:
    """Return the protocol's error object."""
    service.metrics.errors.labels(error.kind).inc()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if error.retry_after is not None:
        headers = ((b"retry-after", str(error.retry_after).encode()),)
    if error.status == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    if error.status == 413 or error.kind == "timeout":
        headers += ((b"connection", b"close"),)  # the rest of the body is not read
    return Reply([orjson.dumps({"error": error.message})], error.status, headers=headers)


async def read_body(receive: Any, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """Return the body of a request.

    Raises:
        ServiceError: It is larger than allowed, compressed, or ends early.
    """
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise ServiceError(415, "malformed", "A compressed body is not supported.")
    length = headers.get(b"content-length", b"0")
    message = None
    if not length.isdigit() or int(length) <= limit:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body") and len(message["body"]) <= limit:
            return message["body"]
    pieces, size = [], 0
    while message is not None and size <= limit:
        if message["type"] == "http.disconnect":
            raise protocol.malformed("The connection ended before the body did.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size <= limit and not message.get("more_body"):
            return b"".join(pieces)
        message = await receive() if size <= limit else None
    raise ServiceError(413, "too large", f"The body is larger than {limit} bytes.")


async def send_reply(send: Any, reply: Reply, closes: bool) -> None:
    """Send a reply.

    Args:
        send: Of ASGI.
        reply: The reply.
        closes: Whether it is the connection's last.
    """
    body = reply.body[0] if len(reply.body) == 1 else b"".join(reply.body)
    headers = [
        (b"content-type", reply.media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *reply.headers,
    ]
    if closes and (b"connection", b"close") not in headers:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_app(models: Mapping[str, Any], **settings: Any) -> Starlette:
    """Return an application that serves models under the Open Inference Protocol, version 2.

    It may be mounted in another one. `app.state.service` holds the models, and stops them from beginning anything new
    where its `draining` is set.

    Args:
        models: Models, or paths of their files, by name.
        **settings: As for `Settings`.

    Raises:
        ValueError, OSError: When a model cannot be served.
    """
    service = Service(models, Settings(**settings))

    async def failed(request: Request, error: Exception) -> Response:
        status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
        found = ServiceError(status, "no such path", f"{detail}: {request.method} {request.url.path}")
        reply = error_reply(service, found)
        return Response(reply.body[0], status, media_type=JSON, headers=getattr(error, "headers", None))

    async def connected(websocket: Any) -> None:
        await serve_connection(service, websocket)

    app = Starlette(routes=[*_routes(service), *_connections(connected)], exception_handlers={HTTPException: failed})
    app.state.service = service
    return app


def _connections(connected: Any) -> list[BaseRoute]:
    paths = "/v2/models/{name}/stream", "/v2/models/{name}/versions/{version}/stream"
    return [WebSocketRoute(path, connected) for path in paths]


def _routes(service: Service) -> list[BaseRoute]:
    def at(path: str, answer: Answer, method: str = "GET", **options: bool) -> BaseRoute:
        return Route(path, Endpoint(service, answer, **options), methods=[method])

    routes = []
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes += [
            at(f"{model}/infer", service.infer, "POST", reads=True),
            at(model, service.metadata),
            at(f"{model}/ready", service.model_ready),
            at(f"{model}/streams/{{stream}}/state", service.state),
            at(f"{model}/streams/{{stream}}/state", service.set_state, "PUT", reads=True),
        ]
    return [
        *routes,
        at("/v2", service.server),
        at("/v2/health/live", service.live, open=True),
        at("/v2/health/ready", service.ready, open=True),
        at("/v2/repository/index", service.index, "POST", reads=True),
        at("/v2/repository/models/{name}/load", service.load, "POST", reads=True),
        at("/metrics", service.prometheus),
    ]
