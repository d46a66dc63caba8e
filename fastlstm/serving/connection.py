"""A WebSocket that is a stream for as long as it is open.

A binary frame holds one step or several as little-endian float32, and is answered by the outputs as such. A text frame
holds JSON: the values of a step, or a list of steps, and is answered by the outputs in the same form. What does not fit
is answered by a text frame `{"error": …}`, and the stream is as before. The next frame is read when the last one has
been answered, so that a client that sends faster than it is served waits on its socket.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastlstm.serving.joiner import QueueFull
from fastlstm.serving.protocol import ServiceError, malformed, numbers, read_json

POLICY, RESTARTS, TRY_LATER = 1008, 1012, 1013  # codes of WebSockets


async def serve_connection(service: Any, websocket: WebSocket) -> None:
    """Be a stream until the client or the server ends it.

    Args:
        service: What is served.
        websocket: The connection, not yet accepted.
    """
    try:
        service.require_token(websocket.headers.get("authorization", "").encode())
        if service.draining:
            raise ServiceError(503, "draining", "This server is stopping.", 1)
        streams = service.model(websocket.path_params).require_connections()
        stream = streams.connect()
    except ServiceError as error:
        service.metrics.errors.labels(error.kind).inc()
        await _refuse(websocket, error)
        return
    try:
        await websocket.accept()
        await _answer_frames(service, websocket, streams, stream)
    except WebSocketDisconnect:
        pass
    finally:
        await streams.disconnect(stream)


async def _refuse(websocket: WebSocket, error: ServiceError) -> None:
    """Answer with the error object in place of a connection, where the server can."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        body = orjson.dumps({"error": error.message})
        await websocket.send_denial_response(Response(body, error.status, media_type="application/json"))
    else:
        await websocket.close(TRY_LATER if error.status == 503 else POLICY, error.message[:100])


async def _answer_frames(service: Any, websocket: WebSocket, streams: Any, stream: Any) -> None:
    receive, send = websocket.receive, websocket.send
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        service.in_flight += 1
        try:
            await send(await _answered(service, message, streams, stream))
        finally:
            service.in_flight -= 1
        if service.draining:
            await websocket.close(RESTARTS)
            return


async def _answered(service: Any, message: Any, streams: Any, stream: Any) -> dict[str, Any]:
    data = message.get("bytes")
    try:
        if data is not None:
            y = await streams.advance(stream, _from_bytes(data, streams.step_shape))
            return {"type": "websocket.send", "bytes": y.astype("<f4", copy=False).tobytes()}
        x, single = _from_json(message.get("text") or "", streams.step_shape)
        y = await streams.advance(stream, x)
        if not np.isfinite(y).all():
            raise ServiceError(422, "not finite", "The output holds NaN or infinity, which JSON cannot; send bytes.")
        text = orjson.dumps(y[0] if single else y, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    except (ServiceError, QueueFull, ValueError) as error:
        service.metrics.errors.labels(getattr(error, "kind", "input")).inc()
        text = orjson.dumps({"error": str(error)}).decode()
    return {"type": "websocket.send", "text": text}


def _from_bytes(data: bytes, step_shape: tuple[int, ...]) -> np.ndarray:
    size = 4 * int(np.prod(step_shape))
    if not data or len(data) % size:
        raise malformed(f"A frame should have a multiple of {size} bytes, which are a step. Received: {len(data)}")
    return np.frombuffer(data, "<f4").reshape(-1, *step_shape)


def _from_json(text: str, step_shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """The steps, and whether the frame held a single one."""
    try:
        body = text.encode()
        x = numbers(read_json(body, len(body)))
    except ValueError:
        x = np.array(None)
    if x.dtype.kind not in "fiu":
        raise malformed("A frame should be JSON: the numbers of a step, or a list of steps.")
    single = x.ndim == len(step_shape)
    with np.errstate(over="ignore"):
        return (x[np.newaxis] if single else x).astype(np.float32), single
