"""What one may set about a service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The limits of a service.

    Args:
        max_batch: Rows that are run together at most.
        max_wait_us: Microseconds that a batch waits at most for others.
        queue: Requests of a model that may wait; more are refused with 503.
        max_body: Bytes of a request; larger ones are refused with 413.
        max_streams: Streams of a model that may be open; 0 for none.
        idle: Seconds without a step after which a stream is evicted.
        timeout: Seconds that a request may take, its arrival included.
        repository: Whether models may be loaded again by request.
        token: What clients have to show, or None.
        without_ids: Why streams have no ids, in words for the client, or None.
    """

    max_batch: int = 64
    max_wait_us: float = 500
    queue: int = 1024
    max_body: int = 16 * 2**20
    max_streams: int = 10_000
    idle: float = 600
    timeout: float = 60
    repository: bool = False
    token: str | None = None
    without_ids: str | None = None
