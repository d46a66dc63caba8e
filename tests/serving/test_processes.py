"""`fastlstm serve` as a process: it starts, drains, reads its files again, comes back; with several workers too."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection

import numpy as np
import pytest

from fastlstm import save_packed
from fastlstm.layers import LSTM, Dense
from networks import network, random
from service_client import Client

pytestmark = pytest.mark.packed_kernels

for name in ("starlette", "uvicorn", "prometheus_client", "orjson"):
    pytest.importorskip(name, reason='the service is not installed (pip install "fastlstm[serve]")')

X = random(1, 4, 3)


class Process:
    """The command, in a folder of its own, with a client once it listens."""

    def __init__(self, folder, *words):
        command = [sys.executable, "-m", "fastlstm", "serve", "--port", "0", *map(str, words)]
        self.folder = folder
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        self.line = self.process.stdout.readline()
        found = re.search(r":(\d+)$", self.line.strip())
        assert found, (self.line, self.logged())
        self.client = Client(int(found[1]))

    def logged(self):
        return (self.folder / "log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Its exit code after a signal."""
        self.send(number)
        return self.process.wait(60)


@pytest.fixture
def model(tmp_path):
    model = network(LSTM(6, return_sequences=True), Dense(2))
    model.save(tmp_path / "first.keras")
    save_packed(model, tmp_path / "second.packed")
    return model


def test_two_models(model, tmp_path):
    with Process(tmp_path, "first.keras", "other=second.packed", "--threads", 1) as server:
        assert server.line.startswith("serving first, other at http://127.0.0.1:")
        for name in ("first", "other"):
            np.testing.assert_array_equal(server.client.predict(name, X), model.predict_on_batch(X))
        assert server.end() == 0
        assert server.logged() == ""


def test_new_files(model, tmp_path):
    with Process(tmp_path, "m=second.packed") as server:
        old = server.client.predict("m", X)
        model.set_weights([2 * weight for weight in model.get_weights()])
        save_packed(model, tmp_path / "second.packed")
        server.send(signal.SIGHUP)
        until(lambda: "loaded again" in server.logged())
        new = server.client.predict("m", X)
        assert not np.array_equal(old, new)
        np.testing.assert_array_equal(new, model.predict_on_batch(X))
        (tmp_path / "broken").write_bytes(b"")
        os.replace(tmp_path / "broken", tmp_path / "second.packed")  # never in place: the old file is mapped
        server.send(signal.SIGHUP)
        until(lambda: "'m' was not loaded again" in server.logged())
        np.testing.assert_array_equal(server.client.predict("m", X), new)
        assert server.end() == 0


def until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass within 30 seconds")


class Load:
    """Threads that ask for as long as somebody listens, each over a connection that it keeps.

    Args:
        server: The process.
        threads: How many.
    """

    def __init__(self, server, threads=4):
        self.answered, self.lost, self.wrong = 0, [], 0
        self._port, self._lock = server.client.port, threading.Lock()
        name = server.client.get("/v2/models/m").json["inputs"][0]["name"]
        entry = {"name": name, "shape": X.shape, "datatype": "FP32", "data": X.ravel().tolist()}
        self._body = json.dumps({"inputs": [entry]})
        self._expected = server.client.post("/v2/models/m/infer", self._body).body
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        while True:
            try:
                connection.request("POST", "/v2/models/m/infer", self._body)
                answer = connection.getresponse()
                body = answer.read()
            except ConnectionRefusedError:
                break
            except (OSError, HTTPException) as error:
                with self._lock:
                    self.lost.append(error)
                break
            with self._lock:
                self.answered += 1
                self.wrong += answer.status != 200 or body != self._expected
        connection.close()

    def join(self):
        for thread in self._threads:
            thread.join(60)


def test_no_request_is_lost_when_the_server_ends(model, tmp_path):
    with Process(tmp_path, "m=second.packed", "--drain", "1") as server:
        load = Load(server)
        until(lambda: load.answered > 20)
        assert server.end() == 0
        load.join()
    assert load.lost == [] and load.wrong == 0


def test_streams_can_be_exported_while_the_server_ends(model, tmp_path):
    with Process(tmp_path, "m=second.packed", "--drain", "60") as server:
        client = server.client
        y = client.predict("m", X[:, :2], parameters={"sequence_id": "s", "sequence_start": True})
        server.send(signal.SIGTERM)
        until(lambda: client.get("/v2/health/ready").status == 503)
        state = client.get("/v2/models/m/streams/s/state").body
        with Process(tmp_path, "m=second.packed") as other:
            assert other.client.ask("PUT", "/v2/models/m/streams/s/state", state).status == 200
            rest = other.client.predict("m", X[:, 2:], parameters={"sequence_id": "s"})
        np.testing.assert_array_equal(np.concatenate([y, rest], axis=1), model.predict_on_batch(X))
        client.predict("m", X, parameters={"sequence_id": "s", "sequence_end": True})
        assert server.process.wait(30) == 0


def test_killed_and_begun_again(model, tmp_path):
    with Process(tmp_path, "m=second.packed") as server:
        load = Load(server)
        until(lambda: load.answered > 20)
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        load.join()
        assert load.wrong == 0 and all(isinstance(error, (OSError, HTTPException)) for error in load.lost)
        with Process(tmp_path, "m=second.packed", "--port", server.client.port) as again:
            np.testing.assert_array_equal(again.client.predict("m", X), model.predict_on_batch(X))


