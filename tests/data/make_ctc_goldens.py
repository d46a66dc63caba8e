"""Real Keras' losses, gradients and decoded labels of `ctc_cases.py`, for `ctc.npz`: `python make_ctc_goldens.py`.

The archive has all numbers in one row, in the order in which `answers` gives them.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from ctc_cases import COUNT, DECODERS, OLDER_DECODERS, WITH_GRADIENTS, case, older_case


def answers(keras, tf, backend, number):
    x, target, lengths, steps, blank = case(number)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = keras.ops.ctc_loss(target, variable, lengths, steps, mask_index=blank)
    yield loss
    if number in WITH_GRADIENTS:
        yield tape.gradient(loss, variable)
    for arguments in DECODERS:
        yield from keras.ops.ctc_decode(x, np.maximum(steps, 1), mask_index=blank % x.shape[2], **arguments)
    x, target, lengths, steps = older_case(number)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = backend.ctc_batch_cost(target, variable, steps[:, None], lengths[:, None])
    yield loss
    if number in WITH_GRADIENTS:
        yield tape.gradient(loss, variable)
    for arguments in OLDER_DECODERS:
        labels, scores = backend.ctc_decode(x, steps, **arguments)
        yield from (*labels, scores)


def main():
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    import keras
    import tensorflow as tf
    from keras._tf_keras.keras import backend

    found = [np.asarray(one) for number in range(COUNT) for one in answers(keras, tf, backend, number)]
    row = np.concatenate([one.astype("float32").ravel() for one in found])
    np.savez_compressed(Path(__file__).parent / "ctc.npz", values=row)


if __name__ == "__main__":
    main()
