"""Models, and a service of them that the tests share."""

from __future__ import annotations

import pytest

from fastlstm import Input, Model, Sequential
from fastlstm.layers import LSTM, Bidirectional, Concatenate, Dense, Embedding
from networks import network, randomized
from service_client import serving

FEATURES = 3


def two_inputs():
    x, other = Input((None, FEATURES), name="x"), Input((2,), name="other")
    h = LSTM(4)(x)
    return randomized(Model([x, other], [Dense(2, name="p")(Concatenate()([h, other])), Dense(1, name="q")(h)]))


@pytest.fixture(scope="session")
def models():
    return {
        "last": network(LSTM(17, return_sequences=True), LSTM(5), Dense(2)),
        "steps": network(LSTM(6, return_sequences=True), Dense(2)),
        "ids": randomized(Sequential([Input((None,)), Embedding(7, 3), LSTM(4, return_sequences=True)])),
        "backwards": network(Bidirectional(LSTM(4))),
        "two": two_inputs(),
    }


@pytest.fixture(scope="session")
def client(models):
    for name in ("starlette", "uvicorn", "prometheus_client", "orjson"):
        pytest.importorskip(name, reason='the service is not installed (pip install "fastlstm[serve]")')
    with serving(models) as client:
        yield client
