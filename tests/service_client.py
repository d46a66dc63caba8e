"""A service on a real socket, in a thread of this process, and a client that speaks HTTP to it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np


class Answer(SimpleNamespace):
    """`status`, `headers`, `body`."""

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        assert list(self.json) == ["error"] and self.headers["content-type"] == "application/json"
        return self.json["error"]


class Client:
    """One connection for each request, so that nothing of the last one is left.

    Args:
        port: Of 127.0.0.1.
        headers: Of every request.
    """

    def __init__(self, port, headers=()):
        self.port, self.headers = port, dict(headers)

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
            connection.request(method, path, body, {**self.headers, **headers})
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=answer.headers, body=answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, value=None, **headers):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        return self.ask("POST", path, body, **headers)

    def infer(self, model, x, datatype="FP32", name=None, **parts):
        """The answer to JSON with one input."""
        name = name or self.get(f"/v2/models/{model}").json["inputs"][0]["name"]
        x = np.asarray(x)
        entry = {"name": name, "shape": x.shape, "datatype": datatype, "data": x.ravel().tolist()}
        return self.post(f"/v2/models/{model}/infer", {"inputs": [entry], **parts})

    def predict(self, model, x, **parts):
        """The one output for one input, as an array."""
        answer = self.infer(model, x, **parts)
        assert answer.status == 200, answer.body
        (output,) = answer.json["outputs"]
        assert output["datatype"] == "FP32"
        return np.array(output["data"], np.float32).reshape(output["shape"])


@contextmanager
def serving(models, **settings):
    """A service in a thread of this process, and the client of it; `client.service` is the service."""
    import uvicorn

    from fastlstm.serving import make_app

    app = make_app(models, **settings)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        client = Client(listener.getsockname()[1])
        client.service, client.server = app.state.service, server
        yield client
    finally:
        server.should_exit = True
        thread.join()
