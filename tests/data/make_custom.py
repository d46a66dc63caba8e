"""Write custom.zip: models with classes and functions of their own, as real Keras 3 and tf_keras save them.

    python make_custom.py          # with keras, tensorflow-cpu and tf_keras

For every model there are its files, and an input and an output in `NAME.npz`. tests/models/test_custom.py has the same
classes for fastlstm.
"""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
TARGET = Path(__file__).parent / "custom.zip"
X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


def models(keras):
    import tensorflow as tf

    layers = keras.layers
    register = keras.saving.register_keras_serializable

    @register(package="Mine")
    class Scaled(layers.Layer):
        def __init__(self, power=1.0, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.scale**self.power

        def get_config(self):
            return {**super().get_config(), "power": self.power}

    class Gated(layers.Layer):
        """With layers inside."""

        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.value = layers.Dense(units)
            self.gate = layers.Dense(units, activation="sigmoid")

        def build(self, input_shape):
            self.value.build(input_shape)
            self.gate.build(input_shape)
            super().build(input_shape)

        def call(self, inputs):
            return self.value(inputs) * self.gate(inputs)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    class Always(layers.Dropout):
        def call(self, inputs, training=None):
            return inputs * 2.0

    class Leaky(layers.Layer):
        """A cell."""

        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = self.output_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
            super().build(input_shape)

        def call(self, inputs, states, training=None):
            new = 0.5 * states[0] + tf.matmul(inputs, self.kernel)
            return new, [new]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    def squared(x):
        return x * x

    inputs = layers.Input((5, 4))
    yield (
        "sequential",
        keras.Sequential(
            [layers.Input((5, 4)), Scaled(2.0), layers.LSTM(3, return_sequences=True), Gated(2), Always(0.5)]
        ),
    )
    yield "graph", keras.Model(inputs, layers.Dense(2, activation=squared)(Gated(3)(Scaled()(inputs))))
    yield "cell", keras.Sequential([layers.Input((5, 4)), layers.RNN(Leaky(3)), layers.Dense(1)])
    yield (
        "lambda",
        keras.Sequential(
            [layers.Input((5, 4)), layers.LSTM(3), layers.Lambda(lambda x: x * 3.0, output_shape=(3,), name="tripled")]
        ),
    )
    yield (
        "named_lambda",
        keras.Sequential([layers.Input((5, 4)), layers.LSTM(3), layers.Lambda(squared, output_shape=(3,))]),
    )

    class Own(keras.Model):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.lstm = layers.LSTM(units, return_sequences=True)
            self.heads = [layers.Dense(2), layers.Dense(1)]

        def call(self, inputs, training=False):
            x = self.lstm(inputs)
            for head in self.heads:
                x = head(x)
            return x

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    own = Own(3)
    own(X)
    yield "own", own


def randomize(model):
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.2, 1.0, w.shape).astype("float32") for w in model.get_weights()])


def write(keras, prefix, archive):
    for name, model in models(keras):
        randomize(model)
        with tempfile.TemporaryDirectory() as folder:
            kinds = ["weights.h5"] if name == "own" and prefix == "tf_keras" else ["keras", "weights.h5"]
            # The weights of layers inside have the same names in Keras 2's legacy files, which it refuses to write.
            if name != "own" and not (prefix == "tf_keras" and name in ("sequential", "graph")):
                kinds.append("h5")
            for kind in kinds:
                path = f"{folder}/{name}.{kind}"
                (model.save_weights if kind == "weights.h5" else model.save)(path)
                archive.write(path, f"{prefix}_{name}.{kind}")
            data = io.BytesIO()
            np.savez_compressed(data, x=X, y=np.asarray(model(X)))
            archive.writestr(f"{prefix}_{name}.npz", data.getvalue())


def main():
    import keras
    import tf_keras

    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED) as archive:
        for package, prefix in ((keras, "keras"), (tf_keras, "tf_keras")):
            write(package, prefix, archive)


if __name__ == "__main__":
    main()
