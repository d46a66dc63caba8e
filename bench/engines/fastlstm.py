"""fastlstm as installed in the runner's environment, with its own choice of kernels, by its fastest public call."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from bench.cases import Case, Weights

name = "fastlstm"
requirements: tuple[str, ...] = ()


def fastlstm_model(case: Case, weights: Weights):
    """The case as a fastlstm model."""
    from fastlstm import Input, Sequential, layers

    last = len(weights) - 1
    model = Sequential([Input((case.timesteps, case.features))])
    for n, units in enumerate(case.units):
        model.add(layers.LSTM(units, return_sequences=n < last))
    model.set_weights([array for layer in weights for array in layer])
    return model


def build(case: Case, weights: Weights, threads: int) -> Callable:
    os.environ["FASTLSTM_NUM_THREADS"] = str(threads)
    return fastlstm_model(case, weights).predict_on_batch


def quantized(case: Case, weights: Weights, threads: int, mode: str) -> Callable:
    os.environ["FASTLSTM_NUM_THREADS"] = str(threads)
    model = fastlstm_model(case, weights)
    model.quantize(mode)
    return model.predict_on_batch


def on_file(path: str, inputs: list[np.ndarray], threads: int) -> Callable:
    os.environ["FASTLSTM_NUM_THREADS"] = str(threads)
    from fastlstm.models import load_model

    call = load_model(path, compile=False).predict_on_batch
    return call if len(inputs) > 1 else lambda inputs: call(inputs[0])


def opened(path: str) -> Callable:
    from fastlstm.models import load_model

    model = load_model(path)
    return lambda x: model.predict(x, verbose=0)
