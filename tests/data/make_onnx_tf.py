"""Write onnx_tf.zip: Keras networks that tf2onnx exports, and what ONNX Runtime answers for them.

`<name>_<opset>.onnx` is the file, `<name>_<opset>.npz` has inputs `x0` … and outputs `y0` ….
Run with keras and tensorflow (`KERAS_BACKEND=tensorflow`), tf2onnx and onnxruntime.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx
from keras import layers

BATCH, STEPS, FEATURES = 3, 6, 4
# A fixed date, so that the same files give the same archive.
DATE = (2026, 1, 1, 0, 0, 0)


def stack(*parts, words=False, steps=None):
    first = layers.Input((steps,), dtype="int32") if words else layers.Input((steps, FEATURES))
    return keras.Sequential([first, *parts])


NETWORKS = {
    "lstm": lambda: stack(layers.LSTM(5, return_sequences=True), layers.LSTM(3), layers.Dense(2)),
    # a loop in ONNX, which fastlstm refuses
    "gru": lambda: stack(layers.GRU(5), layers.Dense(2)),
    "bidirectional": lambda: stack(layers.Bidirectional(layers.LSTM(5)), layers.Dense(2, activation="relu")),
    "words": lambda: stack(layers.Embedding(9, 3), layers.LSTM(4), layers.Dense(1, activation="sigmoid"), words=True),
    "convolved": lambda: stack(
        layers.Conv1D(6, 3, padding="same", activation="relu"), layers.MaxPooling1D(2), layers.LSTM(4), steps=STEPS
    ),
}
OPSETS = {"lstm": (9, 11, 13, 15), "bidirectional": (9, 13, 17)}


def randomized(model, seed):
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(0, 0.5, weight.shape).astype(weight.dtype) for weight in model.get_weights()])
    return model


def exported(model, opset):
    """The bytes of a file."""
    (given,) = model.inputs
    signature = [tf.TensorSpec(given.shape, given.dtype, name="x")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=opset)
    return proto.SerializeToString()


def main() -> None:
    archive = zipfile.ZipFile(Path(__file__).with_name("onnx_tf.zip"), "w", zipfile.ZIP_DEFLATED)
    with archive:
        for number, (name, make) in enumerate(NETWORKS.items()):
            model = randomized(make(), number)
            generator = np.random.default_rng(number)
            x = generator.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
            if name == "words":
                x = generator.integers(0, 9, (BATCH, STEPS)).astype(np.int32)
            for opset in OPSETS.get(name, (13,)):
                data = exported(model, opset)
                session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
                ys = session.run(None, {session.get_inputs()[0].name: x})
                np.testing.assert_allclose(ys[0], model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
                answers = io.BytesIO()
                np.savez(answers, x0=x, **{f"y{place}": y for place, y in enumerate(ys)})
                for ending, content in (("onnx", data), ("npz", answers.getvalue())):
                    archive.writestr(zipfile.ZipInfo(f"{name}_{opset}.{ending}", DATE), content)


if __name__ == "__main__":
    main()
