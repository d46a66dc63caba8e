"""Clients of `fastlstm serve` that cost little: connections as plain protocols of asyncio."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import struct
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np


class Streams:
    """WebSockets, each of which sends a step so many times a second, and hears the output before the next.

    Args:
        port: Of the server.
        features: Of a step.
        rate: Steps a second of each.
    """

    def __init__(self, port: int, features: int, rate: float) -> None:
        self.port, self.rate = port, rate
        self.frame = _masked(np.ones(features, "<f4").tobytes())
        self.taken: list[float] = []
        self.late = 0

    async def run(self, count: int, seconds: float) -> None:
        """Open so many, and let them send for so long."""
        loop = asyncio.get_running_loop()
        opened = []
        for _ in range(count):
            _, protocol = await loop.create_connection(lambda: _Stream(self), "127.0.0.1", self.port)
            await protocol.opened
            opened.append(protocol)
        begin = loop.time() + 0.2
        for number, protocol in enumerate(opened):
            protocol.begin(begin + number / count / self.rate, begin + seconds)
        await asyncio.sleep(begin + seconds + 0.5 - loop.time())
        for protocol in opened:
            protocol.transport.close()


class _Stream(asyncio.Protocol):
    def __init__(self, streams: Streams) -> None:
        self.streams, self.loop = streams, asyncio.get_running_loop()
        self.opened = self.loop.create_future()
        self.sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            (
                f"GET /v2/models/m/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            if not data.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(RuntimeError(data[:200].decode()))
            self.opened.set_result(None)
        elif data[0] == 0x89:  # a ping
            self.transport.write(b"\x8a\x80\0\0\0\0")
        elif self.sent:
            self.streams.taken.append(self.loop.time() - self.sent)
            self.sent = 0.0

    def begin(self, at: float, end: float) -> None:
        self.end = end
        self.loop.call_at(at, self._step, at)

    def _step(self, at: float) -> None:
        if self.sent:
            self.streams.late += 1
        else:
            self.sent = self.loop.time()
            self.transport.write(self.streams.frame)
        after = at + 1 / self.streams.rate
        if after < self.end:
            self.loop.call_at(after, self._step, after)


def _masked(data: bytes) -> bytes:
    """A binary frame from a client; a mask of zeros leaves the data as it is."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return b"\x82" + length + b"\0\0\0\0" + data


class Soak:
    """Requests of mixed shapes over some connections, some of them broken, each with the answer that it should have.

    Args:
        port: Of the server.
        good: Requests, as bytes, with the bodies of their answers.
        broken: Requests that are to be answered with 400.
        share: Of broken ones.
    """

    def __init__(self, port: int, good: list[tuple[bytes, bytes]], broken: list[bytes], share: float) -> None:
        self.port, self.good, self.broken, self.share = port, good, broken, share
        self.done = 0
        self.failed: list[str] = []

    async def run(self, count: int, connections: int, watch: Callable[[], None]) -> None:
        """Ask for so many answers, calling `watch` twice a second."""
        tasks = [asyncio.create_task(self._ask(count // connections, seed)) for seed in range(connections)]
        while not all(task.done() for task in tasks):
            watch()
            await asyncio.wait(tasks, timeout=0.5)
        for task in tasks:
            task.result()

    async def _ask(self, count: int, seed: int) -> None:
        rng = random.Random(seed)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for _ in range(count):
            wrong = rng.random() < self.share
            request, expected = (rng.choice(self.broken), None) if wrong else rng.choice(self.good)
            writer.write(request)
            status, body = await _read(reader)
            self.done += 1
            if (status, body) != (200, expected) and not (wrong and status == 400 and body.startswith(b'{"error":')):
                self.failed.append(f"{status} {body[:100]!r}")
        writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return int(head[9:12]), await reader.readexactly(length)


def http(body: bytes, json_length: int | None = None) -> bytes:
    """A request to the model, as bytes."""
    binary = "" if json_length is None else f"Inference-Header-Content-Length: {json_length}\r\n"
    head = f"POST /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n{binary}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def soak_requests(model: Any, shapes: int) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    """Requests of mixed shapes with the answers that they should have, and broken ones."""
    import orjson

    from fastlstm.models.tensor_names import input_names

    name, output = input_names(model)[0], model.layers[-1].name
    rng = np.random.default_rng(0)
    good, features = [], model.inputs[0].shape[-1]
    for number in range(shapes):
        x = rng.standard_normal((int(rng.integers(1, 6)), int(rng.integers(1, 60)), features), np.float32)
        y = model.predict_on_batch(x)
        entry = {"name": name, "shape": x.shape, "datatype": "FP32"}
        described = {"name": output, "datatype": "FP32", "shape": y.shape}
        answer = {"model_name": "m", "model_version": "1", "outputs": [described]}
        if number % 2:
            request: dict[str, Any] = {"inputs": [{**entry, "data": x.ravel().tolist()}]}
            described["data"] = y.reshape(-1)
            good.append((http(json.dumps(request).encode()), orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)))
        else:
            request = {
                "inputs": [{**entry, "parameters": {"binary_data_size": x.nbytes}}],
                "parameters": {"binary_data_output": True},
            }
            described["parameters"] = {"binary_data_size": y.nbytes}
            text = json.dumps(request).encode()
            expected = json.dumps(answer, separators=(",", ":")).encode() + y.tobytes()
            good.append((http(text + x.tobytes(), len(text)), expected))
    entry = {"name": name, "shape": [1, 2, features], "datatype": "FP32", "data": [0.5] * 2 * features}
    wrong = [
        {"shape": [1, 2, features + 1]},
        {"datatype": "WORDS"},
        {"data": ["x"]},
        {"name": "other"},
        {"shape": [1, 0, features], "data": []},
    ]
    broken = [http(json.dumps({"inputs": [{**entry, **parts}]}).encode()) for parts in wrong]
    broken += [http(b'{"inputs": [NaN'), http(b"[" * 2000), http(b"{}" + b"\0" * 9, 2)]
    return good, broken


def measured(streams: Streams) -> dict[str, float]:
    """Milliseconds from a step to its output."""
    taken = 1e3 * np.sort(streams.taken)
    return {name: float(np.percentile(taken, q)) for name, q in (("p50", 50), ("p99", 99), ("p99.9", 99.9))}


def stream_figures(
    port: int, features: int, count: int, rate: float, seconds: float, cpu: Callable[[], float]
) -> dict[str, float]:
    """The figures of so many streams."""
    streams = Streams(port, features, rate)
    before, begin = cpu(), perf_counter()
    asyncio.run(streams.run(count, seconds))
    passed = perf_counter() - begin
    return {**measured(streams), "steps": len(streams.taken), "late": streams.late, "cpu": (cpu() - before) / passed}
