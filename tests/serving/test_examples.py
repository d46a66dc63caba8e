"""The examples of serving: the FastAPI application runs, the container's command is one, the YAML names its paths."""

import asyncio
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from fastlstm import cli, demo, load_model

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are in a checkout or an sdist")


async def asked(app, method, path, value=None):
    """The status and the JSON of an answer, without a socket."""
    sent = []
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""},
        **{"headers": [(b"content-type", b"application/json")], "server": ("here", 80), "client": ("there", 1)},
    }

    async def receive():
        return {"type": "http.request", "body": json.dumps(value).encode(), "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_fastapi():
    pytest.importorskip("fastapi", reason="FastAPI is not installed (pip install fastapi)")
    spec = importlib.util.spec_from_file_location("fastapi_example", EXAMPLES / "fastapi" / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x = demo.window()
    y = load_model(demo.MODEL).predict(x, verbose=0)

    async def run():
        status, metadata = await asked(module.app, "GET", "/models/v2/models/passengers")
        assert status == 200
        entry = {
            "name": metadata["inputs"][0]["name"],
            "shape": x.shape,
            "datatype": "FP32",
            "data": x.ravel().tolist(),
        }
        status, answer = await asked(module.app, "POST", "/models/v2/models/passengers/infer", {"inputs": [entry]})
        assert status == 200
        np.testing.assert_array_equal(np.float32(answer["outputs"][0]["data"]), y[0])
        status, answer = await asked(module.app, "POST", "/growth", x[0].tolist())
        assert status == 200
        np.testing.assert_array_equal(np.float32(answer), y[0])

    asyncio.run(run())


def test_the_containers_command_is_one():
    text = (EXAMPLES / "kserve" / "Dockerfile").read_text(encoding="utf-8")
    words = [json.loads(found) for found in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", text, re.M)]
    assert words[0][0] == "fastlstm"
    yaml = (EXAMPLES / "kserve" / "inference-service.yaml").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"args: (\[.*\])", yaml)
    for given in (words[1], json.loads(arguments)):
        options = cli.make_parser().parse_args([*words[0][1:], *given])
        assert options.host == "0.0.0.0" and str(options.port) in re.findall(r"containerPort: (\d+)", yaml)
    for path in re.findall(r"path: (\S+?),", yaml):
        assert path in ("/v2/health/ready", "/v2/health/live"), path
