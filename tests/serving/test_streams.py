"""Streams of the service: ids of the clients' own, checkpoints, eviction, WebSockets."""

import asyncio
import json
import struct
import threading
import zlib

import numpy as np
import pytest

from fastlstm.layers import LSTM, Dense
from fastlstm.serving.app import make_app
from networks import network, random
from service_client import serving

STEPS = 6


def sequence(stream, start=False, end=False):
    return {"parameters": {"sequence_id": stream, "sequence_start": start, "sequence_end": end}}


def steps(models, x, name="steps"):
    """The outputs of a stream for `(steps, ...)`."""
    return models[name].stream().run(x)


@pytest.mark.parametrize("stream", [7, "a client"])
@pytest.mark.parametrize("cuts", [(1, 1, 1, 1, 1, 1), (6,), (2, 1, 3)])
def test_steps(client, models, stream, cuts):
    x, found, at = random(STEPS, 3), [], 0
    for n, cut in enumerate(cuts):
        piece = x[at : at + cut][np.newaxis]
        found.append(client.predict("steps", piece, **sequence(stream, n == 0, n == len(cuts) - 1)))
        at += cut
    assert found[0].shape == (1, cuts[0], 2)
    np.testing.assert_array_equal(np.concatenate(found, axis=1)[0], steps(models, x))
    answer = client.infer("steps", x[:1], **sequence(stream))
    assert answer.status == 400 and "has not been started, or has ended" in answer.error


def test_without_the_axis_of_the_batch(client, models):
    x = random(STEPS, 3)
    y = client.predict("steps", x, **sequence("flat", True, True))
    assert y.shape == (STEPS, 2)
    np.testing.assert_array_equal(y, steps(models, x))


def test_ids(client, models):
    x = np.array([[1, 2, 0, 6]])
    y = client.predict("ids", x, datatype="INT64", **sequence("ids", True))
    np.testing.assert_array_equal(y[0], steps(models, x[0], "ids"))
    answer = client.infer("ids", [[1, 7]], datatype="INT64", **sequence("ids"))
    assert answer.status == 400 and "ids must be from -7 to 6" in answer.error
    again = client.predict("ids", [[3]], datatype="INT64", **sequence("ids", end=True))
    np.testing.assert_array_equal(again[0], steps(models, np.append(x[0], 3), "ids")[-1:])


def test_a_sequence_that_begins_again(client, models):
    x = random(STEPS, 3)
    client.predict("steps", x, **sequence("again", True))
    y = client.predict("steps", x[:2], **sequence("again", True, True))
    np.testing.assert_array_equal(y, steps(models, x[:2]))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (random(1, 2, 4), "(timesteps, 3)"),
        (random(2, 1, 3), "(2, 1, 3)"),
        (np.zeros((0, 3)), "(0, 3)"),
    ],
)
def test_a_step_that_does_not_fit_leaves_the_stream(client, models, x, words):
    first = random(STEPS, 3)
    client.predict("steps", first[:2], **sequence("wrong", True))
    answer = client.infer("steps", x, **sequence("wrong"))
    assert answer.status == 400 and words in answer.error and models["steps"].inputs[0].origin.name in answer.error
    y = client.predict("steps", first[2:], **sequence("wrong", end=True))
    np.testing.assert_array_equal(y, steps(models, first)[2:])


def test_a_first_step_that_does_not_fit_opens_nothing(client):
    before = len(client.service.models["steps"].streams)
    assert client.infer("steps", random(1, 4), **sequence("nothing", True)).status == 400
    assert len(client.service.models["steps"].streams) == before


@pytest.mark.parametrize("stream", [1.5, True, [1], "x" * 300])
def test_ids_that_are_none(client, stream):
    assert "`sequence_id`" in client.infer("steps", random(1, 3), **sequence(stream, True)).error


def test_models_without_streams_say_why(client):
    answer = client.infer("backwards", random(1, 2, 3), **sequence(1, True))
    assert answer.status == 400 and "cannot run step by step" in answer.error


