"""Keras on TensorFlow, called through a tf.function of fixed shape."""

from __future__ import annotations

from collections.abc import Callable

from bench.cases import Case, Weights

name = "tf.function"
requirements = ("keras", "tensorflow-cpu", "numpy")


def import_keras():
    """Keras on TensorFlow, and TensorFlow."""
    import os

    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf

    return keras, tf


def keras_model(case: Case, weights: Weights, threads: int):
    """The case as a Keras model on TensorFlow with that many threads."""
    keras, tf = import_keras()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    last = len(weights) - 1
    model = keras.Sequential([keras.Input(batch_shape=case.input().shape)])
    for n, units in enumerate(case.units):
        model.add(keras.layers.LSTM(units, return_sequences=n < last))
    model.set_weights([array for layer in weights for array in layer])
    return model


def build(case: Case, weights: Weights, threads: int) -> Callable:
    model = keras_model(case, weights, threads)
    import tensorflow as tf

    function = tf.function(model, input_signature=[tf.TensorSpec(case.input().shape, tf.float32)])
    return lambda x: function(x).numpy()