def test_workers(model, tmp_path):
    with Process(tmp_path, "m=second.packed", "--workers", 2, "--drain", 1) as server:
        client = server.client
        load = Load(server)
        until(lambda: load.answered > 20)
        answer = client.infer("m", X, parameters={"sequence_id": 1, "sequence_start": True})
        assert answer.status == 400 and "2 workers" in answer.error and "WebSocket" in answer.error
        assert "2 workers" in client.get("/v2/models/m/streams/1/state").error
        metrics = client.get("/metrics").body.decode()
        counted = float(re.search(r'^fastlstm_rows_total\{model="m"\} (.*)$', metrics, re.M)[1])
        assert counted >= 20
        assert server.end() == 0
        load.join()
    assert load.lost == [] and load.wrong == 0


def children(process):
    """The ids of a process' children."""
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(line) for line in listing.stdout.split()]


def test_the_listener_never_blocks():
    """A worker that begins while another one ends would make it wait for a connection for ever."""
    from fastlstm.serving.server import _bound

    with _bound("127.0.0.1", 0) as listener, listener.dup() as other:
        assert not listener.getblocking() and not other.getblocking()
        assert not os.get_blocking(listener.fileno())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has socket filters")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_listener_that_ends_keeps_its_connections_and_begins_none(host):
    from fastlstm.serving.server import _begin_no_connections, _bound

    try:
        listener = _bound(host, 0)
    except OSError as error:
        pytest.skip(str(error))
    with listener:
        listener.listen()
        address = listener.getsockname()[:2]
        with socket.create_connection(address) as client:
            _begin_no_connections(listener)
            client.sendall(b"request")
            connection = listener.accept()[0]
            with connection:
                connection.settimeout(60)
                assert connection.recv(7) == b"request"
                connection.sendall(b"reply")
                assert client.recv(5) == b"reply"
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)


def test_a_worker_that_dies_is_replaced(model, tmp_path):
    with Process(tmp_path, "m=second.packed", "--workers", 2) as server:
        until(lambda: len(children(server.process)) == 2)
        killed = children(server.process)[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in children(server.process) and len(children(server.process)) == 2)
        np.testing.assert_array_equal(server.client.predict("m", X), model.predict_on_batch(X))
        assert server.end() == 0


def test_a_worker_ends_with_its_parent(model, tmp_path):
    with Process(tmp_path, "m=second.packed", "--workers", 2) as server:
        until(lambda: len(children(server.process)) == 2)
        np.testing.assert_array_equal(server.client.predict("m", X), model.predict_on_batch(X))
        workers = children(server.process)
        server.end(signal.SIGKILL)
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))


def test_tls_and_a_token(model, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run([*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=tmp_path, check=True, stderr=-3)
    (tmp_path / "token").write_text("secret\n")
    words = ["--ssl-keyfile", "key.pem", "--ssl-certfile", "cert.pem", "--token-file", "token"]
    with Process(tmp_path, "m=second.packed", *words) as server:
        assert "https://127.0.0.1:" in server.line
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        for headers, status in (({}, 401), ({"Authorization": "Bearer secret"}, 200)):
            connection = HTTPSConnection("127.0.0.1", server.client.port, timeout=60, context=context)
            connection.request("GET", "/v2/models/m", headers=headers)
            assert connection.getresponse().status == status
            connection.close()
        assert server.end() == 0
        assert "secret" not in server.logged()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("none.keras", "none.keras: there is no such file"),
        ("first.keras first=second.packed", "two models are named 'first'"),
        ("broken.keras", "broken.keras"),
        ("broken.keras --workers 2", "broken.keras"),
        ("first.keras --port 99999", "99999"),
        ("first.keras --max-body 16XB", "expected a size such as 16MB"),
        ("first.keras --max-batch 0", "positive integer"),
        ("first.keras --idle never", "number of at least 0"),
        ("first.keras --workers 2 --repository", "SIGHUP"),
        ("first.keras --token-file none", "none"),
        ("first.keras --token-file empty", "no token in it"),
    ],
)
def test_errors(model, tmp_path, words, expected):
    (tmp_path / "broken.keras").write_bytes(b"PK no such file")
    (tmp_path / "empty").write_text("\n")
    command = [sys.executable, "-m", "fastlstm", "serve", "--port", "0", *words.split()]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 2, finished.stderr
    for line in finished.stderr.splitlines():
        assert line.startswith("fastlstm: error: ") and expected in line, finished.stderr
    assert finished.stderr


def test_the_port_is_taken(model, tmp_path):
    with Process(tmp_path, "m=second.packed") as server:
        port = str(server.client.port)
        command = [sys.executable, "-m", "fastlstm", "serve", "second.packed", "--port", port]
        finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 2 and f"127.0.0.1:{port}" in finished.stderr


def test_nothing_of_it_is_imported_otherwise(tmp_path):
    code = (
        "import sys, fastlstm, fastlstm.serving, fastlstm.cli, fastlstm.cli.serve\n"
        "print([name for name in ('starlette', 'uvicorn', 'orjson', 'prometheus_client', 'asyncio.base_events')"
        " if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert finished.stdout == "['asyncio.base_events']\n", finished.stderr
