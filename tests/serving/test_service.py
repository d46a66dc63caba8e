"""The service under stress and in the hands of operators: limits, tokens, draining, new weights, metrics."""

import asyncio
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastlstm import onnx, save_packed
from fastlstm.layers import LSTM, Dense
from networks import network, random
from service_client import serving

pytestmark = pytest.mark.packed_kernels

X = random(1, 4, 3)


@pytest.fixture
def last(client, models):
    """The model, where the service is installed."""
    return models["last"]


class Held:
    """Makes the runs of a client's model wait for `go`."""

    def __init__(self, client, model="last"):
        self.running, self.go = threading.Event(), threading.Event()
        joiner = client.service.models[model].current.batcher._joiner
        run = joiner._run

        def held(requests):
            self.running.set()
            assert self.go.wait(60)
            run(requests)

        joiner._run = held


def test_an_onnx_file_is_served(last, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnx.save(last, tmp_path / "last.onnx")
    with serving({"last": str(tmp_path / "last.onnx")}) as client:
        np.testing.assert_allclose(client.predict("last", X), last.predict_on_batch(X), rtol=1e-5, atol=1e-6)


def test_requests_of_many_connections_are_run_together(last):
    x = [random(1 + n % 3, 1 + n % 4, 3, seed=n) for n in range(20)]
    with serving({"last": last}) as client, ThreadPoolExecutor(21) as threads:
        held = Held(client)
        first = threads.submit(client.predict, "last", X)
        assert held.running.wait(60)
        others = [threads.submit(client.predict, "last", one) for one in x]
        waiting = client.service.models["last"].current.batcher
        while len(waiting) < len(x):
            threading.Event().wait(0.01)
        held.go.set()
        for future, one in zip([first, *others], [X, *x], strict=True):
            np.testing.assert_array_equal(future.result(), last.predict_on_batch(one))
        metrics = client.get("/metrics").body.decode()
    assert 'fastlstm_batch_requests_count{model="last"} 2.0' in metrics
    assert 'fastlstm_batch_requests_sum{model="last"} 21.0' in metrics


def test_bodies_are_bounded(last):
    with serving({"last": last}, max_body=2000) as client:
        for body in (b"x" * 6000, iter([b"x" * 1500] * 4)):  # the second one in chunks
            try:
                answer = client.ask("POST", "/v2/models/last/infer", body)
            except (BrokenPipeError, ConnectionResetError):  # the rest of the body was not read
                continue
            assert answer.status == 413 and "larger than 2000 bytes" in answer.error
        np.testing.assert_array_equal(client.predict("last", X), last.predict_on_batch(X))


def test_the_queue_is_bounded(last):
    with serving({"last": last}, queue=1) as client, ThreadPoolExecutor(2) as threads:
        held = Held(client)
        first = threads.submit(client.predict, "last", X)
        assert held.running.wait(60)
        second = threads.submit(client.predict, "last", X)
        while not len(client.service.models["last"].current.batcher):
            threading.Event().wait(0.01)
        answer = client.infer("last", X)
        assert answer.status == 503 and answer.headers["retry-after"] == "1" and "waiting already" in answer.error
        held.go.set()
        for future in (first, second):
            np.testing.assert_array_equal(future.result(), last.predict_on_batch(X))
        assert 'fastlstm_errors_total{kind="queue full"} 1.0' in client.get("/metrics").body.decode()


def test_a_request_has_so_much_time(last):
    with serving({"last": last}, timeout=1) as client:
        held = Held(client)
        answer = client.infer("last", X)
        assert answer.status == 504 and "longer than 1 second" in answer.error
        held.go.set()
        np.testing.assert_array_equal(client.predict("last", X), last.predict_on_batch(X))
        with socket.create_connection(("127.0.0.1", client.port), timeout=60) as slow:
            slow.sendall(b"POST /v2/models/last/infer HTTP/1.1\r\nHost: here\r\nContent-Length: 99\r\n\r\n{")
            assert b" 504 " in slow.recv(65536)


def test_a_fault_says_nothing_of_the_inside(last, caplog):
    with serving({"last": last}) as client:

        def broken(requests):
            raise KeyError("the inside")

        client.service.models["last"].current.batcher._joiner._run = broken
        answer = client.infer("last", X)
    assert answer.status == 500 and "inside the server" in answer.error and "the inside" not in answer.error.split()
    assert "KeyError: 'the inside'" in caplog.text


def test_one_broken_request_in_a_full_batch(client, models):
    good = np.array([[1, 2, 3]])
    expected = models["ids"].predict_on_batch(good)
    with ThreadPoolExecutor(8) as threads:
        bad = [threads.submit(client.infer, "ids", [[1, 99, 0]], datatype="INT64") for _ in range(10)]
        fine = [threads.submit(client.predict, "ids", good, datatype="INT64") for _ in range(40)]
        assert {future.result().status for future in bad} == {400}
        for future in fine:
            np.testing.assert_array_equal(future.result(), expected)


def test_a_token(last, caplog):
    caplog.set_level(logging.DEBUG)
    with serving({"last": last}, token="secret") as client:
        for header in (
            {},
            {"Authorization": "Bearer secre"},
            {"Authorization": "secret"},
            {"Authorization": "Bearer é"},
        ):
            for answer in (client.get("/v2/models/last", **header), client.get("/metrics", **header)):
                assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer" and answer.error
        assert client.get("/v2/health/ready").status == client.get("/v2/health/live").status == 200
        client.headers["Authorization"] = "Bearer secret"
        np.testing.assert_array_equal(client.predict("last", X), last.predict_on_batch(X))
    assert "/v2/models/last/infer" in caplog.text and "secret" not in caplog.text and "secre" not in caplog.text


def test_a_line_for_a_request_at_debug_alone(client, caplog):
    caplog.set_level(logging.INFO)
    client.predict("last", X)
    assert not [record for record in caplog.records if record.name.startswith("fastlstm")]
    caplog.set_level(logging.DEBUG, "fastlstm.serving")
    client.get("/v2/health/live")
    client.get("/v2/health/ready")  # the line of a request is written when its answer is on its way
    line = next(record.getMessage() for record in caplog.records if record.name == "fastlstm.serving")
    assert line.startswith("GET '/v2/health/live' 200 ") and line.endswith(" ms")


def test_draining(last):
    parameters = {"sequence_id": "open", "sequence_start": True}
    with serving({"last": last}) as client:
        client.infer("last", X, parameters=parameters)
        client.service.draining = True
        for path in ("/v2/health/ready", "/v2/models/last/ready"):
            answer = client.get(path)
            assert answer.status == 503 and answer.json["ready"] is False
        assert client.get("/v2/health/live").status == 200
        answer = client.infer("last", X)
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert client.get("/v2/models/last/streams/open/state").status == 200
        assert client.infer("last", X, parameters={"sequence_id": "open"}).status == 200
        refused = client.infer("last", X, parameters={**parameters, "sequence_id": "new"})
        assert refused.status == 503 and "stopping" in refused.error
        assert client.ask("PUT", "/v2/models/last/streams/new/state", b"").status == 503


# New weights


def other_weights(model):
    return [2 * weight for weight in model.get_weights()]


def test_new_weights_are_seen_whole(client, tmp_path):
    model = network(LSTM(6, return_sequences=True), Dense(2))
    path = tmp_path / "model.packed"
    save_packed(model, path)
    old = model.predict_on_batch(X)
    with serving({"m": path}, repository=True) as client, ThreadPoolExecutor(4) as threads:
        assert "model_repository" in client.get("/v2").json["extensions"]
        client.predict("m", X[:, 0], parameters={"sequence_id": "old", "sequence_start": True})
        model.set_weights(other_weights(model))
        new = model.predict_on_batch(X)
        assert np.array_equal(client.predict("m", X), old) and not np.array_equal(old, new)
        save_packed(model, path)
        done = threading.Event()

        def ask():
            found = []
            while not done.is_set():
                found.append(client.predict("m", X))
            return found

        asking = [threads.submit(ask) for _ in range(3)]
        assert client.post("/v2/repository/models/m/load", {}).json == {}
        assert np.array_equal(client.predict("m", X), new)
        done.set()
        answers = [y for future in asking for y in future.result()]
        assert all(np.array_equal(y, old) or np.array_equal(y, new) for y in answers)
        y = client.predict("m", X[:, 1:2], parameters={"sequence_id": "old"})
        np.testing.assert_array_equal(y[0, 0], old[0, 1])
        y = client.predict("m", X, parameters={"sequence_id": "old", "sequence_start": True})
        np.testing.assert_array_equal(y, new)


def test_a_file_that_cannot_be_read_leaves_the_model(client, tmp_path):
    model = network(LSTM(6), Dense(2))
    model.save(tmp_path / "m.keras")
    with serving({"m": tmp_path / "m.keras"}, repository=True) as client:
        (tmp_path / "m.keras").write_bytes(b"no model")
        answer = client.post("/v2/repository/models/m/load", {})
        assert answer.status == 400 and "'m' was not loaded again" in answer.error
        assert len(asyncio.run(client.service.reload())) == 1
        np.testing.assert_array_equal(client.predict("m", X), model.predict_on_batch(X))
        index = client.post("/v2/repository/index", {}).json
        assert index == [{"name": "m", "version": "1", "state": "READY", "reason": ""}]
        assert client.post("/v2/repository/models/none/load", {}).status == 404


def test_models_that_cannot_be_served(client, models, tmp_path):
    from fastlstm import Sequential
    from fastlstm.serving import make_app

    for given, error, words in (
        ({}, ValueError, "no model"),
        ({"a/b": models["last"]}, ValueError, "a/b"),
        ({"m": tmp_path / "none.keras"}, ValueError, "none.keras"),
        ({"m": Sequential([LSTM(3)])}, ValueError, "'m' cannot be served"),
    ):
        with pytest.raises(error, match=words):
            make_app(given)


def test_metrics(last):
    with serving({"last": last}) as client:
        client.predict("last", random(3, 4, 3))
        client.infer("last", random(3, 4, 2))
        client.infer("last", X, parameters={"sequence_id": 1, "sequence_start": True})
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    for line in (
        'fastlstm_requests_total{model="last",status="200"} 2.0',
        'fastlstm_requests_total{model="last",status="400"} 1.0',
        'fastlstm_rows_total{model="last"} 4.0',
        'fastlstm_errors_total{kind="input"} 1.0',
        'fastlstm_batch_rows_sum{model="last"} 4.0',
        'fastlstm_queue_microseconds_count{model="last"} 2.0',
        'fastlstm_compute_microseconds_bucket{le="500.0",model="last"}',
        'fastlstm_open_streams{model="last"} 1.0',
    ):
        assert line in text, line


def test_mounted_in_another_application(client, last):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from fastlstm.serving import make_app

    app = Starlette(routes=[Mount("/models", make_app({"last": last}))])

    async def ask():
        sent = []
        name = last.inputs[0].origin.name
        entry = {"name": name, "shape": X.shape, "datatype": "FP32", "data": X.ravel().tolist()}
        body = json.dumps({"inputs": [entry]}).encode()
        scope = {
            **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
            **{"path": "/models/v2/models/last/infer", "raw_path": b"", "query_string": b"", "root_path": ""},
            **{"headers": [], "server": ("here", 80), "client": ("there", 1)},
        }

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        return sent

    start, rest = asyncio.run(ask())
    assert start["status"] == 200
    y = np.array(json.loads(rest["body"])["outputs"][0]["data"], np.float32)
    np.testing.assert_array_equal(y, last.predict_on_batch(X)[0])
