"""Write losses.npy and losses.json: values, gradients and configs of real Keras 3.15.1's losses. Run with Keras.

losses.npy is one row of all numbers, in the order of loss_cases.py."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import set_keras_mask
from loss_cases import LOSSES, pairs, ways, weights_and_mask


def answers(loss, y_true, y_pred, part):
    """The value for each sample, then value and gradient in each way."""
    loss.reduction = None
    values = loss(y_true, y_pred).numpy()
    yield values
    weights, mask = weights_and_mask(values.shape)
    for reduction, weighted, masked, with_gradient in ways(part, values.ndim):
        loss.reduction = reduction
        variable = tf.Variable(y_pred)
        with tf.GradientTape() as tape:
            tensor = tf.identity(variable)
            if masked:
                set_keras_mask(tensor, tf.constant(mask))
            value = loss(y_true, tensor, weights if weighted else None)
        yield value.numpy()
        if with_gradient:
            yield tf.convert_to_tensor(tape.gradient(value, variable)).numpy()


def main() -> None:
    arrays, configs = [], []
    for class_name, arguments, kind in LOSSES:
        for part, (y_true, y_pred) in enumerate(pairs(kind)):
            arrays += answers(getattr(keras.losses, class_name)(**arguments), y_true, y_pred, part)
        configs.append(keras.losses.serialize(getattr(keras.losses, class_name)(**arguments)))
    folder = Path(__file__).parent
    np.save(folder / "losses.npy", np.concatenate([array.ravel() for array in arrays]).astype(np.float32))
    lines = ",\n".join(map(json.dumps, configs))
    (folder / "losses.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