def test_many_clients_at_once(client, models):
    x = {n: random(STEPS, 3, seed=n) for n in range(12)}
    found, barrier = {}, threading.Barrier(len(x))

    def run(n):
        barrier.wait()
        found[n] = [
            client.predict("steps", x[n][t : t + 1], **sequence(f"client {n}", t == 0, t == STEPS - 1))
            for t in range(STEPS)
        ]

    threads = [threading.Thread(target=run, args=(n,)) for n in x]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, y in found.items():
        np.testing.assert_array_equal(np.concatenate(y), steps(models, x[n]))


def run_together(models, name="steps", **arguments):
    """Streams of a model, outside of any server."""
    from fastlstm.serving.streams import Streams

    arguments = {"max_streams": 100, "idle": 60, "max_batch": 64, "max_wait": 0, "queue": 100, **arguments}
    return Streams(models[name], **arguments)


class Counted:
    def __init__(self):
        self.runs = []

    def ran(self, requests, seconds):
        self.runs.append(len(requests))


def test_steps_of_different_clients_go_through_one_read_of_the_weights(models):
    counted = Counted()
    x = {n: random(1 + n % 3, 3, seed=n) for n in range(10)}

    async def run():
        streams = run_together(models, observer=counted)
        pool, calls = streams._pool, []
        step = pool.step
        pool.step = lambda ids, x: (calls.append(len(ids)), step(ids, x))[1]
        first = [asyncio.create_task(streams.step(str(n), x[n], True, False)) for n in x]
        found = await asyncio.gather(*first)
        return found, calls

    found, calls = asyncio.run(run())
    for n, y in enumerate(found):
        np.testing.assert_array_equal(y, steps(models, x[n]))
    assert sum(counted.runs) == len(x) and len(counted.runs) <= 2
    assert sum(calls) == sum(map(len, x.values())) and len(calls) <= 6


def test_two_steps_of_one_client_stay_in_order(models):
    x = random(2, 3)

    async def run():
        streams = run_together(models)
        return await asyncio.gather(
            streams.step("one", x[:1], True, False),
            streams.step("one", x[1:], False, False),
            streams.step("two", x[:1], True, True),
        )

    one, again, two = asyncio.run(run())
    np.testing.assert_array_equal(np.concatenate([one, again]), steps(models, x))
    np.testing.assert_array_equal(two, one)


def test_who_is_wrong_in_python_is_wrong_alone():
    def picky(x):
        if np.isnan(x).any():
            raise ValueError("not a number")
        return x

    models = {"picky": network(LSTM(4, return_sequences=True), Dense(2, activation=picky))}
    x, wrong = random(STEPS, 3), np.full((1, 3), np.nan, np.float32)

    async def run():
        streams = run_together(models, "picky")
        await asyncio.gather(*(streams.step(name, x[:2], True, False) for name in "abc"))
        failed, *_ = await asyncio.gather(
            streams.step("a", np.concatenate([x[2:3], wrong]), False, False),
            streams.step("b", x[2:], False, False),
            streams.step("new", wrong, True, False),
            return_exceptions=True,
        )
        assert "not a number" in str(failed) and len(streams) == 3
        return await asyncio.gather(*(streams.step(name, x[2:], False, False) for name in "ac"))

    for y in asyncio.run(run()):
        np.testing.assert_array_equal(y, steps(models, x, "picky")[2:])


def test_a_full_queue_refuses_no_end(models):
    async def run():
        streams = run_together(models, queue=1)
        stream = streams.connect()
        await streams.advance(stream, random(1, 3))
        held, run = threading.Event(), streams._joiner._run
        streams._joiner._run = lambda requests: (held.wait(60), run(requests))
        asking = [asyncio.create_task(streams.step(name, random(1, 3), True, False)) for name in "abc"]
        await asyncio.sleep(0.05)
        ending = asyncio.create_task(streams.disconnect(stream))
        await asyncio.sleep(0)
        held.set()
        await ending
        assert not stream.is_open
        return await asyncio.gather(*asking, return_exceptions=True)

    assert any(isinstance(answer, Exception) for answer in asyncio.run(run()))


