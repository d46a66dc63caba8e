"""Triton's own client, which speaks the same protocol."""

import numpy as np
import pytest

from networks import random

http = pytest.importorskip(
    "tritonclient.http", reason='Triton\'s client is not installed (pip install "tritonclient[http]")'
)


@pytest.fixture
def triton(client):
    with http.InferenceServerClient(f"127.0.0.1:{client.port}") as triton:
        yield triton


def tensor(model, x, binary):
    tensor = http.InferInput(model.inputs[0].origin.name, x.shape, "FP32")
    tensor.set_data_from_numpy(x, binary_data=binary)
    return tensor


def test_metadata(triton, models):
    assert triton.is_server_live() and triton.is_server_ready() and triton.is_model_ready("last")
    assert not triton.is_model_ready("none")
    assert triton.get_server_metadata()["name"] == "fastlstm"
    assert triton.get_model_metadata("last")["inputs"][0]["name"] == models["last"].inputs[0].origin.name


@pytest.mark.parametrize("binary_input", [False, True])
@pytest.mark.parametrize("binary_output", [False, True])
def test_inference(triton, models, binary_input, binary_output):
    model, x = models["last"], random(3, 5, 3)
    name = model.layers[-1].name
    wanted = [http.InferRequestedOutput(name, binary_data=binary_output)]
    result = triton.infer("last", [tensor(model, x, binary_input)], outputs=wanted, request_id="7")
    assert result.get_response()["id"] == "7"
    np.testing.assert_array_equal(result.as_numpy(name).astype(np.float32), model.predict_on_batch(x))


@pytest.mark.parametrize("stream", [42, "forty-two"])
def test_sequences(triton, models, stream):
    model, x = models["steps"], random(4, 3)
    found = []
    for t in range(4):
        given = [tensor(model, x[None, t : t + 1], True)]
        parts = {"sequence_id": stream, "sequence_start": t == 0, "sequence_end": t == 3}
        found.append(triton.infer("steps", given, **parts).as_numpy(model.layers[-1].name)[0])
    np.testing.assert_array_equal(np.concatenate(found), model.stream().run(x))


def test_errors(triton, models):
    with pytest.raises(
        http.InferenceServerException if hasattr(http, "InferenceServerException") else Exception
    ) as error:
        triton.infer("last", [tensor(models["last"], random(1, 2, 4), True)])
    assert models["last"].inputs[0].origin.name in str(error.value)
