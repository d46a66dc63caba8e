"""Serve models over HTTP: the Open Inference Protocol, version 2, and streams that keep their state.

MODEL   a .keras, .h5, .onnx or packed file, under the name of the file without its ending, or NAME=FILE.

    POST /v2/models/NAME/infer                    JSON, or JSON with tensors as bytes; sequence_id makes it a stream
    GET, PUT /v2/models/NAME/streams/ID/state     a stream's checkpoint
    WebSocket /v2/models/NAME/stream              a stream for as long as it is open
    /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME, /metrics

SIGTERM drains and ends; SIGHUP reads the files again. Needs pip install "fastlstm[serve]".
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlstm.cli import files

_EXTRA = ("starlette", "uvicorn", "prometheus_client", "orjson")
_LEVELS = ("debug", "info", "warning", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    def number(name: str, default: float, text: str, kind: type = int) -> None:
        metavar = "N" if kind is int else "SECONDS"
        parser.add_argument(name, type=at_least_0(kind), default=default, metavar=metavar, help=f"{text} ({default})")

    parser.add_argument("models", nargs="+", metavar="MODEL", help="a file, or NAME=FILE")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1: this machine alone)")
    number("--port", 8000, "where to listen; 0 takes a free one")
    parser.add_argument("--threads", type=files.positive, metavar="N", help="for a large batch, in each worker")
    parser.add_argument("--workers", type=files.positive, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--max-batch", type=files.positive, default=64, metavar="N", help="rows run together (64)")
    number("--max-wait-us", 500, "microseconds that a batch waits for others at most")
    parser.add_argument("--queue", type=files.positive, default=1024, metavar="N", help="requests that may wait (1024)")
    parser.add_argument("--max-body", type=size, default="16MB", metavar="SIZE", help="of a request (16MB)")
    number("--max-streams", 10_000, "streams of a model; 0 for none")
    number("--idle", 600, "without a step, after which a stream is evicted", float)
    number("--timeout", 60, "that a request may take", float)
    number("--drain", 10, "that requests and streams have to end after SIGTERM", float)
    parser.add_argument("--repository", action="store_true", help="allow POST /v2/repository/models/NAME/load")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="clients have to show the token in this file")
    for name in ("keyfile", "certfile", "ca-certs"):
        parser.add_argument(f"--ssl-{name}", metavar="FILE", help="as uvicorn's")
    parser.add_argument("--log-level", choices=_LEVELS, default="info", help="debug has a line for every request")


def run(options: argparse.Namespace) -> int:
    models = named(options.models)
    for path in models.values():
        if not Path(path).exists():
            raise ValueError(f"{path}: there is no such file")
    if options.repository and options.workers > 1:
        raise ValueError("--repository is for one worker; SIGHUP makes all of them load their models again")
    try:
        from fastlstm.serving import server
        from fastlstm.serving.settings import Settings
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise ImportError(f'fastlstm serve needs {error.name}: pip install "fastlstm[serve]"') from None
    settings = Settings(
        max_batch=options.max_batch,
        max_wait_us=options.max_wait_us,
        queue=options.queue,
        max_body=options.max_body,
        max_streams=options.max_streams,
        idle=options.idle,
        timeout=options.timeout,
        repository=options.repository,
        token=None if options.token_file is None else token(options.token_file),
    )
    tls = {name: value for name, value in vars(options).items() if name.startswith("ssl_") and value is not None}
    return server.run(
        models,
        settings,
        options.host,
        options.port,
        options.workers,
        options.threads,
        options.drain,
        options.log_level,
        tls,
    )


def at_least_0(kind: type) -> Callable[[str], Any]:
    """The type of an argument that is a number of at least 0."""

    def number(text: str) -> float:
        if not re.fullmatch(r"\d+" if kind is int else r"\d+(\.\d+)?", text, re.ASCII):
            raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text!r}")
        return kind(text)

    return number


def size(text: str) -> int:
    """An argument in bytes, KB, MB or GB, each 1024 of the one before."""
    match = re.fullmatch(r"(\d+)(|KB|MB|GB)", text, re.IGNORECASE | re.ASCII)
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"expected a size such as 16MB, got {text!r}")
    return int(match[1]) * 1024 ** ("", "KB", "MB", "GB").index(match[2].upper())


def named(words: list[str]) -> dict[str, str]:
    """The models' paths by name."""
    models: dict[str, str] = {}
    for word in words:
        match = re.fullmatch(r"([^/=]+)=(.+)", word)
        name, path = match.groups() if match else (Path(word).stem, word)
        if name in models:
            raise ValueError(f"two models are named {name!r}: {models[name]} and {path}; give one as NAME=FILE")
        models[name] = path
    return models


def token(path: Path) -> str:
    """The token in a file."""
    text = path.read_text(encoding="ascii").strip()
    if not text:
        raise ValueError(f"{path}: there is no token in it")
    return text