# Checkpoints


def test_state(client, models):
    x = random(STEPS, 3)
    client.predict("steps", x[:2], **sequence("from", True))
    answer = client.get("/v2/models/steps/streams/from/state")
    assert answer.status == 200 and answer.headers["content-type"] == "application/octet-stream"
    put = client.ask("PUT", "/v2/models/steps/streams/to/state", answer.body)
    assert put.status == 200 and put.json == {}
    for stream in ("from", "to"):
        y = client.predict("steps", x[2:], **sequence(stream, end=True))
        np.testing.assert_array_equal(y, steps(models, x)[2:])
    for method, body in (("GET", None),):
        gone = client.ask(method, "/v2/models/steps/streams/from/state", body)
        assert gone.status == 400 and "'from' has not been started" in gone.error


def test_a_state_that_does_not_fit_changes_nothing(client, models):
    x = random(STEPS, 3)
    client.predict("steps", x[:2], **sequence("kept", True))
    client.predict("last", x[:2], **sequence("other", True))
    good = client.get("/v2/models/steps/streams/kept/state").body
    other = client.get("/v2/models/last/streams/other/state").body
    damaged = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    newer = good[:8] + b"\x02" + good[9:]
    wrong = [(b"", "not the state"), (good[:9], "not the state"), (b"x" * 99, "not the state"), (good[:-1], "damaged")]
    wrong += [(damaged, "damaged"), (newer, "format 2"), (other, "these shapes is expected"), (good + b"!", "damaged")]
    header = b'{"shapes": [' + b"[]," * 100_000 + b"[]]}"
    long = good[:12] + struct.pack("<I", len(header)) + header
    wrong += [(long + struct.pack("<I", zlib.crc32(long)), "its header has 300016 bytes")]
    for stream in ("kept", "new"):
        for body, words in wrong:
            answer = client.ask("PUT", f"/v2/models/steps/streams/{stream}/state", body)
            assert answer.status == 400 and words in answer.error
    assert client.get("/v2/models/steps/streams/new/state").status == 400
    y = client.predict("steps", x[2:], **sequence("kept", end=True))
    np.testing.assert_array_equal(y, steps(models, x)[2:])


# Eviction, and too many


def test_idle_streams_are_evicted(models):
    x = random(STEPS, 3)
    with serving({"steps": models["steps"]}, idle=0.2) as client:
        client.predict("steps", x[:1], **sequence("idle", True))
        for _ in range(100):
            if not len(client.service.models["steps"].streams):
                break
            threading.Event().wait(0.05)
        answer = client.infer("steps", x[:1], **sequence("idle"))
        assert answer.status == 410
        assert "'idle' was evicted after 0.2 seconds" in answer.error and "sequence_start" in answer.error
        assert client.get("/v2/models/steps/streams/idle/state").status == 410
        metrics = client.get("/metrics").body.decode()
        assert 'fastlstm_evicted_streams_total{model="steps"} 1.0' in metrics
        assert 'fastlstm_open_streams{model="steps"} 0.0' in metrics
        y = client.predict("steps", x, **sequence("idle", True))
        np.testing.assert_array_equal(y, steps(models, x))


def test_too_many_streams(models):
    x = random(1, 3)
    with serving({"steps": models["steps"]}, max_streams=2) as client:
        for name in "ab":
            client.predict("steps", x, **sequence(name, True))
        answer = client.infer("steps", x, **sequence("c", True))
        assert answer.status == 503 and "2 streams are open already" in answer.error
        assert answer.headers["retry-after"] == "1"
        client.predict("steps", x, **sequence("a", end=True))
        client.predict("steps", x, **sequence("c", True))


# WebSockets


def test_ids_are_not_endless(client):
    for name, status in (("n" * 200, 200), ("n" * 201, 400)):
        client.predict("steps", random(2, 3), **sequence("named", True))
        state = client.get("/v2/models/steps/streams/named/state").body
        answer = client.ask("PUT", f"/v2/models/steps/streams/{name}/state", state)
        assert answer.status == status
    assert "at most 200 characters" in answer.error


