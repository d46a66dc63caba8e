"""The Open Inference Protocol over real sockets: what it tells, JSON, bytes, and everything that may be wrong."""

import json
import socket

import numpy as np
import pytest

from networks import random

BINARY = "inference-header-content-length"


def test_server(client):
    answer = client.get("/v2")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.json["name"] == "fastlstm" and answer.json["extensions"] == ["binary_tensor_data", "sequence"]
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json == {"ready": True}


def test_metadata(client):
    two = client.get("/v2/models/two").json
    assert two["name"] == "two" and two["versions"] == ["1"]
    assert two["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, -1, 3]},
        {"name": "other", "datatype": "FP32", "shape": [-1, 2]},
    ]
    assert [output["name"] for output in two["outputs"]] == ["p", "q"]
    assert client.get("/v2/models/two/versions/1").json == two
    assert client.get("/v2/models/two/ready").json == {"name": "two", "ready": True}
    assert client.get("/v2/models/two/versions/1/ready").status == 200


@pytest.mark.parametrize("name", ["last", "steps", "backwards"])
@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (70, 4)])
def test_json(client, models, name, shape):
    x = random(*shape, 3)
    np.testing.assert_array_equal(client.predict(name, x), models[name].predict_on_batch(x))


def test_nested_data_and_ids(client, models):
    x = random(2, 4, 3)
    name = models["last"].inputs[0].origin.name
    entry = {"name": name, "shape": x.shape, "datatype": "FP32", "data": x.tolist()}
    answer = client.post("/v2/models/last/versions/1/infer", {"id": "seven", "inputs": [entry]}).json
    assert answer["id"] == "seven" and answer["model_name"] == "last" and answer["model_version"] == "1"
    np.testing.assert_array_equal(
        np.array(answer["outputs"][0]["data"], np.float32).reshape(2, 2), models["last"].predict_on_batch(x)
    )


@pytest.mark.parametrize("datatype", ["INT32", "INT64", "INT8", "UINT8"])
def test_ids_of_an_embedding(client, models, datatype):
    x = np.array([[1, 6, 0], [2, 2, 5]])
    np.testing.assert_array_equal(client.predict("ids", x, datatype=datatype), models["ids"].predict_on_batch(x))


def tensor(name, x, datatype):
    return {"name": name, "shape": x.shape, "datatype": datatype, "parameters": {"binary_data_size": x.nbytes}}


def as_bytes(value, *arrays):
    text = json.dumps(value).encode()
    return b"".join([text, *(array.tobytes() for array in arrays)]), {BINARY.replace("-", "_"): len(text)}


def outputs_of(answer):
    """The outputs by name, whether bytes or not."""
    length = int(answer.headers.get(BINARY, len(answer.body)))
    described, rest, found = json.loads(answer.body[:length]), answer.body[length:], {}
    for output in described["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        data = np.array(output["data"], "<f4") if size is None else np.frombuffer(rest[:size], "<f4")
        rest = rest[size or 0 :]
        found[output["name"]] = data.reshape(output["shape"])
    assert rest == b""
    return found


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "INT32", "INT64", "BOOL"])
def test_bytes(client, models, datatype):
    dtype = {"BOOL": "?"}.get(
        datatype, f"<{datatype[0].lower()}{int(datatype[-2:]) // 8}" if datatype != "BOOL" else ""
    )
    x = (3 * random(2, 4, 3)).astype(dtype)
    name = models["last"].inputs[0].origin.name
    body, headers = as_bytes({"inputs": [tensor(name, x, datatype)], "parameters": {"binary_data_output": True}}, x)
    answer = client.post("/v2/models/last/infer", body, **headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    (y,) = outputs_of(answer).values()
    np.testing.assert_array_equal(y, models["last"].predict_on_batch(x))


def test_outputs_as_asked_for(client, models):
    x, other = random(3, 5, 3), random(3, 2)
    expected = dict(zip("pq", models["two"].predict_on_batch([x, other]), strict=True))
    request = {
        "inputs": [
            {"name": "other", "shape": other.shape, "datatype": "FP32", "data": other.ravel().tolist()},
            tensor("x", x, "FP32"),
        ]
    }
    for wanted in (None, [("q", False)], [("q", True), ("p", False)], [("p", True), ("q", True)]):
        if wanted:
            request["outputs"] = [{"name": name, "parameters": {"binary_data": binary}} for name, binary in wanted]
        body, headers = as_bytes(request, x)
        found = outputs_of(client.post("/v2/models/two/infer", body, **headers))
        assert list(found) == [name for name, _ in wanted or [("p", 0), ("q", 0)]]
        for name, y in found.items():
            np.testing.assert_array_equal(y, expected[name])


def test_not_finite(client, models):
    x = random(1, 4, 3)
    x[0, 1] = np.nan
    name = models["last"].inputs[0].origin.name
    body, headers = as_bytes({"inputs": [tensor(name, x, "FP32")]}, x)
    answer = client.post("/v2/models/last/infer", body, **headers)
    assert answer.status == 422 and "NaN or infinity" in answer.error
    body, headers = as_bytes({"inputs": [tensor(name, x, "FP32")], "parameters": {"binary_data_output": True}}, x)
    (y,) = outputs_of(client.post("/v2/models/last/infer", body, **headers)).values()
    assert np.isnan(y).all()


GOOD = {"name": "x", "shape": [1, 2, 3], "datatype": "FP32", "data": [0, 1, 2, 3, 4, 5.5]}
OTHER = {"name": "other", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2]}


