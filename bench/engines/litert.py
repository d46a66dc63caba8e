"""LiteRT, once TensorFlow Lite, with its XNNPACK delegate; TensorFlow converts the Keras model."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case, Weights
from bench.engines.keras_function import keras_model

name = "LiteRT"
requirements = ("ai-edge-litert", "keras", "tensorflow-cpu", "numpy")


def build(case: Case, weights: Weights, threads: int) -> Callable:
    model = keras_model(case, weights, threads)
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    interpreter = Interpreter(model_content=converter.convert(), num_threads=threads)
    interpreter.allocate_tensors()
    x_index = interpreter.get_input_details()[0]["index"]
    y_index = interpreter.get_output_details()[0]["index"]

    def call(x):
        interpreter.set_tensor(x_index, x)
        interpreter.invoke()
        return interpreter.get_tensor(y_index)

    return call