@pytest.mark.parametrize("message", [{}, {"text": None, "bytes": None}])
def test_a_frame_of_nothing_is_answered(message):
    sent, received = [], iter([{"type": "websocket.connect"}, {"type": "websocket.receive"} | message])

    async def receive():
        return next(received, {"type": "websocket.disconnect", "code": 1000})

    async def send(event):
        sent.append(event)

    app = make_app({"m": network(LSTM(2, return_sequences=True))})
    path = "/v2/models/m/stream"
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    asyncio.run(app({**scope, "root_path": "", "scheme": "ws", "subprotocols": []}, receive, send))
    assert "A frame should be JSON" in sent[1]["text"]


def connected(client, model="steps", **options):
    """A connection of the `websockets` client."""
    sync = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    return sync.connect(f"ws://127.0.0.1:{client.port}/v2/models/{model}/stream", **options)


def test_bytes_over_a_websocket(client, models):
    x = random(STEPS, 3)
    with connected(client) as socket:
        found = []
        for piece in (x[:1], x[1:4], x[4:]):
            socket.send(piece.tobytes())
            found.append(np.frombuffer(socket.recv(), "<f4").reshape(len(piece), 2))
    np.testing.assert_array_equal(np.concatenate(found), steps(models, x))


def test_json_over_a_websocket(client, models):
    x = random(STEPS, 3)
    expected = steps(models, x)
    with connected(client) as socket:
        socket.send(json.dumps(x[0].tolist()))
        np.testing.assert_array_equal(np.array(json.loads(socket.recv()), np.float32), expected[0])
        socket.send(json.dumps(x[1:].tolist()))
        np.testing.assert_array_equal(np.array(json.loads(socket.recv()), np.float32), expected[1:])


def test_ids_over_a_websocket(client, models):
    with connected(client, "ids") as socket:
        socket.send("3")
        socket.send("[1, 2]")
        found = [json.loads(socket.recv()), *json.loads(socket.recv())]
    np.testing.assert_array_equal(np.array(found, np.float32), steps(models, np.array([3, 1, 2]), "ids"))


def test_wrong_frames_leave_the_stream(client, models):
    x = random(STEPS, 3)
    with connected(client) as socket:
        socket.send(x[:2].tobytes())
        socket.recv()
        wrong = ("{", '"abc"', "[[1, 2], [3]]", "[1, 2]", "[]", "[null, 1, 2]", b"", b"12345", "[[[[1]]]]")
        for frame in wrong:
            socket.send(frame)
            assert list(json.loads(socket.recv())) == ["error"]
        socket.send(x[2:].tobytes())
        found = np.frombuffer(socket.recv(), "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(found, steps(models, x)[2:])


def test_a_connection_that_ends_ends_its_stream(client):
    streams = client.service.models["steps"].streams
    before = len(streams)
    with connected(client) as socket:
        socket.send(random(1, 3).tobytes())
        socket.recv()
        assert len(streams) == before + 1
    for _ in range(100):
        if len(streams) == before:
            break
        threading.Event().wait(0.05)
    assert len(streams) == before


def test_connections_that_are_refused(client, models):
    exceptions = pytest.importorskip("websockets.exceptions", reason="websockets is not installed")
    for model, status in (("none", 404), ("backwards", 400)):
        with pytest.raises(exceptions.InvalidStatus) as refused, connected(client, model):
            pass
        assert refused.value.response.status_code == status
        assert list(json.loads(refused.value.response.body)) == ["error"]
    with serving({"steps": models["steps"]}, token="secret") as guarded:
        with pytest.raises(exceptions.InvalidStatus) as refused, connected(guarded):
            pass
        assert refused.value.response.status_code == 401
        with connected(guarded, additional_headers={"Authorization": "Bearer secret"}) as socket:
            socket.send(random(1, 3).tobytes())
            assert len(socket.recv()) == 8