def with_x(**parts):
    return {"inputs": [{**GOOD, **parts}, OTHER]}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (b"", ["not JSON"]),
        (b'{"inputs": [', ["not JSON"]),
        (b"\xff\xfe", ["not JSON"]),
        (b"[" * 100_000, ["not JSON"]),
        (b'{"inputs": [{"name": "x", "shape": [1, 1, 3], "datatype": "FP32", "data": [NaN, 1, 2]}]}', ["not JSON"]),
        ([], ["JSON object"]),
        ({}, ["`inputs`"]),
        ({"inputs": []}, ["`inputs`"]),
        ({"inputs": {"x": [1]}}, ["`inputs`"]),
        ({"inputs": [[1]]}, ["`inputs`"]),
        ({**with_x(), "id": 7}, ["`id`", "7"]),
        ({**with_x(), "parameters": []}, ["`parameters`"]),
        ({**with_x(), "parameters": {"priority": 1}}, ["'priority'", "not supported"]),
        ({**with_x(), "outputs": [{"name": "r"}]}, ["no output 'r'", "p, q"]),
        ({**with_x(), "outputs": [{"name": "p"}, {"name": "q"}, {"name": "p"}]}, ["output 'p' is there twice"]),
        ({**with_x(), "outputs": [{"name": str(n)} for n in range(1001)]}, ["at most 1000", "1001"]),
        ({"inputs": [{**GOOD, "name": str(n)} for n in range(1001)]}, ["at most 1000", "1001"]),
        ({**with_x(), "outputs": [{}]}, ["output should be a string"]),
        ({**with_x(), "outputs": [{"name": "p", "parameters": {"classification": 3}}]}, ["'classification'", "'p'"]),
        (with_x(name=None), ["name of an input"]),
        (with_x(name="y"), ["no input 'y'", "x, other"]),
        ({"inputs": [GOOD, GOOD]}, ["'x' is there twice"]),
        ({"inputs": [GOOD]}, ['Missing data for input "other"']),
        (with_x(shape=None), ["input 'x'", "`shape`"]),
        (with_x(shape=[1, -2, 3]), ["input 'x'", "`shape`", "-2"]),
        (with_x(shape=[1, 2.0, 3]), ["input 'x'", "`shape`"]),
        (with_x(shape=[True, 2, 3]), ["input 'x'", "`shape`"]),
        (with_x(shape=[1] * 40), ["input 'x'", "`shape`"]),
        (with_x(shape=[2**31, 2, 3]), ["input 'x'", "`shape`"]),
        (with_x(shape=[2**30, 2**30, 3]), ["input 'x'", "3458764513820540928 values", "(6,)"]),
        (with_x(shape=[1, 1, 3]), ["input 'x'", "3 values", "(6,)"]),
        (with_x(shape=[1, 3, 2]), ["'x'", "expected shape=(None, None, 3)", "found shape=(1, 3, 2)"]),
        (with_x(shape=[6]), ["'x'", "Expected shape (None, None, 3)", "(6,)"]),
        (with_x(datatype="FLOAT"), ["input 'x'", "`datatype`", "'FLOAT'"]),
        (with_x(datatype=["FP32"]), ["input 'x'", "`datatype`"]),
        (with_x(datatype="BYTES"), ["input 'x'", "'BYTES'"]),
        (with_x(datatype="INT32"), ["input 'x'", "floats"]),
        (with_x(datatype="INT8", data=[1, 2, 3, 4, 5, 300]), ["input 'x'", "from -128 to 127"]),
        (with_x(datatype="BOOL"), ["input 'x'", "floats"]),
        (with_x(data=None), ["input 'x'", "list of numbers"]),
        (with_x(data="012345"), ["input 'x'", "list of numbers"]),
        (with_x(data=[*"012345"]), ["input 'x'", "list of numbers"]),
        (with_x(data=["x" * 100_000, *("y" for _ in range(100_000))]), ["input 'x'", "list of numbers"]),
        (with_x(data=[0, 1, 2, 3, 4, None]), ["input 'x'", "list of numbers"]),
        (with_x(data=[True] * 6), ["input 'x'", "booleans"]),
        (with_x(data=[[0, 1, 2], [3, 4]]), ["input 'x'", "list of numbers"]),
        (with_x(data=[[[0, 1], [2, 3], [4, 5]]]), ["input 'x'", "(1, 3, 2)"]),
        (with_x(parameters={"binary_data_size": 24}), ["input 'x'", "both"]),
        (with_x(parameters={"shared_memory_region": "r"}), ["input 'x'", "'shared_memory_region'"]),
    ],
)
def test_what_is_wrong_with_json(client, request_, words):
    answer = client.post("/v2/models/two/infer", request_)
    assert answer.status == 400
    for word in words:
        assert word in answer.error


