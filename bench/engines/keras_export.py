"""Keras' own export of a model file to ONNX: by Keras 3, or by tf_keras and tf2onnx where Keras 3 cannot."""

from __future__ import annotations

import numpy as np

from bench.engines.keras_function import import_keras

name = "Keras' export"
requirements = ("keras", "tf_keras", "tensorflow-cpu", "tf2onnx", "onnx", "numpy")


def export(path: str, to: str, inputs: list[np.ndarray]) -> str:
    """Write an ONNX file; returns which Keras did.

    Raises:
        Exception: Neither can, for tf_keras' reason.
    """
    keras, _ = import_keras()
    try:
        model = keras.models.load_model(path, compile=False)
        model(inputs if len(inputs) > 1 else inputs[0])  # one that has not been called is not exported
        model.export(to, format="onnx", verbose=False)
        return "keras"
    except Exception as error:
        print(f"{path}: {type(error).__name__}: {error}")
    import tf2onnx
    import tf_keras

    tf2onnx.convert.from_keras(tf_keras.models.load_model(path, compile=False), output_path=to)
    return "tf_keras"
