"""Keras on TensorFlow, called as most scripts call it: `model.predict`."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case, Weights
from bench.engines.keras_function import import_keras, keras_model

name = "Keras predict"
requirements = ("keras", "tensorflow-cpu", "numpy")


def build(case: Case, weights: Weights, threads: int) -> Callable:
    model = keras_model(case, weights, threads)
    return lambda x: model.predict(x, batch_size=case.batch, verbose=0)


def opened(path: str) -> Callable:
    keras, _ = import_keras()
    model = keras.models.load_model(path)
    return lambda x: model.predict(x, verbose=0)