def nested(depth):
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize("depth", [70, 500])
def test_deep_nesting(client, depth):
    answer = client.post("/v2/models/two/infer", with_x(data=nested(depth)))
    assert answer.status == 400 and "input 'x'" in answer.error


@pytest.mark.parametrize(("sign", "count", "what"), [("[]", 1_000_001, "lists"), ("{}", 100_001, "objects")])
def test_more_lists_or_objects_than_a_request_may_hold(client, sign, count, what):
    body = json.dumps(with_x(data=0)).replace('"data": 0', f'"data": [{",".join([sign] * count)}]').encode()
    answer = client.post("/v2/models/two/infer", body)
    assert answer.status == 400 and f"at most {count - 1:,} {what}" in answer.error
    keys = "{" + ",".join(f'"{number}": 0' for number in range(100_001)) + "}"
    assert "at most 100,000 keys" in client.post("/v2/models/two/infer", keys.encode()).error


def test_what_is_wrong_with_bytes(client):
    x, other = np.zeros((1, 2, 3), "<f4"), np.zeros((1, 2), "<f4")
    entries = {"inputs": [tensor("x", x, "FP32"), tensor("other", other, "FP32")]}
    body, headers = as_bytes(entries, x, other)
    length = headers["inference_header_content_length"]
    assert client.post("/v2/models/two/infer", body, **headers).status == 200

    def error(body, length):
        answer = client.post("/v2/models/two/infer", body, inference_header_content_length=length)
        assert answer.status == 400
        return answer.error

    assert "'other' is truncated" in error(body[:-1], length)
    assert "'x' is truncated" in error(body[: length + 3], length)
    assert "1 bytes follow" in error(body + b"!", length)
    assert "truncated" in error(body, len(body) + 1)
    assert "number of bytes" in error(body, -1) and "number of bytes" in error(body, "9" * 30)
    assert "not JSON" in error(body, length - 1)
    entries["inputs"][0]["parameters"]["binary_data_size"] = 20
    body, headers = as_bytes(entries, x, other)
    assert "takes 24 bytes" in error(body, headers["inference_header_content_length"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/none", 404),
        ("POST", "/v2/models/none/infer", 404),
        ("GET", "/v2/models/two/versions/2", 404),
        ("GET", "/", 404),
        ("GET", "/v2/models/two/infer", 405),
        ("DELETE", "/v2", 405),
        ("POST", "/v2/repository/models/two/load", 404),
        ("POST", "/v2/repository/index", 404),
    ],
)
def test_what_is_not_there(client, method, path, status):
    answer = client.ask(method, path, "{}")
    assert answer.status == status and answer.error


def test_errors_of_the_model_are_kerass(client, models):
    answer = client.infer("ids", [[1, 99]], datatype="INT64")
    with pytest.raises(ValueError) as alone:
        models["ids"].predict_on_batch(np.array([[1, 99]]))
    assert answer.status == 400 and str(alone.value) in answer.error
    assert models["ids"].inputs[0].origin.name in answer.error


def raw(client, data, ends=True):
    """What a connection answers that is given these bytes."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
        connection.sendall(data)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
            if not ends and b"\r\n\r\n" in answer:
                break
        return answer


def test_a_body_that_ends_early_hurts_nobody(client, models):
    head = b"POST /v2/models/last/infer HTTP/1.1\r\nHost: here\r\nContent-Length: 500\r\n\r\n{"
    assert b" 200 " not in raw(client, head)
    x = random(1, 4, 3)
    np.testing.assert_array_equal(client.predict("last", x), models["last"].predict_on_batch(x))


def test_a_body_in_pieces(client, models):
    x = random(1, 4, 3)
    entry = {
        "name": models["last"].inputs[0].origin.name,
        "shape": x.shape,
        "datatype": "FP32",
        "data": x.ravel().tolist(),
    }
    text = json.dumps({"inputs": [entry]}).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (text[:9], text[9:50], text[50:]))
    head = b"POST /v2/models/last/infer HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"HTTP/1.1 200" in raw(client, head + pieces + b"0\r\n\r\n", ends=False)
