"""What the service counts, for Prometheus."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from fastlstm.serving.joiner import Request

# Microseconds.
_TIMES = (50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3, 500e3, 1e6, 5e6)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one service. Several workers count into files, if PROMETHEUS_MULTIPROC_DIR says where."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def made(kind: Any, name: str, text: str, labels: tuple[str, ...] = ("model",), **options: Any) -> Any:
            return kind(f"fastlstm_{name}", text, labels, registry=registry, **options)

        self.requests: Any = made(Counter, "requests", "Requests for inference that were answered", ("model", "status"))
        self.errors: Any = made(Counter, "errors", "Requests that failed, by kind of error", ("kind",))
        self._rows = made(Counter, "rows", "Rows, and steps of streams, that were run")
        self._batch = made(Histogram, "batch_requests", "Requests that were run together", buckets=_ROWS)
        self._batch_rows = made(Histogram, "batch_rows", "Rows that were run together", buckets=_ROWS)
        self._queue = made(Histogram, "queue_microseconds", "From a request to its run", buckets=_TIMES)
        self._compute = made(Histogram, "compute_microseconds", "Of a run", buckets=_TIMES)
        self._streams = made(Gauge, "open_streams", "Streams that are open", multiprocess_mode="livesum")
        self._evicted = made(Counter, "evicted_streams", "Streams that were evicted as idle")

    def of_model(self, name: str) -> ModelMetrics:
        """Return the counters of one model."""
        return ModelMetrics(self, name)

    def text(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            shared = CollectorRegistry()
            MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
            return generate_latest(shared)
        return generate_latest(self._registry)


class ModelMetrics:
    """The counters of one model; it observes its runs.

    Args:
        metrics: Those of the service.
        name: Of the model.
    """

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._rows, self._batch = metrics._rows.labels(name), metrics._batch.labels(name)
        self._batch_rows, self._queue = metrics._batch_rows.labels(name), metrics._queue.labels(name)
        self._compute, self._streams = metrics._compute.labels(name), metrics._streams.labels(name)
        self._evicted = metrics._evicted.labels(name)
        self._requests, self._name = metrics.requests, name
        self._answered: dict[int, Any] = {}

    def ran(self, requests: Sequence[Request], seconds: float) -> None:
        """Count a run."""
        rows = sum(request.rows for request in requests)
        self._rows.inc(rows)
        self._batch.observe(len(requests))
        self._batch_rows.observe(rows)
        self._compute.observe(1e6 * seconds)
        for request in requests:
            self._queue.observe(1e6 * (request.begun - request.arrived))

    def streams(self, count: int, evicted: int) -> None:
        """Count the streams."""
        self._streams.set(count)
        if evicted:
            self._evicted.inc(evicted)

    def answered(self, status: int) -> None:
        """Count a request."""
        if status not in self._answered:
            self._answered[status] = self._requests.labels(self._name, str(status))
        self._answered[status].inc()
